"""Predictors that are known exactly: the oracle of a target, and predictors that are wrong by a known amount."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jdlm import keys, pytrees
from jdlm.errors import InputError, check_type
from jdlm.predictor.predictor import Predictor, in_full_precision
from jdlm.targets import Target, validation

__all__ = ["check_pair", "is_of_target", "is_oracle_of", "oracle", "perturbed"]


def _oracle_apply(target: Target, tokens: Array, positions: Array | None) -> Array:
    log_probs = target.conditionals(tokens)
    return log_probs if positions is None else log_probs[positions]


def oracle(target: Target) -> Predictor:
    """The predictor that returns the target's exact conditionals.

    Raises:
      Unavailable: when called, if the target has no exact conditionals.
    """
    check_type("target", target, Target, "build one with jdlm.targets")
    return Predictor(target, _oracle_apply, target.length, target.vocab_size)


def is_oracle_of(predictor: Predictor, target: Target) -> bool:
    """Whether a predictor is made by `oracle` from this target, or from one of the same kind with equal numbers.

    What decides is the value: a predictor that only agrees with the oracle (a table of it, a well trained network) is
    none, whatever it is called.
    """
    if predictor.apply is not _oracle_apply:
        return False
    if predictor.params is target:
        return True
    (mine, kind), (others, other_kind) = jax.tree.flatten(predictor.params), jax.tree.flatten(target)
    return kind == other_kind and all(np.array_equal(one, other) for one, other in zip(mine, others, strict=True))


@pytrees.register
@dataclasses.dataclass(frozen=True, eq=False)
class _Perturbation:
    """The parameters of a perturbed predictor."""

    predictor: Predictor
    scale: Any
    seed: Any  # uint32


def perturbed(predictor: Predictor, scale: float, seed: int) -> Predictor:
    """A predictor that is wrong by a known amount: its logits are ``log p + scale * g(state, position, token)``.

    ``g`` is uniform with mean 0 and variance 1, so at most ``sqrt(3)``, and fixed: a hash of the seed and the partly
    masked sequence gives it, the same whatever the batch, the step or the precision. Impossible tokens stay impossible.
    Its score error on a small target is exact, see `jdlm.measure.score_error`.

    Args:
      predictor: what is perturbed; any predictor, of any precision.
      scale: standard deviation of the logits' errors, at least 0; 0 gives the predictor's own logits.
      seed: which errors, 0 to 2**32 - 1.

    Raises:
      ValueError: a scale that is negative or not finite, a seed out of range, or a predictor that depends on the order
        in which tokens were revealed.
    """
    check_type("predictor", predictor, Predictor, "use jdlm.predictor.oracle, a network or Predictor.wrap")
    scale, seed = validation.real("scale", scale), validation.integer("seed", seed, 0, 2**32 - 1)
    if not (np.isfinite(scale) and scale >= 0.0):
        raise InputError(f"scale={scale} is not a size of errors; use a finite number of at least 0")
    if predictor.is_ordered:
        raise InputError(
            "the predictor depends on the order of reveal, which a perturbation does not know; perturb another"
        )
    params = _Perturbation(predictor, np.float64(scale), np.uint32(seed))
    return dataclasses.replace(predictor, params=params, apply=_perturbed_apply)


def _perturbed_apply(params: _Perturbation, tokens: Array, positions: Array | None) -> Array:
    own = params.predictor
    logits = in_full_precision(own.apply(own.params, tokens, positions))
    noise = functools.partial(_noise, params.seed, own.vocab_size)
    g = jnp.vectorize(noise, signature="(n)->(n,v)")(tokens)
    if positions is not None:
        g = jnp.take_along_axis(g, positions[..., None], axis=-2)
    return logits + jnp.asarray(params.scale, logits.dtype) * g.astype(logits.dtype)


def _noise(seed: Any, vocab_size: int, tokens: Array) -> Array:
    """``g`` of one state, float32 ``[length, vocab]``: bits of a key that two linear hashes of the state give."""
    key = keys.key(seed)
    factors = jax.random.bits(key, (2, len(tokens)), jnp.uint32) | 1  # odd, so that no token's change is lost
    for number in jnp.sum(factors * (tokens[None] + 1).astype(jnp.uint32), axis=1, dtype=jnp.uint32):
        key = jax.random.fold_in(key, number)
    bits = jax.random.bits(key, (len(tokens), vocab_size), jnp.uint32) >> 8  # as many as float32 holds exactly
    return np.float32(12**0.5) * (bits.astype(jnp.float32) / np.float32(2**24) - np.float32(0.5))


def is_of_target(predictor: Predictor) -> bool:
    """Whether `oracle` made it, or `perturbed` of an oracle: its precision is then that of the target's numbers."""
    own = predictor.params
    return isinstance(own, Target) or (isinstance(own, _Perturbation) and is_of_target(own.predictor))


def check_pair(predictor: Predictor, target: Target) -> None:
    """Raises ValueError if predictor and target differ in length or vocabulary."""
    check_type("predictor", predictor, Predictor, "use jdlm.predictor.oracle, a network or Predictor.wrap")
    check_type("target", target, Target, "build one with jdlm.targets")
    of_predictor, of_target = (predictor.length, predictor.vocab_size), (target.length, target.vocab_size)
    if of_predictor != of_target:
        raise InputError(
            f"the predictor has (length, vocab_size)={of_predictor}, the target {of_target}; "
            "use a predictor made for this target"
        )
