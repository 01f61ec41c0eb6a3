"""Results that are made again: the committed rows of a study against those of this machine.

Numbers without random parts agree to a tolerance, estimates within their joint error: Welch's t test of two independent
estimates, with the false-alarm rate shared out among all of them (Bonferroni).
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from jdlm.errors import InputError
from jdlm.study.rows import Row

__all__ = ["ABSOLUTE", "FALSE_ALARMS", "RELATIVE", "Comparison", "compare", "folder", "names"]

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Exact numbers agree if they differ by at most ``ABSOLUTE + RELATIVE * |value|``: what rounding on another machine, in
sums of up to 10^6 terms of a double, stays below."""
FALSE_ALARMS = 1e-3
"""Probability that equal distributions are called different, for all estimates of a study together."""


class Comparison(NamedTuple):
    """What came of comparing the rows of a study.

    Attributes:
      exact: number of exact rows that were compared.
      sampled: number of estimates that were compared.
      worst_exact: largest difference of exact rows, in units of the tolerance.
      worst_sampled: smallest p-value of the estimates; 1 where there are none.
      limit: p-value below which an estimate differs.
      differences: a line for each row that differs, is missing, or has no counterpart.
    """

    exact: int
    sampled: int
    worst_exact: float
    worst_sampled: float
    limit: float
    differences: tuple[str, ...]


def folder() -> Path:
    """The folder of the committed results: ``docs/results`` in a checkout, inside the package when installed."""
    package = Path(__file__).parent.parent
    inside = package / "results"
    return inside if inside.is_dir() else package.parent / "docs" / "results"


def names() -> list[str]:
    """Names of the studies with committed results."""
    return sorted(path.stem for path in folder().glob("*.csv"))


def compare(
    reference: Iterable[Row], made: Iterable[Row], *, partial: bool = False, relative: float = RELATIVE
) -> Comparison:
    """Compares rows of the same places, whatever their cells.

    Args:
      reference: the committed rows.
      made: the same study, made again with another seed.
      partial: ``made`` is the quick part of the study, so that rows may be missing.
      relative: tolerance of exact rows.

    Raises:
      ValueError: two rows of one place, estimates of one seed on both sides (which are not independent), or nothing to
        compare.
    """
    old, new = _by_place("reference", reference), _by_place("made", made)
    if shared := _seeds(old.values()) & _seeds(new.values()):
        raise InputError(f"seed={min(shared)} is that of the reference, which tells nothing; use another seed")
    both = [place for place in new if place in old]
    if not both:
        raise InputError("no row has a counterpart in the reference; make the results again and commit them")
    differences = [f"{_text(new[place])} is not among the results" for place in new if place not in old]
    if not partial:
        differences += [f"{_text(old[place])} was not made again" for place in old if place not in new]
    sampled = [place for place in both if old[place].n is not None or new[place].n is not None]
    limit = FALSE_ALARMS / max(len(sampled), 1)
    worst_exact, worst_sampled = 0.0, 1.0
    estimates = set(sampled)
    for place in both:
        before, now = old[place], new[place]
        if place in estimates:
            p = _p_value(before, now)
            worst_sampled = min(worst_sampled, p)
            if p < limit:
                differences.append(f"{_text(now)} {_value(now)} instead of {_value(before)}: p = {p:.2g}")
        else:
            apart = max(_apart(*pair, relative) for pair in _exact_pairs(before, now))
            worst_exact = max(worst_exact, apart)
            if apart > 1.0:
                differences.append(f"{_text(now)} {now.value!r} instead of {before.value!r}")
    exact = len(both) - len(sampled)
    return Comparison(exact, len(sampled), worst_exact, worst_sampled, limit, tuple(differences))


def _seeds(rows: Iterable[Row]) -> set[int]:
    return {row.seed for row in rows if row.n is not None and row.seed is not None}


def _by_place(what: str, rows: Iterable[Row]) -> dict[tuple, Row]:
    found: dict[tuple, Row] = {}
    for row in rows:
        if row.place in found:
            raise InputError(f"{what}: two rows of one place, {_text(row)}; give each its own metric or index")
        found[row.place] = row
    return found


def _exact_pairs(before: Row, now: Row) -> Sequence[tuple[float | None, float | None]]:
    """What does not depend on random numbers; the error of a fit through exact values does not, either."""
    return (before.value, now.value), (before.nfe, now.nfe), (before.standard_error, now.standard_error)


def _apart(before: float | None, now: float | None, relative: float) -> float:
    """Difference of two numbers in units of the tolerance; infinite where one of them is none or not finite."""
    if before is None or now is None:
        return 0.0 if before is now else math.inf
    if before == now or (math.isnan(before) and math.isnan(now)):
        return 0.0
    difference = abs(before - now) / (ABSOLUTE + relative * abs(before))
    return difference if math.isfinite(difference) else math.inf


def _p_value(before: Row, now: Row) -> float:
    """Probability of so large a difference between two independent estimates of one number."""
    from scipy.special import stdtr

    if before.n is None or now.n is None or before.standard_error is None or now.standard_error is None:
        return 0.0  # an estimate on one side alone
    if not (math.isfinite(before.value) and math.isfinite(now.value)):
        return float(before.value == now.value or (math.isnan(before.value) and math.isnan(now.value)))
    squares = before.standard_error**2, now.standard_error**2
    if before.value == now.value:
        return 1.0
    if not sum(squares) > 0.0:
        return 0.0
    parts = squares[0] ** 2 / max(before.n - 1, 1) + squares[1] ** 2 / max(now.n - 1, 1)
    freedom = sum(squares) ** 2 / parts
    return float(2.0 * stdtr(freedom, -abs(before.value - now.value) / math.sqrt(sum(squares))))


def _value(row: Row) -> str:
    error = "" if row.standard_error is None else f" ± {row.standard_error:.2g}"
    return f"{row.value:.6g}{error}"


def _text(row: Row) -> str:
    """A row's place in words."""
    parts = [row.metric, row.target, row.predictor, row.schedule, row.planner]
    parts += [f"K = {row.num_steps}"] * (row.num_steps is not None) + [f"at {row.index}"] * (row.index is not None)
    return ", ".join(part for part in [*parts, row.method] if part)
