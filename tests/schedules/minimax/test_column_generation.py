"""The linear program and its certificate, against the definitions."""

import itertools

import numpy as np
import pytest

from jdlm import curves, schedules
from jdlm.schedules.minimax import column_generation, minimax
from tests.reference import schedules as reference


def test_the_scale_of_the_duals_proves_nothing():
    duals = column_generation.solve(9, 3, "tc", 1e-4).duals
    bound = column_generation.lower_bound(duals, 3, "tc")
    np.testing.assert_allclose(column_generation.lower_bound(7.0 * duals, 3, "tc"), bound, rtol=1e-12)


def test_progress_while_solving(monkeypatch):
    monkeypatch.setattr(column_generation.time, "monotonic", itertools.count(0.0, 3.0).__next__)
    lines = []
    minimax(24, 6, "both", progress=lines.append)
    assert lines and all("length=24 num_steps=6 weight=both" in line and "gap" in line for line in lines)


rng = np.random.default_rng(4)


@pytest.mark.parametrize("weight", ["tc", "dtc", "both"])
def test_any_duals_prove_what_the_cheapest_list_costs(weight):
    """Against the twin's own dynamic program, and the least over all lists with at most so many sizes."""
    for length, num_steps in ((7, 3), (6, 5), (9, 1)):
        duals = rng.gamma(0.5, size=length - 1) * (rng.random(length - 1) < 0.8)
        duals[0] += 0.1
        bound = column_generation.lower_bound(duals, num_steps, weight)
        assert bound == pytest.approx(reference.lower_bound(duals, num_steps, weight), rel=1e-12)
        scale = sum(y * reference.weight(length, m, weight) for m, y in enumerate(duals, start=1))
        costs = []
        for sizes in reference.compositions(length, num_steps):
            visited = np.cumsum(sizes)
            overshoots = [visited[visited >= m][0] - m for m in range(1, length)]
            costs.append(duals @ overshoots)
        assert bound == pytest.approx(min(costs) / scale, rel=1e-12)


def test_no_schedule_beats_a_bound():
    """A bound from any duals lies below the constant of every schedule of as many steps, randomized or not."""
    length, num_steps = 12, 4
    for weight in ("tc", "dtc", "both"):
        for duals in rng.gamma(0.3, size=(20, length - 1)) + 1e-3:
            bound = column_generation.lower_bound(duals, num_steps, weight)
            for build in (schedules.uniform, schedules.cosine, schedules.tc_equalizer, schedules.random_cuts):
                assert bound <= curves.worst_case(build(length, num_steps).exposure(), weight) + 1e-12


def test_a_solution_is_a_mixture_of_at_most_length_lists_whose_duals_prove_it():
    for weight in ("tc", "dtc", "both"):
        solution = column_generation.solve(11, 3, weight, 1e-6)
        assert len(solution.weights) <= 11 and solution.weights.min() > 0.0
        assert solution.weights.sum() == pytest.approx(1.0, abs=1e-12)
        assert solution.sizes.min() >= 1 and (solution.sizes.sum(axis=1) == 11).all()
        assert solution.sizes.tolist() == sorted(solution.sizes.tolist())
        lists = list(zip(solution.weights, map(tuple, solution.sizes), strict=True))
        value = reference.worst_case(lists, weight)
        bound = reference.lower_bound(solution.duals, 3, weight)
        assert 0.0 <= value - bound + 1e-12 <= 1e-6 * value


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: column_generation.lower_bound(np.zeros(3), 2, "tc"), "prove nothing"),
        (lambda: column_generation.lower_bound(np.array([1.0, -1.0, 2.0]), 2, "tc"), "prove nothing"),
        (lambda: column_generation.lower_bound(np.array([1.0, np.inf, 2.0]), 2, "tc"), "prove nothing"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()
