import dataclasses
import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import files, records, targets, training
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
    """The record with other fields, sealed again, as a bug or a careful hand would leave it."""
    path = folder / "model.json"
    path.write_text(json.dumps(records.seal(json.loads(path.read_text()) | fields)))


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
    assert record["schema"] == 2 and record["step"] == 5
    assert record["settings"]["network"] == {"width": 8, "depth": 1, "heads": 2, "mlp_ratio": 2, "dtype": "auto"}
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
    read, missing = files.read, []

    def late(path, most):
        if path.suffix == ".safetensors" and len(missing) < times:
            missing.append(path)
            raise FileNotFoundError(path)
        return read(path, most)

    monkeypatch.setattr(files, "read", late)
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
        (lambda folder: (folder / "model.json").write_text("{"), r"model.json is damaged: Expecting property name"),
        (lambda folder: (folder / "model.json").write_text("[]"), r"model.json is damaged: it is list, not an object"),
        (lambda folder: edit(folder, schema=3), r"has schema 3, this version of jdlm reads 2; use the one that wrote"),
        (lambda folder: edit(folder, sha256="../../etc"), r"model.json is damaged: sha256 is '../../etc'"),
        (lambda folder: edit(folder, tree={}), r"model.json is damaged: its tree is not that of the tensors"),
        (lambda folder: edit(folder, key={"impl": "threefry2x32"}), r"model.json is damaged: it lacks 'data'"),
        (lambda folder: edit(folder, step="many"), r"model.json is damaged: step is 'many', not a whole number"),
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
        ({"width": 16}, r"of another model: network.width was 8 and is 16; use the settings"),
        ({"heads": 4}, r"of another model: network.heads was 2 and is 4; use"),
        ({"dtype": "bfloat16"}, r"network.dtype was 'auto' and is 'bfloat16'"),
        ({"kind": "causal"}, r"network.kind was 'bidirectional' and is 'causal'"),
    ],
)
def test_another_network_is_refused(saved, changes, message):
    with pytest.raises(ValueError, match=message):
        load(saved, **changes)


def test_a_checkpoint_says_its_kind(tmp_path):
    causal = dataclasses.replace(NETWORK, kind="causal")
    checkpoints.save(tmp_path, training.init(causal, TARGET, CONFIG), causal)
    assert json.loads((tmp_path / "model.json").read_text())["settings"]["network"]["kind"] == "causal"
    assert checkpoints.load_predictor(tmp_path, causal, LENGTH, VOCAB).is_ordered
    with pytest.raises(ValueError, match=r"network.kind was 'causal' and is 'bidirectional'"):
        checkpoints.load_predictor(tmp_path, NETWORK, LENGTH, VOCAB)


def test_another_target_is_refused(saved):
    with pytest.raises(ValueError, match=r"ema.positions is float32\[4,8\], this one needs float32\[5,8\]; use"):
        checkpoints.load_predictor(saved, NETWORK, LENGTH + 1, VOCAB)
    with pytest.raises(ValueError, match=r"another model: ema.head.bias is float32\[3\], this one needs float32\[4\]"):
        checkpoints.load(saved, NETWORK, targets.product(np.full((LENGTH, 4), 0.25)), CONFIG)
