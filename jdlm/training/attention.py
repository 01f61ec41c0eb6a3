"""Attention whose gradient computes the weights again, which is fast where a cache is small: on CPU."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array

__all__ = ["attend"]


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
