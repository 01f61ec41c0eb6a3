"""The queue behind the sampler: slots that are never idle while there is work, and no predictor call without need.

Lanes need different numbers of predictor calls. Here they wait in a queue, longest first, and a lane that is finished
hands its slot to the next one at once, inside one compiled loop. Three more savings change no sample:

- The first step of a lane without given tokens sees masks alone: those logits are computed once for all lanes.
- Planners that need no logits know their positions before the call, so a predictor that profits from it
  (``Predictor.selective``) is asked for those only, in one of three fixed numbers of positions.
- Lanes of similar step sizes are put together, in chunks that fit the cache; chunks without work are skipped.

On a mesh of devices each has a queue and slots of its own. Step sizes, numbers of steps and planners are data: one
program serves all requests of one kind (see `jdlm.planners.has_fixed_order`). `jdlm.plain` is the slow reference.
"""

import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array

from jdlm import devices, steps
from jdlm.draws import Draw
from jdlm.planners import Planner, fixed_priority, has_fixed_order
from jdlm.predictor import Predictor, logits_dtype, map_lanes
from jdlm.requests import Lanes

_LANES_PER_SLOT = 64  # in one queue; more lanes make more queues
_QUEUE_TOKENS = 2**22  # of all lanes of a queue, so that its arrays stay below some 100 MB
MOST_FIXED = 4  # planners of fixed order in one program
_FIRST, _FOREVER = 8, 2**30  # rounds in the first call, and in one that is not to end before the work does
_SECONDS = 1.0  # that a call of the compiled loop should take; between two calls progress is reported


class Layout(NamedTuple):
    """Static shape of the work; a new one compiles anew.

    Attributes:
      slots: lanes advanced together, a multiple of ``chunk``.
      chunk: lanes that the predictor is given at once.
      widths: ascending numbers of positions for which tokens are drawn (and logits asked for), the last the length.
      capacity: lanes in a queue.
    """

    slots: int
    chunk: int
    widths: tuple[int, ...]
    capacity: int


class Usage(NamedTuple):
    """How well the slots were used.

    Attributes:
      steps: steps that were done, the sum of all NFE.
      shared: those among them that took logits computed once for all.
      evaluated: lanes that the predictor was given, idle ones in a chunk included.
    """

    steps: int
    shared: int
    evaluated: int

    @property
    def share(self) -> float:
        """Useful share of the evaluated lanes."""
        return (self.steps - self.shared) / self.evaluated if self.evaluated else 1.0


class _Queue(NamedTuple):
    """The lanes of one queue, longest first; ``count`` of them are real and ``limit`` need a slot."""

    lanes: Lanes  # [capacity, ...]
    count: Array  # [1]
    limit: Array  # [1]


class _Progress(NamedTuple):
    """How far lanes are, each array ``[lanes, ...]``."""

    tokens: Array  # [lanes, length]
    path_log_prob: Array  # [lanes]
    step: Array  # [lanes] steps done
    revealed: Array  # [lanes] tokens that they revealed
    order: Array  # [lanes, length] if the order is known from the start, else [lanes, 0]
    key_words: Array  # [lanes, 2, 2] the lane's own keys


class _State(NamedTuple):
    lanes: _Progress  # [capacity, ...]
    batch: Array  # [1] next batch of lanes to begin, `slots` lanes each
    slots: Array  # [slots] number of the lane; `capacity` where there is none
    following: Array  # [1] first lane of the queue that has had no slot yet
    evaluated: Array  # [1] lanes given to the predictor


class _Kind(NamedTuple):
    """What programs differ in besides shapes; ``planners`` is empty where the order is known from the start."""

    planners: tuple[Planner, ...]
    draw: Draw
    layout: Layout
    dtype: Any


def layout(length: int, slots: int, chunk: int) -> Layout:
    """The layout for sequences of ``length``: sixteenths, quarters and all of the positions, in chunks of ``chunk``."""
    chunk = min(chunk, slots)
    slots = math.ceil(slots / chunk) * chunk
    capacity = slots * max(1, min(_LANES_PER_SLOT, _QUEUE_TOKENS // (slots * length)))
    widths = sorted({math.ceil(length / 16), math.ceil(length / 4), length})
    return Layout(slots, chunk, tuple(widths), capacity)


def run(
    predictor: Predictor,
    lanes: Lanes,
    planners: Sequence[Planner],
    draw: Draw,
    layout: Layout,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Usage]:
    """Runs lanes whose planners are all of one kind, see `jdlm.planners.has_fixed_order`.

    Args:
      predictor: the mask predictor.
      lanes: the work, with ``lanes.planner`` a number in ``planners``.
      planners: at most `MOST_FIXED` if their order is fixed.
      draw: what tokens are drawn from.
      layout: shape of the compiled program, on each device.
      mesh: devices to work on, see `jdlm.devices`; the default one if None.
      progress: called with the number of steps done by now; only at the end on many hosts.

    Returns:
      Tokens int32 ``[lanes, length]``, path log probabilities and NFE ``[lanes]``, and the use of the slots.
    """
    dtype = logits_dtype(predictor)
    fixed = has_fixed_order(planners[0])
    kind = _Kind(() if fixed else tuple(planners), draw, layout, dtype)
    table = np.zeros((MOST_FIXED, predictor.length), np.float32)
    for number, planner in enumerate(planners if fixed else ()):
        table[number] = fixed_priority(planner, predictor.length)
    total = len(lanes.start)
    shared = (lanes.start == predictor.vocab_size).all(axis=1) & (lanes.num_steps > 0)
    waiting = lanes.num_steps - shared
    longest_first = np.argsort(-waiting, kind="stable")
    tokens, nfe = np.zeros((total, predictor.length), np.int32), np.zeros(total, np.int32)
    path_log_prob, evaluated = np.zeros(total, dtype), 0
    parts = devices.size(mesh)
    predictor, table = devices.replicate(mesh, (predictor, table))
    rounds = math.ceil(total / (layout.capacity * parts))
    for number in range(rounds):
        # Dealt like cards, so that each queue has as much to do as the others and ends with short lanes.
        hands = [longest_first[number + rounds * part :: rounds * parts] for part in range(parts)]
        padded = [[_padded(array[rows], layout.capacity) for array in lanes] for rows in hands]
        queue = _Queue(
            Lanes(*map(np.concatenate, zip(*padded, strict=True))),
            np.array([len(rows) for rows in hands], np.int32),
            np.array([(waiting[rows] > 0).sum() for rows in hands], np.int32),
        )
        report = _added(progress, int(nfe.sum()))
        end = _drive(predictor, table, queue, kind, mesh, report)
        columns = (tokens, end.lanes.tokens), (path_log_prob, end.lanes.path_log_prob), (nfe, end.lanes.step)
        for mine, column in columns:
            for rows, part in zip(hands, np.split(column, parts), strict=True):
                mine[rows] = part[: len(rows)]
        evaluated += int(end.evaluated.sum())
    return tokens, path_log_prob, nfe, Usage(int(nfe.sum()), int(shared.sum()), evaluated)


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    return np.pad(array, ((0, rows - len(array)),) + ((0, 0),) * (array.ndim - 1))


def _added(progress: Callable[[int], None] | None, before: int) -> Callable[[int], None] | None:
    return progress and (lambda done: progress(before + done))


def _drive(
    predictor: Predictor,
    table: Array,
    queue: _Queue,
    kind: _Kind,
    mesh: Mesh | None,
    progress: Callable[[int], None] | None,
) -> _State:
    """Runs a queue to its end, in calls of about a second."""
    slots = kind.layout.slots
    parts, rows = devices.size(mesh), len(queue.lanes.start)
    zeros, one = np.zeros(rows, np.int32), np.zeros(parts, np.int32)
    order = np.zeros((rows, 0 if kind.planners else predictor.length), np.int32)
    fresh = _Progress(
        queue.lanes.start, np.zeros(rows, kind.dtype), zeros, zeros, order, np.zeros((rows, 2, 2), np.uint32)
    )
    state = _State(fresh, one, np.tile(np.arange(slots, dtype=np.int32), parts), one + slots, one)
    queue, state = devices.spread(mesh, (queue, state))
    many = devices.on_many_hosts(mesh)  # all must make the same calls, so nothing depends on the time that one takes
    budget = _FOREVER if many else _FIRST
    while True:
        started = time.perf_counter()
        state, more, done = _advance(predictor, table, queue, state, np.int32(budget), kind=kind, mesh=mesh)
        more = bool(np.any(devices.fetch(more)))
        if progress is not None:
            progress(int(np.sum(devices.fetch(done))))
        if not more:
            return devices.fetch(state)
        seconds = max(time.perf_counter() - started, 1e-3)
        budget = 1 + int(budget * min(max(_SECONDS / seconds, 0.25), 4.0))


@functools.partial(jax.jit, static_argnames=("kind", "mesh"), donate_argnames="state")
def _advance(
    predictor: Predictor, table: Array, queue: _Queue, state: _State, budget: Array, *, kind: _Kind, mesh: Mesh | None
) -> tuple[_State, Array, Array]:
    """At most ``budget`` rounds of each device's slots, all arrays but the first two and ``budget`` spread over them.

    Also returns whether work is left, and how many steps are done, ``[devices]`` each.
    """
    advance = functools.partial(_advance_one, kind)
    if mesh is not None:
        whole, cut = PartitionSpec(), PartitionSpec(devices.AXIS)
        # Each device has a loop of its own and none talks to another, so there is nothing to check.
        advance = jax.shard_map(
            advance, mesh=mesh, in_specs=(whole, whole, cut, cut, whole), out_specs=cut, check_vma=False
        )
    return advance(predictor, table, queue, state, budget)


def _advance_one(
    kind: _Kind, predictor: Predictor, table: Array, queue: _Queue, state: _State, budget: Array
) -> tuple[_State, Array, Array]:
    first_logits = predictor(jnp.full(predictor.length, predictor.vocab_size, jnp.int32))

    def unfinished(state: _State) -> Array:
        return (state.batch * kind.layout.slots < queue.count) | jnp.any(state.slots < queue.limit, keepdims=True)

    def goes_on(carry: tuple[_State, Array]) -> Array:
        return (carry[1] > 0) & unfinished(carry[0])[0]

    def one_round(carry: tuple[_State, Array]) -> tuple[_State, Array]:
        return _round(predictor, first_logits, table, queue, kind, carry[0]), carry[1] - 1

    state, _ = jax.lax.while_loop(goes_on, one_round, (state, budget))
    return state, unfinished(state), state.lanes.step.sum(keepdims=True)


def _round(
    predictor: Predictor, first_logits: Array, table: Array, queue: _Queue, kind: _Kind, state: _State
) -> _State:
    """One step of the lane in each slot; then those that are finished make place for the next ones of the queue.

    The first rounds go through the queue once instead, and do the first steps for which ``first_logits`` serve.
    """
    length, (slots, width, _, capacity) = predictor.length, kind.layout
    chunks = slots // width
    begins = (state.batch * slots < queue.count)[0]
    taken = state.slots
    if chunks > 1:
        # Lanes of large steps together, idle slots last.
        lane = jnp.minimum(taken, capacity - 1)
        size = queue.lanes.sizes[lane, jnp.minimum(state.lanes.step[lane], length - 1)]
        taken = taken[jnp.argsort(jnp.where(taken < queue.limit, -size, 1))]
    rows = jnp.where(begins, state.batch * slots + jnp.arange(slots, dtype=jnp.int32), taken)
    inside = jnp.minimum(rows, capacity - 1)
    lanes, mine = jax.tree.map(lambda array: array[inside], (queue.lanes, state.lanes))
    whole = (lanes.start == predictor.vocab_size).all(axis=1) & (lanes.num_steps > 0)
    active = jnp.where(begins, whole, (rows < queue.limit) & ~_finished(predictor, lanes, mine, kind))

    def chunk(inputs: tuple[Lanes, _Progress, Array]) -> _Progress:
        step = functools.partial(_step, predictor, first_logits, kind, begins)
        return jax.lax.cond(jnp.any(inputs[2]), step, lambda lanes, mine, active: mine, *inputs)

    mine = jax.lax.cond(
        begins, functools.partial(_prepare, predictor, table, kind), lambda lanes, mine: mine, lanes, mine
    )
    if chunks == 1:
        mine = chunk((lanes, mine, active))
    else:
        cut = jax.tree.map(lambda array: array.reshape(chunks, width, *array.shape[1:]), (lanes, mine, active))
        mine = jax.tree.map(lambda array: array.reshape(slots, *array.shape[2:]), jax.lax.map(chunk, cut))
    evaluated = jnp.where(begins, 0, jnp.any(active.reshape(chunks, width), axis=1).sum(dtype=jnp.int32) * width)
    progress = jax.tree.map(lambda array, new: array.at[rows].set(new, mode="drop"), state.lanes, mine)

    free = ~begins & ((taken >= queue.limit) | _finished(predictor, lanes, mine, kind))
    place = state.following + jnp.cumsum(free, dtype=jnp.int32) - 1
    taken = jnp.where(free, jnp.where(place < queue.limit, place, capacity), taken)
    following = jnp.minimum(state.following + free.sum(dtype=jnp.int32), capacity)
    return _State(progress, state.batch + begins, taken, following, state.evaluated + evaluated)


def _finished(predictor: Predictor, lanes: Lanes, mine: _Progress, kind: _Kind) -> Array:
    done = mine.step >= lanes.num_steps
    if any(planner.count is not None for planner in kind.planners):
        done |= ~jnp.any(mine.tokens == predictor.vocab_size, axis=1)
    return done


def _prepare(predictor: Predictor, table: Array, kind: _Kind, lanes: Lanes, mine: _Progress) -> _Progress:
    """Makes the lanes' keys and, where it is known from the start, the order of their positions."""
    key_order, key_tokens = lanes.keys()
    words = jnp.stack([jax.random.key_data(key_order), jax.random.key_data(key_tokens)], axis=1)
    mine = mine._replace(key_words=words)
    if kind.planners:
        return mine
    keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(key_order, 0)
    priority = table[lanes.planner].astype(kind.dtype)
    order = jax.vmap(steps.order_of)(keys, priority, lanes.start == predictor.vocab_size)
    return mine._replace(order=order.astype(jnp.int32))


def _step(
    predictor: Predictor,
    first_logits: Array,
    kind: _Kind,
    begins: Array,
    lanes: Lanes,
    mine: _Progress,
    active: Array,
) -> _Progress:
    """One step of the active lanes of a chunk; with ``first_logits`` if it begins."""
    length, lane = predictor.length, jnp.arange(len(active))
    size = jnp.where(active, lanes.sizes[lane, jnp.minimum(mine.step, length - 1)], 0)
    keys = jax.random.wrap_key_data(mine.key_words, impl="threefry2x32")
    if kind.planners:
        logits = _all_logits(predictor, first_logits, begins, mine.tokens)
        masked = mine.tokens == predictor.vocab_size
        order, size = steps.choose(kind.planners, lanes.planner, keys[:, 0], mine.step, size, masked, logits)
        positions, size = order.astype(jnp.int32), jnp.where(active, size, 0).astype(jnp.int32)
        logits = jnp.take_along_axis(logits, positions[:, :, None], axis=1)
    else:
        places = jnp.minimum(mine.revealed[:, None] + jnp.arange(length, dtype=jnp.int32)[None], length - 1)
        positions = jnp.take_along_axis(mine.order, places, axis=1)
        if predictor.selective:
            logits = _some_logits(predictor, first_logits, begins, mine.tokens, positions, size.max(), kind)
        else:
            logits = _all_logits(predictor, first_logits, begins, mine.tokens)
            logits = jnp.take_along_axis(logits, positions[:, :, None], axis=1)
    tokens, gained = _reveal(kind, keys[:, 1], mine.tokens, lanes.forced, positions, logits, size)
    return mine._replace(
        tokens=tokens,
        path_log_prob=mine.path_log_prob + gained,
        step=mine.step + active,
        revealed=mine.revealed + size,
    )


def _all_logits(predictor: Predictor, first_logits: Array, begins: Array, tokens: Array) -> Array:
    """Logits ``[lanes, length, vocab]``."""

    def shared(tokens: Array) -> Array:
        return jnp.broadcast_to(first_logits, (len(tokens), *first_logits.shape))

    return jax.lax.cond(begins, shared, functools.partial(map_lanes, predictor), tokens)


def _some_logits(
    predictor: Predictor,
    first_logits: Array,
    begins: Array,
    tokens: Array,
    positions: Array,
    most: Array,
    kind: _Kind,
) -> Array:
    """Logits ``[lanes, length, vocab]`` at ``positions``, of which all but at least the first ``most`` are zeros."""
    widths = kind.layout.widths

    def shared(tokens: Array, positions: Array) -> Array:
        return first_logits[positions]

    def ask(width: int) -> Callable[[Array, Array], Array]:
        def asked(tokens: Array, positions: Array) -> Array:
            logits = map_lanes(predictor, tokens, positions[:, :width])
            return jnp.pad(logits, ((0, 0), (0, predictor.length - width), (0, 0)))

        return asked

    branch = jnp.where(begins, 0, 1 + (most > jnp.array(widths[:-1])).sum())
    return jax.lax.switch(branch, [shared, *map(ask, widths)], tokens, positions)


def _reveal(
    kind: _Kind, keys: Array, tokens: Array, forced: Array, positions: Array, logits: Array, size: Array
) -> tuple[Array, Array]:
    """Tokens after the first ``size [lanes]`` of ``positions`` are revealed, and their summed log probability.

    Draws for as many positions at a time as the smallest width has, and only as often as the largest size needs it.
    """
    length, width = tokens.shape[1], kind.layout.widths[0]
    padding = (0, 0), (0, -length % width)
    positions = jnp.pad(positions, padding)
    logits = jnp.pad(logits, (*padding, (0, 0)))

    def some(number: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        tokens, log_probs = carry
        first = number * width
        at = jax.lax.dynamic_slice_in_dim(positions, first, width, axis=1)
        law = kind.draw(jax.lax.dynamic_slice_in_dim(logits, first, width, axis=1))
        noise = jax.vmap(lambda key, at: steps.noise_at(key, at, law.shape[2], law.dtype))(keys, at)
        drawn = jnp.argmax(law + noise, axis=2).astype(jnp.int32)
        wanted = jnp.take_along_axis(forced, at, axis=1)
        drawn = jnp.where(wanted < 0, drawn, wanted)
        log_prob = jax.vmap(steps.token_log_prob)(law, drawn)
        # Compared with all positions, for which CPUs have vector instructions, instead of scattered to its own.
        here = at[:, None, :] == jnp.arange(length)[None, :, None]
        here &= (first + jnp.arange(width)[None] < size[:, None])[:, None, :]
        tokens = jnp.where(here.any(axis=2), jnp.where(here, drawn[:, None], 0).sum(axis=2, dtype=jnp.int32), tokens)
        return tokens, log_probs + jnp.where(here, log_prob[:, None], 0).sum(axis=2)

    parts = -(-size.max() // width)
    tokens, log_probs = jax.lax.fori_loop(0, parts, some, (tokens, jnp.zeros(tokens.shape, logits.dtype)))
    return tokens, log_probs.sum(axis=1)
