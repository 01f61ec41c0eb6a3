"""The common interface of all targets: laws over sequences that are known exactly."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Key

Leaf = Any
"""A numeric field: a float64 or integer numpy array as built, a tracer when the target is an argument of a
transformed function. Its shape stands in a comment beside it."""


class Unavailable(NotImplementedError):
    """A target was asked for something that it does not have; the message says what to use instead."""


class Target:
    """A law over ``length`` tokens from ``vocab_size`` values; the mask token has id ``vocab_size``.

    Members of the family are frozen dataclasses registered as pytrees. Their numeric leaves are float64 (or integer)
    numpy arrays, so that results are float64 under ``jax.enable_x64(True)`` and float32 otherwise. Every method but
    `entropy_curve` handles a single example and works under ``jax.jit`` and ``jax.vmap``.
    """

    length: int
    vocab_size: int

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One sequence drawn from the law, int32 ``[length]``."""
        raise NotImplementedError

    def log_prob(self, tokens: Int[Array, " length"]) -> Float[Array, ""]:
        """Log probability of a sequence without masks in nats; ``-inf`` outside the support."""
        raise Unavailable(f"{type(self).__name__} has no log_prob; measure with jdlm.evaluate.cross_entropy_curve")

    def conditionals(self, tokens: Int[Array, " length"]) -> Float[Array, "length vocab"]:
        """Log law in nats of the token at each position given the revealed ones.

        The row of a revealed position is a point mass. A revealed pattern of probability 0 gives every masked
        position the uniform law. Never NaN.
        """
        raise Unavailable(f"{type(self).__name__} has no exact conditionals; train a network on it instead")

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """Entropy curve ``h[j] = E H(X_i | X_S)`` in nats over random ``j``-sets S and positions i outside S."""
        raise Unavailable(
            f"{type(self).__name__} has no exact entropy curve; measure one with jdlm.evaluate.cross_entropy_curve"
        )


def settle(
    log_probs: Float[Array, "length vocab"], tokens: Int[Array, " length"], possible: Bool[Array, ""]
) -> Float[Array, "length vocab"]:
    """The conventions of every target's `conditionals`, in one place.

    Args:
      log_probs: ``[length, vocab]`` nats, right at the masked positions of a possible pattern, anything elsewhere.
      tokens: int32 ``[length]``, with the mask id ``vocab`` at masked positions.
      possible: whether the revealed pattern has positive probability.

    Returns:
      ``log_probs`` with point masses at revealed positions, and with the uniform law at masked positions where the
      pattern is impossible.
    """
    vocab_size = log_probs.shape[1]
    revealed = (tokens != vocab_size)[:, None]
    hit = tokens[:, None] == jnp.arange(vocab_size, dtype=tokens.dtype)[None, :]
    log_probs = jnp.where(possible, log_probs, jnp.full_like(log_probs, -np.log(vocab_size)))
    return jnp.where(revealed, jnp.where(hit, jnp.zeros_like(log_probs), -jnp.inf), log_probs)
