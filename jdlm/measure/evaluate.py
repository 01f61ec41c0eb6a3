"""Measurements of a predictor and of a sampler, each with its number of sequences and standard error.

`cross_entropy_curve` and `monte_carlo_path_kl` use tokens of the target; `reverse_path_kl`, `outside_support_share`
and `distinct_share`, like `jdlm.marginals`, use tokens that were really sampled.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key
from numpy.typing import ArrayLike

from jdlm import devices, keys
from jdlm.planners import Planner, random
from jdlm.predictor import Predictor, map_lanes, oracle
from jdlm.sampling import DEFAULT_WIDTH, Info, draw_sizes, sample_all
from jdlm.sampling._step import lane_keys
from jdlm.sampling.request import Request
from jdlm.targets import Target, Unavailable, validation

_RANDOM = random()
_CPU_WIDTH = 32  # activations that stay in the cache: a third to a half less CPU time than 128 sequences at once
_DRAWN_TOGETHER = 2**22  # probabilities, of sequences drawn from a target: 16 MiB as float32


class Estimate(NamedTuple):
    """A number measured on ``n`` sequences, with its standard error (NaN where the value is infinite)."""

    value: float
    standard_error: float
    n: int


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

        A count of weight 0 is never visited, so it adds nothing, also where its value is infinite or unknown.

        Args:
          weights: ``[length]``.

        Raises:
          ValueError: as many weights as the curve has entries are wanted.
        """
        weights = np.asarray(weights, np.float64)
        if weights.shape != np.shape(self.values):
            raise ValueError(
                f"weights have shape {weights.shape}, the curve {np.shape(self.values)}; give one an entry"
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


def mean(values: ArrayLike) -> Estimate:
    """Mean of independent values ``[n]`` with its standard error, in float64."""
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        raise ValueError(f"n={len(values)} sequences give no standard error; use at least 2")
    if not np.isfinite(values).all():
        with np.errstate(invalid="ignore"):  # infinities of both signs have no sum
            return Estimate(float(np.sum(values[~np.isfinite(values)])), float("nan"), len(values))
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values))


def has_oracle(target: Target) -> bool:
    """Whether the target has exact conditionals."""
    return _has(target.conditionals, target)


def has_log_prob(target: Target) -> bool:
    """Whether the target gives the probability of a sequence."""
    return _has(target.log_prob, target)


def _has(method: Callable, target: Target) -> bool:
    try:
        jax.eval_shape(method, jax.ShapeDtypeStruct((target.length,), jnp.int32))
    except Unavailable:
        return False
    return True


def _in_batches(
    function: Callable,
    total: int,
    width: int,
    mesh: Mesh | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """``function(indices)`` over 0..total-1 in batches of ``width`` for each device; its leaves, ``[total, ...]``."""
    parts = []
    width = min(width, -(-total // devices.size(mesh))) * devices.size(mesh)
    for start in range(0, total, width):
        indices = devices.spread(mesh, np.arange(start, start + width, dtype=np.int32))
        parts.append(devices.fetch(function(indices)))
        if progress is not None:
            progress(min(start + width, total), total)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:total], *parts)


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

    tokens, masked = jax.vmap(draw)(lane_keys(key, indices % distinct), indices)
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


def cross_entropy_curve(
    predictor: Predictor,
    target: Target,
    key: Key[Array, ""],
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

    Args:
      predictor: the mask predictor.
      target: the law that the sequences come from.
      key: typed key.
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
        raise ValueError(f"n={n} sequences give no standard error; use at least 2")
    if batch_size is not None:
        batch_size = validation.integer("batch_size", batch_size)
    length = target.length
    exact = has_oracle(target)
    distinct = n if nested else length * n
    key, predictor, law = devices.replicate(mesh, (key, predictor, target))
    terms = _in_batches(
        lambda indices: _curve_terms(key, predictor, law, indices, n, distinct, exact, mesh),
        length * n,
        batch_size or (_CPU_WIDTH if devices.on_cpu() else DEFAULT_WIDTH),
        mesh,
        progress,
    )
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
    """Sum over j of c - h in nats per sequence: the path KL of one token a step.

    Raises:
      ValueError: the target has no exact conditionals.
    """
    if measured.learning_error is None:
        raise ValueError("the target has no exact conditionals, so its learning error is unknown; use the NELBO")
    return measured.learning_error.dot(np.ones(len(measured.learning_error.values)))


def check_pair(predictor: Predictor, target: Target) -> None:
    """Raises ValueError if predictor and target differ in length or vocabulary."""
    of_predictor, of_target = (predictor.length, predictor.vocab_size), (target.length, target.vocab_size)
    if of_predictor != of_target:
        raise ValueError(
            f"the predictor has (length, vocab_size)={of_predictor}, the target {of_target}; "
            "use a predictor made for this target"
        )


@jax.jit
def _draw(key: Array, target: Target, indices: Array) -> Array:
    return jax.vmap(target.sample)(lane_keys(key, indices))


def draw_tokens(key: Key[Array, ""], target: Target, n: int) -> Int[np.ndarray, "n length"]:
    """``n`` sequences of the target, int32, numbered like the lanes of a sampler."""
    keys.check(key)
    width = max(_DRAWN_TOGETHER // (target.length * target.vocab_size), 1)
    return _in_batches(lambda indices: _draw(key, target, indices), n, width)


@jax.jit
def _log_prob(target: Target, tokens: Array) -> Array:
    return jax.vmap(target.log_prob)(tokens)


def log_prob(target: Target, tokens: ArrayLike) -> Float[np.ndarray, " n"]:
    """Log probability in nats of each of the sequences ``[n, length]`` (no masks), float64 on the host."""
    return np.asarray(_log_prob(target, np.asarray(tokens)), np.float64)


def monte_carlo_path_kl(
    key: Key[Array, ""],
    predictor: Predictor,
    target: Target,
    schedule: Any,
    n: int,
    *,
    planner: Planner = _RANDOM,
    batch_size: int | None = None,
) -> Estimate:
    """Path KL of a sampler in nats per sequence, by forcing tokens of the target through the sampler's own steps.

    The mean of ``log p(X) - path_log_prob(X)`` over X from the target, and sizes and orders from the sampler. With
    uniformly random positions it estimates ``x . c - H(X)``, but knows nothing of that identity.

    Args:
      key: typed key; sequences, sizes and orders are drawn from parts of it.
      predictor: the mask predictor.
      target: a law with ``log_prob``.
      schedule: a `jdlm.schedules.Schedule` that leaves no mask; None exactly if the planner counts by itself.
      n: sequences, at least 2.
      planner: which positions a step reveals.
      batch_size: see `jdlm.sampling.sample`.

    Raises:
      ValueError: the schedule leaves masks, n < 2, or predictor and target differ in shape.
      Unavailable: the target has no ``log_prob``.
    """
    check_pair(predictor, target)
    request = path_request(key, target, schedule, n, planner=planner)
    return path_kl(request, sample_all(predictor, [request], batch_size=batch_size).parts[0][1], target)


@jax.jit
def _three(key: Array) -> tuple[Array, ...]:
    return tuple(jax.random.split(key, 3))


def path_request(key: Key[Array, ""], target: Target, schedule: Any, n: int, *, planner: Planner = _RANDOM) -> Request:
    """The request to a sampler behind `monte_carlo_path_kl`, to be run together with others by `sample_all`.

    Args and Raises: see `monte_carlo_path_kl`.
    """
    keys.check(key)
    if schedule is not None:
        check_complete(schedule)
    key_tokens, key_sizes, key_path = _three(key)
    tokens = draw_tokens(key_tokens, target, n)
    sizes = None if schedule is None else draw_sizes(key_sizes, schedule, n)
    return Request(key_path, planner, sizes, forced=tokens)


def path_kl(request: Request, info: Info, target: Target) -> Estimate:
    """Path KL in nats per sequence from what a sampler said to a `path_request`."""
    return mean(log_prob(target, request.forced) - np.asarray(info.path_log_prob, np.float64))


def check_complete(schedule: Any) -> None:
    """Raises ValueError if the schedule leaves masks, for then its samples are no sequences."""
    if schedule.leftover > 1e-9:
        raise ValueError(
            f"schedule {schedule.name} leaves a mask with probability {schedule.leftover:.3g}; build it with "
            "final_reveal=True"
        )


def reverse_path_kl(path_log_probs: ArrayLike, tokens: ArrayLike, target: Target) -> Estimate:
    """Mean of ``path_log_prob - log p`` over sampled tokens: KL(sampler's path || target) in nats per sequence.

    An upper bound on the KL divergence of the output law from the target. Infinite, with standard error NaN, once a
    sample lies outside the target's support.

    Args:
      path_log_probs: ``[n]`` from `jdlm.sampling.Info`.
      tokens: ``[n, length]`` sampled with them.
      target: a law with ``log_prob``.
    """
    return mean(np.asarray(path_log_probs, np.float64) - log_prob(target, tokens))


def outside_support_share(tokens: ArrayLike, target: Target) -> Estimate:
    """Share of the sequences ``[n, length]`` that have probability 0 under the target."""
    return mean(np.isneginf(log_prob(target, tokens)))


# P(Bin(4, 1/2) >= k - 2) with the signs of the series in `distinct_share`, for sequences seen k = 2..6 times.
_CORRECTION = np.array([1.0, -15 / 16, 11 / 16, -5 / 16, 1 / 16])


def distinct_share(tokens: ArrayLike) -> Estimate:
    """Number of different sequences among ``[n, length]``, over n, with its standard error.

    With f[k] sequences seen exactly k times and Poisson counts of means m, the variance of the number of different ones
    is ``sum exp(-m) (1 - exp(-m)) - f[1]^2 / n``, whose sum has the unbiased estimate ``f[1] - f[2] + f[3] - ...``
    (Good, Toulmin 1956). The terms from f[2] on get the smoothing weights of Efron, Thisted (1976), which lets them end
    at f[6], and their sum stays within 0 and f[2], as it does in expectation. The delete-one jackknife is f[1] - f[1]^2
    / n, which is too large. The error is also too large where nearly all possible sequences were seen.

    Args:
      tokens: ``[n, length]``, at least 2 sequences.

    Raises:
      ValueError: n < 2.
    """
    tokens = np.asarray(tokens)
    n = len(tokens)
    if n < 2:
        raise ValueError(f"n={n} sequences give no standard error; use at least 2")
    counts = np.unique(tokens, axis=0, return_counts=True)[1]
    seen = np.bincount(counts, minlength=7)
    once, twice = float(seen[1]), float(seen[2])
    variance = once - once**2 / n - np.clip(_CORRECTION @ seen[2:7], 0.0, twice)
    return Estimate(len(counts) / n, float(np.sqrt(max(variance, 0.0))) / n, n)
