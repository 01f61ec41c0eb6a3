"""Shuffled strings: all orders of given tokens are equally likely."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Key
from numpy.typing import ArrayLike
from scipy.special import entr, gammaln
from scipy.stats import hypergeom

from jdlm import keys, pytrees
from jdlm.errors import InputError
from jdlm.targets import validation
from jdlm.targets.target import Leaf, Target, Tokens

__all__ = ["Shuffle", "shuffle"]


@pytrees.register
@dataclass(frozen=True, eq=False)
class Shuffle(Target):
    """A uniformly random order of given tokens; see `shuffle`."""

    counts: Leaf  # [vocab] how often each value occurs, int32
    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One order; int32 ``[length]``."""
        keys.check(key)
        ends = jnp.cumsum(jnp.asarray(self.counts))
        sorted_tokens = (jnp.arange(self.length)[:, None] >= ends[None, :]).sum(axis=1, dtype=jnp.int32)
        # Sorted by 64 random bits each, so that ties, which would favour the sorted order, do not happen.
        high, low = jax.random.bits(key, (2, self.length), jnp.uint32)
        return jax.lax.sort((high, low, sorted_tokens), num_keys=2)[2]

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """Minus the log of the number of orders where the tokens are the given ones, else ``-inf``, nats."""
        left = self._left(self.checked(tokens))
        counts = jnp.asarray(self.counts).astype(float)
        log_orders = gammaln(self.length + 1) - jax.scipy.special.gammaln(counts + 1).sum()
        return jnp.where((left == 0).all(), -log_orders, -jnp.inf)

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """Proportional to how often a token is left; impossible where one is revealed too often; nats."""
        left = self._left(self.checked(tokens)).astype(float)
        log_probs = jnp.log(jnp.maximum(left, 0)) - jnp.log(jnp.maximum(left.sum(), 1))
        return jnp.broadcast_to(log_probs, (self.length, self.vocab_size)), (left >= 0).all()

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """Mean entropy of what is left: of each value a hypergeometric number; nats ``[length]``."""
        curve = np.zeros(self.length)
        for count in self.counts:
            for revealed in range(self.length):
                masks = self.length - revealed
                left = np.arange(min(int(count), masks) + 1)
                curve[revealed] += hypergeom.pmf(left, self.length, int(count), masks) @ entr(left / masks)
        return curve

    def _left(self, tokens: Array) -> Array:
        """How often each value is still to come, ``[vocab]``."""
        return jnp.asarray(self.counts) - (tokens[:, None] == jnp.arange(self.vocab_size)[None, :]).sum(axis=0)


def shuffle(tokens: ArrayLike, vocab: int | None = None) -> Shuffle:
    """The given tokens in a uniformly random order; `jdlm.targets.permutation` where they are all different.

    DTC is the whole entropy ``log(length! / prod counts!)``, since the last token is always certain; TC is
    ``length`` times the entropy of the shares ``counts / length`` minus that. In the spirit of the task "shuffle" of
    arXiv 2510.04767, where the string stands in the prompt.

    Args:
      tokens: ``[length]`` integers, the string.
      vocab: number of values; the largest token plus 1 if None.

    Returns:
      The target.

    Raises:
      ValueError: not integers ``[length]``, or a token outside the vocabulary.

    >>> shuffle([0, 0, 1]).entropy_curve().round(3)
    array([0.637, 0.462, 0.   ])
    """
    tokens = validation.array("tokens", tokens)
    if tokens.ndim != 1 or not tokens.size or not np.issubdtype(tokens.dtype, np.integer):
        raise InputError(f"tokens is {tokens.dtype}{list(tokens.shape)}; give integers [length]")
    vocab = int(tokens.max()) + 1 if vocab is None else validation.integer("vocab", vocab)
    wrong = np.flatnonzero((tokens < 0) | (tokens >= vocab))
    if wrong.size:
        raise InputError(f"tokens[{wrong[0]}] holds {tokens[wrong[0]]}; use 0 to {max(vocab, 1) - 1}")
    return Shuffle(np.bincount(tokens, minlength=vocab).astype(np.int32), len(tokens), vocab)
