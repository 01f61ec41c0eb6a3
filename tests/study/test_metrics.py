"""Cells of a training's rows; the rows themselves are checked in test_training_steps."""

import dataclasses
import math

import pytest

from jdlm import training
from jdlm.cli import recorder as recorder_module
from jdlm.config import BlocksConfig, Config, ParityConfig, PermutationConfig, RepetitionConfig, SweepConfig, TextConfig
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.measure import Estimate
from jdlm.study import metrics, rows, runs


def config(target, network=None, **options):
    sweep = SweepConfig(num_steps=(2,))
    return Config("it", target, network or NetworkConfig(), TrainingConfig(**options), sweep)


def written_cell(folder, target, **options):
    """The cell of the rows that ``train.py`` writes for a run of that target."""
    recorder = recorder_module.Recorder(
        runs.Draft(folder, folder, exact=True, published=True), config(target, **options)
    )
    recorder._saved = math.inf  # nothing is written here
    recorder.record(None, training.TrainingInfo(1, Estimate(1.0, 0.1, 8), 1.0, None))
    (cell,) = {row.cell for row in recorder._rows}
    return cell


DIFFERENT = [
    ParityConfig(3),
    ParityConfig(4),
    PermutationConfig(3),
    BlocksConfig(2, ParityConfig(3)),
    BlocksConfig(3, ParityConfig(3)),
    BlocksConfig(2, PermutationConfig(3)),
    BlocksConfig(2, RepetitionConfig(3, 2)),
    BlocksConfig(2, BlocksConfig(2, ParityConfig(3))),
    BlocksConfig(2, BlocksConfig(2, PermutationConfig(3))),
    TextConfig(3, "/a", "0" * 64),
    TextConfig(3, "/a", "1" * 64),
]


def test_targets_are_told_apart_also_inside_of_others(tmp_path):
    cells = [written_cell(tmp_path, target) for target in DIFFERENT]
    assert len(set(cells)) == len(DIFFERENT)
    assert cells[3] == written_cell(tmp_path, BlocksConfig(2, ParityConfig(3)))


def test_the_kind_counts_and_the_name_of_the_class_does_not():
    renamed = type("Renamed", (ParityConfig,), {})
    assert metrics.cell(config(BlocksConfig(2, renamed(3)))) == metrics.cell(config(BlocksConfig(2, ParityConfig(3))))
    found = config(BlocksConfig(2, ParityConfig(3)))
    assert found.target.record() == {"kind": "blocks", "copies": 2, "of": {"kind": "parity", "length": 3}}
    plain = {name: value for name, value in dataclasses.asdict(found.training).items() if name != "seeds"}
    assert metrics.cell(found) == rows.cell(
        target=found.target.record(), network=found.network.record(), training=plain
    )
    more = dataclasses.replace(found, training=dataclasses.replace(found.training, seeds=(found.training.seed, 7)))
    assert metrics.cell(more) == metrics.cell(found)  # other seeds change no number of this one


@pytest.mark.parametrize("changes", [{"network": NetworkConfig(width=8)}, {"seed": 1}, {"labels": "oracle"}])
def test_every_setting_counts_but_how_attention_is_computed(changes):
    assert metrics.cell(config(ParityConfig(3), **changes)) != metrics.cell(config(ParityConfig(3)))
    same = config(ParityConfig(3), NetworkConfig(attention="library"))
    assert metrics.cell(same) == metrics.cell(config(ParityConfig(3)))
