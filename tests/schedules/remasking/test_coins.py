"""Coins both ways: numbers and laws against binomials and simulation."""

import numpy as np
import pytest
import scipy.stats

from jdlm import schedules
from jdlm.schedules import Coins, Schedule
from tests.sampling.counts import p_value

RATES, SIGMAS = np.array([0.5, 0.3, 1.0]), np.array([0.9, 0.4, 0.0])


def test_rows_are_binomial():
    ((weight, moves),) = Coins(RATES, SIGMAS).moves(6)
    assert weight == 1.0
    for move, rate, sigma in zip(moves, RATES, SIGMAS, strict=True):
        for n in range(7):
            np.testing.assert_allclose(move.reveal[n], scipy.stats.binom.pmf(np.arange(7), 6 - n, rate), atol=1e-14)
            if sigma:
                np.testing.assert_allclose(move.after[n], scipy.stats.binom.pmf(np.arange(7), n, sigma), atol=1e-14)
        assert (move.after is None) == (sigma == 0) and move.before is None


@pytest.mark.parametrize("one", [False, True], ids=["each", "one"])
def test_drawn_numbers_follow_the_law(one):
    """Against token by token coins of a simulation; false alarm 1e-6 each, seeds fixed."""
    schedule, n, rng = Schedule("mine", 6, 3, Coins(RATES, SIGMAS, one)), 20_000, np.random.default_rng(0)
    sizes, remask = schedule.steps_from(rng.random((n, 3)), rng.random((n, 3)))
    revealed, calls, masks = np.zeros((n, 6), bool), np.zeros(n, int), np.zeros(n, int)
    for rate, sigma in zip(RATES, SIGMAS, strict=True):
        new = ~revealed & (rng.random((n, 6)) < rate)
        gone = revealed & (rng.random((n, 6)) < sigma)
        if one:
            first = np.argmax(revealed, axis=1)
            gone = (np.arange(6) == first[:, None]) & revealed & (rng.random((n, 1)) < sigma)
        calls, masks = calls + new.any(axis=1), masks + gone.sum(axis=1)
        revealed = (revealed | new) & ~gone
    assert revealed.all() and (sizes.sum(axis=1) - remask.sum(axis=1) == 6).all()
    expected = np.bincount(masks, minlength=20) / n
    both = scipy.stats.chi2_contingency(_table(remask.sum(axis=1), masks)).pvalue
    assert both > 1e-6 and expected.sum() == pytest.approx(1.0)
    assert p_value(np.bincount((sizes > 0).sum(axis=1), minlength=4), schedule.nfe_law(), n) > 1e-6
    assert p_value(np.bincount(calls, minlength=4), schedule.nfe_law(), n) > 1e-6
    assert (remask.max() <= 1) == one


def _table(one, other):
    most = max(one.max(), other.max()) + 1
    table = np.stack([np.bincount(x, minlength=most) for x in (one, other)])
    rare = table.sum(axis=0) < 20
    return np.concatenate([table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True) + 1], axis=1)


def test_without_coins_that_mask_numbers_are_those_of_thinning():
    plain = schedules.Thinning(RATES)
    uniforms = np.random.default_rng(1).random((100, 3))
    sizes, remask = Coins(RATES, 0 * SIGMAS).both(uniforms, uniforms, 6)
    np.testing.assert_array_equal(sizes, plain.invert(uniforms, 6))
    assert not remask.any()
    mine = Schedule("mine", 6, 3, Coins(RATES, 0 * SIGMAS))
    np.testing.assert_allclose(mine.nfe_law(), Schedule("plain", 6, 3, plain).nfe_law(), atol=1e-13)


def test_exports_and_refuses():
    law = Coins(RATES, SIGMAS)
    assert law.export(6) == {
        "num_steps": 3,
        "reveal_rates": RATES.tolist(),
        "mask_rates": SIGMAS.tolist(),
        "mask_at_most_one": False,
    }
    with pytest.raises(ValueError, match=r"sigmas hold 1\.5"):
        Schedule("wrong", 6, 3, Coins(RATES, SIGMAS + 0.6))
    with pytest.raises(ValueError, match="rates have shape"):
        Schedule("wrong", 6, 2, law)
