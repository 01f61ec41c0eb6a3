"""Many sequences of a target at once, for tests at lengths that enumeration does not reach."""

import jax
import numpy as np

LENGTH = 256


@jax.jit
def conditionals(target, states):
    return jax.vmap(target.conditionals)(states)


@jax.jit
def draw(target, keys):
    return jax.vmap(target.sample)(keys)


def masked(rng, tokens, vocab):
    """Each row with a uniformly random number of its tokens masked."""
    return np.where(rng.random(tokens.shape) < rng.random((len(tokens), 1)), vocab, tokens).astype(np.int32)
