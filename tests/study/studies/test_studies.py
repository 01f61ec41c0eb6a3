"""Every study of the table: its quick rows, its figures, its words, and their agreement with the committed results."""

import dataclasses
import functools
import re

import pytest
from matplotlib.figure import Figure

from jdlm import cli
from jdlm.study import figures, rows, runs, studies, verify

NAMES = list(studies.STUDIES)


@functools.cache
def quick(name):
    """The quick rows, made once, with another seed than the results; about half a minute without optimized programs."""
    told = []
    table = list(studies.load(name).measure(1, True, lambda *now: told.append(now)))
    assert told[-1][0] == told[-1][1] and all(0 <= done <= total for done, total, _ in told)
    return table


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_quick_rows_have_places_of_their_own_and_are_those_of_the_results(name):
    """A false alarm in a thousand seeds, with a fixed one."""
    study, table = studies.load(name), quick(name)
    assert study.name == name
    assert len({row.place for row in table}) == len(table) > 0
    assert all((row.seed is None) == (row.n is None) for row in table)
    result = verify.compare(rows.read(verify.folder() / f"{name}.csv"), table, partial=True, relative=study.relative)
    assert not result.differences, result.differences[:5]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_quick_rows_are_drawn_and_put_into_words(name, tmp_path):
    study, table = studies.load(name), quick(name)
    made = {file: make(table) for file, make in study.figures.items()}
    drawn = [figure for figure in made.values() if figure is not None]
    assert drawn and all(isinstance(figure, Figure) for figure in drawn)
    for figure in drawn:
        heading = figure.get_suptitle()
        said = " ".join([heading, *(axes.get_title() for axes in figure.axes)])
        assert "L = " in said and "V = " in said, said
        calls = any("calls" in axes.get_xlabel() for axes in figure.axes)
        assert calls or "K = " in said or "n = " in said or "TV from" in figure.axes[0].get_ylabel(), said
        assert not re.search(r"[=A-Za-z] =?\n= |=\n", heading), heading  # no line ends within `K = 2`
    for file, figure in list(made.items())[:1]:
        assert [path.name for path in figures.save(figure, tmp_path, file)] == [f"{file}.png", f"{file}.svg"]
    lines = study.conclude(table)
    assert 1 <= len(lines) <= 10 and all(line and "\n" not in line for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_command_writes_what_it_promises(name, tmp_path, monkeypatch):
    """With the rows that are there already in place of a second measurement."""
    study = dataclasses.replace(studies.load(name), measure=lambda seed, brief, report: iter(quick(name)))
    monkeypatch.setattr(studies, "load", lambda word: study)
    monkeypatch.chdir(tmp_path)
    assert cli.guarded(cli.run_sample, ["study", name, "--quick", "--seed", "1"]) == 0
    folder = tmp_path / "runs" / f"study-{name}"
    assert rows.read(folder / "rows.csv") == quick(name)
    assert 1 <= len((folder / "summary.md").read_text().splitlines()) <= 10
    assert {path.suffix for path in (folder / "figures").iterdir()} == {".png", ".svg"}
    assert runs.read_manifest(folder)["finished"]


@pytest.mark.parametrize("name", NAMES)
def test_the_results_have_at_most_ten_lines_of_words_and_every_figure(name):
    table, study = rows.read(verify.folder() / f"{name}.csv"), studies.load(name)
    assert 1 <= len(study.conclude(table)) <= 10
    assert all(make(table) is not None for make in study.figures.values())


def test_the_table_says_what_is_asked_and_how_long_it_takes():
    assert NAMES and all(entry.summary and 1 <= entry.minutes <= 15 for entry in studies.STUDIES.values())
    with pytest.raises(ValueError, match="no study 'adaptatoin'; the nearest valid one is 'adaptation'"):
        studies.load("adaptatoin")
