"""Thinning against its closed forms, with the rates from the definitions."""

import numpy as np
import pytest

from jdlm import curves, schedules
from jdlm.schedules import adaptive_times, uniform_times
from tests.reference import schedules as reference

LENGTH = 16
ALPHA = {
    "linear": lambda tau: 1 - tau,
    "cosine": lambda tau: 1 - np.cos(np.pi / 2 * (1 - tau)),
    "polynomial": lambda tau: 1 - tau**2,
    "exponential": lambda tau: np.exp(-tau),
}
TIMES = np.array([0.97, 0.8, 0.45, 0.3, 0.02])


def probabilities(method, masking):
    """Reveal probabilities by the definitions, the hazard by a central difference."""
    alpha = ALPHA[masking]
    tau, s = TIMES[:-1], TIMES[1:]
    if method == "ancestral":
        return (alpha(s) - alpha(tau)) / (1 - alpha(tau))
    hazard = -(alpha(tau + 1e-5) - alpha(tau - 1e-5)) / 2e-5 / (1 - alpha(tau))
    return np.minimum(1, (tau - s) * hazard) if method == "euler" else 1 - np.exp(-(tau - s) * hazard)


@pytest.mark.parametrize("masking", list(ALPHA))
@pytest.mark.parametrize("method", ["ancestral", "euler", "tau_leaping"])
def test_closed_forms(method, masking):
    r = probabilities(method, masking)
    for final_reveal in (False, True):
        schedule = getattr(schedules, method)(LENGTH, TIMES, masking, final_reveal=final_reveal)
        rates = np.append(r, 1.0) if final_reveal and np.all(r < 1) else r
        exposure, nfe, leftover = reference.thinning(LENGTH, rates)
        assert schedule.num_steps == len(rates)
        np.testing.assert_allclose(schedule.exposure(), exposure, atol=1e-7)  # the difference quotient is that exact
        np.testing.assert_allclose(schedule.nfe_law() @ np.arange(schedule.num_steps + 1), nfe, atol=1e-7)
        np.testing.assert_allclose(schedule.leftover, leftover, atol=1e-7)


def test_the_final_reveal_adds_what_is_left():
    open_ended = schedules.ancestral(LENGTH, TIMES, "linear", final_reveal=False)
    closed = schedules.ancestral(LENGTH, TIMES, "linear")
    revealed = 1 - TIMES[-1] / TIMES[0]
    added = [reference.math.comb(LENGTH, j) * revealed**j * (1 - revealed) ** (LENGTH - j) * (LENGTH - j)
             for j in range(LENGTH)]  # fmt: skip
    np.testing.assert_allclose(closed.exposure() - open_ended.exposure(), added, atol=1e-11)
    np.testing.assert_allclose(open_ended.exposure().sum(), LENGTH * revealed, atol=1e-11)
    calls = [s.nfe_law() @ np.arange(s.num_steps + 1) for s in (closed, open_ended)]
    np.testing.assert_allclose(calls[0] - calls[1], 1 - revealed**LENGTH, atol=1e-11)


def test_euler_is_ancestral_for_linear_masking_alone():
    times = uniform_times(8)
    built = {
        (method, masking): getattr(schedules, method)(32, times, masking, final_reveal=False)
        for method in ("ancestral", "euler", "tau_leaping")
        for masking in ("linear", "cosine", "exponential")
    }
    exposure = {key: schedule.exposure() for key, schedule in built.items()}
    np.testing.assert_allclose(exposure["euler", "linear"], exposure["ancestral", "linear"], atol=1e-12)
    assert np.abs(exposure["tau_leaping", "linear"] - exposure["ancestral", "linear"]).max() > 0.1
    for masking in ("cosine", "exponential"):
        three = [exposure[method, masking] for method in ("ancestral", "euler", "tau_leaping")]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert np.abs(three[one] - three[other]).max() > 0.1
        assert built["ancestral", masking].leftover == 0.0 < built["euler", masking].leftover


def test_tau_leaping_leaves_masks():
    schedule = schedules.tau_leaping(32, uniform_times(8), "linear", final_reveal=False)
    np.testing.assert_allclose(schedule.leftover, 0.888, atol=5e-4)
    np.testing.assert_allclose(1 - schedule.exposure().sum() / 32, 0.066, atol=5e-4)
    with pytest.raises(ValueError, match="final_reveal=True"):
        curves.path_kl(schedule.exposure(), np.ones(32))


def test_no_empty_final_step_where_nothing_can_be_left():
    assert schedules.ancestral(LENGTH, uniform_times(5), "cosine").num_steps == 5
    assert schedules.tau_leaping(LENGTH, uniform_times(5), "cosine").num_steps == 6


def test_fine_thinning_becomes_one_token_a_step():
    exposure = schedules.ancestral(6, uniform_times(2000), "linear").exposure()
    np.testing.assert_allclose(exposure, schedules.first_hitting(6).exposure(), atol=0.01)


def test_times():
    times = adaptive_times(0.25, start=2.0, stop=0.05)
    assert times[0] == 2.0 and times[-1] == 0.05
    np.testing.assert_allclose(-np.diff(times)[:-1], 0.25 * np.minimum(1.0, times[:-2]), atol=1e-12)
    assert schedules.ancestral(LENGTH, times, "exponential").leftover == 0.0
    np.testing.assert_allclose(uniform_times(3, 0.9, 0.3), [0.9, 0.7, 0.5, 0.3], atol=1e-15)
