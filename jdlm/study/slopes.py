"""Exponents of power laws, fitted through the values of a study."""

import numpy as np
from numpy.typing import ArrayLike

from jdlm import measure
from jdlm.errors import InputError

__all__ = ["exponent"]


def exponent(x: ArrayLike, y: ArrayLike) -> measure.Estimate:
    """Exponent ``b`` of ``y = a * x**b``: the slope of ``log y`` over ``log x`` by least squares.

    Args:
      x: ``[points]`` positive numbers, at least 3 and not all equal.
      y: ``[points]`` positive numbers.

    Returns:
      The slope with its standard error from the residuals (``points - 2`` degrees of freedom): how far the points lie
      from a power law, not the noise of each. ``n`` is None; where the points are estimates, put theirs in its place.

    Raises:
      ValueError: fewer than 3 points, a number that is not positive and finite, or equal ``x``.

    >>> round(exponent([1.0, 2.0, 4.0], [8.0, 4.0, 2.0]).value, 12)
    -1.0
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 3:
        raise InputError(f"x has shape {x.shape} and y {y.shape}; give at least 3 points, one y for each x")
    for name, values in (("x", x), ("y", y)):
        wrong = ~(np.isfinite(values) & (values > 0.0))
        if wrong.any():
            raise InputError(f"{name} has {values[wrong][0]}, which has no logarithm; give positive, finite numbers")
    across, up = np.log(x) - np.log(x).mean(), np.log(y) - np.log(y).mean()
    spread = float(across @ across)
    if spread == 0.0:
        raise InputError(f"all x are {x[0]:g}, which no slope goes through; give at least 2 different ones")
    slope = float(across @ up) / spread
    residuals = up - slope * across
    return measure.Estimate(slope, float(np.sqrt(residuals @ residuals / (len(x) - 2) / spread)), None)  # type: ignore[arg-type]
