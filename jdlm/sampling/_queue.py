"""The queue behind the sampler: it keeps the slots busy and saves predictor calls.

Lanes need different numbers of predictor calls. Here they wait in a queue, longest first, and a lane that is finished
hands its slot to the next one at once, inside one compiled loop. Three more savings change no sample:

- The first step of a lane without given tokens sees masks alone: those logits are computed once for all lanes.
- Planners that need no logits know their positions before the call, so a predictor that profits from it
  (``Predictor.selective``) is asked for those only, in one of three fixed numbers of positions.
- Lanes of similar step sizes share a chunk, which fits the cache; chunks without work are skipped.

On a mesh of devices each has a queue and slots of its own. Step sizes, numbers of steps and planners are data: one
program serves all requests of one kind (see `jdlm.planners.has_fixed_order`). Its slow reference is
`tests.reference.plain`.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jdlm import devices
from jdlm.errors import InputError
from jdlm.planners import Planner, fixed_priority, has_fixed_order
from jdlm.predictor import Predictor, fault_message, logits_dtype
from jdlm.sampling import _again as remasking
from jdlm.sampling import _cached as cached
from jdlm.sampling._draws import Kind, Layout
from jdlm.sampling._loop import LaneState, Queue, State, advance
from jdlm.sampling.filter import Draw
from jdlm.sampling.request import Lanes, Request, Rows
from jdlm.sampling.trace import Snapshot

__all__ = ["MOST_FIXED", "Usage", "layout", "run"]

_LANES_PER_SLOT = 64  # in one queue; more lanes make more queues
_QUEUE_TOKENS = 2**22  # of all lanes of a queue, so that its arrays stay below some 100 MB
MOST_FIXED = 4  # planners of fixed order in one program
_FIRST, _FOREVER = 8, 2**30  # rounds of the first call, and of one that ends with the work
_SECONDS = 1.0  # that a call of the compiled loop should take; between two calls progress is reported


class Usage(NamedTuple):
    """How well the slots were used.

    Attributes:
      steps: steps done, the sum of all NFE.
      shared: steps that used the logits of masks alone, which are computed once.
      evaluated: lanes passed to the predictor, including idle ones in a chunk.
    """

    steps: int
    shared: int
    evaluated: int

    @property
    def share(self) -> float:
        """Useful share of the evaluated lanes."""
        return (self.steps - self.shared) / self.evaluated if self.evaluated else 1.0


def layout(length: int, slots: int, chunk: int, ordered: bool = False) -> Layout:
    """The layout for sequences of ``length``: sixteenths, quarters and all of the positions, in chunks of ``chunk``.

    An ordered predictor has one chunk, for its caches stay where they are, and finer widths, for a pass over few rows
    costs little: 1, 8, 32, ... positions.
    """
    chunk = slots if ordered else chunk
    chunk = min(chunk, slots)
    slots = math.ceil(slots / chunk) * chunk
    capacity = slots * max(1, min(_LANES_PER_SLOT, _QUEUE_TOKENS // (slots * length)))
    widths = {math.ceil(length / 16), math.ceil(length / 4)}
    if ordered:
        widths = {1} | {width for power in range(length.bit_length()) if 1 < (width := 2 * 4**power) < length}
    widths = sorted({*widths, length})
    return Layout(slots, chunk, tuple(widths), capacity)


def groups(
    lanes: Sequence[Lanes], requests: Sequence[Request]
) -> Iterator[tuple[list[int], list[Planner], Planner | None]]:
    """Group requests by program: the numbers of each group's requests, their different planners, and the remasker."""
    kinds: dict[Any, list[int]] = {}
    fixed: list[Planner] = []
    for i, request in enumerate(requests):
        planner = request.planner
        if lanes[i].remask is not None:
            kinds.setdefault(("remask", request.remasker), []).append(i)
        elif has_fixed_order(planner):
            fixed += [planner] * (planner not in fixed)
            kinds.setdefault(("fixed", fixed.index(planner) // MOST_FIXED), []).append(i)
        else:
            kinds.setdefault(("logits", None), []).append(i)
    for (word, remasker), members in kinds.items():
        planners = list(dict.fromkeys(requests[i].planner for i in members))
        yield members, planners, remasker if word == "remask" else None


def together(parts: Sequence[Lanes]) -> Lanes:
    """All lanes of a group, as wide as the widest."""
    width = max(part.sizes.shape[1] for part in parts)

    def widened(part: Lanes) -> Lanes:
        more = (0, width - part.sizes.shape[1])
        remask = None if part.remask is None else np.pad(part.remask, ((0, 0), more, (0, 0)))
        return part._replace(sizes=np.pad(part.sizes, ((0, 0), more)), remask=remask)

    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *map(widened, parts))


def run(
    predictor: Predictor,
    lanes: Lanes,
    planners: Sequence[Planner],
    draw: Draw,
    layout: Layout,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
    remasker: Planner | None = None,
    snapshots: list[Snapshot] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Usage]:
    """Run lanes whose planners are all of one kind, see `jdlm.planners.has_fixed_order`; of any kind with a remasker.

    Args:
      predictor: the mask predictor.
      lanes: the work, with ``lanes.planner`` a number in ``planners``.
      planners: at most `MOST_FIXED` if their order is fixed.
      draw: what tokens are drawn from.
      layout: shape of the compiled program, on each device.
      mesh: devices to work on, see `jdlm.devices`; the default one if None.
      progress: called with the number of steps done by now; only at the end on many hosts.
      remasker: which tokens are masked again; None exactly where ``lanes.remask`` is.
      snapshots: takes what the lanes are after each round; of one queue on one device.

    Returns:
      Tokens int32 ``[lanes, length]``, path log probabilities, NFE and numbers of changed tokens ``[lanes]``, and the
      use of the slots.

    Raises:
      ValueError: the predictor returned logits that are not a distribution where a token was to be drawn.
    """
    dtype = logits_dtype(predictor)
    fixed = has_fixed_order(planners[0]) and remasker is None
    kind = Kind(() if fixed else tuple(planners), draw, layout, dtype, remasker)
    table = np.zeros((MOST_FIXED, predictor.length), np.float32)
    for number, planner in enumerate(planners if fixed else ()):
        table[number] = fixed_priority(planner, predictor.length)
    total = len(lanes.start)
    shared = (lanes.start == predictor.vocab_size).all(axis=1) & (lanes.num_steps > 0)
    waiting = lanes.num_steps - shared
    longest_first = np.argsort(-waiting, kind="stable")
    tokens = np.zeros((total, predictor.length), np.int32)
    steps, fault, changed, calls = (np.zeros(total, np.int32) for _ in range(4))
    path_log_prob, evaluated = np.zeros(total, dtype), 0
    parts = devices.size(mesh)
    predictor, table = devices.replicate(mesh, (predictor, table))
    rounds = math.ceil(total / (layout.capacity * parts))
    for number in range(rounds):
        # Dealt like cards, so that each queue has as much to do as the others and ends with short lanes.
        hands = [longest_first[number + rounds * part :: rounds * parts] for part in range(parts)]
        padded = [jax.tree.map(lambda array, rows=rows: _padded(array[rows], layout.capacity), lanes) for rows in hands]
        queue = Queue(
            jax.tree.map(lambda *parts: np.concatenate(parts), *padded),
            np.array([len(rows) for rows in hands], np.int32),
            np.array([(waiting[rows] > 0).sum() for rows in hands], np.int32),
        )
        report = _added(progress, int(steps.sum()))
        *columns, asked = _drive(predictor, table, queue, kind, mesh, report, snapshots)
        for mine, column in zip((tokens, path_log_prob, steps, fault, changed, calls), columns, strict=True):
            for rows, part in zip(hands, np.split(column, parts), strict=True):
                mine[rows] = part[: len(rows)]
        evaluated += int(asked.sum())
        if snapshots is not None:
            back = np.argsort(hands[0])
            snapshots[:] = [Snapshot(*(column[: len(back)][back] for column in each)) for each in snapshots]
    if fault.any():
        lane = int(np.argmax(fault > 0))
        raise InputError(fault_message(int(fault[lane]), f"in lane {lane}"))
    return tokens, path_log_prob, steps + calls, changed, Usage(int(steps.sum()), int(shared.sum()), evaluated)


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    return np.pad(array, ((0, rows - len(array)),) + ((0, 0),) * (array.ndim - 1))


def _added(progress: Callable[[int], None] | None, before: int) -> Callable[[int], None] | None:
    return progress and (lambda done: progress(before + done))


def _drive(
    predictor: Predictor,
    table: Rows,
    queue: Queue,
    kind: Kind,
    mesh: Mesh | None,
    progress: Callable[[int], None] | None,
    snapshots: list[Snapshot] | None,
) -> tuple[np.ndarray, ...]:
    """Run a queue to its end, in calls of about a second; of one round each where snapshots are taken.

    Returns tokens, path log probabilities, steps, faults, changed tokens and calls of the remasker of all rows, and how
    many lanes each device evaluated.
    """
    slots = kind.layout.slots
    parts, rows = devices.size(mesh), len(queue.lanes.start)
    zeros, one = np.zeros(rows, np.int32), np.zeros(parts, np.int32)
    order = None if kind.planners else np.zeros((rows, predictor.length), np.int32)
    history = np.zeros((rows, predictor.length), np.int32) if predictor.is_ordered else None
    words = np.zeros((rows, 2, 2), np.uint32)
    fresh = LaneState(queue.lanes.start, np.zeros(rows, kind.dtype), zeros, zeros, order, words, zeros, history)
    if kind.remasker is not None:
        fresh = fresh._replace(again=remasking.begin(rows, predictor.length, kind.dtype))
    state = State(fresh, np.tile(np.arange(slots, dtype=np.int32), parts), one, one + slots, one)
    queue, state = devices.spread(mesh, (queue, state))
    if predictor.is_ordered:
        state = state._replace(caches=cached.empty(predictor, slots, mesh))
    many = devices.on_many_hosts(mesh)  # all must make the same calls, so nothing depends on the time that one takes
    budget = 1 if snapshots is not None else _FOREVER if many else _FIRST
    while True:
        started = time.perf_counter()
        state, more, done = advance(predictor, table, queue, state, np.int32(budget), kind=kind, mesh=mesh)
        more = bool(np.any(devices.fetch(more)))
        if progress is not None:
            progress(int(np.sum(devices.fetch(done))))
        if snapshots is not None:
            seen = devices.fetch((state.lanes.tokens, state.lanes.path_log_prob, state.lanes.step))
            snapshots.append(Snapshot(*map(np.array, seen)))  # copied, for the next call takes the arrays
        if not more:
            mine = state.lanes
            numbers = (zeros, zeros) if mine.again is None else (mine.again.changed, mine.again.calls)
            return devices.fetch((mine.tokens, mine.path_log_prob, mine.step, mine.fault, *numbers, state.evaluated))
        seconds = max(time.perf_counter() - started, 1e-3)
        if snapshots is None:
            budget = 1 + int(budget * min(max(_SECONDS / seconds, 0.25), 4.0))
