"""How schedules and predictors look in the figures of some rows, and the one way in which names enter a figure."""

import functools
import re
from collections.abc import Iterable

from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from matplotlib.lines import Line2D

from jdlm.config.words import SAMPLERS
from jdlm.study.rows import Row, index_of

FONT = "DejaVu Sans"  # comes with matplotlib, so that equal rows give equal figures on every machine
# Okabe and Ito's colours, which stay apart for colour-blind readers; the marker is the second channel. The others were
# each chosen to lie as far as possible from all before them, from white and from the grey of the axes.
_STYLES = {
    "uniform": ("#8c8c8c", "s"),
    "cosine": ("#e69f00", "D"),
    "tc_equalizer": ("#56b4e9", "v"),
    "minimax_tc": ("#0072b2", "<"),
    "minimax_dtc": ("#cc79a7", ">"),
    "minimax_both": ("#d55e00", "o"),
    "first_hitting": ("#000000", "*"),
    "optimal": ("#009e73", "P"),
    "best_fixed_tc": ("#7700cc", "^"),
    "best_fixed_dtc": ("#aa0033", "d"),
    "best_fixed_both": ("#666600", "h"),
    "random_phase_tc": ("#aadd00", "X"),
    "random_phase_dtc": ("#005533", "p"),
    "random_phase_equal": ("#000077", "X"),
    "random_cuts": ("#ff77ff", "d"),
    "ancestral:linear": ("#663300", "8"),
    "ancestral:cosine": ("#ff9988", "8"),
    "ancestral:polynomial": ("#9988ff", "8"),
    "ancestral:exponential": ("#775577", "8"),
    "euler:linear": ("#003377", "H"),
    "euler:cosine": ("#dd00ff", "H"),
    "euler:polynomial": ("#999955", "H"),
    "euler:exponential": ("#447777", "H"),
    "tau_leaping:linear": ("#ff2244", "p"),
    "tau_leaping:cosine": ("#886655", "p"),
    "tau_leaping:polynomial": ("#00dd77", "p"),
    "tau_leaping:exponential": ("#660044", "p"),
}
# For all other names, in the order of the names.
_SPARE = "#00dddd #cc0088 #333300 #338800 #ddbbee #996600 #4455ff #aaccaa #552222 #bb2200 #77aaaa #ccaa88".split()
_SPARE_MARKERS = "XphdP"
_LEARNED = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_ROUNDING = 2e-6  # nats per token: an oracle measured against itself in float32 has up to 4e-7


def text(name: str, limit: int = 40) -> str:
    """Return a name as text of a figure that shows its characters, whatever they mean to matplotlib.

    Characters that the font lacks, and those that cannot be seen, are written as in Python (``\\u4e2d``, ``\\n``); long
    names are cut in the middle.

    >>> text("a$b$_c"), text("中"), text("_x"), text("n" * 99, 7)
    ('a\\\\$b\\\\$_c', '\\\\u4e2d', ' _x', 'nnn…nnn')
    """
    glyphs = _glyphs()
    shown = "".join(
        c if c.isprintable() and ord(c) in glyphs else c.encode("unicode_escape").decode("ascii") for c in name
    )
    if len(shown) > limit:
        shown = shown[: limit // 2] + "…" + shown[len(shown) - (limit - 1) // 2 :]
    shown = shown.replace("$", r"\$")  # else two of them would hold a formula
    return " " + shown if shown.startswith("_") else shown  # legends leave out labels that begin so


@functools.cache
def _glyphs() -> frozenset[int]:
    return frozenset(FT2Font(findfont(FONT)).get_charmap())


def title(name: str) -> str:
    """The name of a schedule or a planner for people; names that are not words of a preset stay as they are.

    >>> title("minimax_tc"), title("geometric:0.5"), title("My_own")
    ('minimax TC', 'geometric 0.5', 'My_own')
    """
    if re.fullmatch(r"[a-z][a-z0-9_]*(:[a-z0-9_.+-]+)?", name):
        words = [word.upper() if word in ("tc", "dtc") else word for word in re.split("[_:]", name)]
        name = " ".join(filter(None, words))
    return text(name, limit=32)


def who(predictor: str) -> str:
    """A predictor's name for people.

    >>> who("network"), who("$mine")
    ('network', '\\\\$mine')
    """
    return text(predictor, limit=32)


def is_list(exposure: list[float]) -> bool:
    """Whether an exposure is that of one list of step sizes, the same for every sequence.

    A list visits one count after each step and has its size there. Random sizes visit two counts after some step, the
    smaller of which is less than the mean size ahead, so that no list has their exposure.

    >>> is_list([2.0, 0.0, 1.0]), is_list([1.5, 0.5, 1.0])
    (True, False)
    """
    place = 0
    while place < len(exposure):
        size = round(exposure[place])
        step = exposure[place : place + size]
        if size < 1 or any(abs(x - y) > 1e-9 for x, y in zip(step, [size] + [0] * size, strict=False)):
            return False
        place += size
    return place == len(exposure)


class Look:
    """Colours, markers and titles of the schedules in some rows: different ones for each, the same in all figures.

    The words of presets have the same look in all runs, other names take what is left in the order of the names.

    Attributes:
      schedules: their names, those that are words of presets first, in a fixed order.
      exact: names of the predictors with no error of their own, because none was measured, or rounding alone.
      predictors: names of all predictors, in the order of the rows.
    """

    def __init__(self, rows: Iterable[Row]):
        rows = list(rows)
        names = {row.schedule for row in rows if row.schedule}
        others = sorted(names - set(_STYLES))
        self.schedules = [name for name in _STYLES if name in names] + others
        self._styles = {name: _STYLES[name] for name in self.schedules if name in _STYLES}
        for i, name in enumerate(others):
            place = (i + i // len(_SPARE)) % len(_SPARE_MARKERS)
            self._styles[name] = (_SPARE[i % len(_SPARE)], _SPARE_MARKERS[place])
        self.predictors = list(dict.fromkeys(row.predictor for row in rows if row.predictor))
        self.exact = {name for name in self.predictors if self._is_exact([r for r in rows if r.predictor == name])}
        self._random = self._of_random_sizes(rows)
        titles = [title(name) for name in self.schedules]
        self._titles = {
            name: shown if titles.count(shown) == 1 else f"{shown} #{titles[: i + 1].count(shown)}"
            for i, (name, shown) in enumerate(zip(self.schedules, titles, strict=True))
        }

    @staticmethod
    def _is_exact(rows: list[Row]) -> bool:
        measured = sum(row.metric == "cross_entropy_curve_nats" for row in rows)
        totals = [row.value for row in rows if row.metric == "learning_error_nats" and row.index is None]
        if not totals:  # no error is known, as on a text, or none was worth measuring
            return measured == 0
        return all(abs(value) <= _ROUNDING * max(measured, 1) for value in totals)

    @staticmethod
    def _of_random_sizes(rows: list[Row]) -> set[str]:
        exposures: dict[tuple[str, int | None], dict[int, float]] = {}
        for row in rows:
            if row.metric == "exposure":
                exposures.setdefault((row.schedule, row.num_steps), {})[index_of(row)] = row.value
        return {
            name for (name, _), values in exposures.items() if not is_list([values[place] for place in sorted(values)])
        }

    def present(self, rows: Iterable[Row]) -> list[str]:
        """Names of the schedules in some of the rows, in the order of all figures."""
        names = {row.schedule for row in rows}
        return [name for name in self.schedules if name in names]

    def color(self, schedule: str) -> str:
        """The colour of a schedule."""
        return self._styles[schedule][0]

    def marker(self, schedule: str) -> str:
        """The marker of a schedule."""
        return self._styles[schedule][1]

    def marker_size(self, schedule: str) -> float:
        """Marker size in points; the star needs more for equal area."""
        return 7.0 if self.marker(schedule) == "*" else 4.5

    def title(self, schedule: str) -> str:
        """A schedule's name for people, unlike those of the others."""
        return self._titles[schedule]

    def is_random(self, schedule: str) -> bool:
        """Whether the schedule draws its sizes at random at some number of steps, as its exposure says."""
        return schedule in self._random

    def handle(self, schedule: str, hollow: bool = False) -> Line2D:
        """The entry of a schedule in a legend."""
        color, marker = self._styles[schedule]
        label = self.title(schedule) + (" (random sizes)" if self.is_random(schedule) else "")
        label += " (at its rounds)" if schedule in SAMPLERS else ""  # which wait for each other, as calls do
        face = "white" if hollow else color
        size = self.marker_size(schedule)
        return Line2D([], [], marker=marker, ms=size, label=label, color=color, markerfacecolor=face)

    def shown(self, rows: Iterable[Row]) -> list[str]:
        """The predictors in some of the rows that have errors of their own; the exact ones where there are no others.

        The numbers of an exact predictor are those of the schedule alone, and are drawn beside the others.
        """
        names = {row.predictor for row in rows}
        present = [name for name in self.predictors if name in names]
        return [name for name in present if name not in self.exact] or present

    def learned_color(self, predictor: str) -> str:
        """The colour of a predictor's own curve."""
        learned = [name for name in self.predictors if name not in self.exact]
        return _LEARNED[learned.index(predictor) % len(_LEARNED)] if predictor in learned else _LEARNED[0]
