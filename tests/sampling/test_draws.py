"""What a step of the loop reveals: tokens, their log probability, and faults of the logits that they are drawn from."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm.sampling import _draws as draws
from jdlm.sampling import _step as steps
from jdlm.sampling.filter import Draw


@pytest.mark.parametrize("draw", [Draw(), Draw(temperature=0.5, top_k=2)], ids=["plain", "filtered"])
def test_a_step_reveals_the_first_positions_of_each_lane(draw):
    """Sizes 0 to 11 of 11 positions, three at a time: tokens, log probabilities and forced ones, lane by lane."""
    length, vocab, lanes = 11, 4, 12
    rng = np.random.default_rng(0)
    kind = draws.Kind((), draw, draws.Layout(lanes, lanes, (3, length), lanes), jnp.dtype("float32"))
    logits = jnp.asarray(rng.normal(size=(lanes, length, vocab)), jnp.float32)  # in the order of the positions
    positions = jnp.asarray(np.argsort(rng.random((lanes, length)), axis=1), jnp.int32)
    tokens = jnp.asarray(rng.integers(0, vocab + 1, (lanes, length)), jnp.int32)
    forced = np.where(rng.random((lanes, length)) < 0.3, rng.integers(0, vocab, (lanes, length)), -1)
    keys, size = jax.random.split(jax.random.key(0), lanes), jnp.arange(lanes)
    found, gained, fault, _ = jax.jit(functools.partial(draws.reveal, kind))(
        keys, tokens, jnp.asarray(forced, jnp.int32), positions, logits, size, jnp.zeros(lanes, bool)
    )
    expected, total = np.array(tokens), np.zeros(lanes)
    law = np.asarray(draw(logits))
    for lane in range(lanes):
        noise = np.asarray(steps.noise_at(keys[lane], jnp.arange(length), vocab, jnp.float32))
        for place, position in enumerate(np.asarray(positions[lane, :lane])):
            row = law[lane, place]
            token = forced[lane, position] if forced[lane, position] >= 0 else np.argmax(row + noise[position])
            expected[lane, position] = token
            total[lane] += row[token] - np.log(np.exp(row.astype(np.float64)).sum())
    np.testing.assert_array_equal(found, expected)
    finite = np.isfinite(total)
    np.testing.assert_allclose(np.asarray(gained)[finite], total[finite], rtol=1e-5, atol=1e-5)
    assert np.isneginf(np.asarray(gained)[~finite]).all() and not fault.any()


def test_faults_of_rows_that_nothing_is_drawn_from_are_not_seen():
    kind = draws.Kind((), Draw(), draws.Layout(2, 2, (2, 4), 2), jnp.dtype("float32"))
    logits = jnp.zeros((2, 4, 3)).at[:, 2].set(jnp.nan)
    positions, tokens = jnp.tile(jnp.arange(4, dtype=jnp.int32), (2, 1)), jnp.full((2, 4), 3, jnp.int32)
    keys, forced = jax.random.split(jax.random.key(0), 2), jnp.full((2, 4), -1, jnp.int32)
    last = jnp.zeros(2, bool)
    found, _, fault, _ = draws.reveal(kind, keys, tokens, forced, positions, logits, jnp.array([2, 3]), last)
    assert (np.asarray(found)[0, 2:] == 3).all() and fault[0] == 0 < fault[1]
