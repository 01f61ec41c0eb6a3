"""The exact distribution of a token that is drawn in floating point, by enumeration of the random numbers.

A generator of float32 has 2^23 uniforms, so what it can draw, and how often, is counted rather than sampled: tokens of
a probability that no sample would ever show are as exact as the others. Tokens of equal logits that stand side by side
are one group, which makes vocabularies of millions countable.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, Int

from jdlm.errors import InputError
from jdlm.measure.estimate import Estimate

__all__ = [
    "Groups",
    "effective_temperature",
    "estimated_temperature",
    "gumbel_high",
    "gumbel_law",
    "gumbel_law_high",
    "inverse_cdf_law",
    "inverse_cdf_tokens",
]

_FINE = 24  # the 2^24 smallest values of the mode "high" are 2^-46 apart, the others less than 2^-23 of themselves


class Groups(NamedTuple):
    """A distribution over tokens of which runs are equally likely.

    Attributes:
      probabilities: float64 ``[groups]`` of one token of each group; together with ``sizes`` they sum to 1.
      sizes: int64 ``[groups]`` tokens in each group.
    """

    probabilities: Float64[np.ndarray, " groups"]
    sizes: Int[np.ndarray, " groups"]

    @property
    def shares(self) -> Float64[np.ndarray, " groups"]:
        """Probability of each group."""
        return self.probabilities * self.sizes

    def logits(self) -> Float[np.ndarray, " vocab"]:
        """Log probabilities of all tokens, float32."""
        return np.repeat(np.log(self.probabilities).astype(np.float32), self.sizes)


def gumbel_law(groups: Groups, mode: Literal["low", "high"], dtype: Any) -> Float64[np.ndarray, " groups"]:
    """Probability of each group under ``argmax(logits + noise)``, by enumeration of all noise that there is.

    For ``jax.random.categorical`` with logits of the dtype: of equal scores the one of the lowest id wins. With
    F(s) the share of noise that gives a score of at most s, the largest score of a group of n tokens has the
    distribution function F^n, and

        P(group) = sum_s P(its largest score is s) prod_before P(score < s) prod_after P(score <= s).

    Args:
      groups: the distribution to draw from.
      mode: of the noise, as `jax.random.gumbel` has it; "high" in bfloat16 only (`gumbel_law_high` has float32).
      dtype: float32 or bfloat16, of logits and noise.

    Raises:
      ValueError: "high" in float32, whose noise has too many values.
    """
    dtype = jnp.dtype(dtype)
    if mode == "high" and dtype != jnp.bfloat16:
        raise InputError(f"mode='high' in {dtype} has too many values to enumerate; use gumbel_law_high")
    noise = np.asarray(_noise(mode, dtype))
    return _law(noise[np.argsort(noise, kind="stable")], groups, dtype)


def _law(noise: np.ndarray, groups: Groups, dtype: Any) -> np.ndarray:
    """`gumbel_law` with equally likely values of the noise, in ascending order."""
    logits = np.log(groups.probabilities).astype(dtype)

    def scores(g: int) -> np.ndarray:
        return np.asarray(_sum(noise, logits[g]), np.float32)

    lowest, highest = (np.array([np.float32(noise[end] + logit) for logit in logits]) for end in (0, -1))
    law = np.zeros(len(logits))
    rest = int(np.argmax(groups.shares))  # found from the others, since they sum to 1
    for g, size in enumerate(groups.sizes):
        own = scores(g)
        reached = int(np.searchsorted(own, np.delete(lowest, g).max()))  # below it another one always wins
        if g == rest or reached == len(own):
            continue
        changes = reached + np.flatnonzero(np.diff(own[reached:]))
        first, last = np.append(reached, changes + 1), np.append(changes + 1, len(own))
        beaten = _below(last, len(own), size) - _below(first, len(own), size)
        for h in range(len(logits)):
            if h != g and highest[h] >= own[reached]:
                counts = np.searchsorted(scores(h), own[first], side="left" if h < g else "right")
                beaten *= _below(counts, len(own), groups.sizes[h])
        law[g] = beaten.sum()
    law[rest] = 1.0 - law.sum()
    return law


@jax.jit
def _sum(noise: Array, logit: Array) -> Array:
    return noise + logit


def _below(counts: np.ndarray, total: int, tokens: Any) -> np.ndarray:
    """Probability that all of some tokens have one of the ``counts`` lowest of ``total`` equally likely scores."""
    if tokens == 1:
        return counts / total
    with np.errstate(divide="ignore"):
        return np.exp(tokens * np.log1p(counts / total - 1.0))


def _noise(mode: str, dtype: Any) -> Array:
    """All values of ``jax.random.gumbel``, each with the same probability; of "high" as up to JAX 0.11.0."""
    info = jnp.finfo(dtype)
    uniforms = (jnp.arange(2**info.nmant, dtype=jnp.float32) * 2.0**-info.nmant).astype(dtype)
    if mode == "low":
        return _low(jnp.maximum(uniforms, info.tiny))
    return gumbel_high(*(part.ravel() for part in jnp.meshgrid(uniforms, uniforms)))


@jax.jit
def _low(uniforms: Array) -> Array:
    return -jnp.log(-jnp.log(uniforms))


@jax.jit
def gumbel_high(high: Array, low: Array) -> Array:
    """Noise of the mode "high" as JAX made it up to 0.11.0, of two arrays of uniforms in the dtype of the noise.

    Later versions add half of the smallest step in place of the smallest number, so that no noise is out of line.
    """
    info = jnp.finfo(high.dtype)
    x = jnp.where(high >= 0.5, high, high + 2.0**-info.nmant * low + info.tiny)
    return -jnp.log(-jnp.log1p(-x))


def gumbel_law_high(groups: Groups) -> Float64[np.ndarray, " groups"]:
    """Probability of each group under ``argmax(logits + noise)`` in float32 with noise of the mode "high".

    A token wins by a uniform x, of which small ones give large noise. The 2^24 smallest, which are 2^-46 apart, are
    enumerated for each token; the others are so close together, as are the scores that it competes with, that they are
    integrated. The relative error is below 1e-5. Equal scores, which are as rare as that, are left out.
    """
    logits = np.log(groups.probabilities).astype(np.float32)
    weights = np.exp(logits.astype(np.float64))
    total = weights @ groups.sizes
    law = np.zeros(len(logits))
    for g, (logit, weight) in enumerate(zip(logits, weights, strict=True)):
        share = weight / total
        law[g] = groups.sizes[g] * share
        if share > 2.0**-_FINE:  # of which the enumeration would change less than 2^-23
            continue
        number = int(min(2.0**_FINE, np.ceil(100.0 * share * 2.0**46)))  # the next ones win with less than e^-90
        steps = np.arange(number, dtype=np.float32)
        high = np.floor(steps * 2.0**-23).astype(np.float32)
        scores = np.asarray(jnp.asarray(logit) + gumbel_high(high * 2.0**-23, (steps - high * 2.0**23) * 2.0**-23))
        wins = np.exp(-(total - weight) * np.exp(-scores.astype(np.float64))).sum() * 2.0**-46
        continuous = share * -np.expm1(np.log1p(-number * 2.0**-46) / share)
        law[g] += groups.sizes[g] * (wins - continuous)
    return law


def inverse_cdf_tokens(logits: Float[Array, " vocab"], uniforms: Float[Array, " n"]) -> Int[Array, " n"]:
    """Tokens by inversion of the distribution function, in the dtype of the logits.

    The number of values of the running sum of the softmax that are at most u; the last token where all are.
    """
    summed = jnp.cumsum(jax.nn.softmax(logits))
    return jnp.minimum(jnp.searchsorted(summed, uniforms, side="right"), len(logits) - 1)


_inverted = jax.jit(inverse_cdf_tokens)


def inverse_cdf_law(groups: Groups, dtype: Any) -> Float64[np.ndarray, " vocab"]:
    """Probability of each token by `inverse_cdf_tokens` of ``jax.random.uniform`` in a dtype, over all its values.

    Args:
      groups: the distribution to draw from.
      dtype: float32 (all 2^23 uniforms are inverted) or float64 (the 2^52 are counted between the running sums).
    """
    vocab = int(groups.sizes.sum())
    if jnp.dtype(dtype) == jnp.float32:
        uniforms = jnp.arange(2**23, dtype=jnp.float32) * 2.0**-23
        return np.bincount(np.asarray(_inverted(groups.logits(), uniforms)), minlength=vocab) / 2.0**23
    with jax.enable_x64(True):
        summed = jnp.cumsum(jax.nn.softmax(jnp.log(jnp.repeat(groups.probabilities, groups.sizes))))
    bounds = np.minimum(np.ceil(np.asarray(summed) * 2.0**52), 2.0**52)
    bounds[-1] = 2.0**52
    return np.diff(bounds, prepend=0.0) / 2.0**52


def effective_temperature(groups: Groups, mean_log_prob: float) -> float:
    """The temperature T at which ``p^(1/T) / Z`` has a given mean of ``log p``; 1 for draws from p.

    Args:
      groups: the distribution p.
      mean_log_prob: of the drawn tokens under p, nats.

    Raises:
      ValueError: the mean is not that of any temperature from 1/50 to 50.
    """
    lowest, highest = (_moments(groups, inverse)[0] for inverse in (0.02, 50.0))
    if not lowest < mean_log_prob < highest:
        raise InputError(
            f"mean_log_prob={mean_log_prob} is not between {lowest:.6g} and {highest:.6g}, the means at temperatures "
            "50 and 1/50; use tokens of these groups"
        )
    low, high = 0.02, 50.0  # of 1 / T, halved until nothing is left between them
    while low < (middle := 0.5 * (low + high)) < high:
        low, high = (middle, high) if _moments(groups, middle)[0] < mean_log_prob else (low, middle)
    return 1.0 / middle


def estimated_temperature(groups: Groups, mean_log_prob: Estimate) -> Estimate:
    """`effective_temperature` from a sampled mean, whose error is carried over: ``dE[log p] / d(1/T) = Var log p``.

    Args: as `effective_temperature`, the mean with its standard error.

    Raises:
      ValueError: as `effective_temperature`.
    """
    temperature = effective_temperature(groups, mean_log_prob.value)
    error = mean_log_prob.standard_error * temperature**2 / _moments(groups, 1.0 / temperature)[1]
    return Estimate(temperature, error, mean_log_prob.n)


def _moments(groups: Groups, inverse: float) -> tuple[float, float]:
    """Mean and variance of ``log p`` under ``p^inverse / Z``."""
    log_p = np.log(groups.probabilities)
    weights = groups.sizes * np.exp(inverse * (log_p - log_p.max()))
    weights /= weights.sum()
    mean = float(weights @ log_p)
    return mean, float(weights @ (log_p - mean) ** 2)
