"""Planners that reveal the positions where the predictor is most certain; a schedule says how many.

Probabilities are compared by their base-2 logarithms, entropies in nats.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jdlm.planners.planner import GRID, Planner, rounded

__all__ = ["confidence", "entropies", "entropy", "margin"]

_LOG_2 = math.log(2.0)
_NO_LEAD = -1024.0  # margin of a tie, on the scale of logarithms


def confidence() -> Planner:
    """Return the planner that reveals the positions whose most likely token has the highest probability."""
    return Planner("confidence", _confidence)


def margin() -> Planner:
    """Return the planner that reveals the positions whose two most likely tokens differ most in probability.

    The difference is known to 2^-12 of the larger one; less is a tie.
    """
    return Planner("margin", _margin)


def entropy() -> Planner:
    """Return the planner that reveals the positions of the lowest entropy."""
    return Planner("entropy", _negentropy)


def entropies(log_probs: Float[Array, "length vocab"]) -> Float[Array, " length"]:
    """Return the entropy of each row in nats; a token of probability 0 adds nothing."""
    return -jnp.where(jnp.isneginf(log_probs), 0, jnp.exp(log_probs) * log_probs).sum(axis=1)


def _confidence(log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"]) -> Float[Array, " length"]:
    return log_probs.max(axis=1) / _LOG_2  # dyadic probabilities lie on the grid, not on the border of a cell


def _margin(log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"]) -> Float[Array, " length"]:
    best, tokens = log_probs.max(axis=1), jnp.arange(log_probs.shape[1])
    others = jnp.where(tokens[None] == log_probs.argmax(axis=1)[:, None], -jnp.inf, log_probs)
    lead = rounded(1 - jnp.exp(others.max(axis=1) - best))  # as a share of the best one
    return jnp.where(lead > 0, (best + jnp.log(jnp.maximum(lead, GRID))) / _LOG_2, _NO_LEAD)


def _negentropy(log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"]) -> Float[Array, " length"]:
    return -entropies(log_probs)
