"""The curves behind the advice: made to fall, exact, and of a known target."""

import numpy as np
import pytest

from jdlm import schedules
from jdlm.measure import CurveEstimate
from jdlm.study import advice, fit
from tests.reference import advice as reference

LENGTH = 8


def curve() -> np.ndarray:
    return np.array([2.0, 1.9, 1.5, 1.0, 0.9, 0.8, 0.3, 0.2])


def test_the_curve_is_made_to_fall_by_isotonic_regression():
    rng = np.random.default_rng(3)
    for _ in range(20):
        errors = rng.uniform(0.05, 0.5, LENGTH)
        measured = CurveEstimate(curve() + rng.normal(size=LENGTH) * errors, errors, 50)
        fitted = advice.falling(measured)
        np.testing.assert_allclose(fitted, reference.falling(measured.values, errors**-2.0), atol=1e-7)
        assert (np.diff(fitted) < 0.0).all()
    rising = advice.exact_curve(curve()[::-1])
    np.testing.assert_array_equal(advice.falling(rising), rising.values)


def test_a_known_curve_adds_the_learning_error():
    error = CurveEstimate(np.full(LENGTH, 0.25), np.full(LENGTH, 0.1), 7, np.eye(LENGTH) * 0.01)
    known = advice.known_curve(curve(), error)
    np.testing.assert_array_equal(known.values, curve() + 0.25)
    assert known.n == 7 and known.standard_errors is error.standard_errors and known.covariance is error.covariance


def test_a_flat_stretch_falls_by_less_than_anybody_sees_and_makes_equal_steps_the_best():
    """A curve that rises all the way is fitted by its mean, in which all lists cost the same but for the slope."""
    rising = CurveEstimate(np.linspace(1.0, 2.0, LENGTH), np.full(LENGTH, 0.1), 9)
    fitted = fit.falling(rising)
    np.testing.assert_allclose(fitted, 1.5, atol=1e-7)
    assert (np.diff(fitted) < 0.0).all()
    assert schedules.optimal(fitted, 4).law().sizes.tolist() == [[2, 2, 2, 2]]


def test_an_entry_without_error_weighs_most_and_does_not_divide_by_0():
    """Of two entries that rise, the one known exactly stays where it is."""
    errors = np.array([0.0, 0.5, 0.5])
    fitted = fit.falling(CurveEstimate(np.array([1.0, 2.0, 0.5]), errors, 9))
    np.testing.assert_allclose(fitted, [1.0, 1.0, 0.5], atol=1e-7)
    assert np.isfinite(fitted).all()


def test_an_exact_curve_has_no_errors():
    found = fit.exact_curve(np.array([2, 1]))
    assert found.values.dtype == np.float64 and found.values.tolist() == [2.0, 1.0]
    assert found.dot(np.array([1.0, 3.0])) == (5.0, 0.0, 0) and fit.falling(found) is found.values


def test_a_learning_error_without_covariance_stays_so():
    error = CurveEstimate(np.array([0.1, 0.2]), np.array([0.01, 0.02]), 5)
    known = fit.known_curve(np.array([1.0, 0.5]), error)
    assert known.covariance is None and known.dot(np.array([2.0, 0.0])).standard_error == pytest.approx(0.02)
