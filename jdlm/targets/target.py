"""The common interface of all targets: distributions over sequences."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Integer, Key

from jdlm.errors import InputError
from jdlm.targets import validation

__all__ = ["Known", "Leaf", "Target", "Tokens", "Unavailable"]

Leaf = Any
"""A numeric field: a float64 or integer numpy array as built, a tracer when the target is an argument of a
transformed function. Its shape stands in a comment beside it."""

Tokens = Integer[Array | np.ndarray, " length"]
Known = Bool[Array | np.ndarray, " length"]


class Unavailable(NotImplementedError):
    """A target was asked for something that it does not have; the message says what to use instead."""


class Target:
    """A distribution over ``length`` tokens from ``vocab_size`` values; the mask token has id ``vocab_size``.

    Members of the family are frozen dataclasses registered as pytrees. Their numeric leaves are float64 (or integer)
    numpy arrays, so that results are float64 under ``jax.enable_x64(True)`` and float32 otherwise. Every method but
    `entropy_curve` handles a single example and works under ``jax.jit`` and ``jax.vmap``.
    """

    length: int
    vocab_size: int

    def checked(self, tokens: Tokens) -> Int[Array, " length"]:
        """Tokens as a JAX array int32 ``[length]``, also from numpy.

        Raises:
          ValueError: they are not integers ``[length]``.
        """
        tokens = tokens if isinstance(tokens, jax.Array) else validation.array("tokens", tokens)
        if tokens.shape != (self.length,) or not jnp.issubdtype(tokens.dtype, jnp.integer):
            raise InputError(f"tokens is {tokens.dtype}{list(tokens.shape)}; give integers [{self.length}]")
        return jnp.asarray(tokens, jnp.int32)

    def on(self, split: str) -> "Target":
        """The distribution of a split ("train", "validation" or "test"): this same one, unless it is a data target."""
        return self

    def has(self, member: str) -> bool:
        """Whether a member is available, so that calling it does not raise `Unavailable`; nothing is computed.

        Args:
          member: "log_prob", "conditionals" or "entropy_curve".

        Raises:
          ValueError: the member is not one of these.
        """
        if member == "entropy_curve":
            return self._curve_lacks() is None
        if member not in ("log_prob", "conditionals"):
            raise InputError(f"member={member!r} is not known; use 'log_prob', 'conditionals' or 'entropy_curve'")
        try:
            jax.eval_shape(getattr(self, member), jax.ShapeDtypeStruct((self.length,), jnp.int32))
        except Unavailable:
            return False
        return True

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One sequence drawn from the law, int32 ``[length]``."""
        raise NotImplementedError

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """Log probability of a sequence without masks in nats; ``-inf`` outside the support."""
        raise Unavailable(f"{type(self).__name__} has no log_prob; measure with jdlm.evaluate.cross_entropy_curve")

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """What `conditionals` is made of; members implement this one.

        Args:
          tokens: int32 ``[length]``, with the mask id at masked positions.

        Returns:
          Log distribution in nats of the token at each masked position of a possible pattern (anything at all
          elsewhere), and whether the revealed pattern has positive probability.
        """
        raise Unavailable(f"{type(self).__name__} has no exact conditionals; train a network on it instead")

    def conditionals(self, tokens: Tokens) -> Float[Array, "length vocab"]:
        """Log distribution in nats of the token at each position given the revealed ones.

        The row of a revealed position is a point mass. A revealed pattern of probability 0 gives every masked
        position the uniform distribution. Never NaN.
        """
        tokens = self.checked(tokens)
        log_probs, possible = self.infer(tokens)
        revealed = (tokens != self.vocab_size)[:, None]
        hit = tokens[:, None] == jnp.arange(self.vocab_size, dtype=tokens.dtype)[None, :]
        log_probs = jnp.where(possible, log_probs, jnp.full_like(log_probs, -np.log(self.vocab_size)))
        return jnp.where(revealed, jnp.where(hit, jnp.zeros_like(log_probs), -jnp.inf), log_probs)

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """Entropy curve ``h[j] = E H(X_i | X_S)`` in nats over random ``j``-sets S and positions i outside S."""
        raise Unavailable(self._curve_lacks())

    def _curve_lacks(self) -> str | None:
        """Why there is no exact entropy curve, and what to use instead; None if there is one.

        A member that has one in some cases only implements this, too.
        """
        if type(self).entropy_curve is not Target.entropy_curve:
            return None
        return f"{type(self).__name__} has no exact entropy curve; measure one with jdlm.evaluate.cross_entropy_curve"
