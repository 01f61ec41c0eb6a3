"""Planners that go over blocks from left to right and leave the order within a block to another planner."""

import functools
from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jdlm.errors import InputError
from jdlm.planners.by_logits import confidence
from jdlm.planners.fixed_order import random
from jdlm.planners.planner import Planner, check_reveals, rounded
from jdlm.targets import validation

__all__ = ["blocks", "from_word"]


def blocks(inner: Any, block_length: Any) -> Planner:
    """Return the planner of semi-autoregressive sampling: the leftmost block with masks first, ``inner`` within it.

    Positions ``i`` of a block have one ``i // block_length``; the last block may be shorter. A step of more positions
    than its block has masks goes on in the next block (`jdlm.schedules.per_block` makes steps that never do). A planner
    that counts by itself counts within the block, so it never goes beyond. With one block this is ``inner``: the same
    samples, bit for bit.

    Args:
      inner: the planner within a block, with or without a count of its own; it is given the whole sequence's
        distributions.
      block_length: positions of a block, at least 1.

    Raises:
      ValueError: ``inner`` is no planner that reveals, or a block without positions.
    """
    check_reveals(inner)
    return _blocks(inner, validation.integer("block_length", block_length))


def from_word(inner: Literal["random", "confidence"], length: float) -> Planner:
    """The planner of a preset's word ``blocks:LENGTH`` or ``blocks_confidence:LENGTH``.

    Raises:
      ValueError: a length that is not a whole number of at least 1.
    """
    if not (length >= 1.0 and float(length).is_integer()):
        raise InputError(f"length={length:g} of a block is not a whole number of positions; use at least 1")
    return blocks({"random": random, "confidence": confidence}[inner](), int(length))


@functools.cache
def _blocks(inner: Planner, block_length: int) -> Planner:
    def current(masked: Bool[Array, " length"]) -> Bool[Array, " length"]:
        """Masked positions of the leftmost block that has some."""
        number = jnp.arange(len(masked)) // block_length
        return masked & (number == jnp.where(masked, number, len(masked)).min())

    def priority(
        log_probs: Float[Array, "length vocab"] | None, masked: Bool[Array, " length"]
    ) -> Float[Array, " length"]:
        # Ranks within a block, equal where inner priorities are, so that no scale of priorities mixes blocks.
        own = rounded(inner.priority(log_probs, masked))
        length = len(own)
        width = min(block_length, length)
        parts = -(-length // width)
        rows = jnp.pad(own, (0, parts * width - length), constant_values=-jnp.inf).reshape(parts, width)
        rank = (rows[:, None, :] > rows[:, :, None]).sum(axis=2).reshape(-1)[:length]
        return -(rank + jnp.arange(length) // width * width).astype(own.dtype)

    # A step of a planner that counts never goes beyond its block.
    def count(
        log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"], order: Int[Array, " length"]
    ) -> Int[Array, ""]:
        mine = current(masked)
        assert inner.count is not None
        return jnp.minimum(inner.count(log_probs, mine, order), jnp.maximum(mine.sum(), 1))

    return Planner(
        f"blocks({inner.name}, {block_length})",
        priority,
        needs_logits=inner.needs_logits,
        count=None if inner.count is None else count,
        costs=inner.costs,
        limit=inner.limit,
    )
