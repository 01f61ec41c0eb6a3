"""A preset as a value: what a sweep and a whole configuration refuse."""

import dataclasses

import pytest

from jdlm.config import Config, MixtureConfig, ParityConfig, SweepConfig
from jdlm.config.settings import NetworkConfig, TrainingConfig

MIXTURE = MixtureConfig(length=8, weights=(0.5, 0.5), marginals=((0.9, 0.1), (0.2, 0.8)))


SMALL = SweepConfig(num_steps=(2, 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_steps": ()}, "num_steps is empty"),
        ({"planners": ()}, "planners is empty"),
        ({"num_steps": (4, 2, 4)}, "num_steps holds 4 twice"),
        ({"schedules": ("cosine", "cosine")}, "schedules holds 'cosine' twice"),
        ({"num_steps": (0,)}, "num_steps=0"),
        ({"samples": 1}, "samples=1"),
        ({"curve_samples": 0}, "curve_samples=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_bad_sweeps_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_network_and_training_come_together():
    Config(name="a", target=MIXTURE, network=NetworkConfig(), training=TrainingConfig(), sweep=SMALL)
    with pytest.raises(ValueError, match=r"lacks \[training\]"):
        Config(name="a", target=MIXTURE, network=NetworkConfig(), sweep=SMALL)


def test_a_preset_may_hold_a_target_alone():
    config = Config(name="a", target=ParityConfig(length=20))
    assert config.network is config.training is None and config.sweep == SweepConfig()
    with pytest.raises(ValueError, match=r"^sweep\.num_steps=16 exceeds length=4; use at most 4$"):
        Config(name="a", target=ParityConfig(length=4))


def test_a_length_below_1_is_named_before_its_steps():
    with pytest.raises(ValueError, match="the target has length 0; use at least 1"):
        Config(name="a", target=ParityConfig(length=0))
