"""Checks of what the builders of schedules are given: lengths, numbers of steps, probabilities, memory."""

import operator
from typing import Any

import numpy as np

from jdlm.errors import InputError, shown

__all__ = [
    "INT32",
    "LONGEST",
    "check_length",
    "check_memory",
    "check_probabilities",
    "check_steps",
    "numbers_of",
    "whole",
]

INT32 = 2**31 - 1
LONGEST = 2**24
"""Largest length and number of steps that the builders accept."""
_KERNEL_NUMBERS = 2**29  # 4 GiB of float64


def whole(value: Any, name: str) -> int:
    """``value`` as a Python integer.

    Args:
      value: an integer of Python or numpy.
      name: what it is, for the message.

    Raises:
      ValueError: a float, also one without a fraction, a NaN, a bool or anything else.
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name}={shown(value)} is not a whole number; use an integer") from None


def check_length(length: Any) -> int:
    """``length`` as a Python integer.

    Raises:
      ValueError: not a whole number from 1 to ``LONGEST``.
    """
    length = whole(length, "length")
    if length < 1:
        raise InputError(f"length={length} is not a sequence length; use at least 1")
    if length > LONGEST:
        raise InputError(f"length={length} is more tokens than a schedule is built for; use at most {LONGEST}")
    return length


def check_steps(length: Any, num_steps: Any) -> tuple[int, int]:
    """``length`` and ``num_steps`` as Python integers; refuses steps that cannot each reveal a token of ``length``.

    Raises:
      ValueError: not whole numbers, ``length < 1``, ``num_steps < 1`` or ``num_steps > length``.
    """
    length, num_steps = check_length(length), whole(num_steps, "num_steps")
    if num_steps < 1:
        raise InputError(f"num_steps={num_steps} reveals nothing; use at least 1")
    if num_steps > length:
        raise InputError(f"num_steps={num_steps} exceeds length={length}; use at most {length}")
    return length, num_steps


def check_memory(length: int, matrices: int) -> None:
    """Refuses what would hold more than 4 GiB in so many float64 ``[length + 1, length + 1]`` at once.

    Raises:
      ValueError: too much.
    """
    numbers = matrices * (length + 1) ** 2
    if numbers > _KERNEL_NUMBERS:
        raise InputError(
            f"length={length} needs {numbers * 8 / 2**30:.1f} GiB for this schedule, at most 4 are allowed; use a "
            "shorter length or fewer steps"
        )


def check_probabilities(probabilities: np.ndarray, what: str) -> None:
    """Raises a ValueError unless the last axis holds probability distributions."""
    if not np.all(probabilities >= 0.0):
        raise InputError(f"{what} hold {probabilities.min():g}; probabilities are at least 0")
    sums = probabilities.sum(axis=-1)
    if not np.allclose(sums, 1.0, rtol=0.0, atol=1e-9):
        raise InputError(f"{what} sum to {sums.flat[np.argmax(np.abs(sums - 1.0))]:.9g}; probabilities sum to 1")


def numbers_of(values: Any, name: str) -> np.ndarray:
    """``values`` as a float64 array of any shape.

    Raises:
      ValueError: they are not real numbers, or of different lengths side by side.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiuO":
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name}={shown(values)} is not an array of real numbers") from None
