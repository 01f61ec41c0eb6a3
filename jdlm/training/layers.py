"""The layers of both kinds of network: a pre-norm transformer with learned positions and no time input.

flax is used in this file and in `jdlm.training.network` alone.
"""

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from jdlm import devices
from jdlm.config.settings import NetworkConfig
from jdlm.training import attention

__all__ = ["Block", "Transformer", "linear", "precision", "product"]

_layer_norm = functools.partial(nnx.LayerNorm, dtype=jnp.float32)


def precision(config: NetworkConfig) -> str:
    """Precision of the matrix products: bfloat16 on accelerators, float32 on CPU, unless the configuration says."""
    if config.dtype != "auto":
        return config.dtype
    return "float32" if devices.on_cpu() else "bfloat16"


class Transformer(nnx.Module):
    """The layers; their initial values are never made, `_initial` makes them."""

    def __init__(self, config: NetworkConfig, length: int, vocab_size: int, rngs: nnx.Rngs):
        self.vocab_size = vocab_size
        self.tokens = nnx.Param(jnp.zeros((vocab_size + 1, config.width), jnp.float32))
        self.positions = nnx.Param(jnp.zeros((length, config.width), jnp.float32))
        self.blocks = nnx.List([Block(config, rngs) for _ in range(config.depth)])
        self.norm = _layer_norm(config.width, rngs=rngs)
        self.head = nnx.Linear(config.width, vocab_size, rngs=rngs)

    def __call__(self, tokens: Array, positions: Array | None = None) -> Array:
        """Logits ``[lanes, n, vocab]`` of ``tokens [lanes, length]``, at ``positions [lanes, n]`` if given."""
        # A product with a one-hot matrix: on CPU its gradient is a matrix product, where a gather's is a scatter.
        stream = product(jax.nn.one_hot(tokens, self.vocab_size + 1, dtype=jnp.float32), self.tokens[...])
        stream = stream + self.positions[...][None]
        for block in self.blocks[:-1]:
            stream = block(stream)
        stream = self.blocks[-1](stream, positions)
        return linear(self.head, self.norm(stream), jnp.dtype("float32"))


class Block(nnx.Module):
    """Attention and MLP, each added to the stream."""

    def __init__(self, config: NetworkConfig, rngs: nnx.Rngs):
        width, hidden = config.width, config.mlp_ratio * config.width
        self.heads = config.heads
        self.dtype = jnp.dtype(precision(config))
        self.linear = functools.partial(linear, dtype=self.dtype)
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
        return self.finish(stream, self.attend(query, key, value).reshape(stream.shape))

    def finish(self, stream: Array, mixed: Array) -> Array:
        """The stream ``[lanes, n, width]`` after this block, from what attention gave."""
        stream = stream + self.linear(self.attention_out, mixed)
        hidden = jax.nn.gelu(self.linear(self.mlp_in, self.norm_mlp(stream)))
        return stream + self.linear(self.mlp_out, hidden)


def linear(layer: nnx.Linear, x: Array, dtype: jnp.dtype) -> Array:
    """A layer on ``x [..., n, in]`` in a precision."""
    mixed = product(x.astype(dtype), layer.kernel[...].astype(dtype))
    return mixed if layer.bias is None else mixed + layer.bias[...].astype(dtype)[None, None]


@jax.custom_vjp
def product(x: Array, kernel: Array) -> Array:
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


product.defvjp(_product_forward, _product_backward)
