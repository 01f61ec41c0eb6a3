"""What all figures share: the colour of each schedule, the axes, the order of rows."""

import math
import re
import zlib
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from jdlm.study.rows import Row

# Okabe and Ito's colours, which stay apart for colour-blind readers; the marker is the second channel.
_STYLES = {
    "uniform": ("#8c8c8c", "s"),
    "cosine": ("#e69f00", "D"),
    "tc_equalizer": ("#56b4e9", "v"),
    "minimax_tc": ("#0072b2", "<"),
    "minimax_dtc": ("#cc79a7", ">"),
    "minimax_both": ("#d55e00", "o"),
    "first_hitting": ("#000000", "*"),
    "optimal": ("#009e73", "P"),
}
# Paul Tol's "muted" colours, for the others.
_OTHERS = ("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499")
_STYLES |= {
    "best_fixed_tc": (_OTHERS[0], "^"),
    "best_fixed_dtc": (_OTHERS[7], "d"),
    "best_fixed_both": (_OTHERS[3], "h"),
    "random_phase_tc": (_OTHERS[2], "X"),
    "random_phase_dtc": (_OTHERS[8], "p"),
    "ancestral:linear": (_OTHERS[4], "8"),
    "euler:linear": (_OTHERS[5], "H"),
    "tau_leaping:linear": (_OTHERS[6], "*"),
}
_OTHER_MARKERS = ("X", "p", "h", "^", "d")
NEUTRAL, FAINT = "#333333", "#bbbbbb"

RC = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.hashsalt": "jdlm",
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


def color(schedule: str) -> str:
    """The colour of a schedule, the same in all figures of all runs."""
    return _STYLES[schedule][0] if schedule in _STYLES else _OTHERS[zlib.crc32(schedule.encode()) % len(_OTHERS)]


def marker(schedule: str) -> str:
    """The marker of a schedule, the same in all figures of all runs."""
    if schedule in _STYLES:
        return _STYLES[schedule][1]
    return _OTHER_MARKERS[zlib.crc32(schedule.encode()[::-1]) % len(_OTHER_MARKERS)]


def marker_size(schedule: str) -> float:
    """Marker size in points; the star needs more for equal area."""
    return 7.0 if marker(schedule) == "*" else 4.5


def title(schedule: str) -> str:
    """A schedule's name for people.

    >>> title("minimax_tc"), title("geometric:0.5")
    ('minimax TC', 'geometric 0.5')
    """
    words = ["TC" if word == "tc" else "DTC" if word == "dtc" else word for word in re.split("[_:]", schedule)]
    return " ".join(words)


def handle(schedule: str, hollow: bool = False) -> Line2D:
    """The entry of a schedule in a legend."""
    paint = {"color": color(schedule), "markerfacecolor": "white" if hollow else color(schedule)}
    return Line2D([], [], marker=marker(schedule), ms=marker_size(schedule), label=title(schedule), **paint)


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


def schedules(rows: Iterable[Row]) -> list[str]:
    """Names of the schedules in the rows, known ones first in their fixed order."""
    present = {row.schedule for row in rows if row.schedule}
    return [name for name in _STYLES if name in present] + sorted(present - set(_STYLES))


def errors(rows: Sequence[Row]) -> list[float]:
    """Standard errors, 0 where a value is exact."""
    return [row.standard_error or 0.0 for row in rows]


def new(width: float, height: float, heading: str) -> Figure:
    """An empty figure with a heading, its parts laid out so that nothing overlaps."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(heading, fontsize=11, x=0.01, ha="left")
    return figure


def steps_axis(axes: Axes, values: Iterable[float]) -> None:
    """Logarithmic axis of the numbers of predictor calls, with a tick at each power of two."""
    values = [value for value in values if value > 0]
    low, high = min(values), max(values)
    axes.set_xscale("log", base=2)
    axes.set_xlim(low / 1.2, high * 1.2)
    axes.set_xticks([2**k for k in range(12) if low / 1.2 <= 2**k <= high * 1.2])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("expected predictor calls per sequence (NFE)")


def kl_axis(axes: Axes, exact: Sequence[Row], estimates: Sequence[Row]) -> None:
    """Logarithmic axis that goes linearly through 0 below the smallest value, since exact samplers are at 0.

    Estimates that differ from 0 by less than their standard error do not stretch it.
    """
    free = [row for row in estimates if row.predictor != "oracle" or not exact]  # the oracle's follow its exact line
    values = [row.value for row in exact]
    values += [row.value for row in free if row.standard_error and row.value > row.standard_error]
    finite = [row for row in [*exact, *estimates] if math.isfinite(row.value)]
    highest = max([row.value + (row.standard_error or 0.0) for row in finite], default=1.0)
    lowest = min([row.value - (row.standard_error or 0.0) for row in finite], default=0.0)
    smallest = min([value for value in values if 1e-6 < value < math.inf], default=1e-3)
    threshold = 10.0 ** math.floor(math.log10(max(smallest, highest * 1e-4)))
    axes.set_yscale("symlog", linthresh=threshold, linscale=0.5)
    axes.set_ylim(min(-0.4 * threshold, 1.2 * lowest), max(1.6 * highest, threshold))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(0.0, color=FAINT, linewidth=0.8, zorder=0)
