"""What a predictor has learned: its cross-entropy curve and learning error, on sequences of a target.

This file knows no sampler, so that training may measure what it trains.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Key

from jdlm import devices, keys
from jdlm.errors import InputError
from jdlm.measure.estimate import Estimate, mean
from jdlm.predictor import Predictor, check_pair, map_lanes, oracle
from jdlm.targets import Target, validation

__all__ = ["CurveEstimate", "MeasuredCurve", "cross_entropy_curve", "learning_error"]

_WIDTH = 128  # sequences evaluated together on an accelerator
_CPU_WIDTH = 32  # activations that stay in the cache: a third to a half less CPU time than 128 sequences at once


class CurveEstimate(NamedTuple):
    """A curve over revealed counts j = 0..length-1, each entry measured on ``n`` sequences.

    Attributes:
      values: ``[length]`` the curve.
      standard_errors: ``[length]`` of its entries.
      n: sequences for each entry.
      covariance: ``[length, length]`` of the entries, where all were measured on the same sequences; None where each
        has sequences of its own, so that they are independent.
    """

    values: Float[np.ndarray, " length"]
    standard_errors: Float[np.ndarray, " length"]
    n: int
    covariance: Float[np.ndarray, "length length"] | None = None

    def dot(self, weights: Float[np.ndarray, " length"]) -> Estimate:
        """``weights . values`` with its standard error; weights are an exposure, or a difference of two.

        A count of weight 0 is never visited, so it adds nothing, even if its value is infinite or unknown.

        Args:
          weights: ``[length]``.

        Raises:
          ValueError: the curve has not as many entries as there are weights.
        """
        weights = np.asarray(weights, np.float64)
        if weights.shape != np.shape(self.values):
            raise InputError(
                f"weights have shape {weights.shape}, the curve {np.shape(self.values)}; give one per entry"
            )
        visited = weights != 0.0
        weights, errors = weights[visited], self.standard_errors[visited]
        with np.errstate(invalid="ignore"):  # infinite values of both signs have no sum
            if self.covariance is None:
                variance = np.sum((weights * errors) ** 2)
            else:
                variance = np.maximum(weights @ self.covariance[np.ix_(visited, visited)] @ weights, 0.0)
            return Estimate(float(weights @ self.values[visited]), float(np.sqrt(variance)), self.n)


class MeasuredCurve(NamedTuple):
    """A predictor's cross-entropy curve c and, where the target has an oracle, its learning error c - h (both nats)."""

    cross_entropy: CurveEstimate
    learning_error: CurveEstimate | None


@functools.partial(jax.jit, static_argnames=("with_oracle", "mesh"))
def _curve_terms(
    key: Array,
    predictor: Predictor,
    target: Target,
    indices: Array,
    n: Array,
    distinct: Array,
    with_oracle: bool,
    mesh: Mesh | None,
) -> tuple[Array, Array]:
    """Cross-entropy and KL of the conditionals, each the mean over the masked positions of one lane, ``[lanes]``.

    Lane i has i // n revealed tokens of sequence i % distinct, in that sequence's own order.
    """
    terms = functools.partial(_terms_on_device, with_oracle)
    terms = devices.sharded(mesh, terms, (False, False, False, True, False, False), result_cut=True)
    return terms(key, predictor, target, indices, n, distinct)


def _terms_on_device(
    with_oracle: bool, key: Array, predictor: Predictor, target: Target, indices: Array, n: Array, distinct: Array
) -> tuple[Array, Array]:
    length, mask = predictor.length, predictor.vocab_size

    def draw(lane_key: Array, index: Array) -> tuple[Array, Array]:
        key_tokens, key_order = jax.random.split(lane_key)
        order = jax.random.permutation(key_order, length)
        return target.sample(key_tokens), order >= jnp.minimum(index // n, length - 1)

    tokens, masked = jax.vmap(draw)(keys.lane_keys(key, indices % distinct), indices)
    seen = jnp.where(masked, mask, tokens)
    log_q = jax.nn.log_softmax(map_lanes(predictor, seen))
    nll = -jnp.take_along_axis(log_q, tokens[..., None], axis=2)[..., 0]
    share = masked / masked.sum(axis=1, keepdims=True)
    cross_entropy = jnp.where(masked, nll * share, 0).sum(axis=1)
    if not with_oracle:
        return cross_entropy, jnp.zeros_like(cross_entropy)
    log_p = map_lanes(oracle(target), seen)
    kl = jnp.where(jnp.isneginf(log_p), 0, jnp.exp(log_p) * (log_p - log_q)).sum(axis=2)
    return cross_entropy, jnp.where(masked, kl * share, 0).sum(axis=1)


@functools.partial(jax.jit, static_argnames=("with_oracle", "mesh"))
def _ordered_terms(
    key: Array, predictor: Predictor, target: Target, indices: Array, with_oracle: bool, mesh: Mesh | None
) -> tuple[Array, Array]:
    """Cross-entropy and KL of the conditionals at each place of a random order, ``[lanes, length]``, in one pass."""

    def on_device(key: Array, predictor: Predictor, target: Target, indices: Array) -> tuple[Array, Array]:
        def draw(lane_key: Array) -> tuple[Array, Array]:
            key_tokens, key_order = jax.random.split(lane_key)
            return target.sample(key_tokens), jax.random.permutation(key_order, predictor.length)

        tokens, order = jax.vmap(draw)(keys.lane_keys(key, indices))
        order = order.astype(jnp.int32)
        place = jnp.broadcast_to(jnp.arange(predictor.length, dtype=jnp.int32), order.shape)
        log_q = jax.nn.log_softmax(predictor.along(tokens, order, place))
        own = jnp.take_along_axis(tokens, order, axis=1)
        nll = -jnp.take_along_axis(log_q, own[..., None], axis=2)[..., 0]
        if not with_oracle:
            return nll, jnp.zeros_like(nll)
        log_p = oracle(target).along(tokens, order, place)
        return nll, jnp.where(jnp.isneginf(log_p), 0, jnp.exp(log_p) * (log_p - log_q)).sum(axis=2)

    terms = devices.sharded(mesh, on_device, (False, False, False, True), result_cut=True)
    return terms(key, predictor, target, indices)


def cross_entropy_curve(
    key: Key[Array, ""],
    predictor: Predictor,
    target: Target,
    n: int,
    *,
    nested: bool = False,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MeasuredCurve:
    """The predictor's cross-entropy curve ``c[j] = E[-log q(X_i | X_S)]``, |S| = j, by Monte Carlo.

    For each j, ``n`` sequences of the target each reveal a uniformly random j-set; a term is the mean over the masked
    positions. Where the target has exact conditionals, ``c - h`` is measured on the same draws as the mean KL
    divergence of the predicted from the exact conditionals, which has far less variance than the difference.

    Each j has sequences of its own, or all use the same ones (``nested``): then each sequence reveals its tokens in one
    random order, and what makes a sequence easy or hard is common to all j. That cancels in the difference of two
    schedules, and adds up in the value of one. Both ways cost the same and are unbiased.

    A predictor whose conditionals depend on the order of reveal gives a sequence's terms at all counts in one pass: its
    curve is the mean over orders, it always uses the same sequences for all counts, and each term is of one position.

    Args:
      key: typed key.
      predictor: the mask predictor.
      target: the distribution that the sequences come from.
      n: sequences for each of the ``length`` revealed counts, at least 2.
      nested: use the same ``n`` sequences for all counts, which makes differences of schedules precise; by default
        there are ``length * n``, which makes the value of one schedule precise.
      batch_size: sequences evaluated together on each device; by default as many as suit it. No number depends on it.
      mesh: devices that share the sequences, see `jdlm.devices.mesh`; the default device if None.
      progress: called with (done, total) sequences.

    Returns:
      Nats per masked token, float64 ``[length]`` curves with standard errors.

    Raises:
      ValueError: n < 2, a key that is not threefry's, or predictor and target differ in length or vocabulary.
    """
    check_pair(predictor, target)
    keys.check(key)
    n = validation.integer("n", n)
    if n < 2:
        raise InputError(f"n={n} sequences give no standard error; use at least 2")
    if batch_size is not None:
        batch_size = validation.integer("batch_size", batch_size)
    length = target.length
    exact = target.has("conditionals")
    nested |= predictor.is_ordered
    distinct = n if nested else length * n
    if max(n, distinct) > 2**31 - 1:
        raise InputError(f"n={n} sequences of length {length} are more than int32 counts; use fewer")
    key, predictor, law = devices.replicate(mesh, (key, predictor, target))
    width = batch_size or (_CPU_WIDTH if devices.on_cpu() else _WIDTH)
    if predictor.is_ordered:

        def made(indices: Array) -> tuple[Array, Array]:
            return _ordered_terms(key, predictor, law, indices, exact, mesh)

        terms = devices.in_batches(made, n, width, mesh, progress)
        terms = tuple(part.T.reshape(-1) for part in terms)
    else:
        terms = devices.in_batches(
            lambda indices: _curve_terms(key, predictor, law, indices, n, distinct, exact, mesh),
            length * n,
            width,
            mesh,
            progress,
        )
    if np.isnan(terms[0]).any():
        raise InputError("the predictor returned NaN, +inf or -inf for all tokens of a position; check its parameters")
    curves = [_curve(values.reshape(length, n), nested) for values in terms]
    return MeasuredCurve(curves[0], curves[1] if exact else None)


def _curve(terms: np.ndarray, nested: bool) -> CurveEstimate:
    """The estimate from terms ``[length, n]``, one row for each revealed count."""
    values, errors, _ = zip(*map(mean, terms), strict=True)
    n, covariance = terms.shape[1], None
    if nested:
        with np.errstate(invalid="ignore"):  # an infinite term makes its count's covariances NaN
            spread = terms - terms.mean(axis=1, dtype=np.float64, keepdims=True)
            covariance = spread @ spread.T / (n * (n - 1))
    return CurveEstimate(np.array(values), np.array(errors), n, covariance)


def learning_error(measured: MeasuredCurve) -> Estimate:
    """Sum over j of c - h in nats per sequence: the path KL of one token per step.

    Raises:
      ValueError: the target has no exact conditionals.
    """
    if measured.learning_error is None:
        raise InputError("the target has no exact conditionals, so its learning error is unknown; use the NELBO")
    return measured.learning_error.dot(np.ones(len(measured.learning_error.values)))
