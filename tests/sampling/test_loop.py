"""The compiled loop: what a step reveals, and that one program serves everything of one kind."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jdlm import planners, targets
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import _draws as draws
from jdlm.sampling import _loop as rounds
from jdlm.sampling import _queue as slots
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


def test_a_budget_of_rounds_is_kept_and_work_goes_on_from_there():
    """One slot, three lanes of 4 steps. The first rounds share what all lanes see; then each round is one step."""
    predictor = oracle(targets.parity(4))
    layout = draws.Layout(1, 1, (1, 4), 3)
    request = Request(jax.random.key(0), planners.random(), np.ones((3, 4), int))
    lanes = lanes_of(request, predictor)
    kind = draws.Kind((), Draw(), layout, jnp.dtype("float32"))
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
