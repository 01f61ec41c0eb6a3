"""Logits of any dtype, in one precision; logits that are no distribution, by name; predictors wrong on purpose."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import evaluate, planners, schedules
from jdlm.measure import exact
from jdlm.predictor import Predictor, logits_dtype, map_lanes, oracle
from jdlm.sampling import path_log_prob, sample, sample_with_info
from jdlm.sampling.filter import Draw
from jdlm.training import objective
from tests.predictor.cases import LENGTH, VOCAB, same_in_float32, table, target

LOW = (jnp.bfloat16, jnp.float16)


@pytest.mark.parametrize("dtype", [*LOW, jnp.int32, jnp.int8, jnp.float32])
@pytest.mark.parametrize("batched", [False, True])
def test_logits_are_float32_whatever_the_predictor_returns(dtype, batched):
    predictor = dataclasses.replace(table(dtype), batched=batched, selective=True)
    tokens = jnp.full((5, LENGTH), VOCAB)
    assert logits_dtype(predictor) == predictor(tokens[0]).dtype == map_lanes(predictor, tokens).dtype == jnp.float32
    assert map_lanes(predictor, tokens, tokens[:, :2] * 0, chunk=2).dtype == jnp.float32
    assert sample_with_info(
        jax.random.key(0), predictor, np.full((3, 2), 2), batch_size=8
    )[1].path_log_prob.dtype == jnp.float32  # fmt: skip


@pytest.mark.parametrize("dtype", LOW[:1])
def test_low_precision_is_that_of_the_logits_and_of_nothing_else(dtype):
    """Everything agrees with the same logits in float32, to the bit where nothing is added in another order."""
    low, high = table(dtype), same_in_float32(dtype)
    sizes = np.tile([1, 2, 1], (300, 1))
    for planner in (planners.random(), planners.confidence()):
        (tokens, info), (wanted, wanted_info) = (
            sample_with_info(jax.random.key(0), p, sizes, planner=planner, batch_size=32) for p in (low, high)
        )
        np.testing.assert_array_equal(tokens, wanted)
        np.testing.assert_allclose(info.path_log_prob, wanted_info.path_log_prob, atol=1e-6)
    forced = np.tile([0, 1, 2, 0], (300, 1))
    found, wanted = (path_log_prob(jax.random.key(1), p, sizes, forced, batch_size=32) for p in (low, high))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    found, wanted = (evaluate.cross_entropy_curve(jax.random.key(2), p, target(), 64) for p in (low, high))
    np.testing.assert_allclose(found.cross_entropy.values, wanted.cross_entropy.values, atol=1e-6)
    np.testing.assert_allclose(found.learning_error.values, wanted.learning_error.values, atol=1e-6)
    found, wanted = (exact.output_law(p, schedules.uniform(LENGTH, 2), planners.margin()).law for p in (low, high))
    np.testing.assert_allclose(found, wanted, atol=1e-7)
    batch = objective.draw_batch(jax.random.key(3), target(), 32)
    found, wanted = (objective.loss(p, target(), batch) for p in (low, high))
    assert found.dtype == jnp.float32 and float(found) == pytest.approx(float(wanted), abs=1e-6)


def test_a_uniform_law_of_5000_tokens_in_bfloat16_is_uniform():
    """In bfloat16 its log probability is off by percents, and noise ties, so that the first tokens are too frequent."""
    length, vocab, lanes = 8, 5000, 20
    (tokens, info), (wanted, _) = (
        sample_with_info(jax.random.key(4), predictor, np.full((lanes, 1), length), batch_size=32)
        for predictor in (
            Predictor.wrap(lambda tokens: jnp.zeros((length, vocab), jnp.bfloat16), length, vocab),
            Predictor.wrap(lambda tokens: jnp.zeros((length, vocab), jnp.float32), length, vocab),
        )
    )
    np.testing.assert_array_equal(tokens, wanted)
    np.testing.assert_allclose(info.path_log_prob, -length * np.log(vocab), rtol=1e-6)


def test_float64_logits_stay_float64():
    with jax.enable_x64(True):
        assert logits_dtype(oracle(target())) == jnp.float64
        assert map_lanes(oracle(target()), jnp.full((2, LENGTH), VOCAB)).dtype == jnp.float64


@pytest.mark.parametrize("dtype", [jnp.bool_, jnp.complex64])
def test_logits_of_no_real_numbers_are_refused(dtype):
    predictor = Predictor.wrap(lambda tokens: jnp.zeros((LENGTH, VOCAB), dtype), LENGTH, VOCAB)
    with pytest.raises(ValueError, match=r"the predictor returns logits of dtype .*; return floats"):
        sample(jax.random.key(0), predictor, [[2, 2]], batch_size=8)


FAULTS = {
    "NaN .*; check its parameters": [jnp.nan, 0.0, 0.0],
    r"\+inf as a logit .*; return finite logits": [0.0, jnp.inf, 0.0],
    "-inf for all tokens of a position .*; leave at least one token possible": [-jnp.inf] * 3,
}


def _faulty(row, first):
    """A predictor whose last position has a faulty row, once as many tokens are revealed."""

    def apply(tokens):
        fault = (jnp.arange(LENGTH) == LENGTH - 1) & ((tokens != VOCAB).sum() >= first)
        return jnp.where(fault[:, None], jnp.array(row)[None], jnp.zeros((LENGTH, VOCAB)))

    return Predictor.wrap(apply, LENGTH, VOCAB)


@pytest.mark.parametrize("message", FAULTS)
@pytest.mark.parametrize("planner", [planners.random(), planners.threshold(0.99)])
def test_logits_of_no_distribution_are_called_what_they_are(message, planner):
    predictor = _faulty(FAULTS[message], 0)
    sizes = None if planner.count else np.ones((20, LENGTH), int)
    indices = np.arange(20)
    message = "^the predictor returned " + message.replace(".*", "in lane 0")
    for draw in (Draw(), Draw(temperature=0.5, top_k=2, nucleus=0.5)):
        with pytest.raises(ValueError, match=message) as error:
            sample(jax.random.key(0), predictor, sizes, planner=planner, indices=indices, draw=draw, batch_size=8)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("message", FAULTS)
def test_a_fault_of_the_last_step_is_seen_and_so_is_that_of_a_state(message):
    predictor, sizes = _faulty(FAULTS[message], LENGTH - 1), np.ones((9, LENGTH), int)
    with pytest.raises(ValueError, match=message.replace(".*", "in lane 0")):
        sample(jax.random.key(0), predictor, sizes, planner=planners.left_to_right(), batch_size=8)
    with pytest.raises(ValueError, match=message.replace(".*", r"on the tokens \[0, 0, 0, 3\]")):
        exact.output_law(predictor, schedules.uniform(LENGTH, 2))
    # Rows that are not drawn from mean nothing: here three positions are filled, and the fourth never.
    tokens = sample(
        jax.random.key(0), predictor, sizes[:, :3], planner=planners.left_to_right(), batch_size=8, allow_leftover=True
    )
    assert (np.asarray(tokens)[:, 3] == VOCAB).all()
    given = [VOCAB, VOCAB, VOCAB, 1]  # nor do rows of revealed positions
    assert (np.asarray(sample(jax.random.key(0), predictor, sizes[:, :3], given=given, batch_size=8)) < VOCAB).all()


def test_the_lane_of_a_fault_is_named():
    def apply(tokens):
        return jnp.where(tokens[0] == 2, jnp.nan, jnp.zeros((LENGTH, VOCAB)))

    given = np.full((30, LENGTH), VOCAB)
    given[:, 0] = 1
    given[17, 0] = 2
    with pytest.raises(ValueError, match="NaN in lane 17"):
        sample(
            jax.random.key(0), Predictor.wrap(apply, LENGTH, VOCAB), np.ones((30, 3), int), given=given, batch_size=8
        )


def test_a_fault_of_an_early_step_is_kept():
    def apply(tokens):
        return jnp.where((tokens == VOCAB).all(), jnp.nan, jnp.zeros((LENGTH, VOCAB)))

    predictor = Predictor.wrap(apply, LENGTH, VOCAB)
    for planner in (planners.random(), planners.confidence()):
        with pytest.raises(ValueError, match="NaN in lane 0"):
            sample(jax.random.key(0), predictor, np.ones((3, LENGTH), int), planner=planner, batch_size=8)


def test_rows_that_only_another_lane_draws_from_mean_nothing():
    """The first lane leaves the last position, whose logits are NaN; the second reveals its own in the same step."""

    def apply(tokens):
        fault = (jnp.arange(LENGTH) == LENGTH - 1) & (tokens[0] == 1)
        return jnp.where(fault[:, None], jnp.nan, jnp.zeros((LENGTH, VOCAB)))

    tokens = sample(
        jax.random.key(0), Predictor.wrap(apply, LENGTH, VOCAB), [[1, 1], [1, 2]], given=[[1, 3, 3, 3], [0, 3, 3, 3]],
        planner=planners.left_to_right(), batch_size=8, allow_leftover=True,
    )  # fmt: skip
    np.testing.assert_array_equal(np.asarray(tokens) == VOCAB, [[False] * 3 + [True], [False] * 4])
