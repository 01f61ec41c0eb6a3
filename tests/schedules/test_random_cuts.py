"""Random cuts and equal sizes of a random phase: every count is visited with the same probability."""

import math

import numpy as np
import pytest

from jdlm import curves, schedules
from tests.reference import schedules as reference


@pytest.mark.parametrize("shape", [(64, 8), (32, 8), (20, 20), (9, 2), (5, 1)], ids=str)
def test_random_cuts_and_random_phase_visit_every_count_alike(shape):
    length, num_steps = shape
    share = (num_steps - 1) / (length - 1)
    np.testing.assert_allclose(schedules.random_cuts(length, num_steps).visits(), share, rtol=0, atol=1e-12)
    size = length if num_steps == 1 else -(-(length - 1) // (num_steps - 1))
    expected = 0.0 if num_steps == 1 else 1.0 / size
    np.testing.assert_allclose(schedules.random_phase_equal(length, num_steps).visits(), expected, rtol=0, atol=1e-12)


def test_random_cuts_are_uniform_over_all_sets_of_cuts():
    lists = reference.size_lists(schedules.random_cuts(7, 4).law())
    assert len(lists) == 20  # C(6, 3)
    np.testing.assert_allclose([p for p, _ in lists], 1 / 20, rtol=1e-12)


@pytest.mark.parametrize("shape", [(9, 4), (12, 12), (7, 2)], ids=str)
def test_the_chain_is_the_formula_of_binomials(shape):
    """From m masked with k steps left, P(size = s) = C(m-s-1, k-2) / C(m-1, k-1), wherever the chain comes."""
    length, num_steps = shape
    steps = schedules.random_cuts(*shape).law().steps
    for step, left in enumerate(range(num_steps, 1, -1)):
        for masked in range(left, length - step + 1):
            row = steps[step, length - masked]
            expected = [math.comb(masked - s - 1, left - 2) / math.comb(masked - 1, left - 1) for s in range(1, masked)]
            np.testing.assert_allclose(row[length - masked + 1 : length], expected, atol=1e-13)


def test_equal_sizes_of_a_random_phase_by_hand():
    """Size 3 = ceil(8 / 3): three phases, the last step of which is what is left."""
    law = schedules.random_phase_equal(9, 4).law()
    assert law.sizes.tolist() == [[1, 3, 3, 2], [2, 3, 3, 1], [3, 3, 3, 0]]
    np.testing.assert_array_equal(law.weights, np.full(3, 1 / 3))
    assert schedules.random_phase_equal(7, 1).law().sizes.tolist() == [[7]]
    assert schedules.random_phase_equal(1, 1).law().sizes.tolist() == [[1]]


def test_equal_sizes_have_about_half_the_path_kl_in_the_worst_case():
    worst = {
        build.__name__: curves.worst_case(build(256, 32).exposure(), "both")
        for build in (schedules.random_cuts, schedules.random_phase_equal)
    }
    assert worst["random_phase_equal"] < 0.62 * worst["random_cuts"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: schedules.random_cuts(100_000, 4), "length=100000 needs 298.0 GiB"),
        (lambda: schedules.random_phase_equal(100_000, 4), "length=100000 needs"),
        (lambda: schedules.random_cuts(4, 5), "num_steps=5 exceeds length=4"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()
