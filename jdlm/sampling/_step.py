"""What one step of one lane does, shared by `jdlm.sampling._queue` and its slow reference, `tests.reference.plain`.

All randomness of a lane comes from two keys, folded from the request's keys and the lane's global sample number. One
orders ties; the other, folded with a position, makes the Gumbel noise of the token that is drawn there. A position is
drawn once in a lane's life (`jdlm.sampling._again` says what is done where it is not), so no noise is used twice, and
no draw depends on the layout of a batch.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jdlm.planners import Planner, has_fixed_order, rounded

__all__ = ["choose", "noise_at", "order_of", "token_log_prob"]


def order_of(
    key: Key[Array, ""], priority: Float[Array, " length"], masked: Bool[Array, " length"]
) -> Int[Array, " length"]:
    """Positions in the order in which they are revealed: masked ones first, highest priority first, ties at random.

    Two words of random bits break ties; both are equal, which would leave the order to the index, with probability
    about 2^-64.
    """
    length = len(masked)
    high, low = jax.random.bits(key, (2, length))
    priority = jnp.where(masked, priority, -jnp.inf)
    return jax.lax.sort((-priority, ~masked, high, low, jnp.arange(length)), num_keys=4)[-1]


def choose(
    planners: Sequence[Planner],
    number: Int[Array, " lanes"],
    keys: Key[Array, " lanes"],
    step: Int[Array, " lanes"],
    size: Int[Array, " lanes"],
    masked: Bool[Array, "lanes length"],
    logits: Float[Array, "lanes length vocab"] | None,
    dtype: Any,
    since: Int[Array, " lanes"] | int = 0,
) -> tuple[Int[Array, "lanes length"], Int[Array, " lanes"]]:
    """The order of each lane's positions and how many of them a step reveals: ``size``, unless the planner counts.

    A planner of fixed order has one order for all steps, or for those since a number; any other one orders its ties
    anew in each step.

    Args:
      planners: the different planners of the lanes.
      number: ``[lanes]`` each lane's place among them.
      keys: ``[lanes]`` the lanes' keys for ties.
      step: ``[lanes]`` steps done.
      size: ``[lanes]`` sizes from the schedule.
      masked: ``[lanes, length]`` positions that are still masked.
      logits: ``[lanes, length, vocab]`` as the predictor returned them; None where no planner needs them.
      dtype: of the priorities.
      since: ``[lanes]`` what the key of a fixed order is folded with.
    """
    needed = any(planner.needs_logits for planner in planners)
    log_probs = jax.nn.log_softmax(logits) if needed and logits is not None else None

    def seen(planner: Planner, log_probs: Array | None) -> Array | None:
        return log_probs if planner.needs_logits else None

    def priority(planner: Planner, log_probs: Array | None, masked: Array) -> Array:
        return rounded(planner.priority(seen(planner, log_probs), masked)).astype(dtype)

    def count(planner: Planner, log_probs: Array | None, masked: Array, order: Array, size: Array) -> Array:
        if planner.count is None:
            return size
        return planner.count(seen(planner, log_probs), masked, order).astype(size.dtype)

    fixed = jnp.array([has_fixed_order(planner) for planner in planners])[number]
    keys = jax.vmap(jax.random.fold_in)(keys, jnp.where(fixed, since, step))
    priorities = _of_each(planners, priority, number, log_probs, masked)
    order = jax.vmap(order_of)(keys, priorities, masked)
    return order, _of_each(planners, count, number, log_probs, masked, order, size)


def _of_each(planners: Sequence[Planner], function: Callable, number: Array, *operands: Any) -> Array:
    """``function(planner, *operands)`` of each lane with its own planner."""
    branches = [functools.partial(function, planner) for planner in planners]
    if len(branches) == 1:
        return jax.vmap(branches[0])(*operands)
    return jax.vmap(lambda number, *mine: jax.lax.switch(number, branches, *mine))(number, *operands)


def noise_at(
    key: Key[Array, ""],
    positions: Int[Array, " m"],
    vocab_size: int,
    dtype: Any,
    again: tuple[Key[Array, ""], Bool[Array, " m"]] | None = None,
) -> Float[Array, "m vocab"]:
    """Gumbel noise of one lane's tokens at some positions; by another key where ``again`` says so.

    The mode "high" keeps tokens of probability below 1e-7 unbiased (arXiv 2409.02908 shows what plain float32 noise
    does to the temperature).
    """

    def one(position: Array, key: Array) -> Array:
        return jax.random.gumbel(jax.random.fold_in(key, position), (vocab_size,), dtype, mode="high")

    if again is None:
        return jax.vmap(one, in_axes=(0, None))(positions, key)
    return jax.vmap(one)(positions, jnp.where(again[1], again[0], key))


def token_log_prob(logits: Float[Array, "m vocab"], tokens: Int[Array, " m"]) -> Float[Array, " m"]:
    """Log probability of a token in each row of logits; a mask id counts as the last token."""
    log_probs = jax.nn.log_softmax(logits)
    return jnp.take_along_axis(log_probs, jnp.minimum(tokens, logits.shape[1] - 1)[:, None], axis=1)[:, 0]
