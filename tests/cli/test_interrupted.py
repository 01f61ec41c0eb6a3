"""Real processes that are killed, told to end, or started twice: nothing is lost, and each says how to go on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jdlm import cli
from jdlm.cli import options
from jdlm.study import figures, places, runs
from jdlm.training import checkpoint as checkpoints

ROOT = Path(__file__).parents[2]
PRESET = """
[target]
kind = "sticky_markov"
length = 4
vocab = 2
stay = 0.8
[network]
width = 8
depth = 1
heads = 1
[training]
steps = 400
batch_size = 8
warmup_steps = 2
chunk_steps = 5
[sweep]
schedules = ["uniform", "cosine", "first_hitting"]
num_steps = [2, 3]
planners = ["random", "left_to_right"]
samples = 64
curve_samples = 16
"""
# Every part says so, and every chunk of a training, and may wait a moment, so that there is time to hit them.
SLOW = """if True:
    import os, sys, time
    from jdlm import cli
    from jdlm.cli import recorder
    from jdlm.study import figures, kept, metrics_file
    put, append = kept.Kept.put, metrics_file.MetricsFile.append
    def slow(function):
        def wrapped(*given):
            function(*given)
            print("written", flush=True)
            time.sleep(float(os.environ["WAIT"]))
        return wrapped
    kept.Kept.put = slow(put)
    metrics_file.MetricsFile.append = slow(append)
    recorder._SECONDS_BETWEEN_CHECKPOINTS = 0.0
    figures.FIGURES.clear()
    name, *arguments = sys.argv[1:]
    sys.argv = [f"{name}.py", *arguments]
    cli._exit(cli.guarded(getattr(cli, f"run_{name}"), arguments))
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a preset and an uninterrupted run of it, swept."""
    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "small.toml").write_text(PRESET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(figures, "FIGURES", {})
        assert cli.guarded(cli.run_train, ["small.toml", "--name", "whole"]) == 0
        assert cli.guarded(cli.run_sample, ["whole"]) == 0
        assert cli.guarded(cli.run_sample, ["small.toml", "--name", "oracle"]) == 0
        yield folder


@pytest.fixture
def at_work(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    monkeypatch.setattr(figures, "FIGURES", {})
    return workplace


def start(*words, wait="0.15"):
    cache = str(Path("cache").absolute())
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": cache, "WAIT": wait}
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stopped(process, number, after):
    """The process after a signal, sent when it has written so often; its exit code and standard error."""
    for _ in range(after):
        assert process.stdout.readline() == "written\n", process.communicate()
    time.sleep(0.05)
    process.send_signal(number)
    return process.wait(), process.communicate()[1]


def done(*words):
    process = start(*words, wait="0")
    out, error = process.communicate()
    return process.returncode, out.replace("written\n", ""), error


def rows_of(run):
    return places.Place(Path("runs", run)).path.read_bytes()


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_sweep_that_is_killed_goes_on_to_the_same_rows(at_work, after):
    shutil.copytree("runs/whole", "runs/killed")
    Path("runs/killed/sweep.csv").unlink()
    try:
        assert stopped(start("sample", "killed"), signal.SIGKILL, after)[0] == -9
        kept = len(list(Path("runs/killed/cells").glob("*-*.csv")))
        assert kept >= after and not Path("runs/killed/sweep.csv").exists()
        code, out, error = done("sample", "killed")
        assert code == 0 and "wrote runs/killed/sweep.csv" in out, error
        assert rows_of("killed") == rows_of("whole")
        entry = runs.read_manifest(Path("runs/killed"))["sweep"]
        assert entry["kept"] == kept and sorted(os.listdir("runs/killed")) == sorted(os.listdir("runs/whole"))
    finally:
        shutil.rmtree("runs/killed")


def test_a_new_run_of_a_preset_is_gone_on_with_by_the_same_command(at_work):
    """By the next process that makes it, not while another one is at it, and not with other settings."""
    first = start("sample", "small.toml", wait="300")  # after the first part, until it is killed
    assert first.stdout.readline() == "written\n"
    assert done("sample", "small.toml")[0] == 0
    assert stopped(first, signal.SIGKILL, 0)[0] == -9
    assert done("sample", "small.toml", "--sweep.samples", "32")[0] == 0
    left = {path.name for path in Path("runs").iterdir() if path.name.startswith("small-oracle")}
    assert left == {"small-oracle", "small-oracle-2", "small-oracle-3"}
    assert not Path("runs/small-oracle/sweep.csv").exists()
    code, out, error = done("sample", "small.toml")
    assert code == 0 and "going on with runs/small-oracle, which is not finished" in error
    assert "wrote runs/small-oracle/sweep.csv" in out and rows_of("small-oracle") == rows_of("oracle")
    assert runs.read_manifest(Path("runs/small-oracle"))["finished"]
    for name in left:
        shutil.rmtree(Path("runs", name))


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_sweep_that_is_told_to_end_says_how_to_go_on(at_work, number, code, word):
    shutil.copytree("runs/whole", "runs/my run")
    try:
        found, error = stopped(start("sample", "my run"), number, 3)
        assert found == code, error
        last = error.splitlines()[-1]
        assert last == f"{word}; what is done by now is kept. Continue with: python sample.py 'my run'"
        assert rows_of("my run") == rows_of("whole") and list(Path("runs/my run/cells").glob("*-*.csv"))
    finally:
        shutil.rmtree("runs/my run")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_training_that_ends_early_goes_on_to_the_same_bits(at_work, number, code):
    try:
        found, error = stopped(start("train", "small.toml", "--name", "ended"), number, 3)
        assert found == code, error
        if code == 143:
            step = checkpoints.step("runs/ended/checkpoint")
            assert error.splitlines()[-1] == (
                f"terminated; step {step} of 400 is saved. Continue with: python train.py --resume runs/ended"
            )
            assert 0 < step < 400 and "stopping at the next safe place; send the signal again" in error
        assert cli.guarded(cli.run_train, ["--resume", "ended"]) == 0
        for file in ("metrics.csv", "config.toml"):
            ours, theirs = (Path("runs", name, file).read_text() for name in ("ended", "whole"))
            if file == "metrics.csv":  # all but the speed, which is measured
                ours, theirs = ([x for x in text.splitlines() if "steps_per" not in x] for text in (ours, theirs))
            assert ours == theirs
        assert checkpoints.sha256("runs/ended/checkpoint") == checkpoints.sha256("runs/whole/checkpoint")
        assert not list(Path("runs").glob(".*")) and not list(Path("runs/ended").rglob(".*"))
    finally:
        shutil.rmtree("runs/ended", ignore_errors=True)


def test_two_resume_the_same_run_and_one_of_them_is_told_who_is_at_it(at_work, capsys):
    stopped(start("train", "small.toml", "--name", "twice"), signal.SIGKILL, 3)
    try:
        first = start("train", "--resume", "twice", wait="3")
        assert first.stdout.readline() == "written\n"
        for command, words in (
            (cli.run_train, ["--resume", "twice"]),
            (cli.run_sample, ["twice"]),
            (cli.run_sample, ["figures", "whole"]),
        ):
            code = cli.guarded(command, words)
            error = capsys.readouterr().err
            if words[-1] == "whole":  # another run is free
                assert code == 0, error
                continue
            assert code == 2
            assert f"error: runs/twice is in use by process {first.pid} on " in error
            assert "(train.py --resume twice); wait for its end, or stop it" in error
        first.send_signal(signal.SIGTERM)
        first.communicate()
        assert first.returncode == 143
        assert cli.guarded(cli.run_train, ["--resume", "twice"]) == 0
        assert len({row.index for row in figures_rows("twice")}) * 2 == len(figures_rows("twice"))
        assert checkpoints.sha256("runs/twice/checkpoint") == checkpoints.sha256("runs/whole/checkpoint")
    finally:
        shutil.rmtree("runs/twice")


def figures_rows(run):
    from jdlm.cli.figures import training_rows

    return [row for row in training_rows(Path("runs", run)) if row.metric in ("loss_nats", "learning_error_nats")]


def test_a_name_that_is_being_made_is_taken(at_work, capsys):
    first = start("train", "small.toml", "--name", "same", wait="300")
    assert first.stdout.readline() == "written\n"
    assert cli.guarded(cli.run_train, ["small.toml", "--name", "same"]) == 2
    assert f"error: runs/same is in use by process {first.pid} on " in capsys.readouterr().err
    first.kill()
    first.communicate()
    shutil.rmtree("runs/same", ignore_errors=True)


def test_a_cell_that_fails_is_shown_and_tried_again(at_work, monkeypatch, capsys):
    shutil.copytree("runs/whole", "runs/failing")
    from jdlm.study import parts

    sampled = parts.sampled

    def fails(origin, *rest):
        if origin.words == "uniform with 2 steps, planner random, network":
            raise RuntimeError("no\nluck")
        return sampled(origin, *rest)

    monkeypatch.setattr(parts, "sampled", fails)
    monkeypatch.setattr(sys, "argv", ["sample.py", "failing"])
    assert cli.guarded(cli.run_sample, ["failing"]) == 1
    out, error = capsys.readouterr()
    assert "error: uniform with 2 steps, planner random, network: no luck\n" in error
    assert error.splitlines()[-1] == f"error: 1 part failed. Try it again with: {options.again()}"
    assert "wrote runs/failing/sweep.csv" in out
    entry = runs.read_manifest(Path("runs/failing"))["sweep"]
    assert entry["failed"] == ["uniform with 2 steps, planner random, network"]
    assert len(places.read(places.Place(Path("runs/failing")))) == entry["rows"]
    assert cli.guarded(cli.run_sample, ["failing", "--fail-fast"]) == 70
    assert "this is a fault of jdlm, not of the input: RuntimeError: no luck" in capsys.readouterr().err
    monkeypatch.setattr(parts, "sampled", sampled)
    assert cli.guarded(cli.run_sample, ["failing"]) == 0
    assert rows_of("failing") == rows_of("whole") and not Path("runs/failing/cells").exists()
    shutil.rmtree("runs/failing")


def test_a_full_disk_at_any_write_of_a_sweep_loses_nothing(at_work, monkeypatch, capsys):
    """The same command then continues, with what was kept."""
    shutil.copytree("runs/whole", "runs/full")
    fsync, left = os.fsync, [0]

    def full(descriptor):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    before, count = 0, 0
    while True:
        left[0] = 3
        code = cli.guarded(cli.run_sample, ["full"])
        error = capsys.readouterr().err
        if code == 0:
            break
        assert code == 2 and "error: [Errno 28] No space left on device" in error
        assert rows_of("full") == rows_of("whole"), "the old rows"
        kept = len(list(Path("runs/full/cells").glob("*-*.csv")))
        assert kept > before or kept == before >= 15
        before, count = kept, count + 1
        assert not list(Path("runs/full").rglob(".*")), "nothing half-written"
        if count > 12:
            left[0] = 10**9
    assert rows_of("full") == rows_of("whole")
    shutil.rmtree("runs/full")


def test_other_settings_get_another_place(at_work, capsys):
    shutil.copytree("runs/whole", "runs/many")
    assert cli.guarded(cli.run_sample, ["many", "--sweep.samples", "32"]) == 0
    assert "wrote runs/many/sweeps/sweep-2/sweep.csv" in capsys.readouterr().out
    assert rows_of("many") == rows_of("whole")
    assert cli.guarded(cli.run_sample, ["many", "--sweep-name", "sweep-2"]) == 2
    assert "samples was 32 and is 64 now); choose another --sweep-name" in capsys.readouterr().err
    assert cli.guarded(cli.run_sample, ["figures", "many", "--sweep-name", "sweep-2"]) == 0
    assert cli.guarded(cli.run_sample, ["doctor", "many"]) == 0
    out = capsys.readouterr().out
    assert "in sweep.csv, " in out and "in sweeps/sweep-2/sweep.csv" in out
    assert json.loads(Path("runs/many/manifest.json").read_text())["sweeps"]["sweep-2"]["options"]["samples"] == 32
    shutil.rmtree("runs/many")
