"""The trained mask predictor: a pre-norm transformer with learned positions and no time input, of two kinds.

A bidirectional network sees all revealed tokens at once; a causal one sees each in the context of those revealed before
it (`jdlm.training.causal`). flax is used here and in `jdlm.training.layers` alone: outside of them a network is pure
functions and a nested dict of arrays.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, Key

from jdlm import devices
from jdlm.config.settings import NetworkConfig
from jdlm.errors import InputError
from jdlm.predictor import CACHE_BYTES, CacheRules, Predictor
from jdlm.predictor import chunk_size as predictor_chunk_size
from jdlm.training import causal
from jdlm.training.layers import Transformer, precision

__all__ = ["Network", "build", "chunk_size", "num_parameters", "precision", "predictor"]

_GRADIENT_ARRAYS = 2  # of a gradient, for each one of a forward pass; measured


class Network(NamedTuple):
    """A network as pure functions.

    Attributes:
      init: ``key -> params``, a nested dict of float32 arrays.
      apply: ``(params, tokens [..., length], positions [..., m] or None) -> logits [..., length or m, vocab]``,
        float32; the ``apply`` of a batched `jdlm.predictor.Predictor`.
      rules: of a causal network, see `jdlm.predictor.Predictor`; None for a bidirectional one.
    """

    init: Callable[[Key[Array, ""]], Any]
    apply: Callable[..., Array]
    rules: CacheRules | None


@functools.lru_cache(maxsize=64)
def build(config: NetworkConfig, length: int, vocab_size: int) -> Network:
    """The network of a configuration for sequences of ``length`` tokens.

    The result is cached, so that equal arguments give the same function objects and nothing compiles again.

    Args:
      config: kind, width, depth, heads and precision.
      length: positions of a sequence, each with its own learned embedding.
      vocab_size: number of tokens; embeddings are learned for one more, the mask token.

    Raises:
      ValueError: ``length`` or ``vocab_size`` is less than 1.
    """
    for name, value in (("length", length), ("vocab_size", vocab_size)):
        if value < 1:
            raise InputError(f"{name}={value} is less than 1; use the {name} of the target")

    structure, state = nnx.split(nnx.eval_shape(lambda: Transformer(config, length, vocab_size, nnx.Rngs(0))))
    shapes = nnx.to_pure_dict(state)

    @jax.jit
    def init(key: Key[Array, ""]) -> dict:
        # All parameters from one draw: a draw for each shape would take seconds to compile.
        noise = jax.random.normal(key, (num_parameters(shapes),), jnp.float32)
        leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
        pieces = jnp.split(noise, np.cumsum([leaf.size for _, leaf in leaves])[:-1])
        values = [
            _initial(jax.tree_util.keystr(path, simple=True, separator="."), piece.reshape(leaf.shape), config.depth)
            for (path, leaf), piece in zip(leaves, pieces, strict=True)
        ]
        return jax.tree.unflatten(tree, values)

    def apply(
        params: dict, tokens: Int[Array, "*lanes length"], positions: Int[Array, "*lanes m"] | None = None
    ) -> Float[Array, "*lanes n vocab"]:
        lanes = tokens.shape[:-1]
        tokens = tokens.reshape(-1, length)
        positions = None if positions is None else positions.reshape(-1, positions.shape[-1])
        model = nnx.merge(structure, params)
        logits = model(tokens, positions) if rules is None else _left_to_right(model, tokens, positions)
        return logits.reshape(*lanes, -1, vocab_size)

    rules = _rules(config, structure, length) if config.kind == "causal" else None
    return Network(init, apply, rules)


def _rules(config: NetworkConfig, structure: nnx.GraphDef, length: int) -> CacheRules:
    """The rules of a causal network as functions of its parameters."""

    def start(params: dict, lanes: int) -> causal.Cache:
        return causal.start(nnx.merge(structure, params), length, lanes)

    def advance(
        params: dict, cache: causal.Cache, filled: Array, tokens: Array, at: Array, count: Array, asked: Array
    ) -> tuple[causal.Cache, Array | None]:
        return causal.advance(nnx.merge(structure, params), cache, filled, tokens, at, count, asked)

    def check(
        params: dict, cache: causal.Cache, filled: Array, tokens: Array, at: Array
    ) -> tuple[causal.Cache, Array | None]:
        count = jnp.full(len(tokens), tokens.shape[1], jnp.int32)
        return causal.advance(nnx.merge(structure, params), cache, filled, tokens, at, count, at, each=True)

    def along(params: dict, tokens: Array, order: Array, seen: Array) -> Array:
        return causal.along(nnx.merge(structure, params), tokens, order, seen)

    itemsize = jnp.dtype(precision(config)).itemsize
    return CacheRules(start, advance, check, along, causal.cache_bytes(config.width, config.depth, length, itemsize))


def _left_to_right(model: Transformer, tokens: Array, positions: Array | None) -> Array:
    """Logits of a causal network for a set of revealed tokens, as if they were revealed from left to right."""
    masked = tokens == model.vocab_size
    order = jnp.argsort(masked, axis=1, stable=True).astype(jnp.int32)
    revealed = (~masked).sum(axis=1, keepdims=True, dtype=jnp.int32)
    seen = jnp.minimum(jnp.arange(tokens.shape[1], dtype=jnp.int32)[None], revealed)
    logits = causal.along(model, tokens, order, seen)
    asked = jnp.argsort(order, axis=1)
    asked = asked if positions is None else jnp.take_along_axis(asked, positions, axis=1)
    return jnp.take_along_axis(logits, asked[..., None], axis=1)


def predictor(config: NetworkConfig, params: dict, length: int, vocab_size: int) -> Predictor:
    """The mask predictor that these parameters make; others of the same shapes never compile again."""
    _, apply, rules = build(config, length, vocab_size)
    chunk = chunk_size(config, length)
    return Predictor(params, apply, length, vocab_size, selective=True, batched=True, chunk=chunk, rules=rules)


def chunk_size(
    config: NetworkConfig, length: int, *, gradient: bool = False, num_devices: int | None = None
) -> int | None:
    """Sequences evaluated together: on CPU as many as keep a layer's numbers in the cache, else all of them (None).

    Half as many where each core is a device, for then the cores do not share the numbers of one layer.

    Args:
      config: the network's shape.
      length: positions of a sequence.
      gradient: for a training step, which goes through more arrays of the same size at once.
      num_devices: devices of this process that work at the same time; all that it has if None.
    """
    if not devices.on_cpu():
        return None
    widest = max(config.heads * length, config.mlp_ratio * config.width)  # scores or hidden layer of one position
    cache_bytes = CACHE_BYTES // 2 if (num_devices or jax.local_device_count()) > 1 else CACHE_BYTES
    arrays = (_GRADIENT_ARRAYS if gradient else 1) * (2 if config.kind == "causal" else 1)  # two rows a position
    return predictor_chunk_size(4 * length * widest * arrays, cache_bytes)


def num_parameters(params: Any) -> int:
    """Number of learned numbers in a tree of arrays (or of their shapes)."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _initial(name: str, noise: Array, depth: int) -> Array:
    """The first value of the parameter called ``name``, from standard normal ``noise`` of its shape."""
    parent, _, kind = name.rpartition(".")
    if kind == "scale":
        return jnp.ones_like(noise)
    # Zero logits at the start: every prediction is uniform, so the first steps learn the marginals.
    if kind == "bias" or parent == "head":
        return jnp.zeros_like(noise)
    if kind == "kernel":
        # The two layers that add to the stream are smaller, so that it starts with the same variance at any depth.
        gain = 0.5 / depth if parent.endswith("_out") else 1.0
        return noise * np.float32((gain / noise.shape[0]) ** 0.5)
    return noise * np.float32(0.02)
