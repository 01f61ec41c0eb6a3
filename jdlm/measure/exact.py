"""Exact output distribution of any sampler with any predictor on small spaces, without Monte Carlo error.

Probability is pushed through the sampler's steps over all partly masked sequences (`jdlm.measure.state_space`). The
planner decides which set a step reveals; ties are averaged over. Where a predictor's conditionals depend on the order
of reveal, the state holds it, too (`jdlm.measure.orders`).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from jdlm.errors import InputError, check_type
from jdlm.measure.orders import OrderSpace
from jdlm.measure.path import check_once
from jdlm.measure.remasking import check_remasker, remasking_law
from jdlm.measure.speculative_law import speculative_law
from jdlm.measure.state_space import OutputLaw, StateSpace, check_size, on_rows, sequences
from jdlm.measure.step_matrices import MAX_MOVES, StepMatrices
from jdlm.planners import Planner, random
from jdlm.predictor import Predictor
from jdlm.sampling.filter import Draw
from jdlm.schedules import Schedule
from jdlm.targets import Target

__all__ = [
    "OutputLaw",
    "PathKL",
    "entropy",
    "kl",
    "output_law",
    "output_law_of",
    "path_kl",
    "path_kl_of",
    "pattern_law",
    "space",
    "speculative_law",
    "target_law",
    "total_variation",
]

_RANDOM = random()
_PLAIN = Draw()


class PathKL(NamedTuple):
    """Two divergences from a target in nats: along the sampler's path, and of its output; the gap is at least 0."""

    path: float
    output: float
    gap: float


def entropy(p: Float[np.ndarray, "..."]) -> float:
    """Entropy ``-sum p log p`` in nats of a distribution given as an array of any shape."""
    p = p[p > 0.0]
    return float(-np.sum(p * np.log(p)))


def kl(p: Float[np.ndarray, "..."], q: Float[np.ndarray, "..."]) -> float:
    """KL divergence ``sum p log(p / q)`` in nats of two distributions; infinite where q misses support of p."""
    _check_shapes(p, q)
    support = p > 0.0
    if np.any(q[support] <= 0.0):
        return math.inf
    return float(np.sum(p[support] * (np.log(p[support]) - np.log(q[support]))))


def total_variation(p: Float[np.ndarray, "..."], q: Float[np.ndarray, "..."]) -> float:
    """Total variation distance ``sum |p - q| / 2`` of two distributions of one shape; between 0 and 1."""
    _check_shapes(p, q)
    return float(0.5 * np.abs(p - q).sum())


def _check_shapes(p: np.ndarray, q: np.ndarray) -> None:
    for name, law in (("p", p), ("q", q)):
        check_type(name, law, np.ndarray, "give the law of `output_law` or `target_law`")
    if p.shape != q.shape:
        raise InputError(f"distributions have shapes {p.shape} and {q.shape}; give two over the same sequences")


def target_law(target: Target) -> Float[np.ndarray, "..."]:
    """The law of a target by its ``log_prob``, float64 ``[vocab] * length``.

    Raises:
      ValueError: the space is too large.
      Unavailable: the target has no ``log_prob``.
    """
    check_type("target", target, Target, "build one with jdlm.targets")
    check_size(target.length, target.vocab_size)
    shape = (target.vocab_size,) * target.length
    with jax.enable_x64(True):
        log_probs = on_rows(_log_probs, target, sequences(shape))
    return np.exp(log_probs).reshape(shape)


def _log_probs(target: Target, rows: Array) -> Array:
    return jax.vmap(target.log_prob)(rows)


def pattern_law(law: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Probability of each state's revealed tokens, ``[vocab + 1] * length``: the mask stands for any token."""
    for axis in range(law.ndim):
        law = np.concatenate([law, law.sum(axis=axis, keepdims=True)], axis=axis)
    return law


def space(predictor: Predictor, planner: Planner = _RANDOM, draw: Draw = _PLAIN) -> StateSpace | OrderSpace:
    """All states of a sampler, which serve any number of schedules.

    Raises:
      ValueError: there are too many, or the planner counts by itself and the predictor depends on the order of reveal.
    """
    return OrderSpace(predictor, planner, draw) if predictor.is_ordered else StateSpace(predictor, planner, draw)


def output_law(
    predictor: Predictor | Callable[[Array], Array],
    schedule: Schedule | None,
    planner: Planner = _RANDOM,
    length: int | None = None,
    vocab_size: int | None = None,
    *,
    draw: Draw = _PLAIN,
    remasker: Planner | None = None,
) -> OutputLaw:
    """The exact output distribution of a sampler, over sequences.

    Args:
      predictor: the mask predictor, evaluated once on every state: the oracle in float64, a network in its precision.
        If it depends on the order of reveal, the tokens of a step count as revealed in the planner's order. Or a plain
        JAX function ``tokens [length] -> logits [length, vocab]``, with the next two arguments.
      schedule: law of the reveal sizes; None exactly if the planner counts by itself.
      planner: which positions a step reveals.
      length, vocab_size: of a plain function; a `Predictor` knows its own.
      draw: temperature and filters of the drawn tokens.
      remasker: which revealed positions a schedule masks that masks some; the schedule's own, or random ones, if None.

    Returns:
      An `OutputLaw`; memory is about ``8 * states * (length * vocab_size + length + 4)`` bytes.

    Raises:
      ValueError: the space is too large, the lengths differ, schedule and planner do not fit together, or the remasker
        looks at what tokens were when they were drawn, so that partly masked sequences are not all that matters.
    """
    if schedule is not None:
        check_type("schedule", schedule, Schedule, "build one with jdlm.schedules")
    if not isinstance(predictor, Predictor):
        if length is None or vocab_size is None:
            raise InputError(f"length={length}, vocab_size={vocab_size} of a plain function; give both")
        predictor = Predictor.wrap(predictor, length, vocab_size)
    for name, given in (("length", length), ("vocab_size", vocab_size)):
        if given not in (None, getattr(predictor, name)):
            raise InputError(f"{name}={given}, but the predictor has {getattr(predictor, name)}; leave {name} out")
    if schedule is not None and schedule.remasks and not predictor.is_ordered:
        check_remasker(remasker or schedule.remasker or random())
        if (2 * predictor.vocab_size + 1) ** predictor.length <= MAX_MOVES and planner.count is None:
            return output_law_of(StepMatrices(predictor, planner, draw), schedule, remasker)
    return output_law_of(space(predictor, planner, draw), schedule, remasker)


def path_kl(
    target: Target,
    predictor: Predictor,
    schedule: Schedule | None,
    planner: Planner = _RANDOM,
    *,
    draw: Draw = _PLAIN,
) -> PathKL:
    """KL divergence of a sampler from a target, along its path and of its output law, by enumeration.

    The path KL is ``E sum_t KL(p(x_S | revealed) || prod_i q(x_i | revealed))`` over the sets S that the steps reveal,
    with tokens from the target. For uniformly random positions and the oracle it equals ``jdlm.curves.path_kl``; for
    planners that look at tokens it is the sum of conditional total correlations of arXiv 2608.25505.

    Args: as `output_law`, with the target first.

    Raises:
      ValueError: as `output_law`, or the schedule leaves masks.
    """
    check_type("target", target, Target, "build one with jdlm.targets")
    if schedule is not None:
        check_type("schedule", schedule, Schedule, "build one with jdlm.schedules")
    return path_kl_of(space(predictor, planner, draw), schedule, target_law(target))


def path_kl_of(space: StateSpace | OrderSpace, schedule: Schedule | None, law: Float[np.ndarray, "..."]) -> PathKL:
    """`path_kl` from a law and a state space, which serves any number of schedules."""
    check_once(schedule)
    out = output_law_of(space, schedule)
    if out.leftover > 1e-9:
        raise InputError(
            f"a mask is left with probability {out.leftover:.3g}; build the schedule with final_reveal=True"
        )
    path = space.path_kl(schedule, law) if isinstance(space, OrderSpace) else _forced_kl(space, schedule, law)
    output = kl(law, out.law)
    return PathKL(path, output, path - output)


def output_law_of(
    space: StateSpace | OrderSpace, schedule: Schedule | None, remasker: Planner | None = None
) -> OutputLaw:
    """`output_law` from a state space, which holds the predictor and the planner and serves any number of schedules."""
    if schedule is not None and schedule.remasks:
        if isinstance(space, OrderSpace):
            raise InputError(
                f"schedule {schedule.name} masks tokens again, and the predictor depends on the order of reveal; use a "
                "predictor that does not, or count sampled sequences"
            )
        return remasking_law(space, schedule, remasker or schedule.remasker or random())
    if isinstance(space, OrderSpace):
        return space.output_law(schedule)
    total = np.zeros(len(space.revealed))
    finished = [0.0]
    for weight, kernels in space.kernels(schedule):
        mass = space.start(weight)
        for number, kernel in enumerate(kernels):
            mass = space.step(mass, kernel, last=number + 1 == len(kernels))
            finished.append(mass[space.revealed == space.length].sum())
        total += mass
    return space.output(total, np.diff(finished, prepend=0.0) if schedule is None else schedule.nfe_law())


def _forced_kl(space: StateSpace, schedule: Schedule | None, law: np.ndarray) -> float:
    """KL along the path, teacher-forced on ``law``; infinite where a marginal excludes one of them."""
    pattern = pattern_law(law).ravel()
    divergence = 0.0
    for weight, kernels in space.kernels(schedule):
        mass = space.start(weight)
        for number, kernel in enumerate(kernels):
            after = space.staying(mass, kernel)
            last = number + 1 == len(kernels)
            for states, probability, successors, product in space.moves(mass, kernel, last):
                forced = pattern[successors] / pattern[states]
                after[successors] += probability * forced
                with np.errstate(divide="ignore", invalid="ignore"):
                    terms = np.where(forced > 0.0, forced * (np.log(forced) - np.log(product)), 0.0)
                divergence += float(np.sum(probability * terms))
            mass = after
    return divergence
