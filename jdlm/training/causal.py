"""A set-causal network: all conditionals along an order in one pass, and a cache for any number of steps.

Each position has two rows. A content row knows its token and attends to itself and to the content rows revealed before
it; a query row knows no token and attends to itself and to the content rows that are revealed. Logits come from query
rows. So a content row never changes once it is there, and sampling costs one content row and one query row a position,
whatever the number of steps. The conditionals depend on the order in which tokens were revealed. Related: the two
streams of XLNet (arXiv 1906.08237), sigma-GPT (arXiv 2404.09562).

The layers are those of the bidirectional network, `jdlm.training.layers`; a query row's embedding is the mask token's.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jdlm.training import attention
from jdlm.training.layers import Block, Transformer, linear, product

__all__ = ["Cache", "advance", "along", "cache_bytes", "start"]

_SLICES = 4  # of a long sequence's rows in one pass, so that no row is scored against keys far behind it
_LONG = 128
_WRITE = 32  # rows that one pass reveals at most


class Cache(NamedTuple):
    """Keys and values of the content rows that are revealed, in the order in which they were.

    Attributes:
      keys: one array ``[lanes, heads, d, room]`` a block.
      values: one array ``[lanes, heads, room, d]`` a block.
    """

    keys: tuple[Array, ...]
    values: tuple[Array, ...]


def start(model: Transformer, length: int, lanes: int) -> Cache:
    """An empty cache; what lies beyond the rows that are filled means nothing."""
    block = model.blocks[0]
    width = block.query.kernel[...].shape[0]
    shape = (lanes, block.heads, _room(length), width // block.heads)
    values = tuple(jnp.zeros(shape, block.dtype) for _ in model.blocks)
    return Cache(tuple(array.swapaxes(2, 3) for array in values), values)


def cache_bytes(width: int, depth: int, length: int, itemsize: int = 4) -> int:
    """Bytes of the cache for each lane."""
    return 2 * depth * _room(length) * width * itemsize


def _room(length: int) -> int:
    """Rows of a cache: writes have a fixed width, and none may reach beyond the end."""
    return length + min(length, _WRITE)


def along(model: Transformer, tokens: Array, order: Array, seen: Array) -> Array:
    """Logits of each position of an order, given the tokens before it: one pass over two rows a position.

    Args:
      model: the layers.
      tokens: int ``[lanes, length]``.
      order: int ``[lanes, length]`` positions in the order of reveal.
      seen: int ``[lanes, length]`` how many tokens the query of each place of the order sees, at most its place.

    Returns:
      ``[lanes, length, vocab]``, the row k for the position ``order[k]``.
    """
    length = order.shape[1]
    place = jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32), order.shape)
    seen = jnp.concatenate([place, seen.astype(jnp.int32)], axis=1)
    stream = _embedded(model, jnp.take_along_axis(tokens, order, axis=1), order, order)
    for block in model.blocks[:-1]:
        query, key, value = _heads(block, block.norm_attention(stream))
        stream = block.finish(stream, _merged(_sliced(query, key, value, seen, length), stream))
    block = model.blocks[-1]  # of which content rows need no more than keys and values
    normed = block.norm_attention(stream)
    _, key, value = _heads(block, normed)
    query = _split(block, block.linear(block.query, normed[:, length:]))
    stream = stream[:, length:]
    own, keys = (key[:, :, length:], value[:, :, length:]), key[:, :, :length].swapaxes(2, 3)
    mixed = []
    for low, high in _parts(length):
        own_key, own_value = (x[:, :, low:high] for x in own)
        seen_here = seen[:, length + low : length + high]
        mixed.append(
            attention.attend_to_first(
                query[:, :, low:high], keys[..., :high], value[:, :, :high], own_key, own_value, seen_here
            )
        )
    stream = block.finish(stream, _merged(jnp.concatenate(mixed, axis=2), stream))
    return _logits(model, stream)


def _sliced(query: Array, key: Array, value: Array, seen: Array, length: int) -> Array:
    """Attention of content and query rows ``[lanes, heads, 2 * length, d]``, each slice of places over its past."""

    def both(x: Array, low: int, high: int, axis: int) -> Array:
        pieces = (jax.lax.slice_in_dim(x, shift + low, shift + high, axis=axis) for shift in (0, length))
        return jnp.concatenate(list(pieces), axis=axis)

    parts, keys = [], key[:, :, :length].swapaxes(2, 3)
    for low, high in _parts(length):
        rows, own_key, own_value = (both(x, low, high, 2) for x in (query, key, value))
        seen_here = both(seen, low, high, 1)
        parts.append(
            attention.attend_to_first(rows, keys[..., :high], value[:, :, :high], own_key, own_value, seen_here)
        )
    halves = (
        jnp.concatenate([part[:, :, : part.shape[2] // 2] for part in parts], axis=2),
        jnp.concatenate([part[:, :, part.shape[2] // 2 :] for part in parts], axis=2),
    )
    return jnp.concatenate(halves, axis=2)


def _parts(length: int) -> list[tuple[int, int]]:
    """Slices of the places of a sequence."""
    slices = _SLICES if length >= _LONG else 1
    bounds = [length * number // slices for number in range(slices + 1)]
    return list(itertools.pairwise(bounds))


def advance(
    model: Transformer,
    cache: Cache,
    filled: Array,
    tokens: Array,
    at: Array,
    count: Array,
    asked: Array,
    each: bool = False,
) -> tuple[Cache, Array | None]:
    """Reveal tokens and ask for logits given all that is revealed then, in one pass.

    Args:
      model: the layers.
      cache: what was revealed before.
      filled: int ``[lanes]`` how many tokens were.
      tokens: int ``[lanes, m]`` revealed tokens, in their order; m = 0 where none is.
      at: int ``[lanes, m]`` their positions.
      count: int ``[lanes]`` how many of the m are real.
      asked: int ``[lanes, n]`` positions whose logits are wanted; n = 0 where none is.
      each: the position i is asked for given the first i of the tokens, instead of all of them; at most 32 then.

    Returns:
      The new cache and logits ``[lanes, n, vocab]``, None where none are asked for.
    """
    new, wanted = tokens.shape[1], asked.shape[1]
    while new > _WRITE:
        some = jnp.minimum(count, _WRITE)
        cache, _ = advance(model, cache, filled, tokens[:, :_WRITE], at[:, :_WRITE], some, asked[:, :0])
        tokens, at, new = tokens[:, _WRITE:], at[:, _WRITE:], new - _WRITE
        filled, count = filled + some, count - some
    places = jnp.minimum(jnp.arange(new, dtype=jnp.int32)[None], count[:, None])
    last_seen = places if each else jnp.broadcast_to(count[:, None], asked.shape)
    seen = jnp.concatenate([places, last_seen], axis=1) + filled[:, None]
    stream = _embedded(model, tokens, at, asked)
    keys, values, last = list(cache.keys), list(cache.values), len(model.blocks) - 1
    for number, block in enumerate(model.blocks):
        normed = block.norm_attention(stream)
        key, value = (_split(block, block.linear(layer, normed)) for layer in (block.key, block.value))
        if new:
            keys[number] = _write(keys[number], key[:, :, :new].swapaxes(2, 3), filled, axis=2)
            values[number] = _write(values[number], value[:, :, :new], filled, axis=1)
        rows = slice(new, None) if number == last else slice(None)
        if number == last and not wanted:
            break
        query = _split(block, block.linear(block.query, normed[:, rows]))
        mixed = _over_cache(query, keys[number], values[number], key[:, :, rows], value[:, :, rows], seen[:, rows])
        stream = stream[:, rows]
        stream = block.finish(stream, _merged(mixed, stream))
    return Cache(tuple(keys), tuple(values)), (_logits(model, stream) if wanted else None)


def _over_cache(query: Array, key: Array, value: Array, own_key: Array, own_value: Array, seen: Array) -> Array:
    """Attention over the part of a cache that holds something: a quarter, a half or all of it."""
    room = value.shape[2]
    bounds = sorted({-(-room // 4), -(-room // 2), room})

    def over(bound: int):
        def attend(query: Array, key: Array, value: Array, own_key: Array, own_value: Array, seen: Array) -> Array:
            return attention.attend_to_first(query, key[..., :bound], value[:, :, :bound], own_key, own_value, seen)

        return attend

    branch = (seen.max() > jnp.array(bounds[:-1])).sum()
    return jax.lax.switch(branch, [over(bound) for bound in bounds], query, key, value, own_key, own_value, seen)


def _write(cached: Array, new: Array, filled: Array, axis: int) -> Array:
    """``new [lanes, ...]`` behind the first ``filled [lanes]`` rows of each lane, which lie along an axis of a lane."""

    def one(cached: Array, new: Array, filled: Array) -> Array:
        start = [filled if number == axis else 0 for number in range(cached.ndim)]
        return jax.lax.dynamic_update_slice(cached, new, start)

    return jax.vmap(one)(cached, new.astype(cached.dtype), filled)


def _embedded(model: Transformer, tokens: Array, at: Array, asked: Array) -> Array:
    """Rows ``[lanes, m + n, width]``: tokens at their positions, then queries."""
    # Products with one-hot matrices: on CPU their gradient is a matrix product, where a gather's is a scatter.
    content = product(jax.nn.one_hot(tokens, model.vocab_size + 1, dtype=jnp.float32), model.tokens[...])
    table = model.positions[...]
    places = [product(jax.nn.one_hot(x, len(table), dtype=jnp.float32), table) for x in (at, asked)]
    return jnp.concatenate([content + places[0], places[1] + model.tokens[...][None, -1:]], axis=1)


def _heads(block: Block, normed: Array) -> tuple[Array, Array, Array]:
    query, key, value = (_split(block, block.linear(layer, normed)) for layer in (block.query, block.key, block.value))
    return query, key, value


def _split(block: Block, x: Array) -> Array:
    """``[lanes, n, width] -> [lanes, heads, n, d]``."""
    return x.reshape(*x.shape[:2], block.heads, -1).swapaxes(1, 2)


def _merged(mixed: Array, stream: Array) -> Array:
    return mixed.swapaxes(1, 2).reshape(stream.shape)


def _logits(model: Transformer, stream: Array) -> Array:
    return linear(model.head, model.norm(stream), jnp.dtype("float32"))
