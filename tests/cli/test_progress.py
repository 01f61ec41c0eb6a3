import sys
import time

import pytest

from jdlm.cli import progress


@pytest.fixture
def at(monkeypatch):
    """Sets the time, in seconds."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def at(seconds):
        now[0] = float(seconds)

    return at


def test_progress_in_a_log_file(capsys, at):
    with progress.Progress("work", unit="piece") as bar:
        bar.start(0, 100)
        for second, done in ((11, 1), (16, 25), (22, 50), (24, 60), (30, 100), (31, 100)):
            at(second)
            bar.update(done, 100, "note")
    assert capsys.readouterr().err.splitlines() == [
        "work: begins at 0 of 100",
        "work: 1 % (1/100 pieces), just begun, note",
        "work: 50 % (50/100 pieces), about 11 s left, note",  # 49 pieces took 11 s after the first one
        "work: 100 % (100/100 pieces), in 30 s, note",
    ]


def lines(bar, at, updates, capsys):
    """What a log would hold if each update were printed."""
    for second, *update in updates:
        at(second)
        bar.update(*update)
    return capsys.readouterr().err.splitlines()


def test_the_time_left_does_not_count_the_compilation(capsys, at, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    bar = progress.Progress("work", unit="piece")
    said = lines(bar, at, [(0, 0, 100), (60, 1, 100), (61, 2, 100), (71, 12, 100)], capsys)
    assert said == [
        "work: 0 % (0/100 pieces), just begun",
        "work: 1 % (1/100 pieces), just begun",  # a minute of compiling says nothing of the other pieces
        "work: 2 % (2/100 pieces), about 1 min 38 s left",
        "work: 12 % (12/100 pieces), about 1 min 28 s left",
    ]


def test_each_part_has_a_compilation_and_a_speed_of_its_own(capsys, at, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    bar = progress.Progress("work", unit="piece")
    lines(bar, at, [(0, 0, 300, "a"), (50, 10, 300, "a"), (51, 100, 300, "a")], capsys)
    updates = [
        (52, 100, 300, "b"),
        (90, 110, 300, "b"),
        (90, 110, 300, "b"),
        (100, 120, 300, "b"),
        (110, 300, 300, "b"),
    ]
    said = lines(bar, at, updates, capsys)
    timing = [line.split(", ")[1] for line in said]
    assert timing == ["just begun", "just begun", "just begun", "about 3 min 00 s left", "in 1 min 50 s"]


def test_what_was_done_before_does_not_count_for_the_speed(capsys, at, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    bar = progress.Progress("work", unit="piece")
    bar.start(1000, 2000)
    said = lines(bar, at, [(10, 1001, 2000, "x"), (20, 1011, 2000, "y")], capsys)
    assert said[0] == "work: begins at 1,000 of 2,000" and said[1].endswith("pieces), just begun, x")
    assert said[2] == "work: 50 % (1,011/2,000 pieces), about 16 min 29 s left, y"


def test_counts_are_read_at_a_glance(capsys, at, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    said = lines(progress.Progress("sweep", unit="predictor call"), at, [(0, 438_272, 876_544)], capsys)
    assert said == ["sweep: 50 % (438,272/876,544 predictor calls), just begun"]
    assert lines(progress.Progress("x", unit="file"), at, [(0, 1, 1)], capsys) == ["x: 100 % (1/1 file), in 0 s"]


def test_a_log_holds_a_line_in_ten_seconds(capsys, at):
    bar = progress.Progress("work")
    said = lines(bar, at, [(second, second, 100) for second in range(35)], capsys)
    assert [line.split(" ")[1] for line in said] == ["10", "20", "30"]


def test_progress_on_a_terminal(capsys, at, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.Progress("work", unit="piece") as bar:
        bar.start(5_000, 10_000)
        for second, done in ((60, 5_001), (61, 5_002), (71, 10_000)):
            at(second)
            bar.update(done, 10_000, "{note}")
    shown = list(dict.fromkeys(part.rstrip() for part in capsys.readouterr().err.split("\r") if part.strip()))
    assert "5,000/10,000 pieces, compiling" in shown[0]
    assert shown[1].endswith("5,001/10,000 pieces, {note}") and " 50 %" in shown[1]
    assert "5,002/10,000 pieces, about 1 h 23 min left, {note}" in shown[2]
    assert shown[-1].endswith("10,000/10,000 pieces, {note}") and "100 %" in shown[-1]
    assert "it/s" not in str(shown) and "?" not in str(shown), "tqdm's own guess counts the compilation"


def test_silence(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_silent", False)
    progress.silence()
    bar = progress.Progress("work")
    bar.start(0, 1)
    bar.update(1, 1)
    assert capsys.readouterr().err == ""
