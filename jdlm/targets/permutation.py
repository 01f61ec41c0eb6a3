"""Uniformly random permutations: every token excludes all others, only the last is ever certain."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Key
from scipy.special import gammaln

from jdlm import keys, pytrees
from jdlm.targets import validation
from jdlm.targets.target import Target, Tokens

__all__ = ["Permutation", "permutation"]


@pytrees.register
@dataclass(frozen=True, eq=False)
class Permutation(Target):
    """A uniformly random permutation; see `permutation`."""

    length: int = field(metadata={"static": True})

    @property
    def vocab_size(self) -> int:
        """As many values as tokens."""
        return self.length

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One permutation; int32 ``[length]``."""
        keys.check(key)
        # Sorted by 64 random bits each, so that ties, which would favour the order 0, 1, 2, ..., do not happen.
        high, low = jax.random.bits(key, (2, self.length), jnp.uint32)
        return jax.lax.sort((high, low, jnp.arange(self.length, dtype=jnp.int32)), num_keys=2)[2]

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """``-log length!`` on permutations, ``-inf`` elsewhere, nats."""
        tokens = self.checked(tokens)
        is_permutation = (jnp.sort(tokens) == jnp.arange(self.length)).all()
        return jnp.where(is_permutation, -gammaln(self.length + 1), -jnp.inf)

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """Uniform over the tokens that are not revealed; impossible where one is revealed twice."""
        tokens = self.checked(tokens)
        uses = (tokens[:, None] == jnp.arange(self.length, dtype=tokens.dtype)[None, :]).sum(0)
        log_probs = jnp.where(uses == 0, -jnp.log(jnp.maximum((uses == 0).sum(), 1).astype(float)), -jnp.inf)
        return jnp.broadcast_to(log_probs, (self.length, self.length)), (uses <= 1).all()

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """``h[j] = log(length - j)``; nats ``[length]``."""
        return np.log(self.length - np.arange(self.length))


def permutation(length: int) -> Permutation:
    """A uniformly random permutation of 0, ..., length-1; the vocabulary has as many values as there are tokens.

    Args:
      length: number of tokens, at least 2.

    Returns:
      The target.

    Raises:
      ValueError: length below 2.
    """
    return Permutation(validation.length(length, 2))
