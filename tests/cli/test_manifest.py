"""What was recorded of a run is printed, and a training is repeated from it to the same bits."""

import json
import shutil
from pathlib import Path

import pytest

from jdlm import cli
from jdlm.study import runs
from jdlm.training import checkpoint as checkpoints

PRESET = """
[target]
kind = "parity"
length = 4
[network]
width = 8
depth = 1
heads = 1
[training]
steps = 20
batch_size = 8
warmup_steps = 2
chunk_steps = 10
[sweep]
num_steps = [2]
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "small.toml").write_text(PRESET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        words = ["small.toml", "--name", "first", "--training.seed", "5", "--devices", "1"]
        assert cli.guarded(cli.run_train, words) == 0
    return folder


@pytest.fixture
def at_work(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("XDG_CACHE_HOME", str(workplace / "cache"))
    return workplace


def manifest(*words, capsys):
    code = cli.guarded(cli.run_sample, ["manifest", *words])
    out, error = capsys.readouterr()
    return code, out, error


def test_the_manifest_is_printed_as_json(at_work, capsys):
    for words in (["first"], ["runs/first"], []):
        code, out, _ = manifest(*words, capsys=capsys)
        assert code == 0 and json.loads(out) == runs.read_manifest(Path("runs/first"))
    assert json.loads(out)["settings"]["training"]["seed"] == 5 and json.loads(out)["training_devices"] == 1
    for word, message in (("frst", "nearest valid one is 'first'"), ("tiny", "'tiny' is a preset, of which nothing")):
        code, _, error = manifest(word, capsys=capsys)
        assert code == 2 and message in error


def test_a_record_that_was_changed_is_refused(at_work, capsys):
    shutil.copytree("runs/first", "runs/changed")
    path = Path("runs/changed/manifest.json")
    path.write_text(path.read_text().replace('"steps_done": 20', '"steps_done": 21'))
    code, out, error = manifest("changed", capsys=capsys)
    assert code == 2 and out == "" and "it was changed after it was written" in error
    shutil.rmtree("runs/changed")


def test_a_training_is_repeated_to_the_same_bits(at_work, capsys):
    """With the settings and the number of devices of the run, not those of the preset."""
    Path("small.toml").rename("away.toml")
    assert cli.guarded(cli.run_train, ["--from", "first"]) == 0
    assert "bits may differ" not in capsys.readouterr().err
    assert checkpoints.sha256("runs/small/checkpoint") == checkpoints.sha256("runs/first/checkpoint")
    assert runs.read_config(Path("runs/small")) == runs.read_config(Path("runs/first"))
    assert runs.read_manifest(Path("runs/small"))["training_devices"] == 1
    Path("away.toml").rename("small.toml")
    shutil.rmtree("runs/small")


def test_other_versions_are_said(at_work, capsys):
    shutil.copytree("runs/first", "runs/older")
    older = runs.read_manifest(Path("runs/older"))
    older["versions"]["jax"] = "0.1"
    runs.write_manifest(Path("runs/older"), older)
    assert cli.guarded(cli.run_train, ["--from", "older", "--name", "again"]) == 0
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("note: the bits may differ from those of runs/older: versions.jax was '0.1' and is '")
    for name in ("older", "again"):
        shutil.rmtree(Path("runs", name))


def test_what_cannot_be_repeated(at_work, capsys):
    for words, message in (
        (["small.toml", "--from", "first"], "--from takes the run and no preset; leave out 'small.toml'"),
        (["--from", "second"], "no run 'second'"),
        (["--from", "first", "--training.steps", "9"], "Unrecognized options: --training.steps"),
    ):
        assert cli.guarded(cli.run_train, words) == 2
        assert message in capsys.readouterr().err
