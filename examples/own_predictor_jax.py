"""A predictor of your own in JAX, and a sampling loop around it under audit: a planted argmax is caught."""

import jax
import jax.numpy as jnp

from jdlm import audit, predictor, sampling, schedules, targets
from jdlm.predictor import Predictor

LENGTH, VOCAB = 6, 3
target = targets.sticky_markov(LENGTH, VOCAB, 0.6)
oracle = predictor.oracle(target)
mine = Predictor.wrap(lambda tokens: oracle(tokens) + 7.0, LENGTH, VOCAB)  # logits, up to a constant per position


def sample(key, last=None):
    """One token per step from left to right, 1,000 sequences at once; the last one by ``last`` instead of a draw."""
    tokens = jnp.full((1000, LENGTH), VOCAB)
    for place in range(LENGTH):
        logits = jax.vmap(mine)(tokens)[:, place]
        drawn = jax.random.categorical(jax.random.fold_in(key, place), logits)
        if last is not None and place == LENGTH - 1:
            drawn = last(logits, axis=-1)
        tokens = tokens.at[:, place].set(drawn)
    return tokens


right = audit.audit(jax.random.key(0), sample, target, n=10_000)
wrong = audit.audit(jax.random.key(0), lambda key: sample(key, last=jnp.argmax), target, n=10_000)
print(right, wrong, sep="\n\n")
assert right.passes() and not wrong.passes()
sizes = sampling.draw_sizes(jax.random.key(1), schedules.first_hitting(LENGTH), 1000)
library = audit.audit(jax.random.key(2), lambda key: sampling.sample(key, mine, sizes), target, n=10_000)
assert library.passes()
