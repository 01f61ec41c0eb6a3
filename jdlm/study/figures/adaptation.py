"""Figures of the study ``adaptation``, and the one of them that every sweep shows first."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from jdlm.study.figures import style
from jdlm.study.figures.look import text
from jdlm.study.figures.strokes import Strokes, described
from jdlm.study.rows import Row

__all__ = ["FIGURES", "adaptation"]

# Shown at one glance where there are more than eight schedules.
_FEW = "uniform cosine best_fixed_both tc_equalizer minimax_dtc minimax_both random_phase_equal".split()
_SHARES = {"code_path_kl_over_tc": "path KL / TC", "code_path_kl_over_dtc": "path KL / DTC"}
_GROUPS = {
    "one list of sizes": ("uniform", "cosine", "best_fixed_both"),
    "random, for TC or for DTC": ("tc_equalizer", "minimax_tc", "minimax_dtc", "random_phase_tc", "random_phase_dtc"),
    "random, for every place": (
        "minimax_both",
        "random_phase_equal",
        "random_cuts",
        "thinning_uniform",
        "thinning_adaptive",
    ),
}
_TOP = 1.15  # of the panels of shares; what is larger is written at the edge


def adaptation(rows: Sequence[Row]) -> Figure | None:
    """What each schedule costs wherever the dependence sits: shares of TC and of DTC, and the KL of the output."""
    found = [row for row in rows if row.metric in _SHARES or row.metric == "code_output_kl_nats"]
    if all(row.value < 1e-9 for row in found):  # none, or every schedule is exact
        return None
    names = sorted({row.schedule for row in found})
    few = [name for name in names if name in _FEW]
    strokes = Strokes(rows, names if len(names) <= 8 else few if len(few) > 2 else names[:8])
    shown = [row for row in found if row.schedule in strokes.names]
    length = 1 + max(map(_at, shown))
    steps, field = max(map(_steps, shown)), style.select(rows, "code_field_size")[0].value
    heading = "Does the schedule adapt to a dependence that it does not know?"
    figure = style.new(9.4, 4.9, f"{heading} ({_facts(length, field, steps)})")
    panels = figure.subplots(1, 3)
    for axes, (metric, label) in zip(panels, _SHARES.items(), strict=False):
        mine = [row for row in shown if row.metric == metric]
        strokes.curves(axes, mine, "index")
        axes.set_ylim(0.0, _TOP)
        axes.axhline(1.0, color=style.FAINT, linewidth=0.8, zorder=0)
        axes.set_title(label, loc="left")
        _flat(axes, mine, strokes)
        _beyond(axes, mine, strokes)
    strokes.curves(panels[2], style.select(shown, "code_output_kl_nats"), "index")
    panels[2].set_ylim(bottom=0.0)
    panels[2].set_title("output KL, nats", loc="left")
    for axes in panels:
        axes.set_xlim(0, length)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("place $m$ of the dependence\n(revealed tokens that fix the rest)")
    worst = {name: [_largest(shown, metric, name) for metric in _SHARES] for name in strokes.names}
    handles = [strokes.handle(name, f": at most {tc:.3g} TC, {dtc:.3g} DTC") for name, (tc, dtc) in worst.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=9, handlelength=4.0)
    return figure


def _at(row: Row) -> int:
    """The index of a row on a curve."""
    assert row.index is not None
    return row.index


def _steps(row: Row) -> int:
    """The number of steps of a row with a schedule."""
    assert row.num_steps is not None
    return row.num_steps


def _facts(length: int, field: float, steps: int) -> str:
    return f"[L, m] codes, L = {length}, V = {field:.0f}, K = {steps}, exact"


def _largest(rows: Sequence[Row], metric: str, name: str) -> float:
    return max(row.value for row in style.select(rows, metric, schedule=name))


def _flat(axes: Axes, rows: Sequence[Row], strokes: Strokes) -> None:
    """Names the random schedules that take the same share at half of the places or more, with that share."""
    for name in filter(strokes.look.is_random, strokes.names):
        mine = style.select(rows, rows[0].metric, schedule=name)
        highest = max(row.value for row in mine)
        level = [_at(row) for row in mine if row.value > 0.999 * highest]
        if 2 * len(level) >= len(mine) and highest < _TOP:
            label = f"{strokes.look.title(name)} {highest:.4f}"
            right = level[0] > 1  # flat at the end
            place = (level[-1] if right else level[0], highest + 0.02)
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
            axes.text(*place, label, ha="right" if right else "left", va="bottom", fontsize=8.5, bbox=box, zorder=5)


def _beyond(axes: Axes, rows: Sequence[Row], strokes: Strokes) -> None:
    """Writes at the upper edge how far the schedules go that leave the panel."""
    notes = []
    for name in strokes.names:
        mine = [row for row in rows if row.schedule == name]
        highest = max(mine, key=lambda row: row.value)
        if highest.value > _TOP:
            notes.append(f"{strokes.look.title(name)} ↑ {highest.value:.3g}")
    if notes:
        axes.annotate("\n".join(notes), (0.97, 0.985), xycoords="axes fraction", ha="right", va="top", fontsize=8)


def _of_codes(rows: Sequence[Row], length: int) -> list[Row]:
    return [row for row in rows if row.target == f"mds-{length}"]


def _against_steps(rows: Sequence[Row], length: int, metrics: dict[str, str], heading: str) -> Figure | None:
    """One line of panels for each metric, a column for each dimension, over the number of steps."""
    mine = _of_codes(rows, length)
    some = style.select(mine, "path_kl_steps_over_tc")
    if not some:
        return None
    dimensions = sorted({_at(row) for row in some})
    shown = [row for row in mine if row.metric in metrics and row.index in dimensions]
    strokes = Strokes(rows, sorted({row.schedule for row in shown}))
    figure = style.new(10.0, 7.4, described(heading, shown, rows))
    panels = figure.subplots(len(metrics), len(dimensions), sharex=True, sharey="row", squeeze=False)
    for (metric, label), line in zip(metrics.items(), panels, strict=True):
        for k, axes in zip(dimensions, line, strict=True):
            strokes.curves(axes, [row for row in shown if row.metric == metric and row.index == k], "num_steps")
            axes.set_xscale("log", base=2)
            style.kl_axis(axes, style.select(shown, metric), [])
            axes.set_xticks(counts := sorted({_steps(row) for row in shown}), map(str, counts))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_title(f"{label}, dimension k = {k}", loc="left")
    for axes in panels[-1]:
        axes.set_xlabel("number of steps K")
    style.legend_below(figure, [strokes.handle(name) for name in strokes.names])
    return figure


def _kl_against_steps(length: int):
    metrics = {"path_kl_nats": "path KL, nats", "output_kl_nats": "output KL, nats"}
    return lambda rows: _against_steps(rows, length, metrics, "Codes: KL against the number of steps")


def _rates(length: int):
    metrics = {"path_kl_steps_over_tc": "path KL K / TC", "path_kl_steps_over_dtc": "path KL K / DTC"}
    return lambda rows: _against_steps(rows, length, metrics, "Codes: flat where the path KL falls like 1 / K")


def _against_dimension(length: int):
    def draw(rows: Sequence[Row]) -> Figure | None:
        mine = [row for row in _of_codes(rows, length) if row.metric in ("path_kl_nats", "output_kl_nats")]
        per_count: dict[int, int] = {}
        for row in mine:
            per_count[_steps(row)] = per_count.get(_steps(row), 0) + 1
        if not per_count:
            return None
        shown = [row for row in mine if row.num_steps == max(per_count, key=lambda count: per_count[count])]
        figure = style.new(10.0, 7.0, described("Codes of all dimensions", shown, rows))
        panels = figure.subplots(2, len(_GROUPS), sharex=True, sharey="row")
        strokes = Strokes(rows, sorted({row.schedule for row in shown}))
        for metric, label, line in zip(
            ("path_kl_nats", "output_kl_nats"), ("path KL, nats", "output KL, nats"), panels, strict=True
        ):
            for (group, names), axes in zip(_GROUPS.items(), line, strict=True):
                strokes.curves(axes, [r for r in shown if r.metric == metric and r.schedule in names], "index")
                style.kl_axis(axes, style.select(shown, metric), [])
                axes.set_title(f"{label}: {group}", loc="left", fontsize=9)
        for axes in panels[-1]:
            axes.set_xlabel("dimension k of the code")
        style.legend_below(figure, [strokes.handle(name) for name in strokes.names])
        return figure

    return draw


def alignment(rows: Sequence[Row]) -> Figure | None:
    """Equal sizes between two multiples of the step, where they have no error at all."""
    names = ("uniform", "random_phase_equal")
    both = [row for row in _of_codes(rows, 64) if row.metric in ("path_kl_nats", "output_kl_nats")]
    shown = [row for row in both if row.schedule in names and row.num_steps == 8 and _at(row) <= 40]
    if not shown:
        return None
    strokes = Strokes(rows, names)
    figure = style.new(7.5, 3.8, described("The trap of aligned dimensions", shown, rows))
    axes = figure.subplots()
    strokes.curves(axes, style.select(shown, "path_kl_nats"), "index")
    paint: dict[str, Any] = strokes.paint("random_phase_equal") | {"linestyle": ":", "marker": ""}
    output = style.select(shown, "output_kl_nats", schedule="random_phase_equal")
    axes.plot([_at(row) for row in output], [row.value for row in output], **paint)
    zeros = [_at(row) for row in style.select(shown, "path_kl_nats", schedule="uniform") if row.value < 1e-9]
    axes.plot(zeros, [0.0] * len(zeros), "o", markersize=9, markerfacecolor="none", color=style.NEUTRAL, clip_on=False)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("dimension k of the code")
    axes.set_ylabel("nats per sequence")
    handles = [strokes.handle(name, ", path KL") for name in strokes.names]
    handles.append(Line2D([], [], linestyle=":", color=paint["color"], label="random phase equal, output KL"))
    ring = {"linestyle": "none", "marker": "o", "markersize": 9, "markerfacecolor": "none", "color": style.NEUTRAL}
    handles.append(Line2D([], [], label="k a multiple of the step: equal sizes are exact", **ring))
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def sampled(rows: Sequence[Row]) -> Figure | None:
    """The share of really sampled tokens inside the code against its closed form, which has no free parameter."""
    estimates = style.select(rows, "inside_code_share", method="monte_carlo")
    exact = {(row.cell, row.index): row.value for row in style.select(rows, "inside_code_share", method="exact")}
    if not estimates:
        return None
    apart = {(row.cell, row.index): row.value for row in style.select(rows, "inside_code_deviation")}
    strokes = Strokes(rows, sorted({row.schedule for row in estimates}))
    figure = style.new(8.4, 4.2, described("Share of samples inside the code", estimates, rows))
    left, right = figure.subplots(1, 2)
    highest = 1.15 * max([*exact.values(), *(row.value for row in estimates)])
    left.plot([0.0, highest], [0.0, highest], color=style.FAINT, linewidth=1.0)
    for name in strokes.names:
        mine = [row for row in estimates if row.schedule == name]
        x = [exact[row.cell, row.index] for row in mine]
        paint = strokes.paint(name) | {"linestyle": "none"}
        left.errorbar(x, [row.value for row in mine], yerr=style.errors(mine), elinewidth=0.8, **paint)
        right.plot(x, [apart[row.cell, row.index] for row in mine], **paint)
    left.set_xlabel("closed form, $E[q^{-R}]$")
    left.set_ylabel("sampled ± standard error")
    right.axhspan(-3.5, 3.5, color=style.FAINT, alpha=0.3, linewidth=0)
    right.axhline(0.0, color=style.NEUTRAL, linewidth=0.8)
    right.set_xlabel("closed form, $E[q^{-R}]$")
    right.set_ylabel("difference, in standard errors")
    style.legend_below(figure, [strokes.handle(name) for name in strokes.names])
    return figure


def smooth(rows: Sequence[Row]) -> Figure | None:
    """Targets whose dependence is spread over all places: path KL hollow, output KL filled."""
    names = [row.target for row in style.select(rows, "total_correlation_nats")]
    shown = [row for row in rows if row.target in names and row.metric in ("path_kl_nats", "output_kl_nats")]
    if not shown:
        return None
    strokes = Strokes(rows, sorted({row.schedule for row in shown}))
    figure = style.new(9.4, 4.6, described("Smooth targets, where randomizing does not pay", shown, rows))
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    order = sorted(strokes.names, key=strokes.look.is_random, reverse=True)
    lists = sum(not strokes.look.is_random(name) for name in order)
    for target, axes in zip(names, panels, strict=True):
        facts = {
            short: style.select(rows, f"{long}_nats", target=target)[0].value
            for short, long in (("TC", "total_correlation"), ("DTC", "dual_total_correlation"))
        }
        for metric, face in (("path_kl_nats", "white"), ("output_kl_nats", style.NEUTRAL)):
            for row in style.select(shown, metric, target=target):
                place = order.index(row.schedule)
                mark = "o" if strokes.look.is_random(row.schedule) else "s"
                axes.plot(row.value, place, mark, color=style.NEUTRAL, markerfacecolor=face, markersize=5.5)
        axes.axhline(len(order) - lists - 0.5, color=style.NEUTRAL, linewidth=0.8)
        axes.set_title(f"{text(target)}\nTC = {facts['TC']:.3g}, DTC = {facts['DTC']:.3g}", loc="left")
        axes.set_xlim(left=0.0)
        axes.set_xlabel("nats per sequence")
        axes.set_yticks(range(len(order)), [strokes.look.title(name) for name in order])
    point = {"linestyle": "none", "color": style.NEUTRAL, "markersize": 5.5}
    handles = [
        Line2D([], [], marker="s", markerfacecolor="white", label="path KL, one list of sizes", **point),
        Line2D([], [], marker="s", label="output KL, one list of sizes", **point),
        Line2D([], [], marker="o", markerfacecolor="white", label="path KL, random sizes", **point),
        Line2D([], [], marker="o", label="output KL, random sizes", **point),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


FIGURES = {
    "adaptation": adaptation,
    "codes_64_steps": _kl_against_steps(64),
    "codes_128_steps": _kl_against_steps(128),
    "codes_64_rates": _rates(64),
    "codes_128_rates": _rates(128),
    "codes_64_dimensions": _against_dimension(64),
    "codes_128_dimensions": _against_dimension(128),
    "alignment": alignment,
    "sampled": sampled,
    "smooth": smooth,
}
