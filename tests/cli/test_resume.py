"""``train.py --resume RUN --training.steps MORE``: beyond the planned end, in a run of its own."""

import re
from pathlib import Path

import numpy as np
import pytest

from jdlm import cli, training
from jdlm.cli.figures import training_rows
from jdlm.study import runs
from jdlm.training import checkpoint as checkpoints

SMALL = ["--training.warmup-steps", "2", "--training.chunk-steps", "10", "--network.width", "8", "--network.heads", "1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert cli.guarded(cli.run_train, ["tiny", "--name", "made", "--training.steps", "20", *SMALL]) == 0
    return folder


def content(folder):
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_it_begins_with_all_of_the_old_run_which_stays_as_it_is(made, monkeypatch):
    monkeypatch.chdir(made)
    before = content(Path("runs/made"))
    assert (
        cli.guarded(cli.run_train, ["--resume", "made", "--training.steps", "50", "--name", "more", "--devices", "1"])
        == 0
    )
    assert content(Path("runs/made")) == before
    old, new = Path("runs/made"), Path("runs/more")
    config, manifest = runs.read_config(new), runs.read_manifest(new)
    assert config.training.steps == manifest["steps_done"] == 50 and manifest["finished"]
    assert manifest["continues"] == {
        "run": "runs/made", "step": 20, "checkpoint_sha256": checkpoints.sha256(old / runs.CHECKPOINT),
    }  # fmt: skip
    rows, first = training_rows(new), training_rows(old)
    assert rows[: len(first)] == first and [row.index for row in rows if row.metric == "loss_nats"] == [
        10,
        20,
        30,
        40,
        50,
    ]

    # The same by the library: from the old state, with the new settings.
    target, of_old = config.target.build(), runs.read_config(old)
    state = checkpoints.load(old / runs.CHECKPOINT, of_old.network, target, of_old.training)
    wanted = training.train(config.network, target, config.training, state=state).params
    found = checkpoints.load(new / runs.CHECKPOINT, config.network, target, config.training, settings=config.record())
    for one, other in zip(*map(lambda tree: training_leaves(tree), (wanted, found.params)), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"is of another model: training\.steps was 50 and is 20"):
        checkpoints.load(new / runs.CHECKPOINT, of_old.network, target, of_old.training, settings=of_old.record())


def training_leaves(tree):
    import jax

    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--training.steps", "10"], "--training.steps 10 are done: runs/made is at step 20; give more than 20"),
        (["--name", "x"], "--name 'x' is for a new run, with --training.steps; leave it out"),
        (["--training.steps", "40", "--name", "made"], "runs/made exists; choose another --name"),
    ],
)
def test_what_cannot_be_gone_on_with_is_one_line(made, monkeypatch, capsys, words, message):
    monkeypatch.chdir(made)
    before = content(Path("runs"))
    assert cli.guarded(cli.run_train, ["--resume", "made", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert content(Path("runs")) == before


def test_a_learning_error_has_a_yardstick(made, monkeypatch, capsys):
    """Its share of the total correlation and of the entropy, which are known of this target: 3.2171 and 5.5718 nats."""
    monkeypatch.chdir(made)
    assert cli.guarded(cli.run_train, ["tiny", "--name", "yard", "--training.steps", "20", *SMALL]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("learning error"))
    pattern = r"error ([\d.]+) .*\(([\d.]+) % of TC, ([\d.]+) % of H\)"
    value, of_tc, of_h = map(float, re.findall(pattern, line)[0])
    assert of_tc == pytest.approx(100 * value / 3.2171, abs=0.06)
    assert of_h == pytest.approx(100 * value / 5.5718, abs=0.06)


def test_the_planned_end_again_is_no_new_run(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    assert cli.guarded(cli.run_train, ["--resume", "made", "--training.steps", "20"]) == 0
    assert "runs/made is trained: all 20 steps are done" in capsys.readouterr().out
