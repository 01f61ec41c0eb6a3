import dataclasses
import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import targets, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.training import checkpoint as checkpoints
from jdlm.training import network

LENGTH, VOCAB = 4, 3
NETWORK = NetworkConfig(width=8, depth=1, heads=2, mlp_ratio=2)
CONFIG = TrainingConfig(steps=20, warmup_steps=2, seed=7)
TARGET = targets.product(np.full((LENGTH, VOCAB), 1 / VOCAB))


@pytest.fixture(scope="module")
def state():
    start = training.init(NETWORK, TARGET, CONFIG)
    return start._replace(step=jnp.int32(5), ema=jax.tree.map(lambda leaf: leaf + np.float32(0.5), start.params))


@pytest.fixture
def saved(state, tmp_path):
    checkpoints.save(tmp_path, state, NETWORK)
    return tmp_path


def tensors(folder):
    (path,) = folder.glob("model-*.safetensors")
    return path


def load(folder, **changes):
    return checkpoints.load(folder, dataclasses.replace(NETWORK, **changes), TARGET, CONFIG)


def edit(folder, **fields):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_round_trip_is_exact(saved, state):
    loaded = load(saved)
    assert jax.tree.structure(loaded) == jax.tree.structure(state)
    for found, expected in zip(jax.tree.leaves(loaded), jax.tree.leaves(state), strict=True):
        if jnp.issubdtype(expected.dtype, jax.dtypes.prng_key):
            found, expected = jax.random.key_data(found), jax.random.key_data(expected)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert {path.name for path in saved.iterdir()} == {"model.json", tensors(saved).name}


def test_the_predictor_has_the_running_mean(saved, state):
    predictor = checkpoints.load_predictor(saved, NETWORK, LENGTH, VOCAB)
    assert predictor.apply is network.build(NETWORK, LENGTH, VOCAB).apply
    for found, expected in zip(jax.tree.leaves(predictor.params), jax.tree.leaves(state.ema), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_record_is_readable_without_jdlm(saved):
    record = json.loads((saved / "model.json").read_text())
    assert record["schema"] == 1 and record["step"] == 5
    assert record["network"] == {"width": 8, "depth": 1, "heads": 2, "mlp_ratio": 2, "dtype": "auto"}
    assert record["key"] == {"impl": "threefry2x32", "data": [0, 7]}
    assert record["tree"]["ema.blocks.0.mlp_in.kernel"] == "float32[8,16]"
    assert record["sha256"] == checkpoints.sha256(saved)
    assert record["sha256"].startswith(tensors(saved).stem.removeprefix("model-"))


def test_a_second_save_replaces_the_first(saved, state):
    before = checkpoints.sha256(saved)
    checkpoints.save(saved, state._replace(params=state.ema, step=jnp.int32(6)), NETWORK)
    assert int(load(saved).step) == 6
    assert checkpoints.sha256(saved) != before
    assert len(list(saved.iterdir())) == 2


@pytest.mark.parametrize(("times", "works"), [(2, True), (3, False)])
def test_tensors_that_a_running_training_just_replaced_are_looked_for_again(saved, monkeypatch, times, works):
    read, missing = Path.read_bytes, []

    def late(path):
        if len(missing) < times:
            missing.append(path)
            raise FileNotFoundError(path)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", late)
    if works:
        assert int(load(saved).step) == 5
    else:
        with pytest.raises(ValueError, match="it is missing"):
            load(saved)


class Crash(BaseException):
    """Stands for a loss of power."""


@pytest.mark.parametrize("moves", [0, 1])
def test_a_crash_while_saving_leaves_the_old_checkpoint(saved, state, monkeypatch, moves):
    replace, done = os.replace, []

    def crash_after_some(source, destination):
        if len(done) == moves:
            raise Crash
        done.append(destination)
        replace(source, destination)

    monkeypatch.setattr(os, "replace", crash_after_some)
    with pytest.raises(Crash):
        checkpoints.save(saved, state._replace(params=state.ema, step=jnp.int32(6)), NETWORK)
    monkeypatch.undo()
    assert int(load(saved).step) == 5
    checkpoints.save(saved, state._replace(params=state.ema, step=jnp.int32(6)), NETWORK)
    assert int(load(saved).step) == 6
    assert len(list(saved.iterdir())) == 2  # what the crash left is cleared


def truncate(folder):
    path = tensors(folder)
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(folder):
    path = tensors(folder)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, r"safetensors is damaged: its sha256 is \w{16}... instead of \w{16}...; restore .* train again"),
        (flip_a_bit, r"its sha256 is"),
        (lambda folder: tensors(folder).unlink(), r"safetensors is damaged: it is missing; restore"),
        (lambda folder: (folder / "model.json").unlink(), r"holds no checkpoint .* `python train.py`"),
        (lambda folder: (folder / "model.json").write_text("{"), r"model.json is damaged: JSONDecodeError"),
        (lambda folder: (folder / "model.json").write_text("[]"), r"model.json is damaged: TypeError"),
        (lambda folder: edit(folder, schema=2), r"has schema 2, this version of jdlm reads 1; use the one that wrote"),
        (lambda folder: edit(folder, sha256="../../etc"), r"model.json is damaged: sha256 is '../../etc'"),
        (lambda folder: edit(folder, tree={}), r"model.json is damaged: its tree is not that of the tensors"),
        (lambda folder: edit(folder, key={"impl": "threefry2x32"}), r"model.json is damaged: KeyError: 'data'"),
        (lambda folder: edit(folder, step="many"), r"model.json is damaged: "),
    ],
)
def test_damage_is_told_in_one_line(saved, damage, message):
    damage(saved)
    with pytest.raises(ValueError, match=message) as caught:
        load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 16}, r"of another model: it has width=8, this one has width=16; use the configuration"),
        ({"heads": 4}, r"of another model: it has heads=2, this one has heads=4; use"),
        ({"dtype": "bfloat16"}, r"it has dtype='auto', this one has dtype='bfloat16'"),
        ({"kind": "causal"}, r"it has kind='bidirectional', this one has kind='causal'"),
    ],
)
def test_another_network_is_refused(saved, changes, message):
    with pytest.raises(ValueError, match=message):
        load(saved, **changes)


def test_a_checkpoint_says_its_kind(tmp_path):
    causal = dataclasses.replace(NETWORK, kind="causal")
    checkpoints.save(tmp_path, training.init(causal, TARGET, CONFIG), causal)
    assert json.loads((tmp_path / "model.json").read_text())["network"]["kind"] == "causal"
    assert checkpoints.load_predictor(tmp_path, causal, LENGTH, VOCAB).is_ordered
    with pytest.raises(ValueError, match=r"it has kind='causal', this one has kind='bidirectional'"):
        checkpoints.load_predictor(tmp_path, NETWORK, LENGTH, VOCAB)


def test_another_target_is_refused(saved):
    with pytest.raises(ValueError, match=r"ema.positions is float32\[4,8\], this one needs float32\[5,8\]; use"):
        checkpoints.load_predictor(saved, NETWORK, LENGTH + 1, VOCAB)
    with pytest.raises(ValueError, match=r"another model: ema.head.bias is float32\[3\], this one needs float32\[4\]"):
        checkpoints.load(saved, NETWORK, targets.product(np.full((LENGTH, 4), 0.25)), CONFIG)
