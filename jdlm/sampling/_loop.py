"""The compiled loop behind `jdlm.sampling._queue`: rounds in which the lane of each slot does one step.

A queue's lanes lie in arrays of a fixed number of rows, and a slot is the number of a row, so that a lane which is
finished hands its slot on by one changed number. Nothing here knows a schedule or a number of steps: sizes are data.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array

from jdlm import devices
from jdlm.keys import IMPL
from jdlm.planners import Planner
from jdlm.predictor import Predictor, faults, map_lanes
from jdlm.sampling import _step as steps
from jdlm.sampling.filter import Draw
from jdlm.sampling.request import Lanes, Rows

__all__ = ["Kind", "LaneState", "Layout", "Queue", "State", "advance"]


class Layout(NamedTuple):
    """Static shapes of the loop; each new value compiles a program.

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


class Queue(NamedTuple):
    """The lanes of one queue, longest first; ``count`` of them are real and ``limit`` need a slot."""

    lanes: Lanes  # [capacity, ...]
    count: Rows  # [1]
    limit: Rows  # [1]


class LaneState(NamedTuple):
    """What lanes carry from step to step, each array ``[lanes, ...]``."""

    tokens: Rows  # [lanes, length]
    path_log_prob: Rows  # [lanes]
    step: Rows  # [lanes] steps done
    revealed: Rows  # [lanes] tokens that they revealed
    order: Rows | None  # [lanes, length] where it is known from the start
    key_words: Rows  # [lanes, 2, 2] the lane's own keys
    fault: Rows  # [lanes] what was wrong with logits, see `jdlm.predictor.faults`


class State(NamedTuple):
    """What the loop carries; one of each of the last arrays a device."""

    lanes: LaneState  # [capacity, ...]
    slots: Rows  # [slots] number of the lane; `capacity` where there is none
    batch: Rows  # [1] next batch of lanes to begin, `slots` lanes each
    following: Rows  # [1] first lane of the queue that has had no slot yet
    evaluated: Rows  # [1] lanes given to the predictor


class Kind(NamedTuple):
    """Static arguments of the loop; ``planners`` is empty where the order is known from the start."""

    planners: tuple[Planner, ...]
    draw: Draw
    layout: Layout
    dtype: Any


@functools.partial(jax.jit, static_argnames=("kind", "mesh"), donate_argnames="state")
def advance(
    predictor: Predictor, table: Array, queue: Queue, state: State, budget: Array, *, kind: Kind, mesh: Mesh | None
) -> tuple[State, Array, Array]:
    """Run at most ``budget`` rounds on each device.

    ``queue`` and ``state`` are spread over the devices; every device has the whole of the other arrays.

    Returns:
      The new state, whether work is left, and how many steps are done; the last two ``[devices]``.
    """
    # Each device has a loop of its own, and none waits for another.
    on_device = devices.sharded(
        mesh, functools.partial(_advance_one, kind), (False, False, True, True, False), result_cut=True
    )
    return on_device(predictor, table, queue, state, budget)


def _advance_one(
    kind: Kind, predictor: Predictor, table: Array, queue: Queue, state: State, budget: Array
) -> tuple[State, Array, Array]:
    first_logits = predictor(jnp.full(predictor.length, predictor.vocab_size, jnp.int32))

    def unfinished(state: State) -> Array:
        return (state.batch * kind.layout.slots < queue.count) | jnp.any(state.slots < queue.limit, keepdims=True)

    def goes_on(carry: tuple[State, Array]) -> Array:
        return (carry[1] > 0) & unfinished(carry[0])[0]

    def one_round(carry: tuple[State, Array]) -> tuple[State, Array]:
        return _round(predictor, first_logits, table, queue, kind, carry[0]), carry[1] - 1

    state, _ = jax.lax.while_loop(goes_on, one_round, (state, budget))
    return state, unfinished(state), state.lanes.step.sum(keepdims=True)


def _round(predictor: Predictor, first_logits: Array, table: Array, queue: Queue, kind: Kind, state: State) -> State:
    """Do one step of the lane in each slot, then hand the slots of finished lanes to the next lanes of the queue.

    The first rounds pass through the whole queue instead, and do the first steps that ``first_logits`` can serve.
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

    def chunk(inputs: tuple[Lanes, LaneState, Array]) -> LaneState:
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
    after = jax.tree.map(lambda array, new: array.at[rows].set(new, mode="drop"), state.lanes, mine)

    free = ~begins & ((taken >= queue.limit) | _finished(predictor, lanes, mine, kind))
    place = state.following + jnp.cumsum(free, dtype=jnp.int32) - 1
    taken = jnp.where(free, jnp.where(place < queue.limit, place, capacity), taken)
    following = jnp.minimum(state.following + free.sum(dtype=jnp.int32), capacity)
    return State(after, taken, state.batch + begins, following, state.evaluated + evaluated)


def _finished(predictor: Predictor, lanes: Lanes, mine: LaneState, kind: Kind) -> Array:
    done = mine.step >= lanes.num_steps
    if any(planner.count is not None for planner in kind.planners):
        done |= ~jnp.any(mine.tokens == predictor.vocab_size, axis=1)
    return done


def _prepare(predictor: Predictor, table: Array, kind: Kind, lanes: Lanes, mine: LaneState) -> LaneState:
    """Make the lanes' keys and, if it is known from the start, the order of their positions."""
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
    kind: Kind,
    begins: Array,
    lanes: Lanes,
    mine: LaneState,
    active: Array,
) -> LaneState:
    """Do one step of the active lanes of a chunk; with ``first_logits`` if it is their first."""
    length, lane = predictor.length, jnp.arange(len(active))
    size = jnp.where(active, lanes.sizes[lane, jnp.minimum(mine.step, length - 1)], 0)
    keys = jax.random.wrap_key_data(mine.key_words, impl=IMPL)
    if mine.order is None:
        logits = _all_logits(predictor, first_logits, begins, mine.tokens)
        masked = mine.tokens == predictor.vocab_size
        seen = jnp.where(masked & active[:, None], faults(logits), 0).max(axis=1)  # also where nothing is drawn yet
        order, size = steps.choose(kind.planners, lanes.planner, keys[:, 0], mine.step, size, masked, logits)
        positions, size = order.astype(jnp.int32), jnp.where(active, size, 0).astype(jnp.int32)
        logits = jnp.take_along_axis(logits, positions[:, :, None], axis=1)
    else:
        seen = jnp.zeros(len(active), jnp.int32)
        places = jnp.minimum(mine.revealed[:, None] + jnp.arange(length, dtype=jnp.int32)[None], length - 1)
        positions = jnp.take_along_axis(mine.order, places, axis=1)
        if predictor.selective:
            logits = _some_logits(predictor, first_logits, begins, mine.tokens, positions, size.max(), kind)
        else:
            logits = _all_logits(predictor, first_logits, begins, mine.tokens)
            logits = jnp.take_along_axis(logits, positions[:, :, None], axis=1)
    tokens, gained, fault = _reveal(kind, keys[:, 1], mine.tokens, lanes.forced, positions, logits, size)
    return mine._replace(
        tokens=tokens,
        path_log_prob=mine.path_log_prob + gained,
        step=mine.step + active,
        revealed=mine.revealed + size,
        fault=jnp.maximum(mine.fault, jnp.maximum(fault, seen)),
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
    kind: Kind,
) -> Array:
    """Logits ``[lanes, length, vocab]`` at ``positions``: the predictor's for the first ``most``, else zeros."""
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
    kind: Kind, keys: Array, tokens: Array, forced: Array, positions: Array, logits: Array, size: Array
) -> tuple[Array, Array, Array]:
    """Reveal the first ``size [lanes]`` of ``positions``; return tokens, their summed log probability, and faults.

    Tokens are drawn in blocks of the smallest width, as many blocks as the largest size needs.
    """
    length, width = tokens.shape[1], kind.layout.widths[0]
    padding = (0, 0), (0, -length % width)
    positions = jnp.pad(positions, padding)
    logits = jnp.pad(logits, (*padding, (0, 0)))

    def some(number: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        tokens, log_probs, fault = carry
        first = number * width
        at = jax.lax.dynamic_slice_in_dim(positions, first, width, axis=1)
        own = jax.lax.dynamic_slice_in_dim(logits, first, width, axis=1)
        law = kind.draw(own)
        noise = jax.vmap(lambda key, at: steps.noise_at(key, at, law.shape[2], law.dtype))(keys, at)
        drawn = jnp.argmax(law + noise, axis=2).astype(jnp.int32)
        known = jnp.take_along_axis(forced, at, axis=1)
        drawn = jnp.where(known < 0, drawn, known)
        log_prob = jax.vmap(steps.token_log_prob)(law, drawn)
        # Compared with all positions, for which CPUs have vector instructions, instead of scattered to its own.
        here = at[:, None, :] == jnp.arange(length)[None, :, None]
        wanted = first + jnp.arange(width)[None] < size[:, None]
        here &= wanted[:, None, :]
        tokens = jnp.where(here.any(axis=2), jnp.where(here, drawn[:, None], 0).sum(axis=2, dtype=jnp.int32), tokens)
        fault = jnp.maximum(fault, jnp.where(wanted, faults(own), 0).max(axis=1))
        return tokens, log_probs + jnp.where(here, log_prob[:, None], 0).sum(axis=2), fault

    parts = -(-size.max() // width)
    start = tokens, jnp.zeros(tokens.shape, logits.dtype), jnp.zeros(len(tokens), jnp.int32)
    tokens, log_probs, fault = jax.lax.fori_loop(0, parts, some, start)
    return tokens, log_probs.sum(axis=1), fault
