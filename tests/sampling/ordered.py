"""A small causal network with noise everywhere, for tests of samplers whose predictor knows the order of reveal."""

import functools

import jax
import numpy as np

from jdlm.config.settings import NetworkConfig
from jdlm.training import network

CONFIG = NetworkConfig(kind="causal", width=8, depth=2, heads=2)


@functools.cache
def causal(length=4, vocab=3, scale=0.4):
    leaves, tree = jax.tree.flatten(network.build(CONFIG, length, vocab).init(jax.random.key(0)))
    rng = np.random.default_rng(0)
    leaves = [leaf + rng.normal(scale=scale, size=leaf.shape).astype("f") for leaf in leaves]
    return network.predictor(CONFIG, jax.tree.unflatten(tree, leaves), length, vocab)


def histogram(tokens, vocab):
    counts = np.zeros((vocab,) * tokens.shape[1])
    np.add.at(counts, tuple(np.asarray(tokens).T), 1)
    return counts
