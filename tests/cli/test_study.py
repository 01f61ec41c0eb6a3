"""``sample.py study`` and ``verify`` around a study of a few rows: files, messages, exit codes, interruptions."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from jdlm import cli
from jdlm.cli import cache
from jdlm.study import rows, runs, studies, verify
from jdlm.study.rows import Row
from jdlm.study.studies import load as studies_of
from jdlm.study.studies.study import Study, kept


def row(index, value=0.5, *, seed=None):
    sampled = seed is not None
    return Row(
        cell="0123456789ab", target="toy", predictor="oracle", schedule="uniform", planner="random", num_steps=2,
        nfe=2.0, metric="tv", index=index, value=value, standard_error=0.1 if sampled else None,
        n=400 if sampled else None, method="monte_carlo" if sampled else "exact", seed=seed,
    )  # fmt: skip


def measure(seed, quick, report):
    report(0, 2, "exact rows")
    yield row(0)
    if not quick:
        yield row(1, 0.25)
    report(1, 2, "samples")
    yield row(2, 0.5 + 0.01 * seed, seed=seed)
    report(2, 2, "done")


def draw(table):
    figure = Figure()
    figure.subplots().plot([r.value for r in table])
    return figure


TOY = Study("toy", measure, {"first": draw, "nothing": lambda table: None}, lambda table: [f"{len(table)} rows"] * 2)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The only study, in a folder of its own; a list to change it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cache, "compiled_programs", lambda: None)
    entry = studies.Entry("what a test asks", 3, 0.1)
    monkeypatch.setattr(studies, "STUDIES", {"toy": entry, "toy-two": entry})
    loaded = [TOY]
    monkeypatch.setattr(studies, "load", lambda name: loaded[-1])
    monkeypatch.setattr(verify, "folder", lambda: tmp_path / "results")
    return loaded


def run(*arguments):
    return cli.guarded(cli.run_sample, list(arguments))


def hidden():
    return [path.name for path in Path("runs").glob(".*")] if Path("runs").exists() else []


def test_without_a_name_the_studies_are_listed_with_their_time(toy, capsys):
    assert run("study") == 0
    assert capsys.readouterr().out.splitlines() == [
        "toy       3 min  what a test asks",
        "toy-two   3 min  what a test asks",
        "(time at most, on 2 CPU cores; --quick takes seconds)",
    ]
    assert run("study", "--quick") == 2
    assert "--quick belongs to a study; name one of toy, toy-two" in capsys.readouterr().err
    assert run("study", "toi") == 2
    assert "no study 'toi'; the nearest valid one is 'toy'" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_study_leaves_rows_manifest_summary_and_figures(toy, capsys):
    assert run("study", "toy", "--seed", "7") == 0
    out = capsys.readouterr().out
    folder = Path("runs/study-toy")
    assert sorted(path.name for path in folder.iterdir()) == [
        "figures",
        "manifest.json",
        "report.html",
        "rows.csv",
        "summary.md",
    ]
    assert rows.read(folder / "rows.csv") == list(measure(7, False, lambda *_: None))
    assert sorted(path.name for path in (folder / "figures").iterdir()) == ["first.png", "first.svg"]
    assert (folder / "summary.md").read_text() == "- 3 rows\n- 3 rows\n"
    assert out.splitlines()[:2] == ["3 rows"] * 2 and "wrote runs/study-toy/rows.csv and summary.md" in out
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["kind"], manifest["name"], manifest["seeds"], manifest["quick"]) == (
        "study", "toy", {"study": 7}, False,
    )  # fmt: skip
    assert manifest["started"] < manifest["finished"] and {"jax", "numpy"} <= set(manifest["versions"])
    assert manifest["command"]
    assert run("study", "toy", "--quick") == 0
    assert len(rows.read("runs/study-toy-2/rows.csv")) == 2
    assert run("study", "toy", "--name", "study-toy") == 2
    assert "runs/study-toy exists; choose another --name" in capsys.readouterr().err


def test_a_study_is_no_run(toy, capsys):
    assert run("study", "toy") == 0
    assert runs.newest("runs") is None
    assert run("sweep", "study-toy") == 2
    assert "holds a study, which is no run" in capsys.readouterr().err


def test_ctrl_c_leaves_nothing_half_written(toy, capsys):
    went_on = []

    def with_ctrl_c(seed, quick, report):
        yield row(0)
        os.kill(os.getpid(), signal.SIGINT)
        yield row(1)
        went_on.append(True)

    toy.append(Study("toy", with_ctrl_c, {}, lambda table: []))
    assert run("study", "toy") == 130
    assert not went_on, "it stops at the next row"
    assert "interrupted; nothing was written" in capsys.readouterr().err
    assert not hidden() and not Path("runs/study-toy").exists()


def test_figures_that_fail_cost_no_rows(toy, capsys):
    def fail(table):
        raise ZeroDivisionError("no such luck")

    toy.append(Study("toy", measure, {"bad": fail, "good": draw}, lambda table: ["found"]))
    assert run("study", "toy") == 1
    error = capsys.readouterr().err
    assert "1 of 2 figures could not be drawn: bad (ZeroDivisionError: no such luck)" in error
    assert "runs/study-toy/rows.csv is whole" in error
    assert {path.name for path in Path("runs/study-toy/figures").iterdir()} == {"good.png", "good.svg"}
    assert Path("runs/study-toy/summary.md").read_text() == "- found\n"


def test_verify_says_whether_the_results_are_the_same(toy, capsys):
    assert run("verify") == 2
    assert "no results in" in capsys.readouterr().err
    verify.folder().mkdir()
    rows.write(verify.folder() / "toy.csv", measure(0, False, lambda *_: None))
    assert run("verify") == 0
    head, line, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["study", "exact", "worst", "sampled", "least", "p", "limit"]
    assert line.split()[:4] == ["toy", "2", "0", "1"] and line.endswith("  same")
    assert run("verify", "toy", "--quick") == 0
    assert run("verify", "toi") == 2
    assert "no results of 'toi'" in capsys.readouterr().err
    assert run("verify", "toy", "--seed", "0") == 2
    assert "--seed 0 is that of the results of toy" in capsys.readouterr().err


def test_verify_fails_on_a_difference_and_names_it(toy, capsys):
    verify.folder().mkdir()
    old = list(measure(0, False, lambda *_: None))
    rows.write(verify.folder() / "toy.csv", [old[0], row(1, 0.26), old[2], row(9)])
    assert run("verify", "toy") == 1
    out = capsys.readouterr().out
    assert "toy: tv, toy, oracle, uniform, random, K = 2, at 1, exact 0.25 instead of 0.26" in out
    assert "at 9, exact was not made again" in out and "  2 differ" in out
    assert run("verify", "--quick") == 0, "the quick part has neither"


def in_parts(seed, quick, report):
    for number in range(4):
        yield from kept(report, f"part {number}", lambda n=number: made.append(n) or [row(n, 0.1 * n)])
    yield row(9)


made = []


def test_a_study_that_is_interrupted_goes_on_with_what_is_missing(toy, capsys, monkeypatch):
    """Rows are those of an uninterrupted one; another seed, another part of it and another name begin anew."""
    made.clear()

    def dies(seed, quick, report):
        for number, found in enumerate(in_parts(seed, quick, report)):
            if number == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            yield found

    toy.append(Study("toy", dies, {}, lambda table: ["found"]))
    monkeypatch.setattr(sys, "argv", ["sample.py", "study", "toy"])
    assert run("study", "toy") == 143
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == "terminated; what is done by now is kept. Continue with: python sample.py study toy"
    assert sorted(os.listdir("runs/study-toy")) == ["cells", "manifest.json"] and not hidden()
    assert made == [0, 1, 2]
    toy.append(Study("toy", in_parts, {}, lambda table: ["found"]))
    for words in (["--seed", "1"], ["--quick"], ["--name", "mine"]):
        assert run("study", "toy", *words) == 0
    assert made == [0, 1, 2] + [0, 1, 2, 3] * 3 and not Path("runs/study-toy/rows.csv").exists()
    assert run("study", "toy") == 0
    assert "going on with runs/study-toy, which is not finished" in capsys.readouterr().err
    assert made[15:] == [3], "the others were kept"
    assert rows.read("runs/study-toy/rows.csv") == rows.read("runs/mine/rows.csv")
    assert sorted(os.listdir("runs/study-toy")) == ["manifest.json", "report.html", "rows.csv", "summary.md"]
    assert runs.read_manifest(Path("runs/study-toy"))["finished"]


def test_the_parts_of_each_study_have_names_of_their_own(monkeypatch):
    """Else one would get the rows of another."""
    for name in ("precision", "discretization", "adaptation", "low-dependence"):
        names = []

        class Report:
            def __call__(self, *_):
                pass

            def keep(self, name, make, names=names):
                names.append(name)
                return []

        list(studies_of(name).measure(0, False, Report()))
        assert len(names) == len(set(names)) > 5, name
