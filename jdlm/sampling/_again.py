"""Steps that mask tokens again: what lanes carry for it, and one step of the loop that reveals and masks.

A step masks some positions before its call, reveals others, and masks some of those that were revealed before the call.
No randomness is used twice: the first draw of a position has the noise that it would have without remasking; a later
one has noise folded with the number of the step. A planner of fixed order has a new order after each step that masks.
So a sample is that of the same lane without remasking, bit for bit, until the first token is masked.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jdlm.planners import Planner, rounded
from jdlm.predictor import Predictor, map_lanes
from jdlm.sampling import _step as steps
from jdlm.sampling._cached import Slots
from jdlm.sampling._draws import Redraws
from jdlm.sampling.request import Lanes, Rows

__all__ = ["APART", "Again", "begin", "chosen", "forget", "redraws", "remember"]

APART = np.uint32(2**31)
"""Numbers from here on are folded into keys for redraws and remasking; positions and steps are smaller."""


class Again(NamedTuple):
    """What lanes carry from step to step where some of them mask tokens again; each array ``[lanes, ...]``."""

    drawn: Rows  # [lanes, length] token that was drawn there last, -1 where none was
    log_prob: Rows  # [lanes, length] of that token when it was drawn, by the predictor itself
    masked_at: Rows  # [lanes] number of the last step, from 1, that began after something was masked; 0 if none did
    changed: Rows  # [lanes] positions drawn again with another token than before
    calls: Rows  # [lanes] of the planner for remasking


def begin(rows: int, length: int, dtype: Any) -> Again:
    """Nothing was drawn or masked yet; numpy arrays."""
    zeros = np.zeros(rows, np.int32)
    nowhere = np.full((rows, length), -1, np.int32)
    return Again(nowhere, np.zeros((rows, length), dtype), zeros, zeros, zeros)


def redraws(mine: Any, keys: Array) -> Redraws:
    """Which positions of the lanes were drawn before, and the keys of their tokens in this step."""
    numbers = APART + mine.step.astype(jnp.uint32)
    return Redraws(mine.again.drawn >= 0, jax.vmap(jax.random.fold_in)(keys, numbers))


def remember(before: Any, mine: Any, log_prob: Array, vocab_size: int) -> Any:
    """Lanes after a draw, with the new tokens and their log probabilities; ``before`` are the same before it."""
    new = (before.tokens == vocab_size) & (mine.tokens != vocab_size)
    drawn = mine.again.drawn
    changed = new & (drawn >= 0) & (drawn != mine.tokens)
    kept = mine.again._replace(
        drawn=jnp.where(new, mine.tokens, drawn),
        log_prob=jnp.where(new, log_prob, mine.again.log_prob),
        changed=mine.again.changed + changed.sum(axis=1, dtype=jnp.int32),
    )
    return mine._replace(again=kept)


def forget(mine: Any, caches: Slots | None, masked: Array, mask_id: int) -> tuple[Any, Slots | None]:
    """Lanes with some positions ``masked [lanes, length]`` again, and caches without what came after the first."""
    number = masked.sum(axis=1, dtype=jnp.int32)
    kept = mine.again._replace(masked_at=jnp.where(number > 0, mine.step + 1, mine.again.masked_at))
    mine = mine._replace(tokens=jnp.where(masked, mask_id, mine.tokens), revealed=mine.revealed - number, again=kept)
    if caches is None:
        return mine, caches
    length = masked.shape[1]
    gone = jnp.take_along_axis(masked, mine.history, axis=1)
    # What lies behind the revealed places means nothing, so masked positions may go there.
    order = jnp.argsort(gone, axis=1, stable=True)
    first = jnp.where(gone.any(axis=1), jnp.argmax(gone, axis=1), length).astype(jnp.int32)
    mine = mine._replace(history=jnp.take_along_axis(mine.history, order, axis=1))
    return mine, caches._replace(filled=jnp.minimum(caches.filled, first))


def chosen(
    predictor: Predictor, remasker: Planner, keys: Array, lanes: Lanes, mine: Any, count: Array, phase: int
) -> tuple[Array, Any]:
    """Which revealed positions of each lane are masked, given what is revealed now: bool ``[lanes, length]``.

    Args:
      predictor: asked by a planner that scores tokens by their conditionals.
      remasker: which of them.
      keys: ``[lanes]`` the lanes' keys of order.
      lanes: what they do; given tokens are never masked.
      mine: what they carry.
      count: int32 ``[lanes]`` how many are masked.
      phase: 0 for those masked before the call of a step, 1 for those after it.

    Returns:
      The positions, and the lanes with the calls counted.
    """
    candidates = (mine.tokens != predictor.vocab_size) & (lanes.start == predictor.vocab_size)
    scores, length = mine.again.log_prob, candidates.shape[1]
    if remasker.scores == "conditional":
        asks = count > 0
        scores = _conditional(predictor, mine.tokens, candidates & asks[:, None])
        calls = mine.again.calls + jnp.where(asks, candidates.sum(axis=1, dtype=jnp.int32), 0)
        mine = mine._replace(again=mine.again._replace(calls=calls))

    def one(key: Array, scores: Array, candidates: Array, count: Array) -> Array:
        key_ties, key_noise = jax.random.split(key)
        priority = rounded(remasker.priority(None if remasker.scores is None else scores, candidates))
        priority = priority.astype(scores.dtype)
        if remasker.gumbel:
            priority += jax.random.gumbel(key_noise, (length,), scores.dtype, mode="high")
        order = steps.order_of(key_ties, priority, candidates)
        return candidates & (jnp.argsort(order) < count)

    numbers = APART + 2 * mine.step.astype(jnp.uint32) + phase
    return jax.vmap(one)(jax.vmap(jax.random.fold_in)(keys, numbers), scores, candidates, count), mine


def _conditional(predictor: Predictor, tokens: Array, wanted: Array) -> Array:
    """Log probability ``[lanes, length]`` of each wanted token given all others; 0 elsewhere."""

    def one(position: Array) -> Array:
        hidden = tokens.at[:, position].set(predictor.vocab_size)
        places = jnp.full((len(tokens), 1), position, jnp.int32)
        logits = map_lanes(predictor, hidden, places)[:, 0]
        own = jnp.minimum(tokens[:, position], predictor.vocab_size - 1)
        return jnp.take_along_axis(jax.nn.log_softmax(logits), own[:, None], axis=1)[:, 0]

    def each(position: Array) -> Array:
        nothing = jnp.zeros(len(tokens), jax.eval_shape(one, position).dtype)
        return jax.lax.cond(wanted[:, position].any(), one, lambda _: nothing, position)

    scores = jax.lax.map(each, jnp.arange(tokens.shape[1], dtype=jnp.int32))
    return jnp.where(wanted, scores.T, 0)
