"""The sampler: any predictor, planner and reveal sizes, lanes side by side in one compiled program.

A lane starts from masks (or from given tokens). Each of its steps asks the predictor once, lets the planner choose as
many masked positions as the lane's next size says, draws their tokens independently from the predicted marginals, and
reveals them; revealed tokens never change, unless a step masks some again (`Steps`). Sizes are data, so a new schedule
or number of steps compiles nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Int32, Key
from numpy.typing import ArrayLike

from jdlm import devices
from jdlm.errors import InputError, check_type
from jdlm.planners import Planner, random
from jdlm.predictor import Predictor, chunk_size
from jdlm.sampling import _queue as slots
from jdlm.sampling.filter import Draw
from jdlm.sampling.request import Lanes, Request, Steps, lanes_of
from jdlm.sampling.trace import MOST, Snapshot, Trace, from_snapshots
from jdlm.targets import validation

__all__ = [
    "DEFAULT_WIDTH",
    "Info",
    "Results",
    "default_slots",
    "path_log_prob",
    "queue_lanes",
    "sample",
    "sample_all",
    "sample_with_info",
    "slots_of",
]

DEFAULT_WIDTH = 128
MOST_SLOTS = 2**16
"""Largest ``batch_size``: 500 times the default, beyond which memory is taken and nothing gained."""
_RANDOM = random()
_PLAIN = Draw()


class Info(NamedTuple):
    """What happened in each lane.

    Attributes:
      nfe: int32 ``[lanes]`` predictor calls, those of a planner for remasking among them; a step that reveals nothing
        makes none.
      leftover: int32 ``[lanes]`` masks left at the end; 0 unless ``allow_leftover``.
      path_log_prob: float ``[lanes]`` nats; log probability of the revealed tokens under the distribution they were
        drawn from, each in the step that revealed it (order and sizes known); of all draws where tokens were masked
        again.
      changed: int32 ``[lanes]`` how often a position was masked again and then got another token.
      trace: what each step did, where it was asked for.
    """

    nfe: Int[Array, " lanes"]
    leftover: Int[Array, " lanes"]
    path_log_prob: Float[Array, " lanes"]
    changed: Int[Array, " lanes"]
    trace: Trace | None = None


class Results(NamedTuple):
    """What `sample_all` returns.

    Attributes:
      parts: tokens int32 ``[lanes, length]`` and `Info` of each request, in their order, as numpy arrays.
      usage: how the slots were used, all programs together.
      layouts: shapes of the compiled programs, one for each kind of planner in the requests.
      cache_bytes: of what a predictor keeps of the lanes in all slots of a device; 0 for one without rules.
    """

    parts: list[tuple[np.ndarray, Info]]
    usage: slots.Usage
    layouts: tuple[slots.Layout, ...]
    cache_bytes: int = 0


def sample_all(
    predictor: Predictor,
    requests: Sequence[Request],
    *,
    draw: Draw = _PLAIN,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
    trace: bool = False,
) -> Results:
    """Run many requests in one queue; another schedule or number of steps compiles nothing.

    Planners that need no logits share one compiled program, all others of the requests another one. Within a program
    a lane that is finished hands its slot to the next lane of any request.

    Args:
      predictor: the mask predictor.
      requests: what to sample, each with its own key, planner and sizes.
      draw: temperature and filters of the drawn tokens.
      batch_size: slots of the compiled program on each device; chosen from the shapes by `default_slots` if None.
      mesh: devices that share the lanes, see `jdlm.devices.mesh`; the default device if None.
      progress: called about once a second with the number of steps done.
      trace: keep what each step did, on one device; the same tokens, more slowly.

    Raises:
      ValueError: as `sample`, or a trace of more than `jdlm.sampling.trace.MOST` numbers or on several devices.
    """
    check_type("predictor", predictor, Predictor, "use jdlm.predictor.oracle, a network or Predictor.wrap")
    if draw.final is not None and any(request.sizes is None for request in requests):
        raise InputError("draw has a final one, and a planner that counts by itself knows no last step; leave it out")
    layout = _layout(predictor, batch_size)
    parts: list[Any] = [None] * len(requests)
    usages, done = [slots.Usage(0, 0, 0)], 0
    for members, planners, remasker in slots.groups(
        made := [lanes_of(request, predictor) for request in requests], requests
    ):
        lanes = [
            made[i]._replace(planner=np.full_like(made[i].planner, planners.index(requests[i].planner)))
            for i in members
        ]
        together = slots.together(lanes)
        report = progress and (lambda more, done=done: progress(done + more))
        seen: list[Snapshot] | None = [] if trace else None
        if trace:
            _check_trace(together, layout, mesh)
        results = slots.run(predictor, together, planners, draw, layout, mesh, report, remasker, seen)
        tokens, path_log_prob, nfe, changed, usage = results
        leftover = (tokens == predictor.vocab_size).sum(axis=1, dtype=np.int32)
        ends = np.cumsum([len(part.start) for part in lanes])[:-1]
        columns = [np.split(column, ends) for column in (tokens, nfe, leftover, path_log_prob, changed)]
        for i, (mine, *info) in zip(members, zip(*columns, strict=True), strict=True):
            parts[i] = (mine, Info(*info))
        if seen is not None:
            for i, first, end in zip(members, [0, *ends], [*ends, len(tokens)], strict=True):
                cut = [Snapshot(*(column[first:end] for column in each)) for each in seen]
                parts[i] = (parts[i][0], parts[i][1]._replace(trace=from_snapshots(made[i].start, cut)))
        usages.append(usage)
        done += usage.steps
    cache_bytes = 0 if predictor.rules is None else layout.slots * predictor.rules.lane_bytes
    usage = slots.Usage(*map(sum, zip(*usages, strict=True)))
    return Results(parts, usage, (layout,) * (len(usages) - 1), cache_bytes)


def _check_trace(lanes: Lanes, layout: slots.Layout, mesh: Mesh | None) -> None:
    """Raise an InputError if a trace would be of several queues, or too large."""
    count, length = lanes.start.shape
    if devices.size(mesh) > 1 or count > layout.capacity:
        raise InputError(f"a trace of {count} lanes takes one device and at most {layout.capacity} lanes; use fewer")
    numbers = count * length * min(int(lanes.num_steps.max(initial=0)), 2**31)
    if numbers > MOST:
        raise InputError(f"a trace of {count} lanes keeps {numbers} numbers, more than {MOST}; trace fewer lanes")


def queue_lanes(predictor: Predictor, batch_size: int | None = None, mesh: Mesh | None = None) -> int:
    """Number of lanes that `sample_all` keeps in one queue, on all devices; more are done one queue after the other."""
    return _layout(predictor, batch_size).capacity * devices.size(mesh)


def _layout(predictor: Predictor, batch_size: int | None) -> slots.Layout:
    """The shape of the compiled program."""
    width = validation.integer("batch_size", slots_of(predictor) if batch_size is None else batch_size, 1, MOST_SLOTS)
    return slots.layout(predictor.length, width, predictor.chunk or width, predictor.is_ordered)


def default_slots(length: int, vocab_size: int) -> int:
    """Default number of lanes advanced together: 128, fewer for long sequences."""
    return max(8, min(DEFAULT_WIDTH, chunk_size(length * max(length, vocab_size), 2**24)))


def slots_of(predictor: Predictor) -> int:
    """Default number of lanes advanced together: `default_slots`; with caches on CPU as many as fit the last cache."""
    most = default_slots(predictor.length, predictor.vocab_size)
    if predictor.rules is None or not devices.on_cpu():
        return most
    return min(most, max(8, chunk_size(predictor.rules.lane_bytes)))


def _one(
    predictor: Predictor, request: Request, draw: Draw, batch_size: int | None, trace: bool = False
) -> tuple[Array, Info]:
    tokens, info = sample_all(predictor, [request], draw=draw, batch_size=batch_size, trace=trace).parts[0]
    nfe, leftover, path_log_prob, changed = map(jnp.asarray, info[:4])
    return jnp.asarray(tokens), Info(nfe, leftover, path_log_prob, changed, info.trace)


def sample_with_info(
    key: Key[Array, ""],
    predictor: Predictor,
    sizes: ArrayLike | Steps | None,
    *,
    planner: Planner = _RANDOM,
    draw: Draw = _PLAIN,
    given: ArrayLike | None = None,
    indices: ArrayLike | None = None,
    batch_size: int | None = None,
    allow_leftover: bool = False,
    trace: bool = False,
) -> tuple[Int32[Array, "lanes length"], Info]:
    """Draw sequences like `sample`, and return what happened in each lane, too.

    Args and Raises: see `sample`; with ``trace`` also what each step did, see `jdlm.sampling.Trace` and `sample_all`.

    Returns:
      Tokens int32 ``[lanes, length]`` and an `Info` of arrays ``[lanes]``.
    """
    request = Request(key, planner, sizes, given, None, indices, allow_leftover)
    return _one(predictor, request, draw, batch_size, trace)


def sample(
    key: Key[Array, ""],
    predictor: Predictor,
    sizes: ArrayLike | Steps | None,
    *,
    planner: Planner = _RANDOM,
    draw: Draw = _PLAIN,
    given: ArrayLike | None = None,
    indices: ArrayLike | None = None,
    batch_size: int | None = None,
    allow_leftover: bool = False,
) -> Int32[Array, "lanes length"]:
    """Draw sequences from a predictor, one per lane, each with its own row of reveal sizes.

    Lanes with different schedules and numbers of steps run side by side. The result of a lane depends on the key, its
    index, its sizes and its given tokens alone: not on the other lanes, their order or ``batch_size``. A network's
    logits, however, round differently next to other lanes, so that about one token in a million may differ.

    Args:
      key: typed threefry key (`jax.random.key`, unless JAX's default was changed).
      predictor: the mask predictor.
      sizes: int ``[lanes, steps]``; how many tokens each step of a lane reveals. Each row sums to the number of
        positions to fill. Zeros are allowed anywhere and cost nothing. Or `Steps`, which mask tokens again. None
        exactly if the planner counts by itself.
      planner: which positions a step reveals; `jdlm.planners.random` by default.
      draw: temperature and filters of the drawn tokens; none by default.
      given: int ``[length]`` or ``[lanes, length]`` tokens known from the start, with the mask id ``vocab_size``
        where a token is to be drawn; all masks by default.
      indices: int ``[lanes]`` global sample numbers below 2^32; 0..lanes-1 by default.
      batch_size: slots of the compiled program; chosen from the shapes by `default_slots` if None.
      allow_leftover: accept rows of ``sizes`` that leave masks; they stay in the result as the mask id.

    Returns:
      int32 ``[lanes, length]``.

    Raises:
      ValueError: sizes, tokens or indices of a wrong shape, dtype, range or sum, a key that is not threefry's, or a
        predictor whose logits are NaN, +inf, or -inf for all tokens.
    """
    return sample_with_info(
        key, predictor, sizes,
        planner=planner, draw=draw, given=given, indices=indices, batch_size=batch_size, allow_leftover=allow_leftover,
    )[0]  # fmt: skip


def path_log_prob(
    key: Key[Array, ""],
    predictor: Predictor,
    sizes: ArrayLike | Steps | None,
    tokens: ArrayLike,
    *,
    planner: Planner = _RANDOM,
    draw: Draw = _PLAIN,
    given: ArrayLike | None = None,
    indices: ArrayLike | None = None,
    batch_size: int | None = None,
    allow_leftover: bool = False,
) -> Float[Array, " lanes"]:
    """Log probability in nats that the sampler's own steps give to known tokens, along one drawn path per lane.

    Runs the same program as `sample` teacher-forced: each step reveals the given tokens at the positions that
    the planner chooses, and adds the log probabilities that the predictor gave to them. Its mean over sequences of
    the target, minus their log probability, is minus the path KL.

    Args:
      tokens: int ``[length]`` or ``[lanes, length]`` without masks.
      key, predictor, sizes, planner, draw, given, indices, batch_size, allow_leftover: see `sample`.

    Returns:
      Float ``[lanes]`` nats; -inf where the predictor excludes a token.

    Raises:
      ValueError: as `sample`, where ``tokens`` disagrees with ``given``, and where tokens are masked again.
    """
    request = Request(key, planner, sizes, given, tokens, indices, allow_leftover)
    return _one(predictor, request, draw, batch_size)[1].path_log_prob
