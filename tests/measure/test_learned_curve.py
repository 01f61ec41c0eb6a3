"""Measured curves against enumeration. Statistical bounds are 4.5 standard errors: a false alarm in 150,000."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import devices, evaluate, targets
from jdlm.measure import CurveEstimate, learned_curve
from jdlm.predictor import Predictor, oracle
from tests.reference import samplers as reference

LENGTH, VOCAB, N = 4, 3, 8192


@functools.cache
def law() -> np.ndarray:
    weights = np.random.default_rng(11).gamma(0.7, size=[VOCAB] * LENGTH)
    return weights / weights.sum()


@functools.cache
def target() -> targets.Target:
    return targets.table(law())


@functools.cache
def imperfect() -> Predictor:
    """The oracle with noise on its logits: a stand-in for a trained network whose law is known on every state."""
    table = np.zeros([VOCAB + 1] * LENGTH + [LENGTH, VOCAB])
    for state in reference.states(LENGTH, VOCAB):
        table[state] = np.log(np.maximum(reference.conditionals(law(), state), 1e-3))
    table += np.random.default_rng(5).normal(size=table.shape) * 0.4
    return Predictor(jnp.asarray(table, jnp.float32), _look_up, LENGTH, VOCAB)


def _look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


@functools.cache
def exact_curve() -> np.ndarray:
    logits = np.asarray(imperfect().params, np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return reference.cross_entropy_curve(law(), lambda state: probabilities[state])


@functools.cache
def entropy_curve() -> np.ndarray:
    return reference.cross_entropy_curve(law(), functools.partial(reference.conditionals, law()))


def agrees(estimate: evaluate.Estimate, value: float) -> bool:
    return abs(estimate.value - value) < 4.5 * estimate.standard_error


@pytest.mark.parametrize("nested", [False, True])
def test_cross_entropy_curve_is_that_of_enumeration(nested):
    key = jax.random.key(0)
    measured = evaluate.cross_entropy_curve(key, imperfect(), target(), N, nested=nested, batch_size=4096)
    gap = exact_curve() - entropy_curve()
    for curve, truth in ((measured.cross_entropy, exact_curve()), (measured.learning_error, gap)):
        assert curve.n == N
        assert (
            np.abs(curve.values - truth) < 4.5 * curve.standard_errors + 1e-6
        ).all()  # float32 where the term is constant
        assert (curve.standard_errors < 0.03).all()
    # The KL of the conditionals tells the learning error far more precisely than the difference of two curves.
    assert measured.learning_error.standard_errors[:3].max() < 0.5 * measured.cross_entropy.standard_errors[:3].min()
    assert agrees(evaluate.learning_error(measured), gap.sum())


@pytest.mark.parametrize("nested", [False, True])
def test_the_standard_error_of_any_weights_is_right(nested):
    """Over 150 replicates on a law of easy and hard sequences, whose level is common to all counts and cancels.

    The mean deviation is within 4.5 of its errors; the claimed errors are within four times 1 / sqrt(2 * 150) of the
    spread of the deviations, for which the worst of 3 nearly normal numbers is beyond once in 5,000.
    """
    easy = np.full([VOCAB] * LENGTH, 0.5 / (VOCAB**LENGTH - 1))
    easy[(0,) * LENGTH] = 0.5
    truth = reference.cross_entropy_curve(easy, functools.partial(reference.conditionals, easy))
    law_of_two = targets.table(easy)
    weights = np.array([[4.0, 0, -2, -2], [-1.0, 3, -1, -1], [1, 1, 1, 1]])
    values, errors = [], []
    for number in range(150):
        key = jax.random.fold_in(jax.random.key(7), number)
        curve = evaluate.cross_entropy_curve(
            key, oracle(law_of_two), law_of_two, 64, nested=nested, batch_size=4 * 64
        ).cross_entropy
        found = [curve.dot(w) for w in weights]
        values.append([estimate.value for estimate in found])
        errors.append([estimate.standard_error for estimate in found])
    spread = np.std(values, axis=0, ddof=1)
    assert (np.abs(np.mean(values, axis=0) - weights @ truth) < 4.5 * spread / np.sqrt(150)).all()
    ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / spread
    assert (np.abs(ratio - 1) < 4 / np.sqrt(2 * 150)).all(), ratio


def test_nested_sequences_make_differences_precise_and_sums_less_so():
    """What all counts of a sequence have in common cancels or adds up; reported errors have 2 percent of their own."""
    easy = np.full([VOCAB] * LENGTH, 0.5 / (VOCAB**LENGTH - 1))
    easy[(0,) * LENGTH] = 0.5
    target = targets.table(easy)
    errors = []
    for nested in (False, True):
        curve = evaluate.cross_entropy_curve(jax.random.key(9), oracle(target), target, 2048, nested=nested)
        errors.append([curve.cross_entropy.dot(np.array(w)).standard_error for w in ([1.0, -1, 0, 0], [1.0, 1, 1, 1])])
    (difference, total), (nested_difference, nested_total) = errors
    assert nested_difference < 0.6 * difference and nested_total > 1.6 * total, errors


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_errors_and_covariances_of_few_sequences_are_those_of_the_definition(n, nested, monkeypatch):
    """Sums of products over n - 1, then over n for the mean; a wrong divisor is off by a factor of up to 2 here."""
    terms = np.random.default_rng(n).normal(size=(2, LENGTH, n)).astype(np.float32)
    monkeypatch.setattr(devices, "in_batches", lambda *arguments: tuple(terms.reshape(2, -1)))
    measured = evaluate.cross_entropy_curve(jax.random.key(0), imperfect(), target(), n, nested=nested)
    weights = np.array([1.0, -2.0, 0.5, 3.0])
    for curve, mine in zip(measured, terms.astype(np.float64), strict=True):
        means = [math.fsum(row) / n for row in mine]
        np.testing.assert_allclose(curve.values, means, rtol=1e-6, atol=1e-7)
        covariance = np.array(
            [
                [
                    math.fsum((a - means[i]) * (b - means[j]) for a, b in zip(mine[i], mine[j], strict=True))
                    / (n - 1)
                    / n
                    for j in range(LENGTH)
                ]
                for i in range(LENGTH)
            ]
        )
        np.testing.assert_allclose(curve.standard_errors**2, np.diag(covariance), rtol=1e-5)
        if nested:
            np.testing.assert_allclose(curve.covariance, covariance, rtol=1e-5, atol=1e-8)
            variance = weights @ covariance @ weights
        else:
            assert curve.covariance is None
            variance = weights**2 @ np.diag(covariance)
        assert curve.n == n and curve.dot(weights) == (
            pytest.approx(weights @ means, rel=1e-5),
            pytest.approx(math.sqrt(max(variance, 0.0)), rel=1e-4, abs=1e-6),
            n,
        )
    total = evaluate.learning_error(measured)
    errors = measured.learning_error.covariance if nested else np.diag(measured.learning_error.standard_errors**2)
    assert total.value == pytest.approx(terms[1].astype(np.float64).mean(axis=1).sum(), rel=1e-5)
    assert total.standard_error == pytest.approx(math.sqrt(max(errors.sum(), 0.0)), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("nested", [False, True])
def test_a_measured_curve_does_not_depend_on_how_its_sequences_are_batched(nested):
    """To the rounding of float32, for batches that fill up, leave a rest, take all, and are shared by two devices."""
    reports = []

    def measure(batch_size, mesh=None):
        return evaluate.cross_entropy_curve(
            jax.random.key(8), imperfect(), target(), 11, nested=nested, batch_size=batch_size,
            mesh=mesh, progress=lambda done, total: reports.append((done, total)),
        )  # fmt: skip

    expected = measure(11)
    assert reports == [(done, 44) for done in (11, 22, 33, 44)]
    for found in (measure(1000), measure(7), measure(None), measure(3, devices.mesh(2))):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.values, other.values, rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(one.standard_errors, other.standard_errors, rtol=1e-5, atol=1e-7)
    assert reports[-1] == (44, 44) and reports[4] == (44, 44)


@pytest.mark.parametrize("logit", [np.nan, np.inf], ids=str)
def test_a_curve_of_a_predictor_without_probabilities_is_refused(logit):
    broken = Predictor.wrap(lambda tokens: jnp.zeros((LENGTH, VOCAB)).at[0, 0].set(logit), LENGTH, VOCAB)
    with pytest.raises(ValueError, match=r"the predictor returned NaN, \+inf or -inf for all tokens"):
        evaluate.cross_entropy_curve(jax.random.key(0), broken, target(), 4)


def test_an_unvisited_count_adds_nothing_to_a_dot_product():
    values, errors, weights = np.array([1.0, np.inf, 0.5]), np.array([0.1, np.nan, 0.1]), np.array([2.0, 0.0, 1.0])
    expected = (2.5, pytest.approx(np.sqrt(0.04 + 0.01)), 10)
    assert CurveEstimate(values, errors, 10).dot(weights) == expected
    covariance = np.array([[0.01, np.nan, 0.005], [np.nan, np.nan, np.nan], [0.005, np.nan, 0.01]])
    value, error, _ = CurveEstimate(values, errors, 10, covariance).dot(weights)
    assert value == 2.5 and error == pytest.approx(np.sqrt(0.04 + 0.01 + 2 * 2 * 0.005))
    assert CurveEstimate(values, errors, 10).dot(np.ones(3))[0] == np.inf
    assert np.isnan(CurveEstimate(values, errors, 10).dot(np.ones(3))[1])
    assert CurveEstimate(values, errors, 10).dot(np.array([1.0, 0.0, -1.0]))[0] == 0.5
    with pytest.raises(ValueError, match=r"weights have shape \(2,\), the curve \(3,\)"):
        getattr(CurveEstimate.dot, "__wrapped__", CurveEstimate.dot)(CurveEstimate(values, errors, 10), np.ones(2))


def test_the_covariance_of_two_sequences():
    """By hand: two sequences that differ by d have a mean with covariance d d' / 4 (n - 1 = 1 degree of freedom)."""
    terms = np.array([[1.0, 3.0], [2.0, 2.0], [0.5, 0.75]], np.float32)  # three counts, two sequences
    found = learned_curve._curve(terms, nested=True)
    difference = terms[:, 1] - terms[:, 0]
    np.testing.assert_allclose(found.covariance, np.outer(difference, difference) / 4, rtol=1e-6)
    np.testing.assert_allclose(found.standard_errors, np.abs(difference) / 2, rtol=1e-6)
    assert found.dot(np.array([1.0, 1.0, -2.0]))[:2] == pytest.approx((2.0 + 2.0 - 1.25, 0.5 * (2.0 - 0.5)))


def test_without_exact_conditionals_there_is_a_curve_and_no_learning_error():
    data = targets.data(np.asarray(evaluate.draw_tokens(jax.random.key(1), target(), 50)))
    measured = evaluate.cross_entropy_curve(jax.random.key(0), imperfect(), data, 4)
    assert measured.learning_error is None and measured.cross_entropy.values.shape == (LENGTH,)
    with pytest.raises(ValueError, match="no exact conditionals, so its learning error is unknown; use the NELBO"):
        evaluate.learning_error(measured)
