"""Checks of the arguments of targets, draws and requests: one-line errors with the value and the remedy."""

import numbers
import operator
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from scipy.special import entr

from jdlm.errors import InputError, shown

__all__ = [
    "LONGEST",
    "MOST_NUMBERS",
    "ROUNDING",
    "array",
    "check_numbers",
    "entropies",
    "integer",
    "laws",
    "length",
    "log",
    "prime",
    "real",
]

LONGEST = 2**24
"""Largest length of a target's sequences, which is also that of schedules."""
MOST_NUMBERS = 2**28
"""Most numbers that a target keeps: 2 GiB of float64."""
ROUNDING = 1e-6
"""Largest deviation of a sum of probabilities from 1 that passes as rounding (of float32 input) and is divided out."""


def integer(name: str, value: Any, minimum: int = 1, most: int = 2**31 - 1) -> int:
    """The value as a plain int.

    Raises:
      ValueError: it is not an integer (True and False are not), or is below the minimum or above ``most``.
    """
    try:
        if isinstance(value, bool | np.bool_):  # older versions of numpy warn of the latter
            raise TypeError
        value = operator.index(value)
    except TypeError:
        raise InputError(f"{name}={shown(value)} is not an integer; use one of at least {minimum}") from None
    if value < minimum:
        raise InputError(f"{name}={shown(value)} is too small; use at least {minimum}")
    if value > most:
        raise InputError(f"{name}={shown(value)} is too large; use at most {most}")
    return value


def length(value: Any, minimum: int = 1) -> int:
    """The number of tokens of a sequence as a plain int, at most `LONGEST`.

    Raises:
      ValueError: it is not an integer, or out of range.
    """
    return integer("length", value, minimum, LONGEST)


def check_numbers(what: str, count: int) -> None:
    """Raise a ValueError if a target would keep more than `MOST_NUMBERS` numbers, before any is computed."""
    if count > MOST_NUMBERS:
        raise InputError(f"{what} needs {count:.3g} numbers, more than {MOST_NUMBERS:.3g}; use smaller sizes")


def real(name: str, value: Any) -> float:
    """The value as a plain float, infinite or NaN ones included.

    Raises:
      ValueError: it is not a real number (True and False are not).
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{name}={shown(value)} is not a number; use a float or an int")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{name}={shown(value)} is too large; use a number that a float holds") from None


def array(name: str, values: ArrayLike, dtype: type | None = None) -> np.ndarray:
    """A copy of the values as a numpy array.

    Raises:
      ValueError: the values are ragged (lists of different lengths side by side), or cannot be converted to the dtype.
    """
    try:
        found = np.array(values)
        if found.dtype.kind == "c":
            raise ValueError("it holds complex numbers")
        found = np.array(values, dtype)
    except (ValueError, TypeError, OverflowError) as error:
        if (fault := _ragged(name, values)) is not None:
            raise InputError(f"{fault}; give sequences of one length") from None
        raise InputError(f"{name} is not an array of numbers: {str(error).splitlines()[0]}") from None
    return found


def _ragged(name: str, values: Any) -> str | None:
    """Where lists of different lengths lie side by side; None if nowhere."""
    if not isinstance(values, list | tuple) or not len(values):
        return None
    sizes = [_size(value) for value in values]
    for place, size in enumerate(sizes):
        if size != sizes[0]:
            return f"{name}[{place}] has {size} entries but {name}[0] has {sizes[0]}"
    return next(filter(None, (_ragged(f"{name}[{place}]", value) for place, value in enumerate(values))), None)


def _size(value: Any) -> int:
    """Number of entries of a list, tuple or array; 0 for a number."""
    if isinstance(value, list | tuple):
        return len(value)
    return value.shape[0] if isinstance(value, np.ndarray) and value.ndim else 0


def prime(name: str, value: int) -> int:
    """The value as a plain int.

    Raises:
      ValueError: it is not a prime number.
    """
    value = integer(name, value, 2)
    if not _is_prime(value):
        following = next(q for q in range(value, 2 * value) if _is_prime(q))
        raise InputError(f"{name}={value} is not prime; the next prime is {following}")
    return value


def _is_prime(value: int) -> bool:
    return value >= 2 and all(value % factor for factor in range(2, int(value**0.5) + 1))


def laws(name: str, values: ArrayLike, ndims: tuple[int, ...]) -> Float64[np.ndarray, "..."]:
    """Probabilities as float64, each law along the last axis divided by its sum (which is 1 up to rounding).

    Raises:
      ValueError: a wrong number of axes, an empty array, or a law that is negative, not finite or does not sum to 1.
    """
    probabilities = array(name, values, np.float64)
    if probabilities.ndim not in ndims or probabilities.size == 0:
        wanted = " or ".join(str(n) for n in ndims)
        raise InputError(f"{name} has shape {list(probabilities.shape)}; give a non-empty array with {wanted} axes")
    for fault, remedy in (
        (~np.isfinite(probabilities), "is not finite; probabilities are numbers from 0 to 1"),
        (probabilities < 0, "is negative; probabilities are numbers from 0 to 1"),
    ):
        if fault.any():
            place = tuple(int(i) for i in np.argwhere(fault)[0])
            raise InputError(f"{name}{list(place)} = {probabilities[place]:g} {remedy}")
    sums = probabilities.sum(-1, keepdims=True)
    wrong = np.argwhere(abs(sums[..., 0] - 1) > ROUNDING)
    if wrong.size or abs(sums - 1).max() > ROUNDING:
        place = tuple(int(i) for i in wrong[0]) if wrong.size else ()
        raise InputError(
            f"{name}{list(place) if place else ''} sums to {sums[place][0]:.9g}, not 1; divide it by its sum"
        )
    return probabilities / sums


def log(probabilities: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Natural logarithm with ``log 0 = -inf`` and no warning."""
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


def entropies(probabilities: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Entropies in nats, of each law along the last axis, with ``0 log 0 = 0``."""
    return np.asarray(entr(probabilities).sum(-1))
