"""Speculative sampling with a predictor that keeps what it has computed, behind `jdlm.sampling.speculative`.

A round drafts the next positions of each lane's order, given all that is revealed, and checks the draft in one pass of
two rows a position, some positions at a time. What is accepted is in the cache by then; what is refused is overwritten.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array

from jdlm import devices
from jdlm.keys import IMPL
from jdlm.predictor import Cache, Predictor, faults
from jdlm.sampling import _cached as cached
from jdlm.sampling import _step as steps
from jdlm.sampling._rounds import Kind, Work, decide
from jdlm.sampling.request import Lanes

__all__ = ["run"]


class _Check(NamedTuple):
    """What the checks of one round have found by now."""

    part: Array  # [] number of the next positions to check, `checks` each
    stopped: Array  # [slots] refused a token, or checked all
    advance: Array  # [slots] positions that are filled in this round
    refused: Array  # [slots] whether the last of them was refused
    last: Array  # [slots] token drawn in its place
    cache: Cache
    calls: Array  # [slots]
    fault: Array  # [slots]


class _Draft(NamedTuple):
    """The draft of one round, by place after the filled ones."""

    law: Array  # [slots, room, vocab] logits that tokens were drawn from
    tokens: Array  # [slots, room]
    positions: Array  # [slots, room]
    end: Array  # [slots] how many places are drafted


@functools.partial(jax.jit, static_argnames=("kind", "mesh"))
def run(
    predictor: Predictor, table: Array, window: Array, lanes: Lanes, count: Array, *, kind: Kind, mesh: Mesh | None
) -> Work:
    """All lanes to their ends; the arguments are those of `jdlm.sampling._rounds.run`."""
    on_device = devices.sharded(
        mesh, functools.partial(_run_one, kind), (False, False, False, True, True), result_cut=True
    )
    return on_device(predictor, table, window, lanes, count)


def _run_one(kind: Kind, predictor: Predictor, table: Array, window: Array, lanes: Lanes, count: Array) -> Work:
    capacity = lanes.start.shape[0]
    key_order, key_tokens = lanes.keys()
    masked = lanes.start == predictor.vocab_size
    fold = jax.vmap(jax.random.fold_in, in_axes=(0, None))
    order = jax.vmap(steps.order_of)(fold(key_order, 0), table[lanes.planner].astype(kind.dtype), masked)
    zeros = jnp.zeros(capacity, jnp.int32)
    work = Work(
        jnp.asarray(lanes.start), order.astype(jnp.int32), masked.sum(axis=1, dtype=jnp.int32), zeros,
        jax.random.key_data(key_tokens), zeros, zeros, zeros, zeros,
    )  # fmt: skip
    history = cached.history_of(masked, work.order)
    free = jnp.arange(kind.slots, dtype=jnp.int32)
    empty = predictor.start(kind.slots)
    slots = cached.Slots(empty.content, empty.filled, jnp.where(free < count, free, capacity))
    following = jnp.minimum(jnp.full(1, kind.slots, jnp.int32), count)

    def goes_on(carry: tuple[Work, cached.Slots, Array]) -> Array:
        return jnp.any(carry[1].lane < capacity)

    def one_round(carry: tuple[Work, cached.Slots, Array]) -> tuple[Work, cached.Slots, Array]:
        work, slots, following = carry
        inside = jnp.minimum(slots.lane, capacity - 1)
        rows, past = jax.tree.map(lambda array: array[inside], (work, history))
        rows, slots = _round(predictor, kind, window, rows, past, slots)
        work = jax.tree.map(lambda array, new: array.at[slots.lane].set(new, mode="drop"), work, rows)
        free = (slots.lane >= capacity) | (rows.filled >= rows.to_fill)
        place = following + jnp.cumsum(free, dtype=jnp.int32) - 1
        lane = jnp.where(free, jnp.where(place < count, place, capacity), slots.lane)
        following = jnp.minimum(following + free.sum(dtype=jnp.int32), count)
        return work, cached.begin(slots, lane), following

    return jax.lax.while_loop(goes_on, one_round, (work, slots, following))[0]


def _round(
    predictor: Predictor, kind: Kind, window: Array, rows: Work, history: Array, slots: cached.Slots
) -> tuple[Work, cached.Slots]:
    """A draft, its checks, and the tokens that they leave, of the lane in each slot."""
    length = rows.tokens.shape[1]
    busy = rows.filled < rows.to_fill
    given = length - rows.to_fill
    end = jnp.where(busy, jnp.minimum(window, rows.to_fill - rows.filled), 0)
    slots, draft, fault = _drafted(predictor, kind, rows, history, slots, jnp.where(busy, given + rows.filled, 0), end)
    none = jnp.zeros_like(rows.filled)
    cache = Cache(slots.content, slots.filled)
    check = _Check(jnp.int32(0), ~busy, none, none > 0, none, cache, none, fault)
    check = jax.lax.while_loop(
        lambda check: jnp.any(~check.stopped), functools.partial(_checked, predictor, kind, rows, draft), check
    )
    # Tokens by position: drafted ones that were accepted, and the one in place of the first that was not.
    rank = jnp.argsort(rows.order, axis=1) - rows.filled[:, None]
    kept = (rank >= 0) & (rank < (check.advance - check.refused)[:, None])
    by_position = jnp.take_along_axis(draft.tokens, jnp.clip(rank, 0, draft.tokens.shape[1] - 1), axis=1)
    replaced = (rank == (check.advance - 1)[:, None]) & check.refused[:, None]
    tokens = jnp.where(kept, by_position, jnp.where(replaced, check.last[:, None], rows.tokens))
    rows = rows._replace(
        tokens=jnp.where(busy[:, None], tokens, rows.tokens),
        filled=rows.filled + check.advance,
        rounds=rows.rounds + busy,
        calls=rows.calls + busy + check.calls,
        refused=rows.refused + check.refused,
        fault=jnp.maximum(rows.fault, check.fault),
    )
    filled = jnp.where(busy, given + rows.filled - check.refused, slots.filled)
    return rows, slots._replace(content=check.cache.content, filled=filled)


def _drafted(
    predictor: Predictor, kind: Kind, rows: Work, history: Array, slots: cached.Slots, upto: Array, end: Array
) -> tuple[cached.Slots, _Draft, Array]:
    """Catch up with what is revealed, then draft the next ``end [slots]`` places of each order; with their faults."""
    number, (length, width) = len(end), (rows.tokens.shape[1], kind.checks)
    room = -(-length // width) * width
    place = jnp.minimum(rows.filled[:, None] + jnp.arange(room, dtype=jnp.int32)[None], length - 1)
    positions = jnp.take_along_axis(rows.order, place, axis=1)
    slots, first = cached.asked(predictor, slots, rows.tokens, history, upto, positions[:, :width])
    assert first is not None
    keys = jax.random.wrap_key_data(rows.key_words, impl=IMPL)
    cache = Cache(slots.content, slots.filled)
    nothing = (
        jnp.zeros((number, room, predictor.vocab_size), first.dtype),
        jnp.zeros((number, room), jnp.int32),
        jnp.zeros(number, jnp.int32),
    )

    def put(part: Array | int, logits: Array, made: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        law, tokens, fault = made
        at = jax.lax.dynamic_slice_in_dim(positions, part * width, width, axis=1)
        own = kind.draw(logits)
        noise = jax.vmap(lambda key, at: steps.noise_at(key, at, predictor.vocab_size, kind.dtype))(keys, at)
        drawn = jnp.argmax(own + noise, axis=2).astype(jnp.int32)
        wanted = part * width + jnp.arange(width)[None] < end[:, None]
        return (
            jax.lax.dynamic_update_slice_in_dim(law, own, part * width, axis=1),
            jax.lax.dynamic_update_slice_in_dim(tokens, drawn, part * width, axis=1),
            jnp.maximum(fault, jnp.where(wanted, faults(logits), 0).max(axis=1)),
        )

    def more(part: Array, made: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        at = jax.lax.dynamic_slice_in_dim(positions, part * width, width, axis=1)
        return put(part, predictor.ask(cache, at), made)

    law, tokens, fault = jax.lax.fori_loop(1, -(-end.max() // width), more, put(0, first, nothing))
    return slots, _Draft(law, tokens, positions, end), fault


def _checked(predictor: Predictor, kind: Kind, rows: Work, draft: _Draft, check: _Check) -> _Check:
    """Check the next `checks` places of each draft, all in one pass."""
    width = kind.checks
    law, tokens, at = (
        jax.lax.dynamic_slice_in_dim(x, check.part * width, width, axis=1)
        for x in (draft.law, draft.tokens, draft.positions)
    )
    assert predictor.rules is not None
    content, logits = predictor.rules.check(predictor.params, check.cache.content, check.cache.filled, tokens, at)
    assert logits is not None
    own = kind.draw(logits)
    number = (check.part * width + jnp.arange(width, dtype=jnp.int32))[None]
    valid = (number < draft.end[:, None]) & ~check.stopped[:, None]
    refusable = valid & (number > 0)  # the first place is drafted from what it is checked by
    any_refused, here, redrawn = decide(kind, rows, at, own, law, tokens, valid, refusable)
    active = ~check.stopped
    return _Check(
        check.part + 1,
        check.stopped | any_refused | (draft.end <= number[0, -1] + 1),
        check.advance + here,
        check.refused | any_refused,
        jnp.where(any_refused, redrawn, check.last),
        Cache(content, check.cache.filled + jnp.where(active, width, 0)),
        check.calls + active,
        jnp.maximum(check.fault, jnp.where(valid, faults(logits), 0).max(axis=1)),
    )
