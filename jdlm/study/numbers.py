"""How numbers are written for people: one way for the tables of commands, reports and files."""

import math

__all__ = ["share", "written"]

_DECIMALS, _MOST = 4, 7


def written(value: float, error: float | None = None, sign: str = "±") -> str:
    """A number with its standard error: four decimals, and more where the error's first digit lies beyond them.

    Args:
      value: the number.
      error: its standard error; None, or one that is not finite, is not written.
      sign: what is written between the two.

    >>> written(0.25), written(0.0013, 3.2e-05), written(-1e-9), written(0.5, 2e-9)
    ('0.2500', '0.00130 ± 0.00003', '0.0000', '0.5000 ± 2e-09')
    """
    if error is None or not math.isfinite(error):
        return _rounded(value, _DECIMALS)
    first = -math.floor(math.log10(error)) if error > 0.0 else 0
    if first > _MOST:
        return f"{_rounded(value, _DECIMALS)} {sign} {error:.0e}"
    decimals = max(_DECIMALS, first)
    return f"{_rounded(value, decimals)} {sign} {error:.{decimals}f}"


def _rounded(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # no minus before a zero


def share(part: float, whole: float) -> str:
    """A part in percent, with a decimal, or as many as show two of its digits.

    >>> share(0.0013, 2.7), share(0.5, 2.0), share(3.0, 2.0), share(math.inf, 1.0)
    ('0.048 %', '25.0 %', '150.0 %', 'inf %')
    """
    percent = 100.0 * part / whole
    if not math.isfinite(percent):
        return f"{percent} %"
    decimals = 1 if percent == 0.0 else max(1, 1 - math.floor(math.log10(abs(percent))))
    return f"{percent:.{decimals}f} %"
