"""Planners for remasking: which revealed positions a step masks again.

Their priority sees a score of each revealed token instead of the predictor's distributions; `jdlm.planners.random` and
the other planners of fixed order serve, too.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jdlm.planners.planner import Planner

__all__ = ["confidence_weighted", "informed", "low_confidence"]


def low_confidence() -> Planner:
    """Return the planner that masks the tokens which had the lowest probability when they were drawn.

    The probability is the predictor's own: no temperature and no filter of the draw enters.
    """
    return Planner("low_confidence", _lowest, needs_logits=False, scores="drawn")


def confidence_weighted() -> Planner:
    """Return the planner that masks tokens drawn in proportion to ``exp(-p)``, without replacement.

    Here p is the probability that a token had when it was drawn, by the predictor itself. That is the softmax of
    ReMDM-conf (arXiv 2503.00307).
    """
    return Planner("confidence_weighted", _falling, needs_logits=False, scores="drawn", gumbel=True)


def informed() -> Planner:
    """Return the planner that masks the tokens of the lowest probability given all other tokens.

    It asks the predictor once for each revealed position, with that position masked; these calls are counted. After the
    informed correctors of Zhao et al. 2024 (arXiv 2407.21243).
    """
    return Planner("informed", _lowest, needs_logits=False, scores="conditional")


def _lowest(scores: Float[Array, " length"], revealed: Bool[Array, " length"]) -> Float[Array, " length"]:
    return -scores / jnp.log(2.0)  # dyadic probabilities lie on the grid, not on the border of a cell


def _falling(scores: Float[Array, " length"], revealed: Bool[Array, " length"]) -> Float[Array, " length"]:
    return -jnp.exp(scores)
