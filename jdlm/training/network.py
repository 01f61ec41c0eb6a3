"""The trained mask predictor: a pre-norm bidirectional transformer with learned positions and no time input.

flax is used in this file alone. Outside of it a network is two pure functions and a nested dict of arrays.
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
from jdlm.predictor import CACHE_BYTES, Predictor
from jdlm.predictor import chunk_size as predictor_chunk_size
from jdlm.training import attention

__all__ = ["Network", "build", "chunk_size", "num_parameters", "precision", "predictor"]

_GRADIENT_ARRAYS = 2  # of a gradient, for each one of a forward pass; measured
_layer_norm = functools.partial(nnx.LayerNorm, dtype=jnp.float32)


class Network(NamedTuple):
    """A network as two pure functions.

    Attributes:
      init: ``key -> params``, a nested dict of float32 arrays.
      apply: ``(params, tokens [..., length], positions [..., m] or None) -> logits [..., length or m, vocab]``,
        float32; the ``apply`` of a batched `jdlm.predictor.Predictor`.
    """

    init: Callable[[Key[Array, ""]], Any]
    apply: Callable[..., Array]


@functools.lru_cache(maxsize=64)
def build(config: NetworkConfig, length: int, vocab_size: int) -> Network:
    """The network of a configuration for sequences of ``length`` tokens.

    The result is cached, so that equal arguments give the same function objects and nothing compiles again.

    Args:
      config: width, depth, heads and precision.
      length: positions of a sequence, each with its own learned embedding.
      vocab_size: number of tokens; embeddings are learned for one more, the mask token.

    Raises:
      ValueError: ``length`` or ``vocab_size`` is less than 1.
    """
    for name, value in (("length", length), ("vocab_size", vocab_size)):
        if value < 1:
            raise ValueError(f"{name}={value} is less than 1; use the {name} of the target")

    structure, state = nnx.split(nnx.eval_shape(lambda: _Transformer(config, length, vocab_size, nnx.Rngs(0))))
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
        logits = nnx.merge(structure, params)(tokens, positions)
        return logits.reshape(*lanes, -1, vocab_size)

    return Network(init, apply)


def predictor(config: NetworkConfig, params: dict, length: int, vocab_size: int) -> Predictor:
    """The mask predictor that these parameters make; others of the same shapes never compile again."""
    apply = build(config, length, vocab_size).apply
    return Predictor(params, apply, length, vocab_size, selective=True, batched=True, chunk=chunk_size(config, length))


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
    return predictor_chunk_size(4 * length * widest * (_GRADIENT_ARRAYS if gradient else 1), cache_bytes)


def precision(config: NetworkConfig) -> str:
    """Precision of the matrix products: bfloat16 on accelerators, float32 on CPU, unless the configuration says."""
    if config.dtype != "auto":
        return config.dtype
    return "float32" if devices.on_cpu() else "bfloat16"


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


class _Transformer(nnx.Module):
    """The layers; their initial values are never made, `_initial` makes them."""

    def __init__(self, config: NetworkConfig, length: int, vocab_size: int, rngs: nnx.Rngs):
        self.vocab_size = vocab_size
        self.tokens = nnx.Param(jnp.zeros((vocab_size + 1, config.width), jnp.float32))
        self.positions = nnx.Param(jnp.zeros((length, config.width), jnp.float32))
        self.blocks = nnx.List([_Block(config, rngs) for _ in range(config.depth)])
        self.norm = _layer_norm(config.width, rngs=rngs)
        self.head = nnx.Linear(config.width, vocab_size, rngs=rngs)

    def __call__(self, tokens: Array, positions: Array | None = None) -> Array:
        """Logits ``[lanes, n, vocab]`` of ``tokens [lanes, length]``, at ``positions [lanes, n]`` if given."""
        # A product with a one-hot matrix: on CPU its gradient is a matrix product, where a gather's is a scatter.
        stream = _product(jax.nn.one_hot(tokens, self.vocab_size + 1, dtype=jnp.float32), self.tokens[...])
        stream = stream + self.positions[...][None]
        for block in self.blocks[:-1]:
            stream = block(stream)
        stream = self.blocks[-1](stream, positions)
        return _linear(self.head, self.norm(stream), jnp.dtype("float32"))


class _Block(nnx.Module):
    def __init__(self, config: NetworkConfig, rngs: nnx.Rngs):
        width, hidden = config.width, config.mlp_ratio * config.width
        self.heads = config.heads
        self.linear = functools.partial(_linear, dtype=jnp.dtype(precision(config)))
        recompute = config.attention == "recompute" or (config.attention == "auto" and devices.on_cpu())
        self.attend = attention.attend if recompute else jax.nn.dot_product_attention
        self.norm_attention = _layer_norm(width, rngs=rngs)
        self.query = nnx.Linear(width, width, rngs=rngs)
        self.key = nnx.Linear(width, width, rngs=rngs)
        self.value = nnx.Linear(width, width, rngs=rngs)
        self.attention_out = nnx.Linear(width, width, rngs=rngs)
        self.norm_mlp = _layer_norm(width, rngs=rngs)
        self.mlp_in = nnx.Linear(width, hidden, rngs=rngs)
        self.mlp_out = nnx.Linear(hidden, width, rngs=rngs)

    def __call__(self, stream: Array, positions: Array | None = None) -> Array:
        """The stream ``[lanes, n, width]`` after this block, at ``positions [lanes, m]`` only if they are given."""
        normed = asked = self.norm_attention(stream)
        if positions is not None:
            asked, stream = (jnp.take_along_axis(x, positions[..., None], axis=1) for x in (normed, stream))
        query, key, value = (
            self.linear(layer, x).reshape(*x.shape[:2], self.heads, -1)
            for layer, x in ((self.query, asked), (self.key, normed), (self.value, normed))
        )
        mixed = self.attend(query, key, value).reshape(stream.shape)
        stream = stream + self.linear(self.attention_out, mixed)
        hidden = jax.nn.gelu(self.linear(self.mlp_in, self.norm_mlp(stream)))
        return stream + self.linear(self.mlp_out, hidden)


def _linear(layer: nnx.Linear, x: Array, dtype: jnp.dtype) -> Array:
    mixed = _product(x.astype(dtype), layer.kernel[...].astype(dtype))
    return mixed if layer.bias is None else mixed + layer.bias[...].astype(dtype)[None, None]


@jax.custom_vjp
def _product(x: Array, kernel: Array) -> Array:
    """``x @ kernel`` for ``x [..., in]`` and ``kernel [in, out]``.

    Its own gradient, because XLA's CPU compiler takes the one that JAX derives (output's gradient first, result
    transposed) three times as long: it copies transposed inputs that the product could read as they are.
    """
    return x @ kernel


def _product_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ kernel, (x, kernel)


def _product_backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = saved
    rows = x.reshape(-1, x.shape[-1])
    return gradient @ kernel.T, rows.T @ gradient.reshape(-1, gradient.shape[-1])


_product.defvjp(_product_forward, _product_backward)
