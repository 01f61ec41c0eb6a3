"""What all figures share: settings, axes, legends, the order of rows."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from jdlm.study.figures.look import FONT, title
from jdlm.study.rows import Row

NEUTRAL, FAINT = "#333333", "#bbbbbb"
_ZERO = 1e-5  # nats per sequence, below which a KL may be rounding

RC = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.hashsalt": "jdlm",
    "font.family": FONT,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "errorbar.capsize": 2,
}


def of_one_planner(rows: Iterable[Row]) -> list[Row]:
    """The rows of the random planner, or of the first one where it is not there, and those that no planner enters."""
    rows = list(rows)
    planners = sorted({row.planner for row in rows if row.planner and row.schedule})
    shown = "random" if "random" in planners or not planners else planners[0]
    return [row for row in rows if row.planner in ("", shown)]


def planner_note(rows: Iterable[Row]) -> str:
    """What a heading says of the planner: nothing where it is the random one."""
    planners = {row.planner for row in rows} - {"", "random"}
    return "".join(f", planner {title(name)}" for name in sorted(planners))


def select(rows: Iterable[Row], metric: str, **wanted) -> list[Row]:
    """The rows of a metric whose other fields are as wanted, in the order of their index."""
    found = [row for row in rows if row.metric == metric and all(getattr(row, k) == v for k, v in wanted.items())]
    return sorted(found, key=lambda row: -1 if row.index is None else row.index)


def finite(rows: Iterable[Row]) -> list[Row]:
    """The rows whose value can be drawn."""
    return [row for row in rows if math.isfinite(row.value)]


def error(row: Row) -> float:
    """The standard error, 0 where there is none or it is unknown."""
    return row.standard_error if row.standard_error is not None and math.isfinite(row.standard_error) else 0.0


def errors(rows: Sequence[Row]) -> list[float]:
    """Standard errors, 0 where a value is exact."""
    return [error(row) for row in rows]


def new(width: float, height: float, heading: str) -> Figure:
    """An empty figure with a heading, its parts laid out so that nothing overlaps."""
    figure = Figure(figsize=(width, height), layout="constrained")
    head(figure, heading)
    return figure


def head(figure: Figure, heading: str, share: float = 1.0) -> None:
    """Gives a figure this heading in place of the one it has, in lines no wider than this share of the figure."""
    width = int(figure.get_figwidth() * 11.5 * share)
    together = heading.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")  # no line ends within `K = 2`
    lines = textwrap.wrap(together, width, break_long_words=False, break_on_hyphens=False)
    figure.suptitle("\n".join(lines).replace("\N{NO-BREAK SPACE}", " "), fontsize=11, x=0.01, ha="left")


def legend_below(figure: Figure, handles: Sequence[Any]) -> None:
    """A legend under all panels, of as many columns as fit."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = int(figure.get_figwidth() * 72 // (longest * 5.6 + 40))
    figure.legend(handles=handles, loc="outside lower center", ncols=max(1, min(columns, 4)))


def infinite(axes: Axes, places: Iterable[float | int], color: str) -> None:
    """Says at the upper edge where infinite values are, which no axis can show."""
    for place in places:
        axes.annotate("∞", (place, 0.98), xycoords=("data", "axes fraction"), ha="center", va="top", color=color)


def steps_axis(axes: Axes, values: Iterable[float]) -> None:
    """Logarithmic axis of the numbers of predictor calls, with a tick at each of them that is a whole number."""
    values = [value for value in values if value > 0]
    low, high = min(values) / 1.2, max(values) * 1.2
    axes.set_xscale("log", base=2)
    axes.set_xlim(low, high)
    axes.set_xticks(_ticks(values))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.{0 if value == round(value) else 2}f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("expected predictor calls per sequence (NFE)")


def _ticks(values: Sequence[float]) -> list[float | int]:
    """Ticks of a logarithmic axis around ``values``: whole ones among them, else powers of two, else the outer two."""
    low, high = min(values), max(values)
    whole = sorted({round(value) for value in values if abs(value - round(value)) < 1e-9})
    powers = [2**k for k in range(math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9) + 1)]
    wanted = [value for value in whole if value in powers] + whole + powers
    apart = 0.07 * math.log(1.44 * high / low)  # so that no two labels overlap
    chosen: list[float | int] = []
    for value in [*wanted, *([low, high] if len({*wanted}) < 2 else [])]:
        if all(abs(math.log(value / other)) >= apart for other in chosen):
            chosen.append(value)
    return sorted(chosen)


def kl_axis(axes: Axes, exact: Sequence[Row], estimates: Sequence[Row], stretch: Sequence[Row] | None = None) -> None:
    """Logarithmic axis that goes linearly through 0 below the smallest value, since exact samplers are at 0.

    Args:
      axes: what is drawn on.
      exact: rows without error.
      estimates: rows with error; those that differ from 0 by less than it do not stretch the axis.
      stretch: those of the estimates that may stretch it downwards; all by default.
    """
    values = [row.value for row in exact]
    values += [row.value for row in (estimates if stretch is None else stretch) if row.value > error(row) > 0]
    shown = finite([*exact, *estimates])
    highest = max([row.value + error(row) for row in shown], default=1.0)
    lowest = min([row.value - error(row) for row in shown], default=0.0)
    smallest = min([value for value in values if _ZERO < value < math.inf], default=1e-3)
    threshold = 10.0 ** math.floor(math.log10(max(smallest, highest * 1e-4)))
    bottom, top = min(-0.4 * threshold, 1.2 * lowest), max(1.6 * highest, threshold)
    axes.set_yscale("symlog", linthresh=threshold, linscale=0.5)
    axes.set_ylim(bottom, top)
    decades = range(round(math.log10(threshold)), math.floor(math.log10(top)) + 1)
    digits = (1, 2, 5) if len(decades) <= 2 else (1,)
    ticks = [digit * 10.0**decade for decade in decades for digit in digits]
    axes.set_yticks(sorted([0.0, *(t for tick in ticks for t in (tick, -tick) if bottom <= t <= top)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(0.0, color=FAINT, linewidth=0.8, zorder=0)
