"""Mask predictors: the oracle, a network or any function, behind one call that a sampler cannot tell apart."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jdlm import keys, pytrees
from jdlm.targets import Target, validation

__all__ = [
    "CACHE_BYTES",
    "Apply",
    "Predictor",
    "chunk_size",
    "fault_message",
    "faults",
    "is_of_target",
    "is_oracle_of",
    "logits_dtype",
    "map_lanes",
    "oracle",
    "perturbed",
    "split",
]

Apply = Callable[[Any, Array, Array | None], Array]

CACHE_BYTES = 2**23  # measured on two cores: docs/decisions/network-on-cpu.md


@pytrees.register
@dataclasses.dataclass(frozen=True)
class Predictor:
    """A map from a partly masked sequence to logits over the vocabulary at each position.

    A pytree: its leaves are the parameters, while ``apply``, ``length`` and ``vocab_size`` are static. Passed to a
    jitted function, another predictor with the same ``apply`` and parameters of the same shapes compiles nothing.

    Attributes:
      params: pytree of arrays, the first argument of ``apply``.
      apply: ``(params, tokens [length], positions [m] or None) -> logits [length or m, vocab]``.
      length: number of positions of a sequence.
      vocab_size: number of tokens; the mask token has this id.
      selective: asking for fewer positions costs less.
      batched: ``apply`` takes any axes of lanes before the last of ``tokens`` and ``positions``, which is faster
        than its ``vmap``.
      chunk: lanes that `map_lanes` evaluates together unless told otherwise; all of them if None.
    """

    params: Any
    apply: Apply = dataclasses.field(metadata={"static": True})
    length: int = dataclasses.field(metadata={"static": True})
    vocab_size: int = dataclasses.field(metadata={"static": True})
    selective: bool = dataclasses.field(default=False, metadata={"static": True})
    batched: bool = dataclasses.field(default=False, metadata={"static": True})
    chunk: int | None = dataclasses.field(default=None, metadata={"static": True})

    def __call__(self, tokens: Int[Array, " length"], positions: Int[Array, " m"] | None = None) -> Float[Array, "n v"]:
        """Logits (natural log, up to a constant per row) of the token at each position given the revealed ones.

        Args:
          tokens: int32 ``[length]``, the mask id ``vocab_size`` where a token is not revealed.
          positions: int32 ``[m]`` positions whose logits are wanted; all of them if None.

        Returns:
          ``[length, vocab]``, or ``[m, vocab]`` for the given positions, in float32, or float64 where they are made
          in it. Rows of revealed positions mean nothing.

        Raises:
          ValueError: ``apply`` returns neither floats nor integers.
        """
        return _in_full_precision(self.apply(self.params, tokens, positions))

    @staticmethod
    def wrap(function: Callable[[Array], Array], length: int, vocab_size: int) -> "Predictor":
        """A predictor made of any JAX-traceable ``tokens [length] -> logits [length, vocab]`` for one sequence.

        The function itself is the static part: reuse one function object, since each new one compiles anew.

        Raises:
          ValueError: the function's result has another shape than ``[length, vocab_size]``.
        """
        result = jax.eval_shape(function, jax.ShapeDtypeStruct((length,), jnp.int32))
        if result.shape != (length, vocab_size):
            raise ValueError(
                f"the wrapped function returns shape {result.shape}; return logits of shape {(length, vocab_size)}"
            )
        return Predictor((), _Wrapped(function), length, vocab_size)


@dataclasses.dataclass(frozen=True)
class _Wrapped:
    """Gives a plain function the signature of ``apply``; equal exactly when the functions are the same object."""

    function: Callable[[Array], Array]

    def __call__(self, params: Any, tokens: Array, positions: Array | None) -> Array:
        logits = self.function(tokens)
        return logits if positions is None else logits[positions]


def _in_full_precision(logits: Array) -> Array:
    """Logits as float32, float64 ones as they are: in bfloat16, noise, softmax and sums would be wrong by percents."""
    if not (jnp.issubdtype(logits.dtype, jnp.floating) or jnp.issubdtype(logits.dtype, jnp.integer)):
        raise ValueError(f"the predictor returns logits of dtype {logits.dtype}; return floats")
    return logits if logits.dtype == jnp.float64 else logits.astype(jnp.float32)


_FAULTS = (  # and what to do about them
    ("", ""),
    ("-inf for all tokens of a position", "leave at least one token possible"),
    ("+inf as a logit", "return finite logits, or -inf for impossible tokens"),
    ("NaN", "check its parameters"),
)


def faults(logits: Float[Array, "*rows vocab"]) -> Int[Array, "*rows"]:
    """What is wrong with each row of logits, a number for `fault_message`: 0 if nothing."""
    peak = logits.max(axis=-1)
    return jnp.where(jnp.isnan(peak), 3, jnp.where(jnp.isposinf(peak), 2, jnp.isneginf(peak))).astype(jnp.int32)


def fault_message(fault: int, where: str) -> str:
    """One line on a predictor's fault that `faults` found."""
    what, remedy = _FAULTS[fault]
    return f"the predictor returned {what} {where}; {remedy}"


def _oracle_apply(target: Target, tokens: Array, positions: Array | None) -> Array:
    log_probs = target.conditionals(tokens)
    return log_probs if positions is None else log_probs[positions]


def oracle(target: Target) -> Predictor:
    """The predictor that returns the target's exact conditionals.

    Raises:
      Unavailable: when called, if the target has no exact conditionals.
    """
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
      ValueError: a scale that is negative or not finite, or a seed out of range.
    """
    scale, seed = validation.real("scale", scale), validation.integer("seed", seed, 0)
    if not (np.isfinite(scale) and scale >= 0.0):
        raise ValueError(f"scale={scale} is not a size of errors; use a finite number of at least 0")
    if seed > 2**32 - 1:
        raise ValueError(f"seed={seed} is too large; use at most {2**32 - 1}")
    params = _Perturbation(predictor, np.float64(scale), np.uint32(seed))
    return dataclasses.replace(predictor, params=params, apply=_perturbed_apply)


def _perturbed_apply(params: _Perturbation, tokens: Array, positions: Array | None) -> Array:
    own = params.predictor
    logits = _in_full_precision(own.apply(own.params, tokens, positions))
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
    of_predictor, of_target = (predictor.length, predictor.vocab_size), (target.length, target.vocab_size)
    if of_predictor != of_target:
        raise ValueError(
            f"the predictor has (length, vocab_size)={of_predictor}, the target {of_target}; "
            "use a predictor made for this target"
        )


def logits_dtype(predictor: Predictor) -> np.dtype:
    """The dtype of a predictor's logits, found without computing any."""
    # The predictor is an argument: traced as a constant, its numpy leaves would stay float32 for JAX 0.10 ever after,
    # also under `jax.enable_x64`.
    one = jax.ShapeDtypeStruct((predictor.length,), jnp.int32)
    return jax.eval_shape(Predictor.__call__, predictor, one).dtype


def map_lanes(
    predictor: Predictor,
    tokens: Int[Array, "lanes length"],
    positions: Int[Array, "lanes m"] | None = None,
    chunk: int | None = None,
) -> Float[Array, "lanes n vocab"]:
    """Logits of many sequences: the one place where lanes get an axis and are cut into chunks.

    Args:
      predictor: the mask predictor.
      tokens: int32 ``[lanes, length]``.
      positions: int32 ``[lanes, m]`` positions wanted in each lane; all of them if None.
      chunk: lanes evaluated together at most, which bounds memory; ``predictor.chunk`` if None.

    Returns:
      ``[lanes, length or m, vocab]``.
    """
    chunk = predictor.chunk if chunk is None else chunk
    given = (tokens,) if positions is None else (tokens, positions)

    def together(given: tuple[Array, ...]) -> Array:
        if predictor.batched:
            logits = predictor.apply(predictor.params, given[0], None if positions is None else given[1])
            return _in_full_precision(logits)
        return jax.vmap(predictor)(*given)

    lanes = tokens.shape[0]
    if chunk is None or chunk >= lanes:
        return together(given)
    parts = jax.tree.map(lambda array: split(array, chunk), given)
    logits = jax.lax.map(together, parts)
    return logits.reshape(-1, *logits.shape[2:])[:lanes]


def split(array: Array, chunk: int) -> Array:
    """Cuts the first axis into parts of one width, at most ``chunk``: ``[lanes, ...] -> [parts, width, ...]``.

    The last row is repeated where the last part is not full, less than once for each part.
    """
    rows = array.shape[0]
    parts = -(-rows // chunk)
    width = -(-rows // parts)
    if missing := parts * width - rows:
        array = jnp.concatenate([array, jnp.repeat(array[-1:], missing, axis=0)])
    return array.reshape(parts, width, *array.shape[1:])


def chunk_size(bytes_per_lane: int, cache_bytes: int = CACHE_BYTES) -> int:
    """The largest power of two of lanes whose largest intermediate result fits the cache, at least 1."""
    return 1 << (max(cache_bytes // bytes_per_lane, 1).bit_length() - 1)
