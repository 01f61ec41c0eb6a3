"""What all laws of steps that mask have in common."""

import json

import jax
import numpy as np
import pytest

from jdlm import advice, evaluate, measure, schedules, targets
from jdlm.predictor import oracle
from jdlm.schedules.remasking.law import Move, RemaskingLaw, ticks
from jdlm.study.sweep import sweep

MINE = schedules.remdm(4, schedules.uniform_times(3), eta=0.5)


def test_steps_that_ask_nothing_are_done_before_the_next_one():
    sizes = np.array([[0, 2, 0, 0, 1, 1], [3, 1, 0, 0, 0, 0], [2, 0, 1, 0, 2, 0]])
    remask = np.array([[0, 0, 1, 1, 0, 0], [0, 2, 0, 0, 0, 0], [0, 1, 1, 1, 0, 1]])
    made = ticks(sizes, remask)
    assert made.sizes.tolist() == [[2, 1, 1, 0, 0, 0], [3, 1, 0, 0, 0, 0], [2, 1, 2, 0, 0, 0]]
    assert made.before.tolist() == [[0, 2, 0, 0, 0, 0], [0] * 6, [0, 1, 1, 0, 0, 0]]
    assert made.after.tolist() == [[0] * 6, [0, 2, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]]
    assert made.trailing.tolist() == [0, 0, 1]


def test_what_needs_each_position_once_is_refused_with_the_reason():
    for name in ("exposure", "visits"):
        with pytest.raises(ValueError, match="reveals a position more than once"):
            getattr(MINE, name)()
    with pytest.raises(ValueError, match="no overshoot, for it reveals a position more than once"):
        MINE.overshoot_law(2)
    with pytest.raises(ValueError, match="no chain of sizes alone"):
        list(MINE.law().kernels(4))
    target = targets.parity(4)
    with pytest.raises(ValueError, match="a sequence does not tell what was revealed"):
        measure.monte_carlo_path_kl(jax.random.key(0), oracle(target), target, MINE, 8)
    with pytest.raises(ValueError, match="no identities and no path KL"):
        sweep(target, {"oracle": oracle(target)}, [MINE], target_name="parity", n=8, curve_n=8, seed=0)
    with pytest.raises(ValueError, match="a sequence does not tell what was revealed"):
        evaluate.output_kl_bound(jax.random.key(0), oracle(target), target, MINE, 8, paths=2)
    assert MINE.law().size_lists() is None and isinstance(MINE.law(), RemaskingLaw) and MINE.remasks
    assert not schedules.uniform(4, 2).remasks


def test_an_export_is_not_taken_for_sizes():
    corrected = schedules.with_corrector(schedules.uniform(4, 2), 1, 1)
    for schedule in (MINE, corrected, schedules.with_corrector(schedules.tc_equalizer(4, 2), 1, 1)):
        made = json.loads(json.dumps(advice.export(schedule)))
        assert made["format"] == "jdlm-steps-1" and made["length"] == 4
    assert advice.export(corrected)["atoms"] == [
        {"weight": 1.0, "tokens_per_step": [2, 2, 0, 1], "masked_per_step": [0, 0, 1, 0]}
    ]
    assert advice.export(schedules.uniform(4, 2))["format"] == "jdlm-sizes-1"


def test_a_move_beyond_the_length_is_refused():
    beyond = np.tile(np.eye(5)[3], (5, 1))
    with pytest.raises(ValueError, match="a move masks 0 and reveals 3 positions of 4, 3 of them revealed"):
        list(_Twice(beyond).counts(4))


class _Twice(RemaskingLaw):
    def __init__(self, kernel):
        self.kernel = kernel

    def moves(self, length):
        yield 1.0, [Move(self.kernel)] * 2
