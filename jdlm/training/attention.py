"""Attention whose gradient computes the weights again, which is fast where a cache is small: on CPU."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array

__all__ = ["attend", "attend_to_first"]


def attend(query: Array, key: Array, value: Array) -> Array:
    """Return the attention of ``[lanes, m, heads, d]`` over ``[lanes, n, heads, d]``; scores and softmax are float32.

    Args:
      query: ``[lanes, m, heads, d]``.
      key: ``[lanes, n, heads, d]``.
      value: ``[lanes, n, heads, d]``.
    """
    query = query * query.shape[-1] ** -0.5
    return _attend(*(x.swapaxes(1, 2) for x in (query, key, value))).swapaxes(1, 2)


_multiply = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)


@jax.custom_vjp
def _attend(query: Array, key: Array, value: Array) -> Array:
    """Attention of ``[lanes, heads, m, d]`` over ``[lanes, heads, n, d]``.

    The weights are divided by their sum after the product with the values, which has fewer numbers than the scores.
    The gradient computes the weights again: what would be kept for it is larger than the cache, and a forward pass
    that keeps nothing runs as one kernel.
    """
    weights = _weights(query, key)
    mixed = _multiply("...mn,...nd->...md", weights.astype(value.dtype), value)
    return (mixed / weights.sum(axis=-1, keepdims=True)).astype(value.dtype)


def _weights(query: Array, key: Array) -> Array:
    """Softmax's numerators ``[lanes, heads, m, n]``, float32."""
    scores = _multiply("...md,...nd->...mn", query, key)
    return jnp.exp(scores - scores.max(axis=-1, keepdims=True))


def _attend_forward(query: Array, key: Array, value: Array) -> tuple[Array, tuple[Array, ...]]:
    mixed = _attend(query, key, value)
    return mixed, (query, key, value, mixed)


def _attend_backward(saved: tuple[Array, ...], gradient: Array) -> tuple[Array, Array, Array]:
    query, key, value, mixed = saved
    dtype = value.dtype
    weights = _weights(query, key)
    gradient = gradient / weights.sum(axis=-1, keepdims=True)
    # The row's maximum and sum enter through one number a row: what softmax's gradient takes off for its constraint.
    along = (gradient * mixed).sum(axis=-1, keepdims=True)
    gradient = gradient.astype(dtype)
    scores = weights * (_multiply("...md,...nd->...mn", gradient, value) - along)
    weights, scores = weights.astype(dtype), scores.astype(dtype)
    # Products that contract over m have the small operand first, as XLA's CPU compiler wants it.
    return (
        _multiply("...mn,...nd->...md", scores, key).astype(dtype),
        _multiply("...md,...mn->...dn", query, scores).swapaxes(-1, -2).astype(dtype),
        _multiply("...md,...mn->...dn", gradient, weights).swapaxes(-1, -2).astype(dtype),
    )


_attend.defvjp(_attend_forward, _attend_backward)


def attend_to_first(query: Array, key: Array, value: Array, own_key: Array, own_value: Array, seen: Array) -> Array:
    """Return the attention of each row over itself and over the first keys, as many as it sees.

    Scores and softmax are float32. What lies beyond the keys that a row sees changes no bit of its result.

    Args:
      query: ``[lanes, heads, m, d]``.
      key: ``[lanes, heads, d, n]``.
      value: ``[lanes, heads, n, d]``.
      own_key: ``[lanes, heads, m, d]`` of the rows themselves.
      own_value: ``[lanes, heads, m, d]``.
      seen: int ``[lanes, m]`` how many of the ``n`` keys a row sees, 0 to n.
    """
    return _attend_to_first(query * query.shape[-1] ** -0.5, key, value, own_key, own_value, seen)


def _weights_of_first(query: Array, key: Array, own_key: Array, seen: Array) -> tuple[Array, Array, Array]:
    """Softmax's numerators ``[lanes, heads, m, n]``, the rows' own ``[lanes, heads, m, 1]``, and their sum."""
    hidden = jnp.arange(key.shape[3])[None, None, None] >= seen[:, None, :, None]
    scores = jnp.where(hidden, -jnp.inf, _multiply("...md,...dn->...mn", query, key))
    own = (query.astype(jnp.float32) * own_key).sum(axis=-1, keepdims=True)
    peak = jnp.maximum(scores.max(axis=-1, keepdims=True), own)
    weights, own = jnp.exp(scores - peak), jnp.exp(own - peak)
    return weights, own, weights.sum(axis=-1, keepdims=True) + own


@jax.custom_vjp
def _attend_to_first(query: Array, key: Array, value: Array, own_key: Array, own_value: Array, seen: Array) -> Array:
    """The gradient computes the weights again, as that of `attend` does."""
    weights, own, total = _weights_of_first(query, key, own_key, seen)
    mixed = _multiply("...mn,...nd->...md", weights.astype(value.dtype), value) + own * own_value
    return (mixed / total).astype(value.dtype)


def _first_forward(*inputs: Array) -> tuple[Array, tuple[Array, ...]]:
    mixed = _attend_to_first(*inputs)
    return mixed, (*inputs, mixed)


def _first_backward(saved: tuple[Array, ...], gradient: Array) -> tuple[Array | None, ...]:
    query, key, value, own_key, own_value, seen, mixed = saved
    dtype = value.dtype
    weights, own, total = _weights_of_first(query, key, own_key, seen)
    gradient = gradient / total
    along = (gradient * mixed).sum(axis=-1, keepdims=True)
    own_scores = own * ((gradient * own_value).sum(axis=-1, keepdims=True) - along)
    own_gradient = own * gradient
    gradient = gradient.astype(dtype)
    scores = weights * (_multiply("...md,...nd->...mn", gradient, value) - along)
    weights, scores = weights.astype(dtype), scores.astype(dtype)
    return (
        (_multiply("...mn,...dn->...md", scores, key) + own_scores * own_key).astype(dtype),
        _multiply("...md,...mn->...dn", query, scores).astype(dtype),
        _multiply("...md,...mn->...dn", gradient, weights).swapaxes(-1, -2).astype(dtype),
        (own_scores * query).astype(dtype),
        own_gradient.astype(dtype),
        None,
    )


_attend_to_first.defvjp(_first_forward, _first_backward)
