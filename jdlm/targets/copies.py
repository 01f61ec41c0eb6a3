"""A random string followed by its copy, exact or with one token replaced: half of the tokens depend on the other half.

In the spirit of the tasks "copy" and "replace random" of arXiv 2510.04767. There the string stands in the prompt; here
it is a part of the sequence, so that the law is that of a sampler without a prompt, and the numbers are not theirs.
"""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Key
from scipy.special import entr, gammaln

from jdlm import keys, pytrees
from jdlm.errors import InputError
from jdlm.targets import validation
from jdlm.targets.target import Target, Tokens

__all__ = ["Copy", "ReplaceRandom", "copy", "replace_random"]


@pytrees.register
@dataclass(frozen=True, eq=False)
class Copy(Target):
    """A uniformly random string and its copy; see `copy`."""

    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One string, twice; int32 ``[length]``."""
        keys.check(key)
        return jnp.tile(jax.random.randint(key, (self.length // 2,), 0, self.vocab_size, jnp.int32), 2)

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """``-length / 2 * log vocab`` where both halves are equal, ``-inf`` elsewhere, nats."""
        one, other = self.checked(tokens).reshape(2, -1)
        return jnp.where((one == other).all(), -self.length / 2 * np.log(self.vocab_size), -jnp.inf)

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """The token of the partner where it is revealed, else uniform; nats ``[length, vocab]``."""
        tokens = self.checked(tokens)
        partner = jnp.roll(tokens, self.length // 2)
        both = (tokens != self.vocab_size) & (partner != self.vocab_size)
        hit, log_uniform = _hits(partner, self.vocab_size)
        log_probs = jnp.where((partner == self.vocab_size)[:, None], log_uniform, jnp.where(hit, 0.0, -jnp.inf))
        return log_probs, (~both | (tokens == partner)).all()

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """``log vocab`` times the probability that the partner is masked, ``1 - j / (length - 1)``; nats."""
        return np.log(self.vocab_size) * (1 - np.arange(self.length) / (self.length - 1))


@pytrees.register
@dataclass(frozen=True, eq=False)
class ReplaceRandom(Target):
    """A uniformly random string and a copy with one token replaced; see `replace_random`."""

    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """A string, a place and the change there; int32 ``[length]``."""
        keys.check(key)
        key_string, key_place, key_change = jax.random.split(key, 3)
        half = self.length // 2
        string = jax.random.randint(key_string, (half,), 0, self.vocab_size, jnp.int32)
        place = jax.random.randint(key_place, (), 0, half, jnp.int32)
        change = jax.random.randint(key_change, (), 1, self.vocab_size, jnp.int32)
        replaced = jnp.where(jnp.arange(half) == place, (string + change) % self.vocab_size, string)
        return jnp.concatenate([string, replaced])

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """The same for all sequences whose halves differ in one place, ``-inf`` elsewhere, nats."""
        one, other = self.checked(tokens).reshape(2, -1)
        return jnp.where((one != other).sum() == 1, -self._entropy(), -jnp.inf)

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """Uniform where the partner is masked, else its token unless the change is here; nats ``[length, vocab]``.

        Until the change is seen, it is equally likely in each of the pairs that are not revealed on both sides.
        """
        tokens = self.checked(tokens)
        partner = jnp.roll(tokens, self.length // 2)
        both = (tokens != self.vocab_size) & (partner != self.vocab_size)
        seen = (both & (tokens != partner)).sum() // 2  # pairs that differ
        left = self.length // 2 - both.sum() // 2
        change = jnp.where(seen == 0, 1 / jnp.maximum(left, 1).astype(float), 0.0)
        hit, log_uniform = _hits(partner, self.vocab_size)
        copied = jnp.where(hit, jnp.log1p(-change), jnp.log(change / (self.vocab_size - 1)))
        log_probs = jnp.where((partner == self.vocab_size)[:, None], log_uniform, copied)
        return log_probs, (seen == 1) | ((seen == 0) & (left > 0))

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """By the number f of the other pairs that are revealed on both sides; nats ``[length]``.

        Where the partner is revealed and the change not seen, which has probability ``1 - f / half``, it is here with
        probability ``1 / (half - f)``. With r = j - 1 further tokens revealed,

            P(f) = C(half-1, f) C(half-1-f, r-2f) 2^(r-2f) / C(length-2, r).
        """
        length, half = self.length, self.length // 2
        pairs = np.arange(half)
        share = 1 / (half - pairs)
        doubt = entr(share) + entr(1 - share) + share * np.log(self.vocab_size - 1)
        curve = np.zeros(length)
        for revealed in range(length):
            known = revealed / (length - 1)  # that the partner is
            curve[revealed] = (1 - known) * np.log(self.vocab_size)
            full = pairs[(2 * pairs <= revealed - 1) & (revealed - 1 - pairs <= half - 1)]
            if full.size:
                single = revealed - 1 - 2 * full
                log_law = _log_comb(half - 1, full) + _log_comb(half - 1 - full, single) + single * np.log(2)
                law = np.exp(log_law - _log_comb(length - 2, revealed - 1))
                curve[revealed] += known * (law * (1 - full / half)) @ doubt[full]
        return curve

    def _entropy(self) -> float:
        half = self.length // 2
        return half * np.log(self.vocab_size) + np.log(half) + np.log(self.vocab_size - 1)


def _hits(partner: Array, vocab_size: int) -> tuple[Array, Array]:
    """Where a token is that of the partner, and the uniform log probability, each ``[length, vocab]``."""
    hit = partner[:, None] == jnp.arange(vocab_size, dtype=partner.dtype)[None, :]
    return hit, -jnp.log(jnp.full(hit.shape, float(vocab_size)))


def _log_comb(n: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
    return np.asarray(gammaln(np.add(n, 1)) - gammaln(np.add(k, 1)) - gammaln(np.subtract(n, k) + 1))


def copy(length: int, vocab: int) -> Copy:
    """A uniformly random string of ``length / 2`` tokens, then the same string again.

    ``h[j] = log vocab * (1 - j / (length - 1))``, a straight line, and TC = DTC = ``length / 2 * log vocab``: each pair
    of partners that is revealed in one step costs ``log vocab``.

    Args:
      length: number of tokens, even.
      vocab: number of values, at least 2.

    Returns:
      The target.

    Raises:
      ValueError: an odd length, or numbers that are too small.
    """
    return Copy(_even(length), validation.integer("vocab", vocab, 2))


def replace_random(length: int, vocab: int) -> ReplaceRandom:
    """A uniformly random string of ``length / 2`` tokens, then the same with one token replaced by another value.

    The place and the new value are uniformly random. With n = ``length / 2``,
    TC = ``n log vocab - log n - log(vocab - 1)`` and DTC = ``n log vocab + log n - log(vocab - 1)``.

    Args:
      length: number of tokens, even.
      vocab: number of values, at least 2.

    Returns:
      The target.

    Raises:
      ValueError: an odd length, or numbers that are too small.
    """
    return ReplaceRandom(_even(length), validation.integer("vocab", vocab, 2))


def _even(length: int) -> int:
    length = validation.length(length, 2)
    if length % 2:
        raise InputError(f"length={length} is odd; a string and its copy have an even length, use {length + 1}")
    return length
