"""The folders and configurations of a run's seeds."""

import dataclasses

import pytest

from jdlm.config import presets
from jdlm.config.settings import TrainingConfig
from jdlm.study import members, runs


def config(seeds):
    loaded = presets.load("tiny")
    return dataclasses.replace(loaded, training=dataclasses.replace(loaded.training, seeds=seeds))


def test_each_seed_but_the_first_is_a_plain_training_of_it():
    of = members.configs(config((4, 0, 9)))
    assert list(of) == [0, 9] and [each.training.seed for each in of.values()] == [0, 9]
    for seed, each in of.items():
        assert each == dataclasses.replace(presets.load("tiny"), training=each.training)
        assert each.training == dataclasses.replace(presets.load("tiny").training, seed=seed)
    assert members.configs(presets.load("tiny")) == members.configs(presets.load("reed-solomon")) == {}


def test_seeds_take_the_place_of_the_seed_and_are_left_out_of_records_without_any():
    assert (TrainingConfig(seed=3, seeds=(5, 6)).seed, TrainingConfig(seeds=(8,))) == (5, TrainingConfig(seed=8))
    assert "seeds" not in TrainingConfig().record() and TrainingConfig(seeds=(1, 2)).record()["seeds"] == [1, 2]
    with pytest.raises(ValueError, match=r"^seeds holds 1 twice; give each once$"):
        TrainingConfig(seeds=(1, 2, 1))
    with pytest.raises(ValueError, match=r"^seed=-1 is outside"):
        TrainingConfig(seeds=(0, -1))


def test_seeds_at_other_steps_are_not_averaged(tmp_path):
    mine = config((0, 1))
    run = tmp_path / "run"
    for folder, steps in ((run, 40), (members.folder(run, 1), 40)):
        folder.mkdir(parents=True)
        runs.write_manifest(folder, {"schema": 1, "steps_done": steps})
    assert members.find(run, mine) == {0: run, 1: run / "seeds" / "1"}
    assert members.find(run, presets.load("tiny")) == {}
    runs.write_manifest(members.folder(run, 1), {"schema": 1, "steps_done": 20})
    with pytest.raises(ValueError, match=r"^seed 1 of .*run is at step 20 and the first one at 40, .*--resume .*run`$"):
        members.find(run, mine)
    members.folder(run, 1).rename(tmp_path / "away")
    with pytest.raises(ValueError, match=r"^seed 1 of .*run is at step 0 and"):
        members.find(run, mine)
