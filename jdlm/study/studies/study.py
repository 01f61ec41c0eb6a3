"""A study as one frozen value: how its rows are made, how they are drawn, and what they show."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from jdlm.study.rows import Row

__all__ = ["Report", "Study"]

Report = Callable[[int, int, str], None]
"""Called with (parts done, parts in all, what is being done)."""


@dataclass(frozen=True)
class Study:
    """A question about schedules, and all that answers it.

    No two rows of a study have the same place: target, predictor, schedule, planner, number of steps, metric and
    index. Exact rows do not depend on the seed.

    Attributes:
      name: its word on the command line.
      measure: ``(seed, quick, report)`` gives the rows as they are made; ``quick`` asks for those that take seconds,
        a part of all of them with the same settings.
      figures: name of the file -> function of the rows.
      conclude: at most ten lines, made from the rows, of what was found.
    """

    name: str
    measure: Callable[[int, bool, Report], Iterator[Row]]
    figures: Mapping[str, Callable[[Sequence[Row]], Figure]]
    conclude: Callable[[Sequence[Row]], list[str]]
