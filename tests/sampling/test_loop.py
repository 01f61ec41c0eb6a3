"""The compiled loop: what a step reveals, and that one program serves everything of one kind."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners, targets
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import _loop as rounds
from jdlm.sampling import _queue as slots
from jdlm.sampling import _step as steps
from jdlm.sampling import sample
from jdlm.sampling.filter import Draw
from jdlm.sampling.request import Request, lanes_of

LENGTH, VOCAB, LANES, WIDTH = 4, 3, 20_000, 4096


@functools.cache
def law() -> np.ndarray:
    """A random law with holes in its support, so that parallel sampling reaches impossible patterns."""
    rng = np.random.default_rng(7)
    weights = rng.gamma(0.5, size=[VOCAB] * LENGTH) * (rng.random([VOCAB] * LENGTH) < 0.6)
    return weights / weights.sum()


@functools.cache
def target() -> targets.Target:
    return targets.table(law())


@functools.cache
def noisy_table() -> Predictor:
    """A predictor that is not the oracle of any law, and whose rows of revealed positions are misleading."""
    logits = np.random.default_rng(3).normal(size=[VOCAB + 1] * LENGTH + [LENGTH, VOCAB])
    return Predictor(jnp.asarray(logits, jnp.float32), _look_up, LENGTH, VOCAB)


def _look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


def constant(sizes, lanes=LANES) -> np.ndarray:
    return np.tile(np.array(sizes, np.int32), (lanes, 1))


def test_revealed_tokens_are_never_drawn_again():
    def misleading(tokens):
        log_probs = target().conditionals(tokens)
        return jnp.where((tokens == VOCAB)[:, None], log_probs, jnp.log(1 / VOCAB))

    sizes = constant([1, 1, 1, 1], lanes=256)
    wrapped = Predictor.wrap(misleading, LENGTH, VOCAB)
    expected = sample(jax.random.key(5), oracle(target()), sizes, batch_size=WIDTH)
    np.testing.assert_array_equal(sample(jax.random.key(5), wrapped, sizes, batch_size=WIDTH), expected)


def test_zeros_and_padding_of_sizes_change_nothing():
    predictor = noisy_table()
    plain = sample(jax.random.key(8), predictor, constant([2, 1, 1], lanes=64), batch_size=16)
    padded = sample(jax.random.key(8), predictor, constant([0, 2, 0, 0, 1, 1, 0, 0, 0], lanes=64), batch_size=16)
    np.testing.assert_array_equal(plain, padded)


def test_one_compilation_serves_all_schedules_steps_and_parameters():
    predictor = noisy_table()
    before = rounds.advance._cache_size()
    for sizes in ([4], [2, 2], [1, 1, 1, 1], [1, 0, 3]):
        sample(jax.random.key(0), predictor, constant(sizes, lanes=40), batch_size=23)
    other = Predictor(predictor.params + 1.0, predictor.apply, LENGTH, VOCAB)
    sample(jax.random.key(0), other, constant([2, 2], lanes=3), batch_size=23)
    assert rounds.advance._cache_size() == before + 1


@pytest.mark.parametrize("draw", [Draw(), Draw(temperature=0.5, top_k=2)], ids=["plain", "filtered"])
def test_a_step_reveals_the_first_positions_of_each_lane(draw):
    """Sizes 0 to 11 of 11 positions, three at a time: tokens, log probabilities and forced ones, lane by lane."""
    length, vocab, lanes = 11, 4, 12
    rng = np.random.default_rng(0)
    kind = rounds.Kind((), draw, rounds.Layout(lanes, lanes, (3, length), lanes), jnp.dtype("float32"))
    logits = jnp.asarray(rng.normal(size=(lanes, length, vocab)), jnp.float32)  # in the order of the positions
    positions = jnp.asarray(np.argsort(rng.random((lanes, length)), axis=1), jnp.int32)
    tokens = jnp.asarray(rng.integers(0, vocab + 1, (lanes, length)), jnp.int32)
    forced = np.where(rng.random((lanes, length)) < 0.3, rng.integers(0, vocab, (lanes, length)), -1)
    keys, size = jax.random.split(jax.random.key(0), lanes), jnp.arange(lanes)
    found, gained, fault = jax.jit(functools.partial(rounds._reveal, kind))(
        keys, tokens, jnp.asarray(forced, jnp.int32), positions, logits, size
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
    kind = rounds.Kind((), Draw(), rounds.Layout(2, 2, (2, 4), 2), jnp.dtype("float32"))
    logits = jnp.zeros((2, 4, 3)).at[:, 2].set(jnp.nan)
    positions, tokens = jnp.tile(jnp.arange(4, dtype=jnp.int32), (2, 1)), jnp.full((2, 4), 3, jnp.int32)
    keys, forced = jax.random.split(jax.random.key(0), 2), jnp.full((2, 4), -1, jnp.int32)
    found, _, fault = rounds._reveal(kind, keys, tokens, forced, positions, logits, jnp.array([2, 3]))
    assert (np.asarray(found)[0, 2:] == 3).all() and fault[0] == 0 < fault[1]


def test_a_budget_of_rounds_is_kept_and_work_goes_on_from_there():
    """One slot, three lanes of 4 steps. The first rounds share what all lanes see; then each round is one step."""
    predictor = oracle(targets.parity(4))
    layout = rounds.Layout(1, 1, (1, 4), 3)
    request = Request(jax.random.key(0), planners.random(), np.ones((3, 4), int))
    lanes = lanes_of(request, predictor)
    kind = rounds.Kind((), Draw(), layout, jnp.dtype("float32"))
    queue = rounds.Queue(lanes, np.array([3], np.int32), np.array([3], np.int32))
    zeros = np.zeros(3, np.int32)
    progress = rounds.LaneState(
        lanes.start, np.zeros(3, np.float32), zeros, zeros, np.zeros((3, 4), np.int32), np.zeros((3, 2, 2), np.uint32),
        zeros,
    )  # fmt: skip
    one = np.zeros(1, np.int32)
    state, seen = rounds.State(progress, one, one, one + 1, one), []
    table = np.zeros((slots.MOST_FIXED, 4), np.float32)
    for budget in (2, 1, 4, 5, 9):
        state, more, done = rounds.advance(predictor, table, queue, state, np.int32(budget), kind=kind, mesh=None)
        seen.append((int(done[0]), bool(more[0])))
    # Three rounds for the first steps, whose logits are shared, then one of the other 9 steps in each.
    assert seen == [(2, True), (3, True), (7, True), (12, False), (12, False)]
    assert int(state.evaluated[0]) == 9 and (np.asarray(state.lanes.step) == 4).all()
    assert (np.asarray(state.lanes.tokens).sum(axis=1) % 2 == 0).all()
