"""A small causal network with noise everywhere, for tests of samplers whose predictor knows the order of reveal."""

import functools

import jax
import numpy as np

from jdlm.config.settings import NetworkConfig
from jdlm.training import network

CONFIG = NetworkConfig(kind="causal", width=8, depth=2, heads=2)


@functools.cache
def causal(length=4, vocab=3, scale=0.5):
    """Its embeddings of tokens are large, so that a third of the drafts is refused: what was revealed matters."""
    params, rng = network.build(CONFIG, length, vocab).init(jax.random.key(0)), np.random.default_rng(0)

    def noisy(path, leaf):
        factor = 8.0 if "tokens" in jax.tree_util.keystr(path) else 1.0
        return leaf + rng.normal(scale=factor * scale, size=leaf.shape).astype("f")

    return network.predictor(CONFIG, jax.tree_util.tree_map_with_path(noisy, params), length, vocab)
