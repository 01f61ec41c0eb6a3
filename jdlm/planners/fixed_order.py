"""Planners that know their order from the start: they look at no logits, and a schedule says how many."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jdlm.planners.planner import Planner

__all__ = ["bisection", "bisection_depth", "left_to_right", "random"]


def random() -> Planner:
    """Return the planner that reveals uniformly random positions: constant priority, so ties alone decide.

    Every set of masked positions of the step's size is equally likely, as the identities of `jdlm.curves` assume.
    """
    return Planner("random", _constant, needs_logits=False)


def left_to_right() -> Planner:
    """Return the planner that reveals the leftmost masked positions."""
    return Planner("left_to_right", _leftmost, needs_logits=False)


def bisection() -> Planner:
    """Return the planner that reveals separators first: the middle, then the middles of both halves, and so on.

    Given the separators, the halves of a Markov chain are independent, which is why this order suits chains
    (arXiv 2608.25505). Positions of equal depth are in random order.
    """
    return Planner("bisection", _shallowest, needs_logits=False)


def bisection_depth(length: int) -> Int[np.ndarray, " length"]:
    """Return the depth of each position in the balanced bisection of 0..length-1: 0 for the middle, then the quarters.

    >>> bisection_depth(7).tolist()
    [2, 1, 2, 0, 2, 1, 2]
    """
    depth = np.zeros(length, np.int64)
    intervals = [(0, length, 0)]
    while intervals:
        low, high, level = intervals.pop()
        if low < high:
            middle = (low + high) // 2
            depth[middle] = level
            intervals += [(low, middle, level + 1), (middle + 1, high, level + 1)]
    return depth


def _constant(
    log_probs: Float[Array, "length vocab"] | None, masked: Bool[Array, " length"]
) -> Float[Array, " length"]:
    return jnp.zeros(masked.shape)


def _leftmost(
    log_probs: Float[Array, "length vocab"] | None, masked: Bool[Array, " length"]
) -> Float[Array, " length"]:
    return -jnp.arange(masked.shape[0]).astype(float)


def _shallowest(
    log_probs: Float[Array, "length vocab"] | None, masked: Bool[Array, " length"]
) -> Float[Array, " length"]:
    return -jnp.asarray(bisection_depth(masked.shape[0])).astype(float)
