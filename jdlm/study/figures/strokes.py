"""Lines that black and white tells apart, and headings that say what a figure was computed for."""

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from jdlm.study.figures import style
from jdlm.study.figures.look import Look
from jdlm.study.rows import Row

__all__ = ["Strokes", "described"]

_MARKERS = "so^DvPX<>dph8*"
_DASHES = ((0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1.5, 1, 1.5, 1, 1.5)))


class Strokes:
    """How the schedules of a figure are drawn: thin and dashed where they are lists, thick where they are random.

    Markers and dashes differ within a figure, so that colour says nothing more. Random ones are known by their
    exposure (see `Look`), so some rows of the study have to hold one.

    Args:
      rows: of the study.
      names: schedules of the figure; all by default.
    """

    def __init__(self, rows: Iterable[Row], names: Sequence[str] | None = None):
        self.look = Look(rows)
        self.names = [name for name in self.look.schedules if names is None or name in names]
        lists = [name for name in self.names if not self.look.is_random(name)]
        self._dashes = {name: _DASHES[i % len(_DASHES)] for i, name in enumerate(lists)}
        self._markers = {name: _MARKERS[i % len(_MARKERS)] for i, name in enumerate(self.names)}

    def paint(self, name: str, points: int = 1) -> dict[str, Any]:
        """Arguments of `Axes.plot` for a schedule; a marker at about every eighth of many points."""
        random = name not in self._dashes
        every = max(1, points // 8)
        shift = self.names.index(name) * every // max(len(self.names), 1)
        return {
            "color": self.look.color(name),
            "linestyle": self._dashes.get(name, "-"),
            "linewidth": 2.0 if random else 1.0,
            "marker": self._markers[name],
            "markersize": 4.5,
            "markerfacecolor": self.look.color(name) if random else "white",
            "markevery": (shift % every, every),
        }

    def handle(self, name: str, more: str = "") -> Line2D:
        """The entry of a schedule in a legend."""
        paint = {key: value for key, value in self.paint(name).items() if key != "markevery"}
        return Line2D([], [], label=self.look.title(name) + more, **paint)

    def curves(self, axes: Axes, rows: Sequence[Row], across: str) -> list[str]:
        """Draws a line for each schedule of some rows over one of their fields; returns the names that were drawn."""
        drawn = []
        for name in self.names:
            mine = sorted((row for row in rows if row.schedule == name), key=lambda row: getattr(row, across))
            if mine:
                x, y = [getattr(row, across) for row in mine], [row.value for row in mine]
                axes.plot(x, y, **self.paint(name, len(mine)))
                drawn.append(name)
        return drawn


def described(heading: str, shown: Sequence[Row], rows: Iterable[Row]) -> str:
    """A heading with the L, V, K and n of the rows that a figure shows.

    Args:
      heading: what is seen.
      shown: the rows that are drawn.
      rows: of the study; those with the metrics ``length`` and ``vocab_size`` give L and V (see `studies.study.shape`).
    """
    names = {row.target for row in shown}
    facts = [row for row in rows if row.target in names]
    parts = {
        "L": {round(row.value) for row in style.select(facts, "length")},
        "V": {round(row.value) for row in style.select(facts, "vocab_size")},
        "K": {row.num_steps for row in shown if row.num_steps is not None},
        "n": {row.n for row in shown if row.n is not None},
    }
    text = ", ".join(f"{name} = {_numbers(values)}" for name, values in parts.items() if values)
    if not parts["n"]:
        text += ", exact"
    return f"{heading} ({text})"


def _numbers(values: set[int]) -> str:
    """A few numbers, or the range of many.

    >>> _numbers({8}), _numbers({64, 128}), _numbers({4, 8, 16, 32})
    ('8', '64 and 128', '4 to 32')
    """
    ordered = sorted(values)
    if len(ordered) > 2:
        return f"{ordered[0]:,} to {ordered[-1]:,}"
    return " and ".join(f"{value:,}" for value in ordered)
