"""The best single list of sizes, for a known curve and for a guarantee, against all lists."""

import numpy as np
import pytest

from jdlm import curves, schedules
from jdlm.schedules.optimized import optimal_lists
from tests.reference import schedules as reference

rng = np.random.default_rng(5)


def constant(schedule, weight):
    return curves.worst_case(schedule.exposure(), weight)


@pytest.mark.parametrize("weight", ["tc", "dtc", "both"])
def test_best_fixed_is_the_best_of_all_lists(weight):
    for length in range(1, 10):
        for num_steps in range(1, length + 1):
            lists = reference.compositions(length, num_steps)
            brute = min(reference.worst_case([(1.0, sizes)], weight) for sizes in lists)
            built = schedules.best_fixed(length, num_steps, weight)
            np.testing.assert_allclose(constant(built, weight), brute, atol=1e-12)
            np.testing.assert_allclose(reference.best_fixed(length, num_steps, weight), brute, atol=1e-12)
            assert built.nfe_law()[num_steps] == 1.0  # every step is used


@pytest.mark.parametrize("num_steps", [1, 2, 4, 7])
def test_optimal_is_the_best_of_all_lists_also_where_the_curve_rises(num_steps):
    for curve in (*rng.normal(size=(5, 7)), np.sort(rng.random(7))[::-1], np.zeros(7)):
        lists = [s for k in range(1, num_steps + 1) for s in reference.compositions(7, k)]
        before = [np.cumsum((0, *sizes))[:-1] for sizes in lists]
        brute = min(float(np.dot(sizes, curve[n])) for sizes, n in zip(lists, before, strict=True))
        schedule = schedules.optimal(curve, num_steps)
        np.testing.assert_allclose(curves.nelbo(schedule.exposure(), curve), brute, atol=1e-12)
        assert schedule.num_steps == num_steps and schedule.leftover == 0.0


def test_of_equally_good_lists_optimal_takes_the_fewest_steps_and_a_falling_curve_uses_all():
    """Also where sums in another order differ in their last bits, as on this code of dimension 11."""
    for nats in (np.log(37), 0.1, 0.3, 1.1):
        code = np.where(np.arange(32) < 11, nats, 0.0)
        for num_steps in range(2, 33):
            sizes = schedules.optimal(code, num_steps).law().sizes[0]
            assert sizes.tolist() == [11, 21] + [0] * (num_steps - 2)
    falling = np.sqrt(np.linspace(4.0, 1.0, 32))
    for num_steps in range(1, 33):
        assert schedules.optimal(falling, num_steps).law().sizes.min() >= 1


def test_optimal_lists_are_the_best_with_exactly_so_many_sizes():
    for curve in (*rng.normal(size=(3, 7)), np.sort(rng.random(7))[::-1]):
        for num_steps, sizes in enumerate(optimal_lists(curve), start=1):
            lists = list(reference.compositions(7, num_steps))
            costs = [float(np.dot(s, curve[np.cumsum((0, *s))[:-1]])) for s in (*lists, sizes)]
            assert len(sizes) == num_steps and sizes.sum() == 7 and sizes.min() >= 1
            np.testing.assert_allclose(costs[-1], min(costs), atol=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: schedules.optimal([[1.0, 2.0]], 1), r"curve has shape \(1, 2\)"),
        (lambda: schedules.optimal([1.0, np.nan], 1), "one finite number"),
        (lambda: schedules.optimal([], 1), r"curve has shape \(0,\)"),
        (lambda: schedules.optimal(np.ones(100_000), 4), "length=100000 needs"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()
