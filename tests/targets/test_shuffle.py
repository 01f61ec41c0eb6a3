"""Shuffles: at lengths that enumeration does not reach, against permutations and the closed forms."""

import jax
import numpy as np
import pytest
from scipy.special import entr, gammaln

from jdlm import curves, targets


def test_a_shuffle_of_different_tokens_is_a_permutation():
    shuffled, permuted = targets.shuffle(np.arange(40)), targets.permutation(40)
    np.testing.assert_allclose(shuffled.entropy_curve(), permuted.entropy_curve(), atol=1e-12)
    states = np.random.default_rng(0).permuted(np.tile(np.arange(40), (20, 1)), axis=1).astype(np.int32)
    states[:, 25:] = 40
    states[::5, 0] = states[::5, 1]  # impossible
    for one, other in zip(*[jax.vmap(target.conditionals)(states) for target in (shuffled, permuted)], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_total_correlations():
    counts = np.array([100, 50, 5, 1])
    curve = targets.shuffle(np.repeat(np.arange(4), counts)).entropy_curve()
    entropy = gammaln(157) - gammaln(counts + 1).sum()
    assert curves.dual_total_correlation(curve) == pytest.approx(entropy)
    assert curves.total_correlation(curve) == pytest.approx(156 * entr(counts / 156).sum() - entropy)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.shuffle([[0, 1]]), "tokens is int64[1, 2]; give integers [length]"),
        (lambda: targets.shuffle([0, 2], 2), "tokens[1] holds 2; use 0 to 1"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
