"""Exact output law of a sampler on exchangeable bits of any length: the number of ones among the revealed is enough."""

import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, xlog1py, xlogy

from jdlm.errors import InputError
from jdlm.measure.exact import OutputLaw
from jdlm.schedules import Schedule
from jdlm.targets.mixture import Mixture

__all__ = ["output_counts", "target_counts"]

_NEVER = 1e-20  # moves of a smaller probability are left out


def output_counts(target: Mixture, schedule: Schedule) -> OutputLaw:
    """Law of the number of ones that the oracle's sampler makes of a mixture of coins, positions in random order.

    All sequences with one number of ones are alike, for the target as for the sampler, so KL and total variation of
    these laws are those of the sequences. Enumeration by `jdlm.measure.exact` ends at about 12 bits.

    Args:
      target: exchangeable bits, from `jdlm.targets.mixture`.
      schedule: distribution of the reveal sizes, of the target's length.

    Returns:
      ``law`` float64 ``[length + 1]``, sums to ``1 - leftover``.

    Raises:
      ValueError: the target is not exchangeable or has other tokens than bits, or the lengths differ.
    """
    length = target.length
    one = _chance_of_one(target)
    ones_of = functools.cache(lambda size: _binomials(size, one))
    if schedule.length != length:
        raise InputError(f"schedule {schedule.name} has length {schedule.length}, the target {length}")
    total = np.zeros((length + 1, length + 1))
    for weight, kernels in schedule.law().kernels(length):
        mass = np.zeros((length + 1, length + 1))  # [revealed, ones]
        mass[0, 0] = weight
        for kernel in kernels:
            mass = _step(mass, kernel, ones_of)
        total += mass
    return OutputLaw(total[length], float(total[:length].sum()), schedule.nfe_law())


def target_counts(target: Mixture) -> Float[np.ndarray, " counts"]:
    """Law of the number of ones in a sequence of the target, ``[length + 1]``."""
    ones = np.arange(target.length + 1)
    log_choices = gammaln(target.length + 1) - gammaln(ones + 1) - gammaln(target.length - ones + 1)
    weights, chances = _components(target)
    return weights @ np.exp(log_choices + _log_bernoulli(target.length, ones, chances))


def _step(mass: np.ndarray, kernel: np.ndarray, ones_of: Callable[[int], np.ndarray]) -> np.ndarray:
    """Mass ``[revealed, ones]`` after a step of sizes ``kernel[revealed, size]``."""
    after = np.zeros_like(mass)
    reached = mass.sum(axis=1)[:, None] * kernel
    for size in np.flatnonzero(reached.max(axis=0) > _NEVER).tolist():
        rows = np.flatnonzero(reached[:, size] > _NEVER)
        first, last = int(rows[0]), int(rows[-1]) + 1
        moving = mass[first:last] * kernel[first:last, size, None]
        for ones, probability in enumerate(ones_of(size)):
            width = len(mass) - ones
            after[first + size : last + size, ones:] += moving[:, :width] * probability[first:last, :width]
    return after


def _binomials(size: int, one: np.ndarray) -> np.ndarray:
    """Probability ``[size + 1, revealed, ones]`` of 0, 1, ... ones among ``size`` tokens."""
    ones = np.arange(size + 1)[:, None, None]
    log_choices = gammaln(size + 1) - gammaln(ones + 1) - gammaln(size - ones + 1)
    return np.exp(log_choices + xlogy(ones, one) + xlog1py(size - ones, -one))


def _chance_of_one(target: Mixture) -> np.ndarray:
    """Probability ``[revealed, ones]`` that a masked token is one; 1/2 on impossible patterns."""
    counts = np.arange(target.length + 1)
    weights, chances = _components(target)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_joint = np.log(weights)[:, None, None] + _log_bernoulli(counts[:, None], counts, chances[:, None])
        peak = log_joint.max(axis=0)
        posterior = np.where(np.isfinite(peak), np.exp(log_joint - peak), 1.0)
    one = np.tensordot(chances[:, 0], posterior, axes=1) / posterior.sum(axis=0)
    return np.where(np.isfinite(peak), np.clip(one, 0.0, 1.0), 0.5)


def _components(target: Mixture) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``[components]`` and chances of a one ``[components, 1]``."""
    if target.log_marginals.shape[1:] != (1, 2):
        raise InputError(
            f"the mixture has marginals of shape {list(target.log_marginals.shape)}; give exchangeable bits: "
            "mixture(weights, [[p_zero, p_one], ...], length)"
        )
    return np.exp(target.log_weights), np.exp(target.log_marginals[:, 0, 1:])


def _log_bernoulli(revealed: np.ndarray | int, ones: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Log probability of one order of so many ones; -inf where there are more ones than tokens."""
    zeros = np.asarray(revealed - ones)
    with np.errstate(divide="ignore"):
        values = xlogy(ones, chances) + xlog1py(np.maximum(zeros, 0), -chances)
    return np.where(zeros >= 0, values, -np.inf)
