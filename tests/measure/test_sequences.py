"""Whole sequences: drawn, scored and counted."""

import jax
import numpy as np
import pytest

from jdlm import evaluate, targets
from jdlm.measure import draw_tokens, sequences
from tests.reference import laws
from tests.reference import samplers as reference


def test_distinct_share_counts_sequences():
    tokens = np.array([[0, 1], [0, 1], [1, 1], [1, 0], [0, 1]])
    estimate = evaluate.distinct_share(tokens)
    assert estimate.value == 3 / 5 and estimate.n == 5
    # Once: 2, twice: 0, three times: 1, whose smoothing weight -15/16 leaves nothing to subtract.
    assert estimate.standard_error == pytest.approx(np.sqrt(2 - 2**2 / 5) / 5)
    for counts, correction in (
        ((1, 1, 1, 1, 1, 2), 1),
        ((1, 1, 1, 2, 2, 3), 2 - 15 / 16),
        ((1, 1, 1, 1, 2, 2, 4, 5), 2),
    ):
        tokens = np.repeat(np.arange(len(counts)), counts)[:, None]
        alone, n = counts.count(1), sum(counts)
        if counts[-1] == 5:
            correction += 11 / 16 - 5 / 16
            correction = min(correction, 2)  # at most the number seen twice
        found = evaluate.distinct_share(tokens)
        assert found.value == len(counts) / n
        expected = np.sqrt(max(alone - alone**2 / n - correction, 0)) / n
        assert found.standard_error == pytest.approx(expected), counts
    assert evaluate.distinct_share(np.array([[0], [1]])).standard_error == 0.0
    with pytest.raises(ValueError, match="n=1 sequences"):
        evaluate.distinct_share(np.array([[0, 1]]))


@pytest.mark.parametrize("n", [500, 5000])
@pytest.mark.parametrize("kind", ["flat 300", "flat 5000", "flat 50000", "zipf", "zipf squared", "gamma"])
def test_the_standard_error_of_distinct_share_is_right(kind, n):
    """Over 300 repeats the root mean square error is the spread of the values within 18 %: 4.4 times 1 / sqrt(600).

    A jackknife is 1.1 to 1.6 times too large here. Where all 300 outcomes are seen each time, both are 0.
    """
    generator = np.random.default_rng(8)
    weights = {
        "zipf": 1 / np.arange(1, 20_001),
        "zipf squared": 1 / np.arange(1.0, 20_001) ** 2,
        "gamma": generator.gamma(0.2, size=5000),
    }.get(kind)
    weights = np.ones(int(kind.split()[1])) if weights is None else weights
    drawn = generator.choice(len(weights), p=weights / weights.sum(), size=(300, n, 1))
    found = [evaluate.distinct_share(tokens) for tokens in drawn]
    spread = np.std([estimate.value for estimate in found], ddof=1)
    error = np.sqrt(np.mean([estimate.standard_error**2 for estimate in found]))
    if (kind, n) == ("flat 300", 5000):
        assert spread < 1e-4 and error < 1e-4
    else:
        assert 0.82 < spread / error < 1.18, (spread, error)


def test_draws_do_not_depend_on_how_many_are_made_together(monkeypatch):
    target = targets.sticky_markov(5, 3, 0.7)
    together = draw_tokens(jax.random.key(3), target, 50)
    monkeypatch.setattr("jdlm.measure.sequences._DRAWN_TOGETHER", 15 * 7)
    np.testing.assert_array_equal(draw_tokens(jax.random.key(3), target, 50), together)


def test_drawn_sequences_follow_the_law_and_more_of_them_begin_alike():
    """Chi-square test that alarms falsely with probability 1e-6; the first sequences stay those of fewer."""
    law = laws.markov([0.7, 0.3], [[0.9, 0.1], [0.4, 0.6]], 4)
    target = targets.markov([0.7, 0.3], [[0.9, 0.1], [0.4, 0.6]], 4)
    drawn = draw_tokens(jax.random.key(0), target, 4000)
    assert isinstance(drawn, np.ndarray) and drawn.dtype == np.int32 and drawn.shape == (4000, 4)
    assert reference.chi_square_p_value(drawn, law) > 1e-6
    np.testing.assert_array_equal(draw_tokens(jax.random.key(0), target, 10), drawn[:10])


def test_log_probabilities_are_those_of_the_law_in_float64():
    law = laws.zero_sum(4, 3)
    tokens = np.array([[0, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])
    found = sequences.log_prob(targets.reed_solomon(4, 3, 3), tokens)
    assert found.dtype == np.float64
    np.testing.assert_allclose(np.exp(found), law[tuple(tokens.T)], rtol=1e-6)
    share = evaluate.outside_support_share(tokens, targets.reed_solomon(4, 3, 3))
    assert share == (pytest.approx(1 / 3), pytest.approx(1 / 3), 3)
