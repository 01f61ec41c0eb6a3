"""Planners that know their order from the start."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners
from jdlm.predictor import Predictor
from jdlm.sampling import sample_with_info


def middles(low, high, level, depth):
    """The depth of each position, by the recursion of the definition."""
    if low < high:
        middle = (low + high) // 2
        depth[middle] = level
        middles(low, middle, level + 1, depth)
        middles(middle + 1, high, level + 1, depth)
    return depth


def test_bisection_is_balanced():
    """Depths are those of the recursion; no subtree is more than one level deeper than another."""
    for length in (1, 2, 3, 6, 7, 8, 100, 255, 256):
        depth = planners.bisection_depth(length)
        assert depth.tolist() == [middles(0, length, 0, {})[i] for i in range(length)]
        assert depth.max() == length.bit_length() - 1
        for level in range(int(depth.max())):
            assert (depth == level).sum() == 2**level  # all full but the last
    assert planners.bisection_depth(0).tolist() == []


def turn(tokens):
    """Each token is the number of those revealed before it, so the tokens tell the order."""
    return jnp.where(jnp.arange(5)[None] == (tokens != 5).sum(), jnp.zeros((5, 1)), -jnp.inf)


def orders(planner, lanes):
    """Positions of many lanes in the order in which they are revealed, one in each step."""
    predictor = Predictor.wrap(turn, 5, 5)
    ones = np.ones((lanes, 5), int)
    tokens, _ = sample_with_info(jax.random.key(3), predictor, ones, planner=planner, batch_size=64)
    return np.argsort(tokens, axis=1)


def test_positions_come_in_the_order_that_the_planner_says():
    """Left to right one order alone; bisection both orders of each level; random all 120, each within 5.5 errors."""
    assert (orders(planners.left_to_right(), 64) == np.arange(5)).all()
    depth = planners.bisection_depth(5)
    seen = set(map(tuple, orders(planners.bisection(), 256).tolist()))
    assert seen == {o for o in itertools.permutations(range(5)) if (np.diff(depth[list(o)]) >= 0).all()}
    found = orders(planners.random(), 6000)
    counts = np.unique(found, axis=0, return_counts=True)[1]
    assert len(counts) == 120 and (abs(counts - 50) < 5.5 * np.sqrt(50)).all()


def test_given_tokens_are_skipped_and_count_as_revealed():
    given, ones = np.array([0, 5, 5, 1, 5]), np.ones((4, 3), int)
    predictor = Predictor.wrap(turn, 5, 5)
    tokens, info = sample_with_info(
        jax.random.key(0), predictor, ones, given=given, planner=planners.left_to_right(), batch_size=64
    )
    assert (np.asarray(tokens) == [0, 2, 3, 1, 4]).all() and (np.asarray(info.nfe) == 3).all()


@pytest.mark.parametrize("build", [planners.random, planners.left_to_right, planners.bisection])
def test_no_logits_are_looked_at(build):
    planner = build()
    masked = jnp.array([True, False, True, True])
    np.testing.assert_array_equal(planner.priority(None, masked), planner.priority(None, ~masked))
    assert planner.priority(None, masked).shape == (4,) and not planner.needs_logits
