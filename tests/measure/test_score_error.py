"""Exact errors of conditionals against enumeration by itertools, and what they bound."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import evaluate, schedules, targets
from jdlm.measure import exact
from jdlm.measure.score_error import score_error
from jdlm.predictor import Predictor, oracle, perturbed
from tests.reference import samplers as reference

LENGTH, VOCAB = 4, 3


@functools.cache
def law() -> np.ndarray:
    """Some sequences, and with them some patterns, are impossible."""
    weights = np.random.default_rng(4).gamma(0.5, size=[VOCAB] * LENGTH)
    weights[0, :, :, 1] = 0.0
    return weights / weights.sum()


@functools.cache
def wrong() -> tuple[Predictor, np.ndarray]:
    logits = np.random.default_rng(5).normal(size=[VOCAB + 1] * LENGTH + [LENGTH, VOCAB]).astype(np.float32)
    return Predictor(jnp.asarray(logits), _look_up, LENGTH, VOCAB), logits.astype(np.float64)


def _look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


def test_both_curves_against_enumeration():
    predictor, logits = wrong()
    found = score_error(predictor, targets.table(law()))
    q = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    kl, tv = np.zeros(LENGTH), np.zeros(LENGTH)
    for revealed in itertools.chain.from_iterable(itertools.combinations(range(LENGTH), j) for j in range(LENGTH)):
        j, masked = len(revealed), [i for i in range(LENGTH) if i not in revealed]
        share = 1.0 / (len(list(itertools.combinations(range(LENGTH), j))) * len(masked))
        for values in itertools.product(range(VOCAB), repeat=j):
            state = [VOCAB] * LENGTH
            for i, v in zip(revealed, values, strict=True):
                state[i] = v
            seen = law()[tuple(slice(None) if v == VOCAB else v for v in state)].sum()
            if seen == 0.0:
                continue
            rows = reference.conditionals(law(), tuple(state))
            for i in masked:
                other = q[(*state, i)]
                kl[j] += seen * share * sum(a * np.log(a / b) for a, b in zip(rows[i], other, strict=True) if a > 0)
                tv[j] += seen * share * sum(abs(a - b) for a, b in zip(rows[i], other, strict=True)) / 2
    np.testing.assert_allclose(found.kl, kl, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.tv, tv, rtol=0, atol=1e-12)


def test_the_sum_is_the_path_kl_of_one_token_per_step_and_what_is_measured():
    """The measured curve within 3.5 standard errors at 4 counts: false alarm 0.2 %, with a fixed seed."""
    target, first_hitting = targets.table(law()), schedules.first_hitting(LENGTH)
    for predictor in (wrong()[0], perturbed(oracle(target), 0.4, 7)):
        error = score_error(predictor, target)
        assert exact.path_kl(target, predictor, first_hitting).path == pytest.approx(error.kl.sum(), abs=1e-6)
    measured = evaluate.cross_entropy_curve(jax.random.key(0), predictor, target, 500).learning_error
    assert np.all(np.abs(measured.values - error.kl) <= 3.5 * measured.standard_errors + 1e-6)


def test_the_oracle_has_none_and_an_excluding_predictor_infinite_ones():
    target = targets.table(law())
    for curve in score_error(oracle(target), target):
        np.testing.assert_allclose(curve, 0.0, atol=1e-15)
    excluding = Predictor.wrap(lambda tokens: jnp.full((LENGTH, VOCAB), -jnp.inf).at[:, 0].set(0.0), LENGTH, VOCAB)
    error = score_error(excluding, target)
    assert np.isposinf(error.kl).all() and np.isfinite(error.tv).all()
    with pytest.raises(ValueError, match="use a predictor made for this target"):
        score_error(excluding, targets.parity(LENGTH))
