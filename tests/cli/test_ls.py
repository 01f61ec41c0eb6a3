"""``sample.py ls``: every word, preset and run, a line each."""

from pathlib import Path

import pytest

from jdlm import cli
from jdlm.config import PLANNERS, SCHEDULES, TARGETS, presets


def ls(*words):
    return cli.guarded(cli.run_sample, ["ls", *words])


def test_everything_is_listed_in_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert ls() == 0
    out = capsys.readouterr().out
    blocks = {block.splitlines()[0]: block.splitlines()[1:] for block in out.split("\n\n")}
    assert list(blocks) == ["runs", "presets", "schedules", "planners", "targets"]
    for title, words in (
        ("presets", presets.names()),
        ("schedules", SCHEDULES),
        ("planners", PLANNERS),
        ("targets", TARGETS),
    ):
        names = [line.split()[0].partition(":")[0] for line in blocks[title]]
        assert set(names) >= set(words) and all(len(line.split()) > 1 for line in blocks[title])
    assert blocks["runs"] == ["  (none)  under runs yet"] and not Path("runs").exists()


def test_runs_are_described_the_newest_first_and_a_broken_one_says_why(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quick = ["--training.steps", "2", "--training.warmup-steps", "0"]
    for name in ("first", "second"):
        assert cli.guarded(cli.run_train, ["tiny", "--name", name, *quick]) == 0
    Path("runs/broken").mkdir()
    Path("runs/broken/manifest.json").write_text("{")
    capsys.readouterr()
    assert ls("runs") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["second", "first", "broken"]
    assert "sticky_markov, length 8, 2 of 2 steps" in lines[0] and "cannot be read: " in lines[2]


@pytest.mark.parametrize("word", ["plans", "run"])
def test_an_unknown_list_is_one_line(capsys, word):
    assert ls(word) == 2
    assert f"there is no list of {word!r}; the nearest valid one is" in capsys.readouterr().err
