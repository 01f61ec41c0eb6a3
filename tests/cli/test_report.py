"""``report``, ``watch`` and ``table`` of a real run: pages that open anywhere, with the sampler's own steps."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from jdlm import cli
from jdlm.cli import report
from jdlm.study import places, runs
from jdlm.study.pages.costs import costs

PRESET = """
[target]
kind = "sticky_markov"
length = 8
vocab = 3
stay = 0.8
[sweep]
schedules = ["uniform", "minimax_both", "first_hitting"]
num_steps = [2, 4]
planners = ["random", "confidence"]
samples = 32
curve_samples = 8
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "small.toml").write_text(PRESET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert cli.guarded(cli.run_sample, ["small.toml"]) == 0
    return folder


def sample(*words):
    return cli.guarded(cli.run_sample, [str(word) for word in words])


def scene(path):
    (found,) = re.findall(r'id="scene">(.*?)</script>', Path(path).read_text(encoding="utf-8"))
    return json.loads(found)


def test_a_sweep_ends_with_its_report_which_can_be_written_again(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    path = Path("runs/small/report.html")
    before = path.read_text(encoding="utf-8")
    path.unlink()
    assert sample("report", "small") == 0
    assert capsys.readouterr().out == "wrote runs/small/report.html; open it in a browser\n"
    assert path.read_text(encoding="utf-8") == before and len(before) < 5_000_000
    for word in ("sticky_markov, length 8, vocab 3, stay 0.8", "python sample.py report runs/small", "<figure>"):
        assert word in before
    assert not re.search(r'(src|href)="(?!#)', before)


def test_the_samples_of_a_report_are_those_of_tokens(made, monkeypatch, capsys):
    """Its first draws of one token per step, from seed 0, are the lines that `tokens` prints."""
    monkeypatch.chdir(made)
    content = scene("runs/small/report.html")
    (mine,) = [each for each in content["schedules"] if each["name"].startswith("first_hitting")]
    shown = []
    for draw in mine["draws"]:
        tokens = [-1] * 8
        for step in draw["steps"]:
            assert len(step) == 1
            tokens[step[0][0]] = step[0][1]
        shown.append(" ".join(map(str, tokens)))
    capsys.readouterr()
    assert sample("tokens", "small", "--count", len(shown)) == 0
    assert capsys.readouterr().out.splitlines() == shown


def test_watch_writes_a_page_or_pictures(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    words = ["watch", "small", "--num-steps", "3", "--given", "0 _ _ _ _ _ _ 2", "--schedules", "uniform, minimax_both"]
    assert sample(*words) == 0
    content = scene("runs/small/watch.html")
    assert content["given"] == [[0, 0], [7, 2]] and [each["name"] for each in content["schedules"]] == [
        "uniform, 3 steps", "minimax_both, 3 steps",
    ]  # fmt: skip
    assert all(sum(len(step) for step in draw["steps"]) == 6 for each in content["schedules"] for draw in each["draws"])
    assert sample(*words, "--out", "a.gif") == 0 and Path("a.gif").read_bytes().startswith(b"GIF89a")
    assert sample(*words, "--out", "a.png") == 0 and Path("a.png").read_bytes().startswith(b"\x89PNG")
    assert sample("watch", "small", "--planner", "threshold:0.7", "--out", "own.html") == 0
    assert [each["name"] for each in scene("own.html")["schedules"]] == ["threshold:0.7, step sizes of its own"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["watch", "small", "--out", "a.pdf"], "--out a.pdf ends in '.pdf'; use one of .html, .gif, .png"),
        (["watch", "small", "--schedules", "uniform,none"], "unknown schedule 'none'"),
        (["watch", "small", "--num-steps", "9"], "--num-steps=9 exceeds length=8"),
        (["watch", "small", "--given", "0 0 0 0 0 0 0 0"], "--given leaves nothing to draw; put _ for some tokens"),
        (["watch", "small", "--schedules", " , "], "--schedules is empty; name some"),
        (["watch", "text"], "'text' has no exact conditionals to sample from; train a network"),
        (["report", "tiny"], "'tiny' is a preset, which has no rows; name a run or a study"),
        (["table", "tiny"], "'tiny' is a preset, which has no rows; name a run"),
        (["table", "small", "--planner", "entropy"], "no cells of planner 'entropy'; it has random, confidence"),
        (["tokens", "small", "--temperature", "0"], "temperature=0.0 is not a positive number"),
        (["tokens", "small", "--top-k", "0"], "top_k=0 is out of range"),
        (["watch", "small", "--top-k", "0"], "top_k=0 is out of range"),
        (["tokens", "small", "--nucleus", "1.5"], "nucleus=1.5 is not a probability above 0; use at most 1"),
    ],
)
def test_what_cannot_be_shown_is_one_line(made, monkeypatch, capsys, words, message):
    monkeypatch.chdir(made)
    assert sample(*words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1, error


def test_tables_hold_the_numbers_of_the_rows(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    rows = places.read(places.Place(Path("runs/small")))
    heads, lines = costs(rows, "random")
    capsys.readouterr()
    assert sample("table", "small", "--format", "csv") == 0
    found = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert found[0] == heads
    assert [[float(word) for word in line[2:]] for line in found[1:]] == [
        [value for value, _ in line[2:]] for line in lines
    ]
    assert sample("table", "small") == 0
    text = capsys.readouterr().out.splitlines()
    assert len(text) == len(lines) + 2 and text[1].startswith("| --- | ---: |")
    assert f"| uniform | 2 | 2.0000 | {lines[0][3][0]:.4f} |" in text[2]
    assert sample("table", "small", "--format", "latex", "--output", "t.tex") == 0
    latex = Path("t.tex").read_text()
    assert r"minimax\_both & 2 & 2.0000 & " in latex and latex.count(r"\\") == len(lines) + 1


def test_filters_of_tokens(made, monkeypatch, capsys):
    """The most likely token everywhere is the same in all lanes; a low temperature repeats more. 400 sequences each."""
    monkeypatch.chdir(made)
    capsys.readouterr()
    found = {}
    for words in (
        (),
        ("--top-k", "1"),
        ("--temperature", "0.3"),
        ("--nucleus", "0.7"),
        ("--schedule", "speculative", "--top-k", "1"),
    ):
        assert sample("tokens", "small", "--count", "400", *words) == 0
        lines = capsys.readouterr().out.splitlines()
        tokens = np.array([line.split() for line in lines], int)
        found[words] = (tokens[:, 1:] == tokens[:, :-1]).mean()
    assert found["--top-k", "1"] == 1.0 and found["--schedule", "speculative", "--top-k", "1"] == 1.0
    assert abs(found[()] - 0.8) < 5 * np.sqrt(0.16 / 2800)  # the law of the chain; false alarm 6e-7
    assert found["--temperature", "0.3"] > 0.95 and found["--nucleus", "0.7"] > 0.9


def test_a_report_of_a_run_that_moved_names_it_as_it_is_now(made, monkeypatch, tmp_path):
    import shutil

    shutil.copytree(made / "runs/small", tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    assert sample("report", "other") == 0
    assert "python sample.py report other" in Path("other/report.html").read_text(encoding="utf-8")
    assert runs.read_manifest(Path("other"))["kind"] == "oracle"


def test_watch_and_the_report_of_a_filtered_sweep_draw_as_it_does(made, monkeypatch):
    """With top-k 1 the draws of one token per step in a fixed order are all the same; without, they are not."""
    monkeypatch.chdir(made)
    quick = ["--sweep.schedules", "first_hitting", "--sweep.planners", "left_to_right", "--sweep.samples", "8"]
    assert sample("small", "--top-k", "1", "--sweep-name", "most", *quick) == 0
    likely = set()
    for path in ("runs/small/sweeps/most/report.html", "a.html", "b.html"):
        if path in ("a.html", "b.html"):
            more = ["--top-k", "1"] if path == "a.html" else []
            assert sample("watch", "small", "--schedules", "first_hitting", "--out", path, *more) == 0
        (mine,) = scene(path)["schedules"]
        ends = {tuple(sorted(tuple(place) for step in draw["steps"] for place in step)) for draw in mine["draws"]}
        assert all(len({token for _, token in end}) == 1 for end in ends) == (path != "b.html")
        likely |= ends if path != "b.html" else set()
    assert likely
    assert "sampled by the oracle, seed 0, top-k 1" in Path("a.html").read_text(encoding="utf-8")


def test_the_facts_are_those_of_the_sweep(made, monkeypatch):
    """Not those of the run, whose own sweep has other settings."""
    monkeypatch.chdir(made)
    words = ["--sweep.samples", "9", "--sweep.curve-samples", "7", "--sweep.seed", "5", "--sweep-name", "nine"]
    assert sample("small", "--sweep.schedules", "uniform", "--sweep.planners", "random", *words) == 0
    page = Path("runs/small/sweeps/nine/report.html").read_text(encoding="utf-8")
    assert "9 sequences a cell, 7 for each revealed count" in page and "sweep 5" in page
    first = Path("runs/small/report.html").read_text(encoding="utf-8")
    assert "32 sequences a cell, 8 for each revealed count" in first and "sweep 0" in first
    assert "python sample.py report runs/small --sweep-name nine" in page


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ([], "sample.py sweep runs/a"),
        (["sample.py"], "sample.py sweep runs/a"),
        (["sample.py", "--sweep.seed", "3"], "sample.py sweep runs/a --sweep.seed 3"),
        (["sample.py", "sweep", "--top-k", "1"], "sample.py sweep runs/a --top-k 1"),
        (["sample.py", "mine", "--top-k", "1"], "sample.py sweep mine --top-k 1"),
        (["sample.py", "sweep", "mine"], "sample.py sweep mine"),
    ],
)
def test_how_to_make_a_sweep_again_names_its_run(recorded, shown):
    """The newest run is another one by then."""
    assert report._naming(recorded, Path("runs/a")) == shown.split()
