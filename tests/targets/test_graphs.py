"""Graphs: random ones against a count of all of their kind; the others are seen in the walks of family.py."""

import collections
import itertools

import numpy as np
import pytest
from scipy import stats

from jdlm.targets import graphs


def edges(graph):
    return {(u, v) for u, v in np.argwhere(np.triu(graph)).tolist()}


def test_named_graphs():
    assert edges(graphs.path(4)) == {(0, 1), (1, 2), (2, 3)}
    assert edges(graphs.cycle(4)) == {(0, 1), (1, 2), (2, 3), (0, 3)}
    assert edges(graphs.cycle(3)) == edges(graphs.random_regular(3, 2, 0)) == {(0, 1), (1, 2), (0, 2)}
    assert edges(graphs.grid(2, 3)) == {(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)}
    for graph in (graphs.path(4), graphs.cycle(5), graphs.grid(3, 2)):
        np.testing.assert_array_equal(graph, graph.T)


def test_a_grid_of_one_row_is_a_path():
    np.testing.assert_array_equal(graphs.grid(1, 5), graphs.path(5))
    np.testing.assert_array_equal(graphs.grid(5, 1), graphs.path(5))


@pytest.mark.parametrize(("vertices", "degree"), [(6, 2), (6, 3), (8, 4), (8, 6), (9, 8), (12, 5)])
def test_random_regular_graphs_are_simple_regular_connected_and_repeatable(vertices, degree):
    for seed in range(5):
        graph = graphs.random_regular(vertices, degree, seed)
        np.testing.assert_array_equal(graph, graph.T)
        np.testing.assert_array_equal(graph.sum(axis=1), degree)
        assert set(graph.ravel()) <= {0, 1} and graph.trace() == 0
        assert (np.linalg.matrix_power(graph + np.eye(vertices, dtype=np.int64), vertices) > 0).all()
        np.testing.assert_array_equal(graph, graphs.random_regular(vertices, degree, seed))


def test_random_regular_graphs_are_uniform():
    """Chi-square over the 60 cycles through 6 vertices, of 70 graphs of degree 2; a false alarm has probability 1e-6.

    The other 10 are two triangles, which are not connected.
    """
    cycles = {
        frozenset(map(frozenset, itertools.pairwise([*order, order[0]]))) for order in itertools.permutations(range(6))
    }
    assert len(cycles) == 60
    counts = collections.Counter()
    for seed in range(3000):
        counts[frozenset(map(frozenset, edges(graphs.random_regular(6, 2, seed))))] += 1
    assert set(counts) <= cycles
    statistic = sum((counts[cycle] - 50) ** 2 / 50 for cycle in cycles)
    assert stats.chi2.sf(statistic, 59) > 1e-6


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: graphs.path(1), "vertices=1 is too small; use at least 2"),
        (lambda: graphs.cycle(2), "vertices=2 is too small; use at least 3"),
        (lambda: graphs.grid(1, 1), "rows=1 and columns=1 make one vertex; use at least 2"),
        (lambda: graphs.random_regular(4, 4, 0), "degree=4 with vertices=4; use at most 3"),
        (lambda: graphs.random_regular(5, 3, 0), "degree=3 and vertices=5 are both odd"),
        (lambda: graphs.random_regular(20, 9, 0), "takes too long; use at most 6, or at least 13"),
        (lambda: graphs.random_regular(4, 3, -1), "seed=-1 is too small; use at least 0"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
