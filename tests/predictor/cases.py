"""A small target and predictors made of one table, in any precision."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np

from jdlm import targets
from jdlm.predictor import Predictor

LENGTH, VOCAB = 4, 3


@functools.cache
def target() -> targets.Target:
    return targets.sticky_markov(LENGTH, VOCAB, 0.7)


@functools.cache
def table(dtype) -> Predictor:
    """A predictor that returns its logits in a dtype, batched or not."""
    logits = np.random.default_rng(3).normal(size=[VOCAB + 1] * LENGTH + [LENGTH, VOCAB]) * 2
    return Predictor(jnp.asarray(logits, jnp.float32).astype(dtype), _look_up, LENGTH, VOCAB)


@functools.cache
def same_in_float32(dtype) -> Predictor:
    return dataclasses.replace(table(dtype), params=table(dtype).params.astype(jnp.float32))


def _look_up(logits, tokens, positions):
    row = logits[tuple(jnp.moveaxis(tokens, -1, 0))]
    return row if positions is None else jnp.take_along_axis(row, positions[..., None], axis=-2)
