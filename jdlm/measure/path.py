"""KL divergences along a sampler's path, from the path's probability as the sampler reports it.

`monte_carlo_path_kl` is teacher-forced: the sampler's steps reveal tokens of the target. `reverse_path_kl` uses sampled
tokens.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key
from numpy.typing import ArrayLike

from jdlm import keys
from jdlm.errors import InputError
from jdlm.measure.estimate import Estimate, mean
from jdlm.measure.sequences import draw_tokens, log_prob
from jdlm.planners import Planner, random
from jdlm.predictor import Predictor, check_pair
from jdlm.sampling import Info, draw_sizes, sample_all
from jdlm.sampling.request import Request
from jdlm.targets import Target

__all__ = ["check_complete", "check_once", "monte_carlo_path_kl", "path_kl_estimate", "path_request", "reverse_path_kl"]

_RANDOM = random()


def monte_carlo_path_kl(
    key: Key[Array, ""],
    predictor: Predictor,
    target: Target,
    schedule: Any,
    n: int,
    *,
    planner: Planner = _RANDOM,
    batch_size: int | None = None,
) -> Estimate:
    """Estimate the path KL of a sampler in nats per sequence, teacher-forced on sequences of the target.

    The mean of ``log p(X) - path_log_prob(X)`` over X from the target, and sizes and orders from the sampler. With
    uniformly random positions it estimates ``x . c - H(X)`` without using that identity.

    Args:
      key: typed key; sequences, sizes and orders are drawn from parts of it.
      predictor: the mask predictor.
      target: a distribution with ``log_prob``.
      schedule: a `jdlm.schedules.Schedule` that leaves no mask; None exactly if the planner counts by itself.
      n: sequences, at least 2.
      planner: which positions a step reveals.
      batch_size: see `jdlm.sampling.sample`.

    Raises:
      ValueError: the schedule leaves masks, n < 2, or predictor and target differ in shape.
      Unavailable: the target has no ``log_prob``.
    """
    check_pair(predictor, target)
    request = path_request(key, target, schedule, n, planner=planner)
    return path_kl_estimate(request, sample_all(predictor, [request], batch_size=batch_size).parts[0][1], target)


@jax.jit
def _three(key: Array) -> tuple[Array, ...]:
    return tuple(jax.random.split(key, 3))


def path_request(
    key: Key[Array, ""],
    target: Target,
    schedule: Any,
    n: int,
    *,
    planner: Planner = _RANDOM,
    paths: range = range(1),
) -> Request:
    """The request to a sampler behind `monte_carlo_path_kl`, to be run together with others by `sample_all`.

    Args and Raises: see `monte_carlo_path_kl`.

    Args:
      paths: numbers of independent paths to each sequence; path m of sequence i has the sample number ``m * n + i``.
    """
    keys.check(key)
    check_once(schedule)
    if schedule is not None:
        check_complete(schedule)
    key_tokens, key_sizes, key_path = _three(key)
    tokens = draw_tokens(key_tokens, target, n)
    lanes = np.add.outer(np.asarray(paths) * n, np.arange(n)).ravel()
    sizes = None if schedule is None else draw_sizes(key_sizes, schedule, indices=lanes)
    return Request(key_path, planner, sizes, forced=np.tile(tokens, (len(paths), 1)), indices=lanes)


def path_kl_estimate(request: Request, info: Info, target: Target) -> Estimate:
    """Estimate the path KL in nats per sequence from what a sampler returned for a `path_request`."""
    if request.forced is None:
        raise InputError("the request forces no tokens; make it with `path_request`")
    return mean(log_prob(target, request.forced) - np.asarray(info.path_log_prob, np.float64))


def check_once(schedule: Any) -> None:
    """Raises ValueError if the schedule masks tokens again: a path then has tokens that its end does not show."""
    if schedule is not None and schedule.remasks:
        raise InputError(
            f"schedule {schedule.name} masks tokens again, so a sequence does not tell what was revealed on the way to "
            "it, and its path has no KL; use the exact output law, or sampled sequences"
        )


def check_complete(schedule: Any) -> None:
    """Raises ValueError if the schedule leaves masks, for then its samples are not whole sequences."""
    if schedule.leftover > 1e-9:
        raise InputError(
            f"schedule {schedule.name} leaves a mask with probability {schedule.leftover:.3g}; build it with "
            "final_reveal=True"
        )


def reverse_path_kl(path_log_probs: ArrayLike, tokens: ArrayLike, target: Target) -> Estimate:
    """Mean of ``path_log_prob - log p`` over sampled tokens: KL(sampler's path || target) in nats per sequence.

    An upper bound on the KL divergence of the output distribution from the target. Infinite, with standard error NaN,
    once a sample lies outside the target's support.

    Args:
      path_log_probs: ``[n]`` from `jdlm.sampling.Info`.
      tokens: ``[n, length]`` sampled with them.
      target: a distribution with ``log_prob``.
    """
    return mean(np.asarray(path_log_probs, np.float64) - log_prob(target, tokens))
