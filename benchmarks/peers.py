"""The peers: the network in PyTorch, with a training step and samplers in the way of LLaDA and of MDLM.

    python benchmarks/peers.py

compares the forward pass of jdlm with that of PyTorch, eager and compiled, with equal weights and after a check that
the logits are equal. The other benchmarks import this file; jdlm itself never imports PyTorch. All of it is written
from the papers' text (LLaDA: arXiv 2502.09992, MDLM: arXiv 2406.07524), for a network with no time input.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import timing
import torch
from torch import nn
from torch.nn import functional

from jdlm import network
from jdlm.predictor import map_lanes
from jdlm.settings import NetworkConfig


class Transformer(nn.Module):
    """The same function as `jdlm.network`: one product for q, k and v, PyTorch's own attention."""

    def __init__(self, config: NetworkConfig, length: int, vocab_size: int):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size + 1, config.width)
        self.positions = nn.Parameter(torch.zeros(length, config.width))
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.depth)])
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        self.head = nn.Linear(config.width, vocab_size)

    def forward(self, tokens):
        stream = self.tokens(tokens) + self.positions
        for block in self.blocks:
            stream = block(stream)
        return self.head(self.norm(stream))


class Block(nn.Module):
    def __init__(self, config: NetworkConfig):
        super().__init__()
        width, hidden = config.width, config.mlp_ratio * config.width
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width, eps=1e-6)
        self.mlp_in = nn.Linear(width, hidden)
        self.mlp_out = nn.Linear(hidden, width)

    def forward(self, stream):
        batch, length, width = stream.shape
        qkv = self.qkv(self.norm_attention(stream)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        stream = stream + self.attention_out(mixed.transpose(1, 2).reshape(batch, length, width))
        return stream + self.mlp_out(functional.gelu(self.mlp_in(self.norm_mlp(stream)), approximate="tanh"))


def twin(config: NetworkConfig, params: dict, length: int, vocab_size: int) -> Transformer:
    """The PyTorch network with the weights of a jdlm network."""
    model = Transformer(config, length, vocab_size)

    def tensor(array):
        return torch.from_numpy(np.array(array, np.float32))

    def copy(layer, given):
        layer.weight.copy_(tensor(given["kernel"]).T)
        layer.bias.copy_(tensor(given["bias"]))

    def copy_norm(layer, given):
        layer.weight.copy_(tensor(given["scale"]))
        layer.bias.copy_(tensor(given["bias"]))

    with torch.no_grad():
        model.tokens.weight.copy_(tensor(params["tokens"]))
        model.positions.copy_(tensor(params["positions"]))
        copy_norm(model.norm, params["norm"])
        copy(model.head, params["head"])
        for index, block in enumerate(model.blocks):
            given = params["blocks"][index]
            copy_norm(block.norm_attention, given["norm_attention"])
            copy_norm(block.norm_mlp, given["norm_mlp"])
            parts = [given[name] for name in ("query", "key", "value")]
            joined = {
                kind: np.concatenate([np.asarray(part[kind]) for part in parts], -1) for kind in ("kernel", "bias")
            }
            copy(block.qkv, joined)
            for name in ("attention_out", "mlp_in", "mlp_out"):
                copy(getattr(block, name), given[name])
    return model
