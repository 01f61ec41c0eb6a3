"""A study as one frozen value: how its rows are made, how they are drawn, and what they show."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from jdlm.study.cells import Origin
from jdlm.study.rows import Row
from jdlm.targets import Target

__all__ = ["Counted", "Report", "Study", "cite", "find", "kept", "shape"]

Report = Callable[[int, int, str], None]
"""Called with (parts done, parts in all, what is being done); one with a method ``keep`` keeps parts, see `kept`."""


@dataclass(frozen=True)
class Study:
    """A question about schedules, and all that answers it.

    No two rows of a study have the same `Row.place`. Exact rows do not depend on the seed.

    Attributes:
      name: its word on the command line.
      measure: ``(seed, quick, report)`` gives the rows as they are made; ``quick`` asks for those that take seconds,
        a part of all of them with the same settings.
      figures: name of the file -> function of the rows; None where the rows have nothing to draw.
      conclude: at most ten lines, made from the rows, of what was found.
      relative: tolerance of exact rows that are made again on another machine; by default above the rounding in
        sums of up to 10^6 terms of a double.
    """

    name: str
    measure: Callable[[int, bool, Report], Iterator[Row]]
    figures: Mapping[str, Callable[[Sequence[Row]], Figure | None]]
    conclude: Callable[[Sequence[Row]], list[str]]
    relative: float = 1e-6


class Counted:
    """Reports what begins, as one part of ``total`` more each time."""

    def __init__(self, report: Report, total: int):
        self.report, self._total, self._parts = report, total, itertools.count()

    def __call__(self, what: str) -> None:
        """Report that something begins."""
        self.report(next(self._parts), self._total, what)

    def part(self, what: str, make: Callable[[], Iterable[Row]]) -> list[Row]:
        """Report that a part begins; return its rows, see `kept`."""
        self(what)
        return kept(self.report, what, make)


def kept(report: Report, name: str, make: Callable[[], Iterable[Row]]) -> list[Row]:
    """The rows of a part of a study: those that are kept of an earlier attempt, or made now.

    Args:
      report: what the study was given; if it has a method ``keep(name, make)``, that looks the part up and keeps it.
      name: of the part, unlike all others of the study.
      make: gives its rows, which depend on the study's seed and on ``quick`` alone.
    """
    keep = getattr(report, "keep", None)
    return list(make() if keep is None else keep(name, make))


def find(rows: Sequence[Row], metric: str, **wanted: Any) -> list[Row]:
    """The rows of a metric whose other fields are as wanted, in their order."""
    return [row for row in rows if row.metric == metric and all(getattr(row, k) == v for k, v in wanted.items())]


def shape(origin: Origin, target: Target) -> Iterator[Row]:
    """Length and vocabulary of a target as rows, which the headings of figures read.

    Args:
      origin: of the target alone, without predictor, planner and schedule.
      target: the distribution that the name in ``origin`` stands for.
    """
    yield origin.row("length", float(target.length), "exact")
    yield origin.row("vocab_size", float(target.vocab_size), "exact")


def cite(row: Row, digits: int = 4, error: bool = True) -> str:
    """A number as texts quote it: its value, its standard error and n if it is an estimate, and its cell.

    Args:
      row: the number.
      digits: significant digits of the value.
      error: whether standard error and n are said.

    >>> row = Row("0123456789ab", "", "", "", "", None, None, "tv", None, 0.25, 0.01, 400, "monte_carlo", 0)
    >>> cite(row)
    '0.25 ± 0.01 (n = 400) [cell 012345]'
    """
    shown = f"{row.value:.{digits}g}"
    if error and row.standard_error is not None:
        shown += f" ± {row.standard_error:.2g}"
    if error and row.n is not None:
        shown += f" (n = {row.n:,})"
    return f"{shown} [cell {row.cell[:6]}]"
