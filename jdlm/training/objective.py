"""The training objective: masked cross-entropies whose expectation is the summed cross-entropy curve.

Draw how many tokens are revealed, j, uniformly from 0..length-1 (spread evenly over a batch); reveal a uniformly
random j-set; weight the sum of the cross-entropies of the masked tokens by length / (length - j). The expectation is
``sum_j c[j]``, the any-order NELBO in nats per sequence, with ``c`` as in `jdlm.evaluate.cross_entropy_curve`. There
is no time variable, so nothing is clamped (MDLM, arXiv 2406.07524, and MD4, arXiv 2406.04329, integrate over time).

A predictor whose conditionals depend on the order of reveal gives all of them along an order in one pass: the loss is
then the sum over a uniformly random order, without weights, which has the same expectation.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jdlm import keys
from jdlm import predictor as predictors
from jdlm.predictor import Predictor, map_lanes
from jdlm.targets import Target


class Ordered(NamedTuple):
    """A batch of sequences with an order of reveal for each, and the weight of each sequence's loss."""

    tokens: Int[Array, "batch length"]
    order: Int[Array, "batch length"]
    weight: Float[Array, " batch"]


class Masked(NamedTuple):
    """A batch of partly masked sequences: the tokens, which are masked, and the weight of each sequence's loss."""

    tokens: Int[Array, "batch length"]
    masked: Bool[Array, "batch length"]
    weight: Float[Array, " batch"]


Batch = Masked | Ordered


def draw_batch(key: Key[Array, ""], target: Target, n: int, ordered: bool = False) -> Batch:
    """Sequences of the target with random sets of masked positions, or with random orders.

    The revealed counts are equally spaced with a common random offset: together they cover 0..length-1 evenly, and
    each alone is exactly uniform.

    Args:
      key: typed key.
      target: the distribution that the sequences come from.
      n: sequences.
      ordered: draw an order of reveal for each sequence.

    Returns:
      int32 tokens ``[n, length]``, the positions to mask ``[n, length]`` and the weights length / (length - j) ``[n]``;
      or tokens, orders ``[n, length]`` and weights 1.
    """
    keys.check(key)
    length = target.length
    key_offset, key_tokens, key_order = jax.random.split(key, 3)
    # n points at distance `length` on a circle of n * length whole numbers, of which n belong to each count.
    offset = jax.random.randint(key_offset, (), 0, n * length)
    revealed = (offset + length * jnp.arange(n)) % (n * length) // n
    tokens = jax.vmap(target.sample)(jax.random.split(key_tokens, n))
    # As jax.random.permutation does it for short arrays, which takes three times as long to compile for many rows.
    order = jnp.argsort(jax.random.bits(key_order, (n, length)), axis=1)
    if ordered:
        return Ordered(tokens, order.astype(jnp.int32), jnp.ones(n))
    return Masked(tokens, order >= revealed[:, None], length / (length - revealed))


def split(batch: Batch, chunk: int) -> Batch:
    """A batch in parts of one width, at most ``chunk``: each array as ``[parts, width, ...]``.

    What fills the last part up has weight 0 and no masks.
    """
    n = batch.tokens.shape[0]
    real = predictors.split(jnp.arange(n), chunk)
    real = jnp.arange(real.size).reshape(real.shape) < n
    parts = type(batch)(*(predictors.split(array, chunk) for array in batch))
    parts = parts._replace(weight=jnp.where(real, parts.weight, 0))
    return parts._replace(masked=parts.masked & real[..., None]) if isinstance(parts, Masked) else parts


def loss(
    predictor: Predictor, target: Target, batch: Batch, labels: Literal["sampled", "oracle"] = "sampled"
) -> Float[Array, ""]:
    """Estimate of ``sum_j c[j]`` on a batch, nats per sequence: the mean of weight * (sum over masked positions).

    Args:
      predictor: what is trained; a gradient with respect to it has the shape of its parameters.
      target: the distribution that the batch was drawn from.
      batch: from `draw_batch`; with orders for a predictor that is ordered.
      labels: ``"sampled"`` for the tokens that were masked, ``"oracle"`` for the target's exact conditionals, which
        have the same expectation and far less variance.
    """
    if isinstance(batch, Ordered):
        return (batch.weight * _along(predictor, target, batch, labels).sum(axis=-1)).mean()
    vocab_size = target.vocab_size
    seen = jnp.where(batch.masked, vocab_size, batch.tokens)
    log_q = jax.nn.log_softmax(map_lanes(predictor, seen))
    if labels == "oracle":
        wanted = jnp.exp(jax.vmap(target.conditionals)(seen))
    else:
        wanted = jax.nn.one_hot(batch.tokens, vocab_size)
    cross_entropy = -(wanted * log_q).sum(axis=-1)
    return (batch.weight * jnp.where(batch.masked, cross_entropy, 0).sum(axis=-1)).mean()


def _along(predictor: Predictor, target: Target, batch: Ordered, labels: str) -> Array:
    """Cross-entropy ``[batch, length]`` of each place of the order given all tokens before it."""
    place = jnp.broadcast_to(jnp.arange(target.length, dtype=jnp.int32), batch.order.shape)
    log_q = jax.nn.log_softmax(predictor.along(batch.tokens, batch.order, place))
    if labels == "oracle":
        wanted = jnp.exp(predictors.oracle(target).along(batch.tokens, batch.order, place))
    else:
        wanted = jax.nn.one_hot(jnp.take_along_axis(batch.tokens, batch.order, axis=1), target.vocab_size)
    return -(wanted * log_q).sum(axis=-1)
