"""The compiled loop behind `jdlm.sampling.speculative`: rounds in which the lane of each slot checks its draft.

A lane holds the distributions that its masked positions were drafted from. A round drafts the next positions of its
order, asks the predictor for the conditionals after each prefix of the draft, some prefixes at a time, and stops asking
once every lane has refused a token or has no position left to check. A lane that is finished hands its slot on.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array

from jdlm import devices
from jdlm.keys import IMPL
from jdlm.predictor import Predictor, faults, map_lanes
from jdlm.sampling import _step as steps
from jdlm.sampling.filter import Draw
from jdlm.sampling.request import Lanes

__all__ = ["Kind", "Work", "decide", "run"]


class Kind(NamedTuple):
    """Static arguments of the loop: ``slots`` lanes at a time, each with ``checks`` prefixes a predictor call."""

    draw: Draw
    slots: int
    checks: int
    dtype: Any


class Work(NamedTuple):
    """Lanes of one device, arrays of ``[capacity, ...]``; the first ``count`` are real, as far as they go."""

    tokens: Array  # [capacity, length]
    order: Array  # [capacity, length] positions, those to fill first
    to_fill: Array  # [capacity] number of positions to fill
    filled: Array  # [capacity] how many of them are
    key_words: Array  # [capacity, 2] key of the lane's tokens
    rounds: Array  # [capacity]
    calls: Array  # [capacity] sequences given to the predictor
    refused: Array  # [capacity] draft tokens that were refused
    fault: Array  # [capacity] what was wrong with logits, see `jdlm.predictor.faults`


class _Slots(NamedTuple):
    """Slots of one device."""

    lane: Array  # [slots] number of the lane; `capacity` where there is none
    draft: Array  # [slots, length, vocab] logits that the masked positions are drafted from
    following: Array  # [1] first lane that has had no slot yet


class _Check(NamedTuple):
    """What the checks of one round have found by now, ``[slots, ...]``."""

    part: Array  # [] number of the next prefixes to ask for, `checks` each
    stopped: Array  # refused a token, or checked all
    advance: Array  # positions that are filled in this round
    refused: Array  # whether the last of them was refused
    last: Array  # token drawn in its place
    draft: Array  # [slots, length, vocab] logits after the prefix that was checked last
    calls: Array
    fault: Array


@functools.partial(jax.jit, static_argnames=("kind", "mesh"))
def run(
    predictor: Predictor, table: Array, window: Array, lanes: Lanes, count: Array, *, kind: Kind, mesh: Mesh | None
) -> Work:
    """All lanes to their ends.

    Args:
      predictor: the mask predictor.
      table: float32 ``[planners, length]`` priorities of planners of fixed order.
      window: int32 ``[]`` positions that a round checks at most.
      lanes: rows of work, as many on each device.
      count: int32 ``[devices]`` how many of a device's rows are real.
      kind: static arguments.
      mesh: devices that share the lanes.
    """
    on_device = devices.sharded(
        mesh, functools.partial(_run_one, kind), (False, False, False, True, True), result_cut=True
    )
    return on_device(predictor, table, window, lanes, count)


def _run_one(kind: Kind, predictor: Predictor, table: Array, window: Array, lanes: Lanes, count: Array) -> Work:
    capacity, length, vocab_size = *lanes.start.shape, predictor.vocab_size
    first = kind.draw(_checked(predictor(jnp.full(length, vocab_size, jnp.int32)))[0])
    key_order, key_tokens = lanes.keys()
    masked = lanes.start == vocab_size
    priority = table[lanes.planner].astype(kind.dtype)
    fold = jax.vmap(jax.random.fold_in, in_axes=(0, None))
    order = jax.vmap(steps.order_of)(fold(key_order, 0), priority, masked).astype(jnp.int32)
    zeros = jnp.zeros(capacity, jnp.int32)
    work = Work(
        jnp.asarray(lanes.start), order, masked.sum(axis=1, dtype=jnp.int32), zeros,
        jax.random.key_data(key_tokens), zeros, zeros, zeros, zeros,
    )  # fmt: skip
    nobody = jnp.full(kind.slots, capacity, jnp.int32)
    slots = _Slots(nobody, jnp.zeros((kind.slots, length, vocab_size), kind.dtype), jnp.zeros(1, jnp.int32))
    carry = _hand_on(predictor, kind, first, count, (work, slots))

    def goes_on(carry: tuple[Work, _Slots]) -> Array:
        return jnp.any(carry[1].lane < capacity)

    def one_round(carry: tuple[Work, _Slots]) -> tuple[Work, _Slots]:
        return _hand_on(predictor, kind, first, count, _round(predictor, kind, window, carry))

    return jax.lax.while_loop(goes_on, one_round, carry)[0]


def _checked(logits: Array) -> tuple[Array, Array]:
    """Logits, and the faults of each row."""
    return logits, faults(logits)


def _rows(work: Work, slots: _Slots) -> Work:
    inside = jnp.minimum(slots.lane, len(work.tokens) - 1)
    return jax.tree.map(lambda array: array[inside], work)


def _put(work: Work, slots: _Slots, rows: Work) -> Work:
    return jax.tree.map(lambda array, new: array.at[slots.lane].set(new, mode="drop"), work, rows)


def _hand_on(
    predictor: Predictor, kind: Kind, first: Array, count: Array, carry: tuple[Work, _Slots]
) -> tuple[Work, _Slots]:
    """Gives the slots of finished lanes to the next ones, which draw their first token: it needs no check."""
    work, slots = carry
    capacity = len(work.tokens)
    rows = _rows(work, slots)
    free = (slots.lane >= capacity) | (rows.filled >= rows.to_fill)
    place = slots.following + jnp.cumsum(free, dtype=jnp.int32) - 1
    lane = jnp.where(free, jnp.where(place < count, place, capacity), slots.lane)
    following = jnp.minimum(slots.following + free.sum(dtype=jnp.int32), count)
    slots = slots._replace(lane=lane, following=following)
    rows = _rows(work, slots)
    begins = free & (lane < capacity) & (rows.to_fill > 0)
    whole = rows.to_fill == rows.tokens.shape[1]

    def ask(tokens: Array) -> tuple[Array, Array]:
        logits, fault = _checked(map_lanes(predictor, tokens))
        return kind.draw(logits), jnp.where(tokens == predictor.vocab_size, fault, 0).max(axis=1)

    def shared(tokens: Array) -> tuple[Array, Array]:
        fault = jnp.full(len(tokens), faults(first).max())
        return jnp.broadcast_to(first[None], (len(tokens), *first.shape)), fault

    draft, fault = jax.lax.cond(jnp.any(begins & ~whole), ask, shared, rows.tokens)
    draft = jnp.where(begins[:, None, None], draft, slots.draft)
    drawn = _drafted(kind, rows, draft)
    at = jnp.arange(rows.tokens.shape[1])[None] == rows.order[:, :1]
    rows = rows._replace(
        tokens=jnp.where(begins[:, None] & at, drawn, rows.tokens),
        filled=rows.filled + begins,
        rounds=rows.rounds + begins,
        calls=rows.calls + begins,
        fault=jnp.where(begins, jnp.maximum(rows.fault, fault), rows.fault),
    )
    return _put(work, slots, rows), slots._replace(draft=draft)


def _drafted(kind: Kind, rows: Work, draft: Array) -> Array:
    """A token of each position, ``[slots, length]``.

    A position keeps its noise from round to round: what was drafted there before had no part in any decision.
    """
    keys = jax.random.wrap_key_data(rows.key_words, impl=IMPL)
    length, vocab_size = draft.shape[1:]
    noise = jax.vmap(lambda key: steps.noise_at(key, jnp.arange(length), vocab_size, kind.dtype))(keys)
    return jnp.argmax(draft + noise, axis=2).astype(jnp.int32)


def _round(predictor: Predictor, kind: Kind, window: Array, carry: tuple[Work, _Slots]) -> tuple[Work, _Slots]:
    """One round of the lane in each slot: a draft, its checks, and the tokens that they leave."""
    work, slots = carry
    rows = _rows(work, slots)
    length = rows.tokens.shape[1]
    busy = (slots.lane < len(work.tokens)) & (rows.filled < rows.to_fill)
    drafted = _drafted(kind, rows, slots.draft)
    rank = jnp.argsort(rows.order, axis=1).astype(jnp.int32)
    zeros = jnp.zeros(kind.slots, jnp.int32)
    check = _Check(jnp.int32(0), ~busy, zeros, jnp.zeros(kind.slots, bool), zeros, slots.draft, zeros, zeros)
    check = jax.lax.while_loop(
        lambda check: ~jnp.all(check.stopped),
        functools.partial(_ask, predictor, kind, window, rows, rank, drafted, slots.draft),
        check,
    )
    kept = (rank >= rows.filled[:, None]) & (rank < (rows.filled + check.advance - check.refused)[:, None])
    end = jnp.clip(rows.filled + check.advance - 1, 0, length - 1)
    refused = (rank == end[:, None]) & check.refused[:, None]
    tokens = jnp.where(kept, drafted, jnp.where(refused, check.last[:, None], rows.tokens))
    rows = rows._replace(
        tokens=jnp.where(busy[:, None], tokens, rows.tokens),
        filled=rows.filled + check.advance,
        rounds=rows.rounds + busy,
        calls=rows.calls + check.calls,
        refused=rows.refused + check.refused,
        fault=jnp.maximum(rows.fault, check.fault),
    )
    return _put(work, slots, rows), slots._replace(draft=check.draft)


def _ask(
    predictor: Predictor,
    kind: Kind,
    window: Array,
    rows: Work,
    rank: Array,
    drafted: Array,
    draft: Array,
    check: _Check,
) -> _Check:
    """Asks for the next `checks` prefixes of each lane and checks the token after each of them."""
    length = rows.tokens.shape[1]
    number = (check.part * kind.checks + jnp.arange(kind.checks, dtype=jnp.int32))[None]  # of the token checked
    end = jnp.minimum(window, rows.to_fill - rows.filled)
    place = rows.filled[:, None] + number  # [slots, checks] in the order
    valid = (number < end[:, None]) & ~check.stopped[:, None]
    prefix = (rank[:, None] >= rows.filled[:, None, None]) & (rank[:, None] < place[:, :, None])
    tokens = jnp.where(prefix, drafted[:, None], rows.tokens[:, None])  # [slots, checks, length]
    logits, fault = _checked(map_lanes(predictor, tokens.reshape(-1, length)).reshape(*tokens.shape, -1))
    law = kind.draw(logits)
    at = jnp.take_along_axis(rows.order, jnp.minimum(place, length - 1), axis=1)
    own = jnp.take_along_axis(law, at[:, :, None, None], axis=2)[:, :, 0]  # [slots, checks, vocab]
    before = jnp.take_along_axis(draft, at[:, :, None], axis=1)
    token = jnp.take_along_axis(drafted, at, axis=1)
    any_refused, length_here, redrawn = decide(kind, rows, at, own, before, token, valid, valid)
    last = jnp.maximum(length_here - 1, 0)[:, None]
    active = ~check.stopped
    return _Check(
        check.part + 1,
        check.stopped | any_refused | (end <= number[0, -1] + 1),
        check.advance + length_here,
        check.refused | any_refused,
        jnp.where(any_refused, redrawn, check.last),
        jnp.where(
            active[:, None, None], jnp.take_along_axis(law, last[:, :, None, None], axis=1)[:, 0], check.draft
        ),
        check.calls + valid.sum(axis=1, dtype=jnp.int32),
        jnp.maximum(check.fault, jnp.where(valid[:, :, None] & (tokens == predictor.vocab_size), fault, 0).max((1, 2))),
    )  # fmt: skip


def decide(
    kind: Kind, rows: Work, at: Array, law: Array, draft: Array, token: Array, valid: Array, refusable: Array
) -> tuple[Array, Array, Array]:
    """Accept or refuse the draft at some positions of each lane, one after the other: the rule of speculative sampling.

    Args:
      kind: static arguments.
      rows: the lanes.
      at: int32 ``[slots, m]`` positions.
      law: ``[slots, m, vocab]`` logits given the draft before each position.
      draft: ``[slots, m, vocab]`` logits that the tokens were drafted from.
      token: int32 ``[slots, m]`` drafted tokens.
      valid: bool ``[slots, m]`` positions that are to be checked, the first ones of each lane.
      refusable: bool ``[slots, m]`` those of them that may be refused.

    Returns:
      ``[slots]`` each: whether one was refused, how many positions are decided, and the token in place of the last.
    """
    uniform, noise = jax.vmap(functools.partial(_noise, kind, rows.tokens.shape[1]))(
        jax.random.wrap_key_data(rows.key_words, impl=IMPL), at, law
    )
    log_p, log_draft = jax.nn.log_softmax(law), jax.nn.log_softmax(draft)
    ratio = jnp.take_along_axis(log_p - log_draft, token[:, :, None], axis=2)[:, :, 0]
    refuses = refusable & ~(uniform < jnp.exp(ratio))
    refused = jnp.any(refuses, axis=1)
    decided = jnp.where(refused, jnp.argmax(refuses, axis=1) + 1, valid.sum(axis=1)).astype(jnp.int32)
    residual = jnp.maximum(jnp.exp(log_p) - jnp.exp(log_draft), 0)
    # A refusal means that the residual is not zero, but for rounding; then both distributions are the same.
    residual = jnp.where(residual.sum(axis=2, keepdims=True) > 0, jnp.log(residual), log_p)
    redrawn = jnp.argmax(residual + noise, axis=2).astype(jnp.int32)
    return refused, decided, jnp.take_along_axis(redrawn, jnp.maximum(decided - 1, 0)[:, None], axis=1)[:, 0]


def _noise(kind: Kind, length: int, key: Array, at: Array, law: Array) -> tuple[Array, Array]:
    """The uniform that decides on each position's draft, and the noise of the token drawn where it is refused.

    A position is decided once in a lane's life, so neither is used twice.
    """
    fold = jax.vmap(jax.random.fold_in, in_axes=(None, 0))
    uniform = jax.vmap(lambda key: jax.random.uniform(key, (), kind.dtype))(fold(key, length + at))
    return uniform, steps.noise_at(key, 2 * length + at, law.shape[-1], kind.dtype)
