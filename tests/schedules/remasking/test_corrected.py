"""Rounds after random sizes."""

import numpy as np
import pytest

from jdlm import schedules
from jdlm.schedules import Schedule
from jdlm.schedules.remasking.corrected import Corrected

BASE = schedules.ancestral(6, schedules.uniform_times(3), "linear")


def test_numbers_are_those_of_the_base_with_rounds_between():
    rng = np.random.default_rng(0)
    uniforms, more = rng.random((200, 11)), rng.random((200, 11))
    schedule = schedules.with_corrector(BASE, 2, 2, [0, 1])
    sizes, remask = schedule.steps_from(uniforms, more)
    assert sizes.shape == (200, 3 + 8)
    own = sizes[:, [0, 5, 10]]
    np.testing.assert_array_equal(own, BASE.sizes_from(uniforms))
    for place, count in ((1, own[:, 0]), (3, own[:, 0]), (6, own[:, :2].sum(axis=1)), (8, own[:, :2].sum(axis=1))):
        np.testing.assert_array_equal(remask[:, place], np.minimum(count, 2))
        np.testing.assert_array_equal(sizes[:, place + 1], remask[:, place])
        assert not sizes[:, place].any() and not remask[:, place + 1].any()


def test_calls_are_those_of_the_base_and_one_for_each_round_that_masks():
    """Of the base's joint law of counts and calls: by sizes drawn, 50,000, within 5 standard errors (1e-6 each)."""
    schedule, rng = schedules.with_corrector(BASE, 2, 2, [0]), np.random.default_rng(1)
    sizes, _ = schedule.steps_from(rng.random((50_000, 7)), rng.random((50_000, 7)))
    found = np.bincount((sizes > 0).sum(axis=1), minlength=8) / 50_000
    law = schedule.nfe_law()
    assert np.all(np.abs(found - law) <= 5 * np.sqrt(law * (1 - law) / 50_000) + 1e-12)
    assert law.sum() == pytest.approx(1.0) and schedule.leftover == 0.0


def test_rounds_after_remdm_keep_what_it_masks():
    base = schedules.remdm(6, schedules.uniform_times(3), eta=0.5)
    rng = np.random.default_rng(2)
    uniforms, more = rng.random((100, 5)), rng.random((100, 5))
    sizes, remask = schedules.with_corrector(base, 1, 1).steps_from(uniforms, more)
    own = base.steps_from(uniforms, more)
    np.testing.assert_array_equal(sizes[:, :3], own[0])
    np.testing.assert_array_equal(remask[:, :3], own[1])
    assert (sizes[:, 3:] == [0, 1]).all() and (remask[:, 3:] == [1, 0]).all()


def test_a_wrong_number_of_steps_is_refused():
    with pytest.raises(ValueError, match="steps and rounds are 5"):
        Schedule("wrong", 6, 4, Corrected(BASE.law(), 1, 1, (0,), 3))
    assert schedules.with_corrector(BASE, 1, 1, [0]).law().export(6)["corrector"] == {
        "rounds": 1, "size": 1, "after_steps": [0]
    }  # fmt: skip
