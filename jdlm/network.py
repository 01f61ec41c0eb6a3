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

from jdlm.predictor import Predictor
from jdlm.settings import NetworkConfig

_layer_norm = functools.partial(nnx.LayerNorm, dtype=jnp.float32)


class Network(NamedTuple):
    """A network as two pure functions.

    Attributes:
      init: ``key -> params``, a nested dict of float32 arrays.
      apply: ``(params, tokens [length], positions [m] or None) -> logits [length or m, vocab]``, float32; the
        ``apply`` of a `jdlm.predictor.Predictor`.
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
        params: dict, tokens: Int[Array, " length"], positions: Int[Array, " m"] | None = None
    ) -> Float[Array, "n vocab"]:
        return nnx.merge(structure, params)(tokens, positions)

    return Network(init, apply)


def predictor(config: NetworkConfig, params: dict, length: int, vocab_size: int) -> Predictor:
    """The mask predictor that these parameters make; others of the same shapes never compile again."""
    return Predictor(params, build(config, length, vocab_size).apply, length, vocab_size, selective=True)


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
        # A product with a one-hot matrix: on CPU its gradient is a matrix product, where a gather's is a scatter.
        stream = jax.nn.one_hot(tokens, self.vocab_size + 1, dtype=jnp.float32) @ self.tokens[...] + self.positions[...]
        for block in self.blocks[:-1]:
            stream = block(stream)
        stream = self.blocks[-1](stream, positions)
        return self.head(self.norm(stream))


class _Block(nnx.Module):
    def __init__(self, config: NetworkConfig, rngs: nnx.Rngs):
        width, hidden = config.width, config.mlp_ratio * config.width
        linear = functools.partial(nnx.Linear, dtype=jnp.dtype(config.dtype), rngs=rngs)
        self.heads = config.heads
        self.norm_attention = _layer_norm(width, rngs=rngs)
        self.query = linear(width, width)
        self.key = linear(width, width)
        self.value = linear(width, width)
        self.attention_out = linear(width, width)
        self.norm_mlp = _layer_norm(width, rngs=rngs)
        self.mlp_in = linear(width, hidden)
        self.mlp_out = linear(hidden, width)

    def __call__(self, stream: Array, positions: Array | None = None) -> Array:
        """The stream ``[n, width]`` after this block, at ``positions`` only if they are given."""
        normed = self.norm_attention(stream)
        asked = normed if positions is None else normed[positions]
        stream = stream if positions is None else stream[positions]
        query, key, value = (
            layer(x).reshape(-1, self.heads, x.shape[-1] // self.heads)
            for layer, x in ((self.query, asked), (self.key, normed), (self.value, normed))
        )
        stream = stream + self.attention_out(_attend(query, key, value).reshape(stream.shape))
        return stream + self.mlp_out(jax.nn.gelu(self.mlp_in(self.norm_mlp(stream))))


def _attend(query: Array, key: Array, value: Array) -> Array:
    """Attention of ``[m, heads, d]`` over ``[n, heads, d]``; scores and softmax are float32.

    The weights are divided by their sum after the product with the values, which has fewer numbers than the scores.
    """
    scale = query.shape[-1] ** -0.5
    scores = jnp.einsum("mhd,nhd->hmn", query * scale, key, preferred_element_type=jnp.float32)
    # The row's maximum cancels in the quotient, so no gradient flows through it.
    weights = jnp.exp(scores - jax.lax.stop_gradient(scores.max(axis=-1, keepdims=True)))
    mixed = jnp.einsum("hmn,nhd->hmd", weights.astype(value.dtype), value, preferred_element_type=jnp.float32)
    mixed = mixed / weights.sum(axis=-1, keepdims=True)
    return mixed.transpose(1, 0, 2).astype(value.dtype)
