"""The curves behind the advice: measured ones, made to decrease; exact ones; and those of a known target."""

import numpy as np
from scipy.optimize import isotonic_regression

from jdlm import curves
from jdlm.measure import CurveEstimate

__all__ = ["exact_curve", "falling", "known_curve"]

_TILT = 1e-9  # slope, in units of the curve, that makes equal steps the best ones where a fitted curve is flat


def falling(curve: CurveEstimate) -> np.ndarray:
    """Isotonic regression of a measured curve, ``[length]``: the nearest one that never rises, weighted by precision.

    Where it is flat it gets a slope of one part in 10^9, so that equal steps are the best ones there and no step of
    `optimal` is empty. An exact curve stays as it is.

    Args:
      curve: a measured curve.
    """
    if not curve.standard_errors.any():
        return curve.values
    smallest = 1e-6 * curve.standard_errors.max()
    fitted = isotonic_regression(
        curve.values, weights=np.maximum(curve.standard_errors, smallest) ** -2.0, increasing=False
    )
    return fitted.x - _TILT * np.abs(curve.values).max() * np.arange(len(curve.values))


def exact_curve(entropy_curve: np.ndarray) -> CurveEstimate:
    """An exact curve in the form of a measured one, with standard errors of 0."""
    curves.entropy(entropy_curve)  # checks that it is one
    return CurveEstimate(np.asarray(entropy_curve, np.float64), np.zeros(len(entropy_curve)), 0)


def known_curve(entropy_curve: np.ndarray, learning_error: CurveEstimate) -> CurveEstimate:
    """Cross-entropy curve ``c = h + (c - h)`` of a predictor of a known target.

    The entropy curve has no noise and the learning error little, so this tells schedules apart on far fewer sequences
    than a measurement of ``c`` itself.

    Args:
      entropy_curve: ``[length]`` the target's exact ``h``, nats.
      learning_error: measured ``c - h``, see `jdlm.evaluate.MeasuredCurve`.
    """
    return learning_error._replace(values=np.asarray(entropy_curve, np.float64) + learning_error.values)
