"""What a mask predictor is: one call that a sampler cannot tell apart, and lanes and chunks of calls."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jdlm import pytrees
from jdlm.errors import InputError, is_of_torch

__all__ = [
    "CACHE_BYTES",
    "Apply",
    "Cache",
    "CacheRules",
    "Predictor",
    "chunk_size",
    "fault_message",
    "faults",
    "in_full_precision",
    "logits_dtype",
    "map_lanes",
    "split",
]

Apply = Callable[[Any, Array, Array | None], Array]

CACHE_BYTES = 2**23  # measured on two cores: docs/decisions/network-on-cpu.md


class Cache(NamedTuple):
    """What a predictor keeps of the tokens that are revealed in each lane.

    Attributes:
      content: tree of arrays ``[lanes, ...]``: the tokens, or what the predictor's rules say.
      filled: int32 ``[lanes]`` how many tokens are revealed.
    """

    content: Any
    filled: Int[Array, " lanes"]


class CacheRules(NamedTuple):
    """How a predictor whose conditionals depend on the order of reveal keeps what it has computed: pure functions.

    Attributes:
      start: ``(params, lanes) -> content`` of an empty `Cache`.
      advance: ``(params, content, filled [lanes], tokens [lanes, m], at [lanes, m], count [lanes], asked [lanes, n]) ->
        (content, logits [lanes, n, vocab])``: reveals the first ``count`` of the tokens at their positions, one after
        the other, then asks; no logits where n = 0. What lies beyond ``filled`` has no part in anything.
      check: ``(params, content, filled [lanes], tokens [lanes, m], at [lanes, m]) -> (content, logits [lanes, m,
        vocab])``: reveals all of the at most 32 tokens and asks for each position given the tokens before it.
      along: ``(params, tokens [lanes, length], order [lanes, length], seen [lanes, length]) -> logits [lanes, length,
        vocab]`` of the position ``order[k]`` given the tokens at the first ``seen[k] <= k`` positions of the order.
      lane_bytes: of a lane's cache.
    """

    start: Callable[[Any, int], Any]
    advance: Callable[..., tuple[Any, Array | None]]
    check: Callable[..., tuple[Any, Array | None]]
    along: Callable[..., Array]
    lane_bytes: int


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
      batched: ``apply`` takes axes of lanes before the last of ``tokens`` and ``positions``, faster than its ``vmap``.
      chunk: lanes that `map_lanes` evaluates together unless told otherwise; all of them if None.
      rules: of a predictor whose conditionals depend on the order in which tokens were revealed; ``apply`` then takes
        them from left to right. None for all others.
    """

    params: Any
    apply: Apply = dataclasses.field(metadata={"static": True})
    length: int = dataclasses.field(metadata={"static": True})
    vocab_size: int = dataclasses.field(metadata={"static": True})
    selective: bool = dataclasses.field(default=False, metadata={"static": True})
    batched: bool = dataclasses.field(default=False, metadata={"static": True})
    chunk: int | None = dataclasses.field(default=None, metadata={"static": True})
    rules: CacheRules | None = dataclasses.field(default=None, metadata={"static": True})

    @property
    def is_ordered(self) -> bool:
        """Whether the conditionals depend on the order in which the revealed tokens were revealed."""
        return self.rules is not None

    def start(self, lanes: int) -> Cache:
        """A cache of lanes without revealed tokens; that of a plain predictor is the tokens themselves."""
        filled = jnp.zeros(lanes, jnp.int32)
        if self.rules is None:
            return Cache(jnp.full((lanes, self.length), self.vocab_size, jnp.int32), filled)
        return Cache(self.rules.start(self.params, lanes), filled)

    def reveal(
        self,
        cache: Cache,
        tokens: Int[Array, "lanes m"],
        positions: Int[Array, "lanes m"],
        count: Int[Array, " lanes"] | None = None,
    ) -> Cache:
        """The cache after the first ``count [lanes]`` of some tokens (all by default) are revealed at their positions.

        The tokens int32 ``[lanes, m]`` count as revealed one after the other.
        """
        nothing = jnp.zeros((tokens.shape[0], 0), jnp.int32)
        return self.advance(cache, tokens, positions, count, nothing)[0]

    def ask(self, cache: Cache, positions: Int[Array, "lanes m"]) -> Float[Array, "lanes m vocab"]:
        """Logits at masked positions, int32 ``[lanes, m]``, given all that is revealed; see `__call__`."""
        nothing = jnp.zeros((positions.shape[0], 0), jnp.int32)
        logits = self.advance(cache, nothing, nothing, None, positions)[1]
        assert logits is not None
        return logits

    def advance(
        self,
        cache: Cache,
        tokens: Int[Array, "lanes m"],
        positions: Int[Array, "lanes m"],
        count: Int[Array, " lanes"] | None,
        asked: Int[Array, "lanes n"],
    ) -> tuple[Cache, Float[Array, "lanes n vocab"] | None]:
        """`reveal` and then `ask` in one pass; no logits where no position is asked for."""
        lanes, new = tokens.shape
        count = jnp.full(lanes, new, jnp.int32) if count is None else count
        content, filled = cache
        if self.rules is not None:
            content, logits = self.rules.advance(self.params, content, filled, tokens, positions, count, asked)
            logits = None if logits is None else in_full_precision(logits)
        else:
            at = jnp.where(jnp.arange(new)[None] < count[:, None], positions, self.length)
            content = content.at[jnp.arange(lanes)[:, None], at].set(tokens, mode="drop")
            logits = map_lanes(self, content, asked) if asked.shape[1] else None
        return Cache(content, filled + count), logits

    def along(
        self, tokens: Int[Array, "lanes length"], order: Int[Array, "lanes length"], seen: Int[Array, "lanes length"]
    ) -> Float[Array, "lanes length vocab"]:
        """Logits of each position of an order given the tokens before it; one pass where the predictor has rules.

        Args:
          tokens, order: int32 ``[lanes, length]`` without masks, and positions in the order of reveal.
          seen: int32 ``[lanes, length]`` tokens revealed when each place of the order is asked for; at most its place.

        Returns:
          ``[lanes, length, vocab]``, row k for the position ``order[k]``.
        """
        if self.rules is not None:
            return in_full_precision(self.rules.along(self.params, tokens, order, seen))
        lanes, length = tokens.shape
        place = jnp.argsort(order, axis=1)
        masked = place[:, None] >= seen[:, :, None]  # [lanes, place asked for, position]
        states = jnp.where(masked, self.vocab_size, tokens[:, None]).reshape(-1, length)
        return map_lanes(self, states, order.reshape(-1, 1)).reshape(lanes, length, -1)

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
        return in_full_precision(self.apply(self.params, tokens, positions))

    @staticmethod
    def wrap(function: Callable[[Array], Array], length: int, vocab_size: int) -> "Predictor":
        """A predictor made of any JAX-traceable ``tokens [length] -> logits [length, vocab]`` for one sequence.

        The function itself is the static part: reuse one function object, since each new one compiles anew.

        Raises:
          ValueError: another shape than ``[length, vocab_size]``, or a module of PyTorch (use `from_torch`).
        """
        if is_of_torch(function):
            raise InputError("a module of PyTorch cannot be traced by JAX; use jdlm.predictor.from_torch")
        result = jax.eval_shape(function, jax.ShapeDtypeStruct((length,), jnp.int32))
        if result.shape != (wanted := (length, vocab_size)):
            raise InputError(f"the wrapped function returns shape {result.shape}; return logits of shape {wanted}")
        return Predictor((), _Wrapped(function), length, vocab_size)


@dataclasses.dataclass(frozen=True)
class _Wrapped:
    """Gives a plain function the signature of ``apply``; equal exactly when the functions are the same object."""

    function: Callable[[Array], Array]

    def __call__(self, params: Any, tokens: Array, positions: Array | None) -> Array:
        logits = self.function(tokens)
        return logits if positions is None else logits[positions]


def in_full_precision(logits: Array) -> Array:
    """Logits as float32, float64 ones as they are: in bfloat16, noise, softmax and sums would be wrong by percents."""
    if not (jnp.issubdtype(logits.dtype, jnp.floating) or jnp.issubdtype(logits.dtype, jnp.integer)):
        raise InputError(f"the predictor returns logits of dtype {logits.dtype}; return floats")
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
            return in_full_precision(logits)
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
