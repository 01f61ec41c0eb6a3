"""Figures of the target's curve, of what the schedules reveal when, and of the training."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from jdlm.study.figures import style
from jdlm.study.figures.look import Look, text, who
from jdlm.study.rows import Row, index_of, steps_of

_TC, _DTC = "#cfe3f1", "#f6dbc8"


def entropy_curve(rows: list[Row]) -> Figure | None:
    """Entropy of a masked token against the number of revealed ones: true, as learned, and how much more that is.

    The areas between the true curve and its ends are the total correlation and the dual total correlation.
    """
    look = Look(rows)
    true = style.select(rows, "entropy_curve_nats")
    learned = style.select(rows, "cross_entropy_curve_nats")
    if not true and not learned:
        return None
    names = look.shown(learned)
    excess = [row for row in style.select(rows, "learning_error_curve_nats") if row.predictor not in look.exact]
    heading = f"Entropy curve of {text((true or learned)[0].target)}"
    figure = style.new(6.5, 5.2 if excess else 3.8, heading)
    panels = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2]) if excess else [figure.subplots()]
    if true:
        _areas(panels[0], rows, true)
        points = {"marker": ".", "markersize": 4, "color": style.NEUTRAL, "linewidth": 1.0}
        panels[0].plot([index_of(row) for row in true], [row.value for row in true], label="true, $h[j]$", **points)
    for name in names:
        _learned(panels[0], learned, name, look, f"{who(name)}, $c[j]$ ± standard error")
    panels[0].set_ylabel("nats per token")
    panels[0].legend(loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=2)
    if excess:
        panels[1].axhline(0.0, color=style.NEUTRAL, linewidth=0.8)
        notes = []
        for name in look.shown(excess):
            _learned(panels[1], excess, name, look)
            for row in style.select(rows, "learning_error_nats", predictor=name, index=None):
                note = f"sum {row.value:.3g} ± {style.error(row):.1g} nats per sequence"
                notes.append(note if len(names) == 1 else f"{who(name)}: {note}")
        panels[1].set_ylim(bottom=0.0)
        panels[1].set_ylabel("nats per token")
        separator = ", " if len(names) == 1 else "\n"
        panels[1].set_title(separator.join(["Learning error $c[j] - h[j]$", *notes]), loc="left")
    panels[-1].set_xlabel("revealed tokens $j$")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _areas(axes: Axes, rows: list[Row], true: list[Row]) -> None:
    """Shades TC above and DTC below the curve, each token a bar of width 1, so that the areas are the numbers."""
    values = [row.value for row in true]
    edges = [index_of(true[0]) - 0.5, *(index_of(row) + 0.5 for row in true)]
    axes.use_sticky_edges = False  # else the ends of the curve lie on the edge of the axes
    areas = (
        ("total_correlation_nats", "TC", values[0], _TC),
        ("dual_total_correlation_nats", "DTC", values[-1], _DTC),
    )
    for metric, name, baseline, color in areas:
        for row in style.select(rows, metric)[:1]:
            label = f"{name} = {row.value:.3g} nats"
            axes.stairs(values, edges, baseline=baseline, fill=True, color=color, linewidth=0, label=label, zorder=0.5)


def _learned(axes: Axes, rows: list[Row], name: str, look: Look, label: str | None = None) -> None:
    """A measured curve of one predictor, with its standard errors."""
    mine = [row for row in rows if row.predictor == name]
    shown, color = style.finite(mine), look.learned_color(name)
    where = [index_of(row) for row in shown], [row.value for row in shown]
    paint = {"fmt": "o", "markersize": 3.5, "color": color, "elinewidth": 0.8, "label": label}
    axes.errorbar(*where, yerr=style.errors(shown), **paint)
    style.infinite(axes, [index_of(row) for row in mine if row not in shown], color)


def sizes(rows: list[Row]) -> Figure | None:
    """What each schedule reveals when, at one number of steps: expected count, exposure, and lists as drawn."""
    look = Look(rows)
    counts = sorted({steps_of(row) for row in style.select(rows, "expected_revealed")})
    if not counts:
        return None
    per_count = {count: len(look.present(r for r in rows if r.num_steps == count)) for count in counts}
    # The number of steps nearest to 8 among those at which most schedules were built.
    shown = min((count for count in counts if per_count[count] == max(per_count.values())), key=lambda k: abs(k - 8))
    at = [row for row in rows if row.num_steps == shown]
    names = look.present(style.select(at, "expected_revealed"))
    heading = f"What each schedule reveals when, at K = {shown} step{'s' * (shown > 1)}"
    drawn = {name: style.select(at, "drawn_size", schedule=name) for name in names}
    drawn = {name: table for name, table in drawn.items() if table}
    figure = style.new(9.0 + 3.5 * bool(drawn), max(4.2, 0.6 + 0.5 * len(names)), heading)
    ratios = [1.0, 1.15, 0.9] if drawn else [1.0, 1.15]
    left, right, *rest = figure.subfigures(1, len(ratios), squeeze=False, width_ratios=ratios)[0]
    axes = left.subplots()
    for name in names:
        revealed = style.select(at, "expected_revealed", schedule=name)
        paint = {"color": look.color(name), "marker": look.marker(name), "label": look.title(name)}
        axes.plot([index_of(row) for row in revealed], [row.value for row in revealed], **paint)
    axes.set_xlabel("step")
    axes.set_ylabel("expected number of revealed tokens")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("Revealed after each step", loc="left")
    strips = right.subplots(len(names), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    highest = max(row.value for row in style.select(at, "exposure"))
    for name, strip in zip(names, strips, strict=True):
        exposure, color = style.select(at, "exposure", schedule=name), look.color(name)
        strip.bar([index_of(row) for row in exposure], [row.value for row in exposure], width=0.8, color=color)
        strip.set_ylim(0.0, highest * 1.05)
        strip.grid(axis="x", visible=False)
        strip.xaxis.set_major_locator(MaxNLocator(integer=True))
        label = look.title(name) + ("\n(random sizes)" if look.is_random(name) else "")
        strip.set_ylabel(label, rotation=0, ha="right", va="center", color=color, weight="bold")
    strips[0].set_title("Exposure $x[j]$: expected size of the step", loc="left")
    strips[-1].set_xlabel("revealed tokens $j$")
    for part in rest:
        _lists(part, drawn, shown, look)
    return figure


def _lists(figure: SubFigure, drawn: dict[str, list[Row]], steps: int, look: Look) -> None:
    """Lists of sizes as they are drawn, a bar each; the parts of a bar are the steps, from dark (first) to light."""
    shades = colormaps["cividis"]
    panels = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for (name, table), axes in zip(drawn.items(), panels, strict=True):
        sizes = np.array([row.value for row in sorted(table, key=index_of)]).reshape(-1, steps)
        starts = np.cumsum(sizes, axis=1) - sizes
        for step in range(steps):
            color = shades(step / max(steps - 1, 1))
            axes.barh(range(len(sizes)), sizes[:, step], left=starts[:, step], color=color, edgecolor="white", lw=0.4)
        axes.set_yticks([])
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.set_title(look.title(name), loc="left", color=look.color(name), fontsize="small")
    figure.suptitle("Ten drawn lists of sizes (colors: steps)", x=0.02, ha="left", fontsize="medium")
    panels[-1].set_xlabel("revealed tokens")


def training(rows: list[Row]) -> Figure | None:
    """Learning error (the loss where there is none) against the training step."""
    measured = style.select(rows, "learning_error_nats", schedule="")
    metric = [row for row in measured if row.index is not None] or style.select(rows, "loss_nats")
    metric = style.finite(metric)
    if not metric:
        return None
    name = metric[0].predictor
    of = "" if name == "network" else f" of the {who(name)}"
    figure = style.new(6.5, 3.6, f"Training{of} on {text(metric[0].target)}")
    axes = figure.subplots()
    steps, values = [index_of(row) for row in metric], [row.value for row in metric]
    axes.errorbar(steps, values, yerr=style.errors(metric), fmt="o-", color="#d55e00", markersize=3.5, elinewidth=0.8)
    if min(values) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    exact = metric[0].metric == "learning_error_nats"
    axes.set_title(
        "Learning error $\\Sigma_j\\,(c-h)[j]$ of the averaged parameters ± standard error"
        if exact
        else "Loss (NELBO)",
        loc="left",
    )
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("nats per sequence")
    return figure
