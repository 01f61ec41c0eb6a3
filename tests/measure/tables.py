"""Predictors as tables of all states, so that one compiled program serves all of one size."""

import jax.numpy as jnp
import numpy as np

from jdlm.measure.state_space import on_rows, sequences
from jdlm.predictor import Predictor, map_lanes


def tabulate(predictor: Predictor) -> Predictor:
    """A predictor with the same logits that looks them up."""
    shape = (predictor.vocab_size + 1,) * predictor.length
    logits = on_rows(map_lanes, predictor, sequences(shape))
    return Predictor(jnp.asarray(logits), look_up, predictor.length, predictor.vocab_size)


def look_up(table, tokens, positions):
    length = table.shape[1]
    weights = (table.shape[2] + 1) ** np.arange(length)[::-1]
    rows = table[jnp.sum(tokens * jnp.asarray(weights, tokens.dtype))]
    return rows if positions is None else rows[positions]
