"""The transformer again, in float64 numpy and written out per head; imports nothing from jdlm."""

import math

import numpy as np


def _normalize(x, layer):
    centered = x - x.mean(axis=-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-6) * layer["scale"] + layer["bias"]


def _linear(x, layer):
    return x @ layer["kernel"] + layer["bias"]


def _gelu(x):
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def logits(params, tokens, heads):
    """``[length, vocab]`` from a nested dict of float64 arrays."""
    stream = params["tokens"][tokens] + params["positions"]
    for block in params["blocks"].values():
        normed = _normalize(stream, block["norm_attention"])
        query, key, value = (_linear(normed, block[name]) for name in ("query", "key", "value"))
        size = query.shape[1] // heads
        parts = []
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            weights = _softmax(query[:, own] @ key[:, own].T / math.sqrt(size))
            parts.append(weights @ value[:, own])
        stream = stream + _linear(np.concatenate(parts, axis=1), block["attention_out"])
        hidden = _gelu(_linear(_normalize(stream, block["norm_mlp"]), block["mlp_in"]))
        stream = stream + _linear(hidden, block["mlp_out"])
    return _linear(_normalize(stream, params["norm"]), params["head"])
