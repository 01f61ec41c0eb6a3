"""The set-causal transformer again, in float64 numpy, one question at a time; imports nothing from jdlm."""

import math

import numpy as np

from tests.reference.network import _gelu, _linear, _normalize, _softmax


def logits(params, positions, tokens, asked, heads):
    """``[vocab]`` at the position ``asked``, after ``tokens`` were revealed at ``positions`` one after the other."""
    rows = [params["tokens"][token] + params["positions"][at] for token, at in zip(tokens, positions, strict=True)]
    stream = np.stack([*rows, params["tokens"][-1] + params["positions"][asked]])
    for block in params["blocks"].values():
        normed = _normalize(stream, block["norm_attention"])
        query, key, value = (_linear(normed, block[name]) for name in ("query", "key", "value"))
        size, mixed = query.shape[1] // heads, np.zeros_like(query)
        for row in range(len(stream)):  # the query comes last, so each row attends to those before it and to itself
            for head in range(heads):
                own = slice(head * size, (head + 1) * size)
                weights = _softmax(query[row, own] @ key[: row + 1, own].T / math.sqrt(size))
                mixed[row, own] = weights @ value[: row + 1, own]
        stream = stream + _linear(mixed, block["attention_out"])
        hidden = _gelu(_linear(_normalize(stream, block["norm_mlp"]), block["mlp_in"]))
        stream = stream + _linear(hidden, block["mlp_out"])
    return _linear(_normalize(stream, params["norm"]), params["head"])[-1]
