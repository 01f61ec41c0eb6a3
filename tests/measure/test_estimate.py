"""Means with their standard errors."""

import math

import numpy as np
import pytest

from jdlm import evaluate


@pytest.mark.parametrize("values", [[1.0, 4.0], [1.0, 4.0, 2.5], [0.0, 0.0, 3.0]])
def test_the_mean_of_two_or_three_values_has_the_unbiased_variance(values):
    """The mean of (a - b)^2 / 2 over all pairs is the unbiased variance of one value."""
    n = len(values)
    pairs = [(a - b) ** 2 / 2 for i, a in enumerate(values) for b in values[:i]]
    estimate = evaluate.mean(values)
    assert estimate.value == pytest.approx(sum(values) / n) and estimate.n == n
    assert estimate.standard_error == pytest.approx(np.sqrt(sum(pairs) / len(pairs) / n))
    with pytest.raises(ValueError, match="n=1"):
        evaluate.mean(values[:1])


def test_the_mean_of_values_of_which_some_are_infinite():
    assert evaluate.mean([1.0, np.inf]).value == np.inf
    assert np.isnan(evaluate.mean([1.0, np.inf, -np.inf]).value)
    assert np.isnan(evaluate.mean([-np.inf, 0.0]).standard_error) and evaluate.mean([-np.inf, 0.0]).value == -np.inf


def test_means_are_taken_in_float64():
    """Of 10,000 float32 values near 1,000: their mean has more digits than float32."""
    values = np.random.default_rng(0).normal(1000.0, 1.0, 10_000).astype(np.float32)
    estimate = evaluate.mean(values)
    exact = math.fsum(values.astype(float)) / len(values)
    variance = math.fsum((float(value) - exact) ** 2 for value in values) / (len(values) - 1)
    assert estimate.value == pytest.approx(exact, rel=1e-13) and exact != float(np.float32(exact))
    assert estimate.standard_error == pytest.approx(math.sqrt(variance / len(values)), rel=1e-12)
    assert type(estimate.value) is float and type(estimate.standard_error) is float


def test_shares_and_counts_have_means_too():
    assert evaluate.mean([True, False, True, True]) == (0.75, pytest.approx(0.25), 4)
    assert evaluate.mean(np.array([3, 5], np.int32)) == (4.0, 1.0, 2)
