"""Drawn steps: the sizes of a schedule, and what is masked again."""

import jax
import numpy as np
import pytest

from jdlm import schedules
from jdlm.sampling import Steps, draw_sizes, draw_steps

KEY = jax.random.key(7)


def test_steps_of_a_schedule_without_remasking_are_its_sizes():
    schedule = schedules.ancestral(9, schedules.uniform_times(4), "linear")
    steps = draw_steps(KEY, schedule, 50)
    np.testing.assert_array_equal(steps.sizes, draw_sizes(KEY, schedule, 50))
    assert isinstance(steps, Steps) and not steps.remask.any() and steps.remasker is None


def test_the_first_rounds_do_not_change_what_the_schedule_draws():
    base = schedules.ancestral(9, schedules.uniform_times(4), "linear")
    steps = draw_steps(KEY, schedules.with_corrector(base, 2, 3, [1]), 50)
    np.testing.assert_array_equal(steps.sizes[:, [0, 1, 6, 7]], draw_sizes(KEY, base, 50))
    revealed = steps.sizes[:, :2].sum(axis=1)
    np.testing.assert_array_equal(steps.remask[:, 2], np.minimum(revealed, 3))
    np.testing.assert_array_equal(steps.remask[:, 2], steps.sizes[:, 3])


def test_numbers_masked_are_independent_of_numbers_revealed():
    """Uniforms of their own: of 4,000 lanes, correlation below 6 standard errors (false alarm: 2e-9)."""
    schedule = schedules.remdm(64, schedules.uniform_times(4), eta=0.3)
    steps = draw_steps(KEY, schedule, 4000)
    # Given the count before the second step, both of its numbers are independent.
    left = steps.sizes[:, 1] - 0.4 * (64 - steps.sizes[:, 0]) * (1 + 0.3 * 0.25 / 0.3 / 1)
    masked = steps.remask[:, 1] - 0.3 * steps.sizes[:, 0]
    first = steps.sizes[:, 0] - 16.0
    both = np.linalg.lstsq(np.stack([first, np.ones(4000)], axis=1), np.stack([left, masked], axis=1), rcond=None)
    residuals = np.stack([left, masked], axis=1) - np.stack([first, np.ones(4000)], axis=1) @ both[0]
    assert abs(np.corrcoef(residuals.T)[0, 1]) < 6 / np.sqrt(4000)


def test_sizes_alone_of_a_schedule_that_masks_are_refused():
    schedule = schedules.remdm(8, schedules.uniform_times(4))
    with pytest.raises(ValueError, match=r"two numbers a step; use jdlm\.sampling.draw_steps"):
        draw_sizes(KEY, schedule, 3)
    with pytest.raises(ValueError, match="two numbers a step"):
        schedule.sizes(KEY)
    with pytest.raises(ValueError, match="exactly one of the two"):
        draw_steps(KEY, schedule)
    with pytest.raises(ValueError, match="got 3 and 3 uniforms"):
        schedule.steps_from(np.zeros((1, 3)), np.zeros((1, 3)))
