"""The compiled loop behind `jdlm.sampling._queue`: rounds in which the lane of each slot does one step.

A queue's lanes lie in arrays of a fixed number of rows, and a slot is the number of a row, so that a lane which is
finished hands its slot on by one changed number. Nothing here knows a schedule or a number of steps: sizes are data.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array

from jdlm import devices
from jdlm.keys import IMPL
from jdlm.planners import has_fixed_order
from jdlm.predictor import Predictor, faults
from jdlm.sampling import _again as remasking
from jdlm.sampling import _cached as cached
from jdlm.sampling import _step as steps
from jdlm.sampling._draws import Kind, all_logits, reveal, some_logits
from jdlm.sampling.request import Lanes, Rows

__all__ = ["LaneState", "Queue", "State", "advance"]


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
    history: Rows | None = None  # [lanes, length] positions in the order of reveal, where the predictor wants to know
    again: remasking.Again | None = None  # where some lanes mask tokens again


class State(NamedTuple):
    """What the loop carries; one of each of the last arrays a device."""

    lanes: LaneState  # [capacity, ...]
    slots: Rows  # [slots] number of the lane; `capacity` where there is none
    batch: Rows  # [1] next batch of lanes to begin, `slots` lanes each
    following: Rows  # [1] first lane of the queue that has had no slot yet
    evaluated: Rows  # [1] lanes given to the predictor
    caches: cached.Slots | None = None  # of each slot, where the predictor has rules for it


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

    def opening(carry: tuple[State, Array]) -> Array:
        return (carry[1] > 0) & (carry[0].batch * kind.layout.slots < queue.count)[0]

    def open_round(carry: tuple[State, Array]) -> tuple[State, Array]:
        state = carry[0]._replace(caches=None)
        state = _round(predictor, first_logits, table, queue, kind, state, opens=True)
        return state._replace(caches=carry[0].caches), carry[1] - 1

    carry = state, budget
    if predictor.is_ordered:  # in a loop of its own, for no condition may return the caches
        carry = jax.lax.while_loop(opening, open_round, carry)
    state, _ = jax.lax.while_loop(goes_on, one_round, carry)
    return state, unfinished(state), state.lanes.step.sum(keepdims=True)


def _round(
    predictor: Predictor,
    first_logits: Array,
    table: Array,
    queue: Queue,
    kind: Kind,
    state: State,
    opens: bool = False,
) -> State:
    """Do one step of the lane in each slot, then hand the slots of finished lanes to the next lanes of the queue.

    The first rounds pass through the whole queue instead, and do the first steps that ``first_logits`` can serve; with
    an ordered predictor ``opens`` says which rounds these are.
    """
    slots, width, _, capacity = kind.layout
    chunks = slots // width
    begins = opens if predictor.is_ordered else (state.batch * slots < queue.count)[0]
    taken = state.slots
    if chunks > 1:
        # Lanes of large steps together, idle slots last.
        lane = jnp.minimum(taken, capacity - 1)
        size = queue.lanes.sizes[lane, jnp.minimum(state.lanes.step[lane], queue.lanes.sizes.shape[1] - 1)]
        taken = taken[jnp.argsort(jnp.where(taken < queue.limit, -size, 1))]
    rows = jnp.where(begins, state.batch * slots + jnp.arange(slots, dtype=jnp.int32), taken)
    inside = jnp.minimum(rows, capacity - 1)
    lanes, mine = jax.tree.map(lambda array: array[inside], (queue.lanes, state.lanes))
    whole = (lanes.start == predictor.vocab_size).all(axis=1) & (lanes.num_steps > 0)
    active = jnp.where(begins, whole, (rows < queue.limit) & ~_finished(predictor, lanes, mine, kind))
    step = functools.partial(_step, predictor, first_logits, kind, begins)

    def chunk(inputs: tuple[Lanes, LaneState, Array]) -> LaneState:
        def do(lanes: Lanes, mine: LaneState, active: Array) -> LaneState:
            return step(lanes, mine, active, None)[0]

        return jax.lax.cond(jnp.any(inputs[2]), do, lambda lanes, mine, active: mine, *inputs)

    mine = _if(begins, functools.partial(_prepare, predictor, table, kind), lanes, mine)
    kept = state.caches
    if kept is not None:
        mine, kept = step(lanes, mine, active, cached.begin(kept, rows))
    elif chunks == 1:
        mine = chunk((lanes, mine, active))
    else:
        cut = jax.tree.map(lambda array: array.reshape(chunks, width, *array.shape[1:]), (lanes, mine, active))
        mine = jax.tree.map(lambda array: array.reshape(slots, *array.shape[2:]), jax.lax.map(chunk, cut))
    evaluated = jnp.where(begins, 0, jnp.any(active.reshape(chunks, width), axis=1).sum(dtype=jnp.int32) * width)
    after = jax.tree.map(lambda array, new: array.at[rows].set(new, mode="drop"), state.lanes, mine)

    free = jnp.logical_not(begins) & ((taken >= queue.limit) | _finished(predictor, lanes, mine, kind))
    place = state.following + jnp.cumsum(free, dtype=jnp.int32) - 1
    taken = jnp.where(free, jnp.where(place < queue.limit, place, capacity), taken)
    following = jnp.minimum(state.following + free.sum(dtype=jnp.int32), capacity)
    return State(after, taken, state.batch + begins, following, state.evaluated + evaluated, kept)


def _if(begins: Array | bool, prepare: Callable, lanes: Lanes, mine: LaneState) -> LaneState:
    if isinstance(begins, bool):
        return prepare(lanes, mine) if begins else mine
    return jax.lax.cond(begins, prepare, lambda lanes, mine: mine, lanes, mine)


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
    masked = lanes.start == predictor.vocab_size
    if not kind.planners:
        keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(key_order, 0)
        priority = table[lanes.planner].astype(kind.dtype)
        mine = mine._replace(order=jax.vmap(steps.order_of)(keys, priority, masked).astype(jnp.int32))
    if mine.history is not None:
        order = jnp.zeros_like(mine.history) if mine.order is None else mine.order
        mine = mine._replace(history=cached.history_of(masked, order))
    return mine


def _step(
    predictor: Predictor,
    first_logits: Array,
    kind: Kind,
    begins: Array | bool,
    lanes: Lanes,
    mine: LaneState,
    active: Array,
    kept: cached.Slots | None,
) -> tuple[LaneState, cached.Slots | None]:
    """Do one step of the active lanes of a chunk; with ``first_logits`` if it is their first."""
    lane, place = jnp.arange(len(active)), jnp.minimum(mine.step, lanes.sizes.shape[1] - 1)
    size = jnp.where(active, lanes.sizes[lane, place], 0)
    keys = jax.random.wrap_key_data(mine.key_words, impl=IMPL)
    later = None
    if kind.remasker is not None:
        assert lanes.remask is not None  # it is there exactly if the remasker is
        remask = jnp.where(active[:, None], lanes.remask[lane, place], 0)
        first, mine = remasking.chosen(predictor, kind.remasker, keys[:, 0], lanes, mine, remask[:, 0], 0)
        mine, kept = remasking.forget(mine, kept, first, predictor.vocab_size)
        later, mine = remasking.chosen(predictor, kind.remasker, keys[:, 0], lanes, mine, remask[:, 1], 1)
    given = (lanes.start != predictor.vocab_size).sum(axis=1, dtype=jnp.int32)
    upto = jnp.where(active, given + mine.revealed, 0)  # of the lane's history
    positions, logits, size, seen, kept = _asked(
        predictor, first_logits, kind, begins, lanes, mine, active, kept, keys[:, 0], size, upto
    )
    last = lanes.final & (mine.step + 1 == lanes.num_steps)
    redraws = None if later is None else remasking.redraws(mine, keys[:, 1])
    tokens, gained, fault, log_prob = reveal(
        kind, keys[:, 1], mine.tokens, lanes.forced, positions, logits, size, last, redraws
    )
    before = mine
    mine = mine._replace(
        tokens=tokens,
        path_log_prob=mine.path_log_prob + gained,
        step=mine.step + active,
        revealed=mine.revealed + size,
        fault=jnp.maximum(mine.fault, jnp.maximum(fault, seen)),
    )
    if mine.history is not None and mine.order is None:
        mine = mine._replace(history=cached.remembered(_history(mine), positions, upto, size))
    if later is not None and log_prob is not None:
        mine = remasking.remember(before, mine, log_prob, predictor.vocab_size)
        mine, kept = remasking.forget(mine, kept, later, predictor.vocab_size)
    return mine, kept


def _asked(
    predictor: Predictor,
    first_logits: Array,
    kind: Kind,
    begins: Array | bool,
    lanes: Lanes,
    mine: LaneState,
    active: Array,
    kept: cached.Slots | None,
    keys: Array,
    size: Array,
    upto: Array,
) -> tuple[Array, Array, Array, Array, cached.Slots | None]:
    """Positions in the order in which a step reveals them, their logits, how many it reveals, faults, and caches."""
    length, masked = predictor.length, mine.tokens == predictor.vocab_size
    since = 0 if mine.again is None else mine.again.masked_at
    seen = jnp.zeros(len(active), jnp.int32)
    if all(map(has_fixed_order, kind.planners)):
        if mine.order is None:
            order, _ = steps.choose(
                kind.planners, lanes.planner, keys, mine.step, size, masked, None, kind.dtype, since
            )
            positions = order.astype(jnp.int32)
        else:
            places = jnp.minimum(mine.revealed[:, None] + jnp.arange(length, dtype=jnp.int32)[None], length - 1)
            positions = jnp.take_along_axis(mine.order, places, axis=1)
        if kept is not None:
            kept, logits = cached.asked(predictor, kept, mine.tokens, _history(mine), upto, positions[:, :1])
            logits = cached.more(predictor, kept, logits, positions, size.max(), kind.layout.widths)
        elif predictor.selective:
            logits = some_logits(predictor, first_logits, begins, mine.tokens, positions, size.max(), kind)
        else:
            logits = all_logits(predictor, first_logits, begins, mine.tokens)
            logits = jnp.take_along_axis(logits, positions[:, :, None], axis=1)
        return positions, logits, size, seen, kept
    if kept is None:
        logits = all_logits(predictor, first_logits, begins, mine.tokens)
    else:
        everywhere = jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32), mine.tokens.shape)
        kept, logits = cached.asked(predictor, kept, mine.tokens, _history(mine), upto, everywhere)
        assert logits is not None
    seen = jnp.where(masked & active[:, None], faults(logits), 0).max(axis=1)  # also where nothing is drawn yet
    order, size = steps.choose(kind.planners, lanes.planner, keys, mine.step, size, masked, logits, kind.dtype, since)
    positions, size = order.astype(jnp.int32), jnp.where(active, size, 0).astype(jnp.int32)
    return positions, jnp.take_along_axis(logits, positions[:, :, None], axis=1), size, seen, kept


def _history(mine: LaneState) -> Array:
    assert mine.history is not None  # it is there where a predictor has rules
    return jnp.asarray(mine.history)
