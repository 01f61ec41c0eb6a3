"""Prints the seconds that targets of length 256 take for the conditionals and for the samples of 1,000 lanes.

    python benchmarks/targets.py

Each figure is the best of three runs after compilation; the lanes reveal a random half of the positions of true
samples, so that every pattern is possible, and run in chunks of 250 as a sampler would run them.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

from jdlm import targets

LANES, CHUNK, LENGTH = 1000, 250, 256


def members():
    rng = np.random.default_rng(0)
    yield "mixture, 8 components, 16 tokens", targets.mixture(np.full(8, 1 / 8), rng.dirichlet(np.ones(16), 8), LENGTH)
    yield "Reed-Solomon, dimension 128, GF(257)", targets.reed_solomon(LENGTH, 128, 257)
    for dimension, prime in ((128, 2), (128, 17), (32, 17), (240, 17)):
        generator = rng.integers(0, prime, (dimension, LENGTH))
        yield f"linear code, dimension {dimension}, GF({prime})", targets.linear_code(generator, prime)
    yield "parity", targets.parity(LENGTH)
    yield "Markov, 4 tokens", targets.sticky_markov(LENGTH, 4, 0.7)
    yield "Markov, 64 tokens", targets.markov(rng.dirichlet(np.ones(64)), rng.dirichlet(np.ones(64), 64), LENGTH)
    laws = [rng.dirichlet(np.ones(8)), rng.dirichlet(np.ones(8), 8), rng.dirichlet(np.ones(16), 8)]
    yield "hidden Markov, 8 states, 16 tokens", targets.hidden_markov(*laws, LENGTH)
    yield "blocks of 4 in a Markov chain", targets.blocks(targets.sticky_markov(4, 4, 0.7), LENGTH // 4)
    yield "permutation", targets.permutation(LENGTH)


def seconds(function, *arguments):
    jax.block_until_ready(function(*arguments))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        times.append(time.perf_counter() - start)
    return min(times)


@jax.jit
def draw(keys, target):
    return jax.lax.map(target.sample, keys, batch_size=CHUNK)


@jax.jit
def infer(target, tokens):
    # The sum keeps the output small: at 257 values, that of 1,000 lanes would be 263 MB.
    return jax.lax.map(lambda row: jnp.exp(target.conditionals(row)).sum(1), tokens, batch_size=CHUNK)


def main():
    print(f"{LANES} lanes of length {LENGTH}, {jax.devices()[0].device_kind}")
    print(f"{'target':40}{'conditionals s':>16}{'sample s':>12}")
    for name, target in members():
        keys = jax.random.split(jax.random.key(0), LANES)
        masked = jax.random.bernoulli(jax.random.key(1), 0.5, (LANES, LENGTH))
        tokens = jnp.where(masked, target.vocab_size, draw(keys, target))
        print(f"{name:40}{seconds(infer, target, tokens):16.3f}{seconds(draw, keys, target):12.3f}", flush=True)


if __name__ == "__main__":
    main()
