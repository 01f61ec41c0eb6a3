"""Bounds of a sampler's output distribution from many of its paths to each sequence.

A sampler returns x with probability ``E exp(path_log_prob)`` over its own paths (sizes, orders, ties) with x forced.
The mean over a few paths is unbiased, but minus its logarithm is too large on average, by Jensen's inequality: an upper
bound, which falls with the number of paths (Burda et al. 2015, arXiv 1509.00519).
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key
from scipy.special import logsumexp

from jdlm.measure.estimate import Estimate, mean
from jdlm.measure.path import path_request
from jdlm.measure.sequences import log_prob
from jdlm.planners import Planner, random
from jdlm.predictor import Predictor, check_pair
from jdlm.sampling import sample_all
from jdlm.targets import Target, validation

__all__ = ["nll_bound", "output_kl_bound"]

_RANDOM = random()
_TOGETHER = 2**22  # tokens of all lanes of one call of the sampler, some 100 MB with their sizes


def output_kl_bound(
    key: Key[Array, ""],
    predictor: Predictor,
    target: Target,
    schedule: Any,
    n: int,
    paths: int,
    *,
    planner: Planner = _RANDOM,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
) -> Estimate:
    """Upper bound of the KL divergence of a sampler's output from the target, in nats per sequence, at any length.

    The mean over X from the target of ``log p(X) - log mean_m exp(path_log_prob(X, path m))``, with independent sizes
    and orders for each of the ``paths`` paths. Its expectation is at least the output KL for any number of paths (the
    bias is upward, by Jensen's inequality), never increases with it, and tends to the output KL; with one path it is
    `monte_carlo_path_kl`, number for number. Of one key, the paths of a smaller number are among those of a larger.

    Args:
      key: typed key; sequences, sizes and orders are drawn from parts of it.
      predictor: the mask predictor; any, not the oracle alone.
      target: a distribution with ``log_prob``.
      schedule: a `jdlm.schedules.Schedule` that leaves no mask; None exactly if the planner counts by itself.
      n: sequences, at least 2.
      paths: paths to each of them, at least 1; ``n * paths`` lanes are run.
      planner: which positions a step reveals; any, because all choose by the state and by ties alone.
      batch_size: see `jdlm.sampling.sample`.
      mesh: devices that share the lanes, see `jdlm.devices.mesh`; the default device if None.

    Returns:
      The bound, with its standard error over the sequences. Infinite, with standard error NaN, where no path reveals
      some sequence; a path with probability 0 among others counts as 0.

    Raises:
      ValueError: the schedule leaves masks, n < 2, paths < 1, or predictor and target differ in shape.
      Unavailable: the target has no ``log_prob``.
    """
    tokens, log_probs = _paths(key, predictor, target, schedule, n, paths, planner, batch_size, mesh)
    return mean(log_prob(target, tokens) - _log_mean_exp(log_probs))


def nll_bound(
    key: Key[Array, ""],
    predictor: Predictor,
    target: Target,
    schedule: Any,
    n: int,
    paths: int,
    *,
    planner: Planner = _RANDOM,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
) -> Estimate:
    """Upper bound of the negative log-likelihood of a sampler's output, in nats per sequence, tighter than the NELBO.

    The mean over X from the target of ``-log mean_m exp(path_log_prob(X, path m))``: `output_kl_bound` without log p,
    so that text will do. With one path it is a Monte Carlo estimate of the NELBO, of any planner; with more its
    expectation falls towards ``-E log q(X)``, q being the output distribution, and never below.

    Args, Returns and Raises: see `output_kl_bound`; the target needs no ``log_prob``.
    """
    return mean(-_log_mean_exp(_paths(key, predictor, target, schedule, n, paths, planner, batch_size, mesh)[1]))


def _paths(
    key: Key[Array, ""],
    predictor: Predictor,
    target: Target,
    schedule: Any,
    n: int,
    paths: int,
    planner: Planner,
    batch_size: int | None,
    mesh: Mesh | None,
) -> tuple[Int[np.ndarray, "n length"], Float[np.ndarray, "paths n"]]:
    """Sequences of the target, and the log probability of each along each of its paths, float64."""
    check_pair(predictor, target)
    n, paths = validation.integer("n", n, 2), validation.integer("paths", paths, 1)
    width = max(1, _TOGETHER // (n * max(target.length, getattr(schedule, "num_steps", 0))))
    tokens, found = np.zeros((n, 0), np.int32), []
    for first in range(0, paths, width):
        some = range(first, min(first + width, paths))
        # One key for all, on purpose: the sequences are to be the same, and each path has a sample number of its own.
        request = path_request(jax.random.clone(key), target, schedule, n, planner=planner, paths=some)
        info = sample_all(predictor, [request], batch_size=batch_size, mesh=mesh).parts[0][1]
        tokens = np.asarray(request.forced)[:n]
        found.append(np.asarray(info.path_log_prob, np.float64).reshape(len(some), n))
    return tokens, np.concatenate(found)


def _log_mean_exp(log_probs: Float[np.ndarray, "paths n"]) -> Float[np.ndarray, " n"]:
    """Logarithm of the mean probability over the paths; -inf where all are 0."""
    return np.asarray(logsumexp(log_probs, axis=0)) - np.log(len(log_probs))
