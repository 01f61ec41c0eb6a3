"""Figures of the study ``low-dependence``: what predicts the steps, growth with the length, grids of times."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from jdlm.study.figures import style
from jdlm.study.figures.look import text, title
from jdlm.study.figures.strokes import Strokes, described
from jdlm.study.rows import Row

__all__ = ["FIGURES"]

_CORRELATIONS = {"tc": ("TC", ">"), "dtc": ("DTC", "<"), "d": ("D", "o"), "sum": ("TC + DTC", "s")}
_FAMILIES = {"markov": "o", "mixture": "s", "flip": "*", "strings": "^", "parity": "D"}
_SHOWN = ("uniform", "tc_equalizer", "random_phase_dtc", "minimax_both", "ancestral:exponential")
_STEPS = "steps_until_kl_0.1"
_GRIDS: dict[str, tuple[str, str, Any]] = {
    "constant": ("o", "#000000", "-"),
    "geometric:0.1": ("^", "#0072b2", ":"),
    "geometric:0.01": ("v", "#d55e00", "--"),
    "geometric:0.001": ("s", "#009e73", "-."),
    "ancestral:exponential": ("D", "#666666", "-"),
    "best_fixed_dtc": ("<", "#cc79a7", "--"),
    "best_fixed_both": ("P", "#775577", ":"),
    "uniform": ("X", "#8c8c8c", "-."),
}


def _logarithmic(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def predictors(rows: Sequence[Row]) -> Figure | None:
    """Steps against each correlation of the target, a point for each target; R² is that of the fits."""
    values = {row.target: {} for row in rows if row.metric == "correlation_tc_nats"}
    for row in rows:
        if row.metric.startswith("correlation_"):
            values[row.target][row.metric.removeprefix("correlation_").removesuffix("_nats")] = row.value
    squared = {(row.schedule, row.metric): row.value for row in rows if "_r_squared_in_" in row.metric}
    names = [name for name in _SHOWN if any(schedule == name for schedule, _ in squared)]
    if not names:
        return None
    of_length = {row.target for row in style.select(rows, "length") if row.target in values and "-" not in row.target}
    shown = [r for r in style.select(rows, _STEPS) if r.schedule in names and r.target in of_length]
    heading = "K = steps until a path KL of 0.1 nats, and what predicts them"
    figure = style.new(10.0, 2.1 * len(names) + 1.0, described(heading, shown, rows))
    panels = figure.subplots(len(names), len(_CORRELATIONS), sharex="col", sharey=True, squeeze=False)
    for name, line in zip(names, panels, strict=True):
        for (which, (label, _)), axes in zip(_CORRELATIONS.items(), line, strict=True):
            _logarithmic(axes)
            for row in shown:
                if row.schedule == name and row.value >= 2:
                    mark = _FAMILIES[row.target.split(":")[0]]
                    axes.plot(values[row.target][which], row.value, mark, color=style.NEUTRAL, markerfacecolor="white")
            fit = squared[name, f"{_STEPS}_r_squared_in_{which}"]
            axes.set_title(f"{title(name)}: R² = {fit:.2f}", loc="left", fontsize=9)
            if axes in panels[-1]:
                axes.set_xlabel(f"{label}, nats")
        line[0].set_ylabel("steps K")
    paint: dict[str, Any] = {"linestyle": "none", "color": style.NEUTRAL, "markerfacecolor": "white"}
    style.legend_below(figure, [Line2D([], [], marker=m, label=name, **paint) for name, m in _FAMILIES.items()])
    return figure


def squared(rows: Sequence[Row]) -> Figure | None:
    """How well each correlation predicts the steps of each schedule."""
    found = [row for row in rows if row.metric.startswith(f"{_STEPS}_r_squared_in_")]
    if not found:
        return None
    names = list(dict.fromkeys(row.schedule for row in found))
    some = [row for row in style.select(rows, _STEPS) if row.schedule in names and "-" not in row.target]
    heading = "Which correlation predicts K = steps until a path KL of 0.1 nats"
    figure = style.new(7.5, 1.4 + 0.33 * len(names), described(heading, some, rows))
    axes = figure.subplots()
    for which, (label, mark) in _CORRELATIONS.items():
        mine = [row for row in found if row.metric.endswith(f"_in_{which}")]
        face = style.NEUTRAL if which in ("d", "sum") else "white"
        paint = {"color": style.NEUTRAL, "linestyle": "none", "marker": mark, "markersize": 6, "markerfacecolor": face}
        axes.plot([row.value for row in mine], [names.index(row.schedule) for row in mine], label=label, **paint)
    axes.set_yticks(range(len(names)), [title(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.02)
    axes.set_xlabel("R² of log K against the logarithm of the correlation")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def length(rows: Sequence[Row]) -> Figure | None:
    """Steps and calls until a path KL of 0.1 as the length grows and the dependence hardly does."""
    families = {"flip": "binary chain, flip 2 / L", "strings:80": "80 random strings"}
    lengths = {row.target: row.value for row in style.select(rows, "length")}
    shown = [r for r in style.select(rows, _STEPS) if r.target.rpartition("-")[0] in families and r.target in lengths]
    if not shown:
        return None
    figure = style.new(9.4, 5.0, described("K = steps until a path KL of 0.1 nats", shown, rows))
    panels = figure.subplots(1, 2, sharey=True)
    strokes = Strokes(rows, sorted({row.schedule for row in shown}))
    for (name, label), axes in zip(families.items(), panels, strict=True):
        _logarithmic(axes)
        mine = [row for row in shown if row.target.rpartition("-")[0] == name]
        for word in strokes.names:
            line = sorted((r for r in mine if r.schedule == word), key=lambda row: lengths[row.target])
            paint = strokes.paint(word, len(line))
            axes.plot([lengths[row.target] for row in line], [row.value for row in line], **paint)
        axes.set_xticks(sorted({lengths[row.target] for row in mine}))
        axes.minorticks_off()
        axes.set_title(label, loc="left")
        axes.set_xlabel("length L")
    panels[0].set_ylabel("number of steps K")
    style.legend_below(figure, [strokes.handle(name) for name in strokes.names])
    return figure


def grids(rows: Sequence[Row]) -> Figure | None:
    """Path KL of constant and of geometric grids, and of lists with as many steps."""
    shown = [row for row in style.select(rows, "path_kl_nats") if row.target.startswith("grids:")]
    if not shown:
        return None
    targets = list(dict.fromkeys(row.target for row in shown))
    heading = "Constant against geometric times for exponential masking from 8"
    figure = style.new(9.4, 1.8 + 0.5 * len(targets), described(heading, shown, rows))
    counts = sorted({row.num_steps for row in shown if row.num_steps})
    panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
    for count, axes in zip(counts, panels, strict=True):
        for row in shown:
            if row.num_steps == count:
                mark, color, _ = _GRIDS[row.schedule]
                axes.plot(row.value, targets.index(row.target), mark, color=color, markersize=6, alpha=0.9)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.set_title(f"K = {count}", loc="left")
        axes.set_xlabel("path KL, nats per sequence")
        axes.set_yticks(range(len(targets)), [text(name.removeprefix("grids:")) for name in targets])
        axes.set_ylim(len(targets) - 0.5, -0.5)
    handles = [
        Line2D([], [], linestyle="none", marker=mark, color=color, label=title(name))
        for name, (mark, color, _) in _GRIDS.items()
    ]
    style.legend_below(figure, handles)
    return figure


def why(rows: Sequence[Row]) -> Figure | None:
    """Where the dependence sits, how far two grids overstep each place, and the path KL that adds up there."""
    shown = [row for row in rows if row.metric == "path_kl_up_to_nats"]
    if not shown:
        return None
    targets = list(dict.fromkeys(row.target for row in shown))
    heading = "Why: path KL = sum over places m of the spectrum d[m] times the overshoot o[m]"
    figure = style.new(10.0, 2.4 * len(targets) + 0.9, described(heading, shown, rows))
    panels = figure.subplots(len(targets), 3, sharex=True, squeeze=False)
    for target, line in zip(targets, panels, strict=True):
        share = style.select(rows, "dtc_share_up_to", target=target)
        line[0].plot([row.index or 0 for row in share], [row.value for row in share], color=style.NEUTRAL)
        line[0].set_ylim(0.0, 1.02)
        line[0].set_title(f"{text(target.removeprefix('grids:'))}: share of DTC up to m", loc="left", fontsize=9)
        for axes, metric, label in (
            (line[1], "overshoot_over_place", "overshoot o[m] / m"),
            (line[2], "path_kl_up_to_nats", "path KL up to m, nats"),
        ):
            for name in dict.fromkeys(row.schedule for row in shown):
                mine = style.select(rows, metric, target=target, schedule=name)
                _, color, dash = _GRIDS[name]
                axes.plot([row.index or 0 for row in mine], [row.value for row in mine], color=color, linestyle=dash)
            axes.set_title(label, loc="left", fontsize=9)
            axes.set_ylim(bottom=0.0)
        line[1].set_ylim(0.0, 6.0)
    for axes in panels[-1]:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.set_xlabel("place m (revealed tokens)")
    handles = [
        Line2D([], [], color=_GRIDS[name][1], linestyle=_GRIDS[name][2], label=f"{title(name)} times")
        for name in dict.fromkeys(row.schedule for row in shown)
    ]
    style.legend_below(figure, handles)
    return figure


def sampled(rows: Sequence[Row]) -> Figure | None:
    """Path KL of forced tokens of the target against the identity, in standard errors."""
    shown = style.select(rows, "path_kl_deviation")
    if not shown:
        return None
    figure = style.new(8.0, 3.2, described("Path KL on tokens, minus that of the identity", shown, rows))
    axes = figure.subplots()
    places = list(range(len(shown)))
    axes.axvspan(-3.5, 3.5, color=style.FAINT, alpha=0.3, linewidth=0)
    axes.axvline(0.0, color=style.NEUTRAL, linewidth=0.8)
    axes.errorbar([row.value for row in shown], places, xerr=style.errors(shown), fmt="o", color=style.NEUTRAL)
    axes.set_yticks(places, [f"{text(row.target)}, {title(row.schedule)}" for row in shown])
    axes.set_xlabel("standard errors (grey: 3.5)")
    return figure


FIGURES = {
    "grids": grids,
    "why": why,
    "length": length,
    "predictors": predictors,
    "r_squared": squared,
    "sampled": sampled,
}
