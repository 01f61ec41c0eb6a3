"""Figures of the study ``discretization``: rules are markers, masking schedules are line styles."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jdlm.study.figures import style
from jdlm.study.figures.look import text, title
from jdlm.study.figures.strokes import described
from jdlm.study.rows import Row

__all__ = ["FIGURES"]

_MARKERS = {"euler": "o", "ancestral": "s", "tau_leaping": "^"}
_LINES: dict[str, tuple[str, Any]] = {
    "linear": ("#000000", "-"),
    "cosine": ("#0072b2", "--"),
    "exponential-constant": ("#d55e00", ":"),
    "polynomial": ("#009e73", "-."),
    "exponential-geometric": ("#cc79a7", (0, (6, 1.5, 1, 1.5, 1, 1.5))),
}
_TINY = 1e-9  # what is below is rounding and has no place on a logarithmic axis
_SHORT = ("parity-8", "sticky_markov-8", "mixture-8")


def _paint(word: str, filled: bool = True) -> dict[str, Any]:
    rule, masking = word.split(":")
    color, line = _LINES[masking.removesuffix("-open")]
    face = color if filled else "white"
    return {"color": color, "linestyle": line, "marker": _MARKERS[rule], "markerfacecolor": face}


def _words(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.schedule for row in rows if ":" in row.schedule))


def _handles(words: Sequence[str]) -> list[Line2D]:
    return [Line2D([], [], label=title(word.removesuffix("-open")), **_paint(word)) for word in words]


def _plain(axes: Axes) -> None:
    """Logarithmic axes with plain numbers, as far as they are large enough."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _curves(axes: Axes, rows: Sequence[Row], across: str, filled: bool = True) -> None:
    for word in _words(rows):
        mine = sorted((r for r in rows if r.schedule == word and r.value > _TINY), key=lambda r: getattr(r, across))
        axes.plot([getattr(row, across) for row in mine], [row.value for row in mine], **_paint(word, filled))


def _present(rows: Sequence[Row]) -> list[str]:
    return [name for name in _SHORT if style.select(rows, "output_tv", target=name)]


def tv(rows: Sequence[Row]) -> Figure | None:
    """Total variation against the steps of a loop, and against the predictor calls that they make."""
    names = _present(rows)
    shown = [row for row in rows if row.target in names and row.metric == "output_tv"]
    if not shown:
        return None
    heading = "Total variation of the output law, against steps and against expected predictor calls"
    figure = style.new(max(3.4 * len(names), 7.0), 7.0, described(heading, shown, rows))
    panels = figure.subplots(2, len(names), sharey=True, squeeze=False)
    for line, across in zip(panels, ("num_steps", "nfe"), strict=True):
        for name, axes in zip(names, line, strict=True):
            mine = style.select(shown, "output_tv", target=name)
            _plain(axes)
            _curves(axes, mine, across)
            exact = style.select(mine, "output_tv", schedule="first_hitting")[0]
            axes.axvline(getattr(exact, across), color=style.NEUTRAL, linewidth=0.8)
            if across == "nfe":
                axes.set_xscale("linear")
                axes.set_xlim(left=0.0)
            axes.set_title(text(name), loc="left")
            axes.set_xlabel("number of steps K" if across == "num_steps" else "expected predictor calls")
    for line in panels:
        line[0].set_ylabel("output TV")
    first = Line2D([], [], color=style.NEUTRAL, linewidth=0.8, label="first hitting: L calls, TV 0")
    style.legend_below(figure, [*_handles(_words(shown)), first])
    return figure


def kl(rows: Sequence[Row]) -> Figure | None:
    """Path KL and output KL: which of them falls like 1/K, and which like 1/K^2."""
    names = _present(rows)
    words = ("euler:linear", "euler:cosine")
    metrics = {"path_kl_nats": "path KL", "output_kl_nats": "output KL"}
    shown = [r for r in rows if r.target in names and r.metric in metrics and r.schedule in words]
    if not shown:
        return None
    figure = style.new(max(3.4 * len(names), 7.0), 4.2, described("Euler: path KL and output KL", shown, rows))
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for name, axes in zip(names, panels, strict=True):
        mine = [row for row in shown if row.target == name]
        _plain(axes)
        notes = []
        for metric, label in metrics.items():
            _curves(axes, style.select(mine, metric), "num_steps", filled=metric == "output_kl_nats")
            for row in style.select(rows, f"{metric}_exponent", target=name, schedule=words[0]):
                notes.append(f"{label}, {title(words[0])}: $K^{{{row.value:.2f}}}$")
        axes.annotate("\n".join(notes), (0.03, 0.03), xycoords="axes fraction", fontsize=8)
        axes.set_title(text(name), loc="left")
        axes.set_xlabel("number of steps K")
    panels[0].set_ylabel("nats per sequence")
    handles = [
        Line2D([], [], label=f"{title(word)}, {label}", **_paint(word, filled=metric == "output_kl_nats"))
        for word in words
        for metric, label in metrics.items()
    ]
    style.legend_below(figure, handles)
    return figure


def dimension(rows: Sequence[Row]) -> Figure | None:
    """Steps and calls until the total variation on a parity check is small, against its length."""
    metrics = {"steps_until_tv_0.01": "steps", "calls_until_tv_0.01": "expected predictor calls"}
    shown = [row for row in rows if row.metric in metrics and row.target.startswith("parity-") and row.schedule]
    lengths = {row.target: row.value for row in style.select(rows, "length") if row.target.startswith("parity-")}
    lengths = {name: value for name, value in lengths.items() if name not in _SHORT}
    shown = [row for row in shown if row.target in lengths]
    if not shown:
        return None
    heading = "Parity check: K = steps until a total variation of 0.01, and their calls"
    figure = style.new(9.0, 5.2, described(heading, shown, rows))
    panels = figure.subplots(1, 2, sharey=True)
    ordered = sorted(lengths.values())
    for (metric, label), axes in zip(metrics.items(), panels, strict=True):
        _plain(axes)
        for word in _words(shown):
            mine = sorted(style.select(shown, metric, schedule=word), key=lambda row: lengths[row.target])
            axes.plot([lengths[row.target] for row in mine], [row.value for row in mine], **_paint(word))
        axes.plot(ordered, ordered, "*", color=style.NEUTRAL, markersize=8, markerfacecolor="white", zorder=3)
        axes.set_xticks(ordered)
        axes.minorticks_off()
        axes.set_title(f"{label} until output TV ≤ 0.01", loc="left")
        axes.set_xlabel("length L")
    powers = style.select(rows, "steps_until_tv_0.01_exponent_in_length")
    slopes = {r.schedule: r.value for r in powers if r.target.endswith(f"-{ordered[-1]:.0f}")}
    handles = []
    for word in _words(shown):
        power = f", steps ~ $L^{{{slopes[word]:.2f}}}$" if word in slopes else ""
        handles.append(Line2D([], [], label=title(word) + power, **_paint(word)))
    star = {"marker": "*", "markersize": 8, "markerfacecolor": "white", "color": style.NEUTRAL, "linestyle": "none"}
    handles.append(Line2D([], [], label="first hitting: L calls, TV 0", **star))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, handlelength=3.5)
    return figure


def places(rows: Sequence[Row]) -> Figure | None:
    """The same grids on codes of all dimensions: none is good everywhere."""
    shown = [row for row in style.select(rows, "output_tv") if row.target.startswith("mds-")]
    if not shown:
        return None
    figure = style.new(7.5, 4.6, described("Codes of all dimensions: no grid of times is good for all", shown, rows))
    axes = figure.subplots()
    for word in _words(shown):
        mine = style.select(shown, "output_tv", schedule=word)
        axes.plot([row.index or 0 for row in mine], [row.value for row in mine], markevery=7, **_paint(word))
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("dimension k of the code (revealed tokens that fix the rest)")
    axes.set_ylabel("output TV")
    style.legend_below(figure, _handles(_words(shown)))
    return figure


def leftover(rows: Sequence[Row]) -> Figure | None:
    """Masks that are left without a last step that reveals them."""
    shown = [row for row in style.select(rows, "expected_leftover_masks") if row.value > _TINY]
    if not shown:
        return None
    figure = style.new(7.0, 4.4, described("Masks left over where no last step reveals them", shown, rows))
    axes = figure.subplots()
    _plain(axes)
    _curves(axes, shown, "num_steps")
    axes.set_xlabel("number of steps K")
    axes.set_ylabel("expected number of masks left")
    slopes = {row.schedule: row.value for row in style.select(rows, "expected_leftover_masks_exponent")}
    handles = []
    for word in _words(shown):
        power = f", $K^{{{slopes[word]:.2f}}}$" if word in slopes else ""
        handles.append(Line2D([], [], label=title(word.removesuffix("-open")) + power, **_paint(word)))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, handlelength=3.5)
    return figure


_BOUNDS: dict[str, tuple[str, str, Any]] = {
    "output_tv": ("output TV of first hitting", "o", "-"),
    "accumulated_tv": ("accumulated TV of its conditionals", "^", "--"),
    "score_error_bound_tv": ("square root of half the score error", "s", ":"),
}


def wrong(rows: Sequence[Row]) -> Figure | None:
    """First hitting with a wrong predictor against its bounds, and Euler with one of them in more and more steps."""
    bounded = [row for row in rows if row.metric in _BOUNDS and row.schedule == "first_hitting"]
    shown = [row for row in bounded if row.predictor.startswith("perturbed:")]
    beyond = style.select(rows, "output_tv_beyond_first_hitting")
    if not shown:
        return None
    heading = "A predictor that is wrong: first hitting adds nothing, Euler its own error"
    figure = style.new(9.4, 4.6, described(heading, [*shown, *beyond], rows))
    left, right = figure.subplots(1, 2)
    handles = []
    for metric, (label, marker, line) in _BOUNDS.items():
        mine = style.select(shown, metric)
        left.plot([_scale(row) for row in mine], [row.value for row in mine], marker, color=style.NEUTRAL)
        means = [row for row in mine if row.predictor.endswith(":0")]
        left.plot([_scale(row) for row in means], [row.value for row in means], line, color=style.NEUTRAL)
        handles.append(Line2D([], [], marker=marker, linestyle=line, color=style.NEUTRAL, label=label))
    left.set_xscale("log", base=2)
    left.set_yscale("log")
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    left.set_xticks(sorted({_scale(row) for row in shown}))
    left.set_xlabel("scale of the errors of the logits (lines: the first of them)")
    left.set_title("first hitting, exact", loc="left")
    _plain(right)
    _curves(right, beyond, "num_steps")
    right.set_xlabel("number of steps K")
    right.set_title("output TV beyond that of first hitting", loc="left")
    style.legend_below(figure, [*handles, *_handles(_words(beyond))])
    return figure


def _scale(row: Row) -> float:
    return float(row.predictor.split(":")[1])


def sampled(rows: Sequence[Row]) -> Figure | None:
    """Total variations measured on sampled tokens against the exact ones, in standard errors."""
    shown = style.select(rows, "sampled_tv_deviation")
    if not shown:
        return None
    heading = "Total variation on sampled tokens, minus the exact one"
    figure = style.new(8.0, 1.6 + 0.28 * len(shown), described(heading, shown, rows))
    axes = figure.subplots()
    labels = [
        f"{text(row.target)}, {title(row.schedule)}" + ("" if row.predictor == "oracle" else f", {row.predictor}")
        for row in shown
    ]
    places = list(range(len(shown)))
    axes.axvspan(-3.5, 3.5, color=style.FAINT, alpha=0.3, linewidth=0)
    axes.axvline(0.0, color=style.NEUTRAL, linewidth=0.8)
    axes.errorbar([row.value for row in shown], places, xerr=style.errors(shown), fmt="o", color=style.NEUTRAL)
    axes.set_yticks(places, labels)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("standard errors (grey: 3.5)")
    return figure


FIGURES = {
    "tv": tv,
    "kl": kl,
    "dimension": dimension,
    "places": places,
    "leftover": leftover,
    "wrong": wrong,
    "sampled": sampled,
}
