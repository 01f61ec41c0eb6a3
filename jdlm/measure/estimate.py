"""A number with its standard error, and the mean of independent values as one."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jdlm.errors import InputError

__all__ = ["Estimate", "mean"]


class Estimate(NamedTuple):
    """A number measured on ``n`` sequences, with its standard error (NaN where the value is infinite)."""

    value: float
    standard_error: float
    n: int


def mean(values: ArrayLike) -> Estimate:
    """Mean of independent values ``[n]`` with its standard error, in float64."""
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        raise InputError(f"n={len(values)} sequences give no standard error; use at least 2")
    if not np.isfinite(values).all():
        with np.errstate(invalid="ignore"):  # infinities of both signs have no sum
            return Estimate(float(np.sum(values[~np.isfinite(values)])), float("nan"), len(values))
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values))
