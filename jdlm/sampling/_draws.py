"""Parts of a step of the sampler's loop: logits at the positions that a step wants, and the tokens that it reveals."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jdlm.planners import Planner
from jdlm.predictor import Predictor, faults, map_lanes
from jdlm.sampling import _step as steps
from jdlm.sampling.filter import Draw

__all__ = ["Kind", "Layout", "Redraws", "all_logits", "reveal", "some_logits"]


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


class Kind(NamedTuple):
    """Static arguments of the loop; ``planners`` is empty where the order is known from the start.

    ``remasker`` is None where no lane masks tokens again.
    """

    planners: tuple[Planner, ...]
    draw: Draw
    layout: Layout
    dtype: Any
    remasker: Planner | None = None


class Redraws(NamedTuple):
    """Of positions that may be drawn again: which are, and by which keys."""

    which: Array  # bool [lanes, length]
    keys: Array  # [lanes]


def all_logits(predictor: Predictor, first_logits: Array, begins: Array | bool, tokens: Array) -> Array:
    """Logits ``[lanes, length, vocab]``."""

    def shared(tokens: Array) -> Array:
        return jnp.broadcast_to(first_logits, (len(tokens), *first_logits.shape))

    if begins is True:
        return shared(tokens)
    return jax.lax.cond(begins, shared, functools.partial(map_lanes, predictor), tokens)


def some_logits(
    predictor: Predictor,
    first_logits: Array,
    begins: Array | bool,
    tokens: Array,
    positions: Array,
    most: Array,
    kind: Kind,
) -> Array:
    """Logits ``[lanes, length, vocab]`` at ``positions``: for at least the first ``most`` the predictor's, else 0."""
    widths = kind.layout.widths

    def shared(tokens: Array, positions: Array) -> Array:
        return first_logits[positions]

    def ask(width: int) -> Callable[[Array, Array], Array]:
        def asked(tokens: Array, positions: Array) -> Array:
            logits = map_lanes(predictor, tokens, positions[:, :width])
            return jnp.pad(logits, ((0, 0), (0, predictor.length - width), (0, 0)))

        return asked

    if begins is True:
        return shared(tokens, positions)
    branch = jnp.where(begins, 0, 1 + (most > jnp.array(widths[:-1])).sum())
    return jax.lax.switch(branch, [shared, *map(ask, widths)], tokens, positions)


def reveal(
    kind: Kind,
    keys: Array,
    tokens: Array,
    forced: Array,
    positions: Array,
    logits: Array,
    size: Array,
    last: Array,
    again: Redraws | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """Reveal the first ``size [lanes]`` of ``positions``; tokens are drawn in blocks of the smallest width.

    Args:
      kind: what is drawn, and in which widths.
      keys: ``[lanes]`` of the tokens.
      tokens: int32 ``[lanes, length]``.
      forced: int32 ``[lanes, length]`` tokens to reveal, -1 where one is to be drawn.
      positions: int32 ``[lanes, length]``, those to reveal first.
      logits: ``[lanes, length, vocab]`` of these positions.
      size: int32 ``[lanes]``.
      last: bool ``[lanes]``, whether this is the last step of a schedule; read where its draw is another one.
      again: which positions are drawn again, where some may be.

    Returns:
      Tokens, their summed log probability, faults, and where some may be drawn again the log probability
      ``[lanes, length]`` of each new token under the predictor itself, 0 elsewhere.
    """
    length, width = tokens.shape[1], kind.layout.widths[0]
    padding = (0, 0), (0, -length % width)
    positions = jnp.pad(positions, padding)
    logits = jnp.pad(logits, (*padding, (0, 0)))

    def some(number: Array, carry: tuple) -> tuple:
        tokens, log_probs, fault, confidence = carry
        first = number * width
        at = jax.lax.dynamic_slice_in_dim(positions, first, width, axis=1)
        own = jax.lax.dynamic_slice_in_dim(logits, first, width, axis=1)
        law = kind.draw(own)
        if kind.draw.final is not None:
            law = jnp.where(last[:, None, None], kind.draw.final(own), law)
        later = None if again is None else (again.keys, jnp.take_along_axis(again.which, at, axis=1))
        noise = jax.vmap(lambda key, at, later: steps.noise_at(key, at, law.shape[2], law.dtype, later))(
            keys, at, later
        )
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
        if confidence is not None:  # before any filter
            own_log_prob = jax.vmap(steps.token_log_prob)(own, drawn)
            confidence = confidence + jnp.where(here, own_log_prob[:, None], 0).sum(axis=2)
        return tokens, log_probs + jnp.where(here, log_prob[:, None], 0).sum(axis=2), fault, confidence

    parts = -(-size.max() // width)
    nothing = jnp.zeros(tokens.shape, logits.dtype)
    start = tokens, nothing, jnp.zeros(len(tokens), jnp.int32), None if again is None else nothing
    tokens, log_probs, fault, confidence = jax.lax.fori_loop(0, parts, some, start)
    return tokens, log_probs.sum(axis=1), fault, confidence
