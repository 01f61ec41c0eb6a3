"""Fields of the record of a checkpoint: of exact types, in range, and each one counts."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import records, targets, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.training import checkpoint as checkpoints
from jdlm.training import record as record_file

NETWORK = NetworkConfig(width=4, depth=1, heads=1, mlp_ratio=1)
SETTINGS = {"target": {"kind": "mine", "stay": 0.8}, "training": {"seed": 3}, "sweep": {"samples": 9}, "name": "x"}


@pytest.fixture(scope="module")
def state():
    target = targets.product(np.full((2, 2), 0.5))
    return training.init(NETWORK, target, TrainingConfig(steps=20, warmup_steps=2))._replace(step=jnp.int32(6))


@pytest.fixture
def saved(state, tmp_path):
    checkpoints.save(tmp_path, state, NETWORK, settings=SETTINGS, beside={"metrics": {"size": 1}})
    return tmp_path


def edit(folder, change, seal=True):
    path = folder / "model.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(records.seal(record) if seal else record))


def setting(*names, value):
    def change(record):
        *above, last = names
        for name in above:
            record = record[name]
        record[last] = value

    return change


@pytest.mark.parametrize("step", [3.7, 6.0, "6", True, -1, 2**31, 10**400, None, [6]])
def test_a_step_is_a_whole_number_in_range(saved, step):
    edit(saved, setting("step", value=step))
    with pytest.raises(ValueError, match=r"model.json is damaged: step is .*, not a whole number from 0 to 2147483647"):
        checkpoints.step(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting("schema", value="2"), "schema is '2', not 2"),
        (setting("schema", value=True), "schema is True, not 2"),
        (setting("sha256", value=5), "sha256 is 5, not 64 hexadecimal digits"),
        (setting("tree", value=[]), r"tree is \[\], not an object"),
        (setting("beside", value=None), "beside is None, not an object"),
        (setting("settings", value=[]), r"settings is \[\], not an object"),
        (setting("settings", "target", value=3), "settings.target is 3, not an object"),
        (setting("settings", "other", value={}), "it has an unknown key 'other'"),
        (setting("more", value=1), "it has an unknown key 'more'"),
        (lambda record: record.pop("key"), "it lacks 'key'"),
        (setting("key", "impl", value=[]), r"key.impl is \[\], not one of threefry2x32"),
        (setting("key", "impl", value="other"), "key.impl is 'other'"),
        (setting("key", "data", value=[0]), r"key.data is \[0\], not 2 whole numbers below 2\^32"),
        (setting("key", "data", value=[0, 2**32]), "key.data is"),
        (setting("key", "data", value=[0, 1.0]), "key.data is"),
    ],
)
def test_other_fields_too(saved, change, message):
    edit(saved, change)
    with pytest.raises(ValueError, match=f"model.json is damaged: {message}") as caught:
        checkpoints.sha256(saved)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_the_record_itself_is_under_a_hash(saved):
    edit(saved, setting("settings", "target", "stay", value=0.9), seal=False)
    with pytest.raises(ValueError, match="it was changed after it was written"):
        checkpoints.sha256(saved)
    edit(saved, lambda record: record.pop("record_sha256"), seal=False)
    with pytest.raises(ValueError, match="it has no record_sha256"):
        checkpoints.sha256(saved)


def test_a_second_step_is_refused(saved):
    path = saved / "model.json"
    path.write_text(path.read_text().replace('"step": 6', '"step": 6, "step": 6'))
    with pytest.raises(ValueError, match="the key 'step' stands twice"):
        checkpoints.step(saved)


def test_sections_that_a_checkpoint_depends_on_are_recorded_and_compared(saved):
    recorded = json.loads((saved / "model.json").read_text())["settings"]
    assert recorded == {"target": SETTINGS["target"], "training": SETTINGS["training"], "network": NETWORK.record()}
    assert checkpoints.beside(saved) == {"metrics": {"size": 1}}
    checkpoints.check(saved, SETTINGS)
    checkpoints.check(saved, {"sweep": {"samples": 10}})  # how it is sampled is no part of it
    for title, other, said in (
        ("target", {"kind": "mine", "stay": 0.9}, "target.stay was 0.8 and is 0.9"),
        ("target", {"kind": "other", "stay": 0.8}, "target.kind was 'mine' and is 'other'"),
        ("training", {"seed": 4}, "training.seed was 3 and is 4"),
    ):
        with pytest.raises(ValueError, match=said):
            checkpoints.check(saved, SETTINGS | {title: other})


def test_a_record_of_schema_1_is_read(saved):
    """What it says is compared: the network alone."""

    def older(record):
        record.update(schema=1, network=record.pop("settings")["network"])
        del record["beside"], record["record_sha256"]

    edit(saved, older, seal=False)
    assert checkpoints.step(saved) == 6 and checkpoints.beside(saved) == {}
    checkpoints.check(saved, SETTINGS)
    with pytest.raises(ValueError, match=r"network.width was 4 and is 5"):
        checkpoints.check(saved, {"network": NETWORK.record() | {"width": 5}})
    assert record_file.read(saved)["settings"] == {"network": NETWORK.record()}
