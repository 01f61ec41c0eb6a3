"""Shortest paths with a number of edges, against all paths."""

import itertools

import numpy as np
import pytest

from jdlm.schedules import shortest_path
from tests.reference import schedules as reference

LENGTH = 7


def random_costs(seed):
    costs = np.random.default_rng(seed).normal(size=(LENGTH + 1, LENGTH + 1))
    return np.where(np.triu(np.ones(costs.shape, bool), 1), costs, np.inf)


def every_path(num_steps, end=LENGTH):
    for sizes in reference.compositions(end, num_steps) if end else ():
        yield np.cumsum((0, *sizes))


def cost(edge_costs, counts):
    return sum(edge_costs[a, b] for a, b in itertools.pairwise(counts))


@pytest.mark.parametrize("seed", range(3))
def test_costs_and_traces_of_every_number_of_edges(seed):
    edge_costs = random_costs(seed)
    paths = shortest_path.from_zero(edge_costs, LENGTH)
    assert paths.costs.shape == (LENGTH + 1, LENGTH + 1) and paths.before.shape == (LENGTH, LENGTH + 1)
    for num_steps in range(1, LENGTH + 1):
        for end in range(LENGTH + 1):
            brute = min((cost(edge_costs, p) for p in every_path(num_steps, end)), default=np.inf)
            assert paths.costs[num_steps, end] == pytest.approx(brute, abs=1e-12)
        counts = shortest_path.trace(paths, num_steps)
        assert counts[0] == 0 and counts[-1] == LENGTH and len(counts) == num_steps + 1
        assert cost(edge_costs, counts) == pytest.approx(paths.costs[num_steps, -1], abs=1e-12)
    assert paths.costs[0].tolist() == [0.0] + [np.inf] * LENGTH


@pytest.mark.parametrize("num_steps", [1, 2, 4, LENGTH])
def test_the_cheapest_path_through_every_count(num_steps):
    edge_costs = random_costs(num_steps)
    costs, counts = shortest_path.through_every_count(edge_costs, num_steps)
    for through in range(LENGTH + 1):
        passing = [p for p in every_path(num_steps) if through in p]
        brute = min((cost(edge_costs, p) for p in passing), default=np.inf)
        assert costs[through] == pytest.approx(brute, abs=1e-12)
        if np.isfinite(costs[through]):
            path = counts[through].tolist()
            assert path[0] == 0 and path[-1] == LENGTH and through in path
            assert cost(edge_costs, path) == pytest.approx(brute, abs=1e-12)
    assert costs[0] == costs[LENGTH] == pytest.approx(costs.min())


def test_of_equal_paths_one_is_taken_that_is_as_short():
    """Ties everywhere: the cost is the number of edges, so any path of that many will do."""
    edge_costs = np.where(np.triu(np.ones((6, 6), bool), 1), 1.0, np.inf)
    for num_steps in range(1, 6):
        counts = shortest_path.trace(shortest_path.from_zero(edge_costs, num_steps), num_steps)
        assert (np.diff(counts) >= 1).all() and counts[-1] == 5
        costs, paths = shortest_path.through_every_count(edge_costs, num_steps)
        assert np.isfinite(costs).sum() == (2 if num_steps == 1 else 6)
        assert (np.diff(paths[np.isfinite(costs)], axis=1) >= 1).all()
