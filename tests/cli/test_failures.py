"""Errors as one line, and studies of which a part fails."""

import functools
import sys
from pathlib import Path

import pytest

from jdlm import cli
from jdlm.cli import cache, failures
from jdlm.study import rows, studies
from jdlm.study.rows import Row
from jdlm.study.studies.study import Study, kept


def part(name, made, fails):
    if name in fails:
        raise RuntimeError("no\nluck")
    made.append(name)
    yield Row("0123456789ab", "toy", "oracle", name, "random", 2, 2.0, "tv", None, 0.5, None, None, "exact", None)


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    """Makes a study of three parts, of which some fail; gives exit code and the parts that were made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cache, "compiled_programs", lambda: None)
    monkeypatch.setattr(studies, "STUDIES", {"toy": studies.Entry("of a test", 1, 0.1)})

    def run(*options, fails=(), needs=()):
        made = []

        def measure(seed, quick, report):
            found = {name: kept(report, name, functools.partial(part, name, made, fails)) for name in "abc"}
            for name in needs:
                assert found[name][0].value == 0.5
            for table in found.values():
                yield from table

        monkeypatch.setattr(studies, "load", lambda name: Study("toy", measure, {}, lambda table: [f"{len(table)}"]))
        monkeypatch.setattr(sys, "argv", ["sample.py", "study", "toy", *options])
        return cli.guarded(cli.run_sample, ["study", "toy", *options]), "".join(made)

    return run


@pytest.mark.parametrize("needs", ["", "b"], ids=["parts of their own", "rows made from a part that fails"])
def test_a_part_of_a_study_that_fails_is_shown_and_the_others_go_on(attempt, capsys, needs):
    """It writes no rows as if they were all; the same command then makes what is missing."""
    assert attempt(fails="b", needs=needs) == (1, "ac")
    out, error = capsys.readouterr()
    lines = [line for line in error.splitlines() if line.startswith("error")]
    assert lines == ["error: b: no luck", "error: 1 part failed. Try it again with: python sample.py study toy"], error
    assert not Path("runs/study-toy/rows.csv").exists() and "wrote" not in out
    assert attempt(fails="ab") == (1, ""), "what is kept is not made again, and not tried"
    assert attempt(needs=needs) == (0, "b")
    assert [row.schedule for row in rows.read("runs/study-toy/rows.csv")] == list("abc")
    assert [path.name for path in Path("runs").iterdir()] == ["study-toy"]


def test_fail_fast_stops_a_study_at_the_first_part_that_fails(attempt, capsys):
    assert attempt("--fail-fast", fails="b") == (70, "a")
    assert "this is a fault of jdlm, not of the input: RuntimeError: no luck" in capsys.readouterr().err
    assert attempt() == (0, "bc")


def test_an_error_is_one_line_that_moves_no_cursor():
    assert failures.line("a\n  b\x1b[2Jc") == "error: a b\\x1b[2Jc"
    shown = failures.line("x" * 400 + "end")
    assert len(shown) <= 300 and " ... " in shown and shown.endswith("end")
