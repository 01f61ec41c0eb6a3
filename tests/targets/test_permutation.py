"""Random permutations: which token is where, and what a token excludes."""

import jax
import numpy as np
import pytest
from scipy import stats

from jdlm import curves, targets
from tests.targets.lanes import conditionals, draw


def test_long_permutations_are_permutations_and_uniform():
    """Chi-square of the first position's value and of neighbours' order at length 64; false alarms 1e-6 each."""
    target, n = targets.permutation(64), 6400
    tokens = np.asarray(draw(target, jax.random.split(jax.random.key(1), n)))
    np.testing.assert_array_equal(np.sort(tokens, axis=1), np.tile(np.arange(64), (n, 1)))
    for place in (0, 31, 63):
        assert stats.chisquare(np.bincount(tokens[:, place], minlength=64)).pvalue > 1e-6
    rising = int((tokens[:, 10] < tokens[:, 11]).sum())
    assert stats.binomtest(rising, n, 0.5).pvalue > 1e-6


def test_the_last_token_alone_is_certain():
    target = targets.permutation(5)
    states = np.array([[2, 0, 5, 4, 1], [2, 0, 5, 5, 1], [2, 2, 5, 5, 1]])
    one, two, impossible = np.exp(conditionals(target, states))
    np.testing.assert_allclose(one[2], [0, 0, 0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(two[2:4], [[0, 0, 0, 0.5, 0.5]] * 2, atol=1e-6)
    np.testing.assert_allclose(impossible[2:4], 0.2, atol=1e-6)
    assert np.isneginf(target.log_prob(np.array([2, 2, 0, 1, 3])))


def test_correlations_in_closed_form():
    """H = log n!, so TC = n log n - log n!, and DTC = log n!: the last token is certain."""
    for length in (2, 7, 100):
        curve = targets.permutation(length).entropy_curve()
        log_factorial = np.log(np.arange(1, length + 1)).sum()
        assert curves.total_correlation(curve) == pytest.approx(length * np.log(length) - log_factorial)
        assert curves.dual_total_correlation(curve) == pytest.approx(log_factorial)
        word = np.arange(length)[::-1].copy()
        assert float(targets.permutation(length).log_prob(word)) == pytest.approx(-log_factorial, rel=1e-6)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.permutation(1), "length=1 is too small; use at least 2"),
        (lambda: targets.permutation(True), "length=True is not an integer; use one of at least 2"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
