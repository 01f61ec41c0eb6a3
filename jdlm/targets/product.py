"""Independent tokens: without dependence every schedule is exact."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Key
from numpy.typing import ArrayLike

from jdlm import keys, pytrees
from jdlm.targets import validation
from jdlm.targets.target import Leaf, Target, Tokens

__all__ = ["Product", "product"]


@pytrees.register
@dataclass(frozen=True, eq=False)
class Product(Target):
    """Independent tokens, each with its own marginal law; see `product`."""

    log_marginals: Leaf  # [length, vocab]
    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One sequence, each token drawn from its marginal; int32 ``[length]``."""
        keys.check(key)
        return jax.random.categorical(key, jnp.asarray(self.log_marginals), mode="high").astype(jnp.int32)

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """Sum of the tokens' log marginals, nats."""
        tokens = self.checked(tokens)
        return self._log_marginals_at(tokens).sum()

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """The log marginals, whatever is revealed, nats ``[length, vocab]``."""
        tokens = self.checked(tokens)
        seen = jnp.where(tokens == self.vocab_size, 0.0, self._log_marginals_at(tokens))
        return jnp.asarray(self.log_marginals), (seen > -jnp.inf).all()

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """The mean entropy of a marginal, at every count; nats ``[length]``."""
        return np.full(self.length, validation.entropies(np.exp(self.log_marginals)).mean())

    def _log_marginals_at(self, tokens):
        tokens = jnp.minimum(tokens, self.vocab_size - 1)[:, None]
        return jnp.take_along_axis(jnp.asarray(self.log_marginals), tokens, axis=1)[:, 0]


def product(marginals: ArrayLike) -> Product:
    """Independent tokens, ``p(x) = prod_i marginals[i, x_i]``; the entropy curve is constant, TC = DTC = 0.

    Args:
      marginals: ``[length, vocab]`` probabilities, each row summing to 1.

    Returns:
      The target.

    Raises:
      ValueError: not two axes, or a row that is negative, not finite or does not sum to 1.
    """
    marginals = validation.laws("marginals", marginals, (2,))
    return Product(validation.log(marginals), *marginals.shape)
