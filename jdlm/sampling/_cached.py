"""What slots of the sampler's loop keep of a predictor whose conditionals depend on the order of reveal.

A lane's tokens come into its slot's cache when the next step asks for logits, so that one pass reveals and asks; a lane
that takes a slot over brings all of its tokens. Loops that may run zero times stand where a condition would do: a
condition that returns the cache would copy it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from jdlm import devices
from jdlm.predictor import Cache, Predictor

__all__ = ["Slots", "asked", "begin", "empty", "history_of", "more", "remembered"]

_WIDE = (32, 8)  # tokens that one pass reveals while a slot has more than half as many to catch up with


class Slots(NamedTuple):
    """The caches of the slots of one device.

    Attributes:
      content: see `jdlm.predictor.Cache`.
      filled: int32 ``[slots]`` tokens that are in the cache.
      lane: int32 ``[slots]`` number of the lane that they belong to.
    """

    content: Any
    filled: Array
    lane: Array


def empty(predictor: Predictor, slots: int, mesh: Mesh | None) -> Slots:
    """Caches of ``slots`` slots on each device that belong to no lane."""
    total = slots * devices.size(mesh)
    shapes = jax.eval_shape(lambda predictor: predictor.start(total).content, predictor)
    content = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    none: Any = np.zeros(total, np.int32)
    return devices.spread(mesh, Slots(content, none, none - 1))


def begin(slots: Slots, lane: Array) -> Slots:
    """Caches for the lanes that are in the slots now: those of other lanes are empty."""
    return slots._replace(filled=jnp.where(slots.lane == lane, slots.filled, 0), lane=lane)


def history_of(masked: Array, order: Array) -> Array:
    """Positions ``[lanes, length]`` in the order of reveal: given ones from left to right, then those of ``order``.

    Args:
      masked: bool ``[lanes, length]`` positions that are not given.
      order: int32 ``[lanes, length]`` of the positions to fill, which come first.
    """
    given = jnp.argsort(masked, axis=1, stable=True).astype(jnp.int32)
    number = (~masked).sum(axis=1, keepdims=True, dtype=jnp.int32)
    place = jnp.arange(masked.shape[1], dtype=jnp.int32)[None]
    later = jnp.take_along_axis(order, jnp.maximum(place - number, 0), axis=1)
    return jnp.where(place < number, given, later)


def asked(
    predictor: Predictor, slots: Slots, tokens: Array, history: Array, upto: Array, positions: Array
) -> tuple[Slots, Array | None]:
    """Catch up with the first ``upto [slots]`` places of each history, then ask for positions in the last pass.

    Args:
      predictor: one with rules.
      slots: the caches.
      tokens: int32 ``[slots, length]``.
      history: int32 ``[slots, length]`` positions in the order of reveal.
      upto: int32 ``[slots]`` how many of them are revealed.
      positions: int32 ``[slots, m]`` whose logits are wanted.

    Returns:
      The new caches and logits ``[slots, m, vocab]``; None where m = 0.
    """
    length = tokens.shape[1]

    def step(cache: Cache, width: int, positions: Array) -> tuple[Cache, Array | None]:
        place = cache.filled[:, None] + jnp.arange(width, dtype=jnp.int32)[None]
        at = jnp.take_along_axis(history, jnp.minimum(place, length - 1), axis=1)
        count = jnp.clip(upto - cache.filled, 0, width)
        return predictor.advance(cache, jnp.take_along_axis(tokens, at, axis=1), at, count, positions)

    nothing = positions[:, :0]
    cache = Cache(slots.content, slots.filled)
    for width in _WIDE:
        if width >= max(length, 3):
            continue
        pending = (upto - cache.filled).max()
        passes = pending // width + (pending % width > width // 2)
        cache = jax.lax.fori_loop(0, passes, lambda _, cache, width=width: step(cache, width, nothing)[0], cache)
    rest = jnp.maximum((upto - cache.filled).max() - 1, 0)
    cache = jax.lax.fori_loop(0, rest, lambda _, cache: step(cache, 1, nothing)[0], cache)
    cache, logits = step(cache, 1, positions)
    return slots._replace(content=cache.content, filled=cache.filled), logits


def more(
    predictor: Predictor, slots: Slots, first: Array | None, positions: Array, most: Array, widths: tuple[int, ...]
) -> Array:
    """Logits ``[slots, length, vocab]`` at ``positions``, for at least the first ``most`` the predictor's, else 0.

    Args:
      predictor: one with rules.
      slots: the caches.
      first: ``[slots, 1, vocab]`` of the first position, which is all where no lane reveals more than one token.
      positions: int32 ``[slots, length]``.
      most: int32 ``[]``.
      widths: ascending numbers of positions that a pass may ask for, from 1 to the length.
    """
    length, cache = positions.shape[1], Cache(slots.content, slots.filled)
    assert first is not None

    def padded(logits: Array) -> Array:
        return jnp.pad(logits, ((0, 0), (0, length - logits.shape[1]), (0, 0)))

    def ask(width: int):
        return lambda cache, first: padded(predictor.ask(cache, positions[:, :width]))

    branches = [lambda cache, first: padded(first), *map(ask, widths[1:])]
    return jax.lax.switch((most > jnp.array(widths[:-1])).sum(), branches, cache, first)


def remembered(history: Array, positions: Array, upto: Array, size: Array) -> Array:
    """A history ``[lanes, length]`` with the first ``size`` of ``positions`` behind its first ``upto`` places."""
    place = jnp.arange(history.shape[1], dtype=jnp.int32)[None] - upto[:, None]
    new = jnp.take_along_axis(positions, jnp.clip(place, 0, history.shape[1] - 1), axis=1)
    return jnp.where((place >= 0) & (place < size[:, None]), new, history)
