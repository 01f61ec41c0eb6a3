import numpy as np
import pytest

from jdlm import curves
from tests.reference import schedules as reference

rng = np.random.default_rng(11)
LAWS = [rng.dirichlet(np.full(81, 0.3)).reshape([3] * 4), rng.dirichlet(np.full(32, 0.5)).reshape([2] * 5)]


def entropy(probabilities):
    p = np.ravel(probabilities)
    return -np.sum(p[p > 0] * np.log(p[p > 0]))


@pytest.mark.parametrize("law", LAWS, ids=["4-tokens", "5-tokens"])
def test_correlations_from_their_definitions(law):
    length, curve = law.ndim, reference.entropy_curve(law)
    others = [tuple(k for k in range(length) if k != i) for i in range(length)]
    singles = sum(entropy(law.sum(other)) for other in others)
    rests = sum(entropy(law) - entropy(law.sum(i)) for i in range(length))  # H(X_i | all others)
    np.testing.assert_allclose(curves.entropy(curve), entropy(law), atol=1e-12)
    np.testing.assert_allclose(curves.total_correlation(curve), singles - entropy(law), atol=1e-12)
    np.testing.assert_allclose(curves.dual_total_correlation(curve), entropy(law) - rests, atol=1e-12)
    d = curves.spectrum(curve)
    effective = sum(d[m - 1] * min(m, length - m) for m in range(1, length))
    np.testing.assert_allclose(curves.effective_correlation(curve), effective, atol=1e-12)
    np.testing.assert_allclose(d, [curve[m - 1] - curve[m] for m in range(1, length)], atol=0)


def test_path_kl_is_spectrum_times_overshoot():
    curve, exposure = np.sort(rng.random(9))[::-1], np.array([3.0, 0.5, 1.5, 0.0, 1.0, 0.0, 2.0, 0.5, 0.5])
    expected = curves.spectrum(curve) @ curves.overshoot(exposure)
    np.testing.assert_allclose(curves.path_kl(exposure, curve), expected, atol=1e-14)
    np.testing.assert_allclose(curves.nelbo(exposure, curve) - curve.sum(), expected, atol=1e-14)
    np.testing.assert_allclose(curves.overshoot(exposure), [exposure[:m].sum() - m for m in range(1, 9)], atol=1e-14)


def test_one_step_has_path_kl_tc_and_one_token_a_step_none():
    curve = reference.entropy_curve(LAWS[0])
    np.testing.assert_allclose(curves.path_kl([4, 0, 0, 0], curve), curves.total_correlation(curve), atol=1e-12)
    assert curves.path_kl([1, 1, 1, 1], curve) == 0.0


@pytest.mark.parametrize("word", ["tc", "dtc", "both"])
def test_worst_case_is_reached_and_never_passed(word):
    exposure = np.array([3.0, 0.0, 0.5, 1.5, 1.0, 0.0])
    constant = curves.worst_case(exposure, word)
    measure = {
        "tc": curves.total_correlation,
        "dtc": curves.dual_total_correlation,
        "both": curves.effective_correlation,
    }
    steps = [np.where(np.arange(6) < m, np.log(7), 0.0) for m in range(1, 6)]  # MDS codes of dimension m
    ratios = [curves.path_kl(exposure, curve) / measure[word](curve) for curve in steps]
    np.testing.assert_allclose(max(ratios), constant, rtol=1e-12)
    for curve in np.sort(rng.random((50, 6)))[:, ::-1]:
        assert curves.path_kl(exposure, curve) <= constant * measure[word](curve) + 1e-12


def test_an_infinite_cross_entropy_counts_where_it_is_visited_alone():
    assert curves.nelbo([2.0, 0.0, 1.0], [1.0, np.inf, 0.5]) == 2.5
    assert curves.nelbo([1.5, 0.5, 1.0], [1.0, np.inf, 0.5]) == np.inf


def test_a_single_token():
    assert curves.total_correlation([0.7]) == curves.path_kl([1.0], [0.7]) == curves.worst_case([1.0], "both") == 0.0
    assert curves.spectrum([0.7]).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: curves.path_kl([1.0, 0.9], [0.5, 0.2]), "sums to 1.9, not to its length 2.*final_reveal=True"),
        (lambda: curves.nelbo([1.0, 0.9999999], [0.5, 0.2]), "not to its length 2"),
        (lambda: curves.overshoot([2.0, 0.5]), "sums to 2.5, more than its length 2"),
        (lambda: curves.worst_case([0.0, 1.0], "tc"), "not to its length"),
        (lambda: curves.worst_case([3.0, -1.0], "tc"), "has an entry -1"),
        (lambda: curves.path_kl([1.0, 1.0], [0.5]), "exposure has length 2, entropy_curve 1"),
        (lambda: curves.nelbo([1.0, 1.0], [0.5, np.nan]), "cross_entropy_curve has an entry nan"),
        (lambda: curves.nelbo([2.0, 0.0], [0.5, np.nan]), "cross_entropy_curve has an entry nan"),
        (lambda: curves.nelbo([1.0, 1.0], [0.5, -np.inf]), "cross_entropy_curve has an entry -inf"),
        (lambda: curves.path_kl([2.0, 0.0], [0.5, np.inf]), "entropy_curve has an entry inf"),
        (lambda: curves.entropy([0.5, np.inf]), "entropy_curve has an entry inf"),
        (lambda: curves.entropy([[0.5]]), r"shape \(1, 1\)"),
        (lambda: curves.spectrum([]), r"shape \(0,\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_unknown_weight():
    unchecked = getattr(curves.weights, "__wrapped__", curves.weights)  # the runtime type check would come first
    with pytest.raises(ValueError, match='weight=\'TC\' is not a weight; use "tc", "dtc" or "both"'):
        unchecked(4, "TC")
