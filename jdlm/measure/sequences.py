"""Whole sequences: drawn from a target, scored by it, and how many sampled ones are impossible or repeated."""

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key
from numpy.typing import ArrayLike

from jdlm import devices, keys
from jdlm.errors import InputError
from jdlm.measure.estimate import Estimate, mean
from jdlm.targets import Target

__all__ = ["distinct_share", "draw_tokens", "log_prob", "outside_support_share"]

_DRAWN_TOGETHER = 2**22  # probabilities, of sequences drawn from a target: 16 MiB as float32
# P(Bin(4, 1/2) >= k - 2) with the signs of the series in `distinct_share`, for sequences seen k = 2..6 times.
_CORRECTION = np.array([1.0, -15 / 16, 11 / 16, -5 / 16, 1 / 16])


@jax.jit
def _draw(key: Array, target: Target, indices: Array) -> Array:
    return jax.vmap(target.sample)(keys.lane_keys(key, indices))


def draw_tokens(key: Key[Array, ""], target: Target, n: int) -> Int[np.ndarray, "n length"]:
    """``n`` sequences of the target, int32, numbered like the lanes of a sampler."""
    keys.check(key)
    width = max(_DRAWN_TOGETHER // (target.length * target.vocab_size), 1)
    return devices.in_batches(lambda indices: _draw(key, target, indices), n, width)


@jax.jit
def _log_prob(target: Target, tokens: Array) -> Array:
    return jax.vmap(target.log_prob)(tokens)


def log_prob(target: Target, tokens: ArrayLike) -> Float[np.ndarray, " n"]:
    """Log probability in nats of each of the sequences ``[n, length]`` (no masks), float64 on the host."""
    return np.asarray(_log_prob(target, np.asarray(tokens)), np.float64)


def outside_support_share(tokens: ArrayLike, target: Target) -> Estimate:
    """Share of the sequences ``[n, length]`` that have probability 0 under the target."""
    return mean(np.isneginf(log_prob(target, tokens)))


def distinct_share(tokens: ArrayLike) -> Estimate:
    """Share of distinct sequences, their number over n, with its standard error.

    With f[k] sequences seen exactly k times and Poisson counts of means m, the variance of the number of different ones
    is ``sum exp(-m) (1 - exp(-m)) - f[1]^2 / n``, whose sum has the unbiased estimate ``f[1] - f[2] + f[3] - ...``
    (Good, Toulmin 1956). The terms from f[2] on get the smoothing weights of Efron, Thisted (1976), which lets them end
    at f[6], and their sum stays within 0 and f[2], as it does in expectation. The delete-one jackknife is f[1] - f[1]^2
    / n, which is too large. The error is also too large where nearly all possible sequences were seen.

    Args:
      tokens: ``[n, length]``, at least 2 sequences.

    Raises:
      ValueError: n < 2.
    """
    tokens = np.asarray(tokens)
    n = len(tokens)
    if n < 2:
        raise InputError(f"n={n} sequences give no standard error; use at least 2")
    counts = np.unique(tokens, axis=0, return_counts=True)[1]
    seen = np.bincount(counts, minlength=7)
    once, twice = float(seen[1]), float(seen[2])
    variance = once - once**2 / n - np.clip(_CORRECTION @ seen[2:7], 0.0, twice)
    return Estimate(len(counts) / n, float(np.sqrt(max(variance, 0.0))) / n, n)
