"""Figures of the KL along the path and of the NELBO."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jdlm.study.figures import style
from jdlm.study.figures.look import Look, text, who
from jdlm.study.rows import Row, calls_of, steps_of

_DASHED = (0, (4, 3))


def path_kl(rows: list[Row]) -> Figure | None:
    """KL along the path against the number of predictor calls, for every schedule.

    Lines are the identity of an exact predictor, dashes the guarantee of a minimax schedule (with an exact predictor
    and random positions), points Monte Carlo estimates: one panel for each predictor with errors of its own, or for the
    exact ones where there is no other.
    """
    look = Look(rows)
    rows = style.of_one_planner(rows)
    identity = [row for row in style.select(rows, "path_kl_nats", method="identity") if row.predictor in look.exact]
    lines = [row for row in identity if row.predictor == identity[0].predictor]
    estimates = style.select(rows, "path_kl_nats", method="monte_carlo")
    if not lines and not estimates:
        return None
    shown = look.shown(estimates) or [lines[0].predictor]
    points = [row for row in estimates if row.predictor in shown]
    note = style.planner_note(points)
    guarantees = [] if note else style.select(rows, "guarantee_nats")
    target = text((lines or points)[0].target)
    heading = f"KL along the path, KL(target || sampler), on {target}{note}"
    figure = style.new(8.0 + 4.5 * (len(shown) - 1), 4.8, heading)
    panels = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for predictor, axes in zip(shown, panels, strict=True):
        mine = [row for row in points if row.predictor == predictor]
        for name in look.present(lines + mine):
            paint = {"color": look.color(name)}
            line(axes, [row for row in lines if row.schedule == name], dash=True, **paint)
            bound = [row for row in guarantees if row.schedule == name]
            line(axes, bound, dash=True, linestyle=_DASHED, linewidth=1.0, **paint)
            scatter(axes, [row for row in mine if row.schedule == name], look)
        if len(shown) > 1:
            axes.set_title(who(predictor), loc="left")
        style.steps_axis(axes, [calls_of(row) for row in lines + points])
    # The estimates of an exact predictor lie along its line, and do not stretch the axis.
    free = points if not lines else [row for row in points if row.predictor not in look.exact]
    for axes in panels:
        style.kl_axis(axes, lines + guarantees, points, free)
    panels[0].set_ylabel("path KL, nats per sequence")
    handles = [look.handle(name, hollow=shown[0] in look.exact) for name in look.present(lines + points)]
    handles.append(Line2D([], [], linestyle="none", label=" "))
    if lines:
        handles.append(Line2D([], [], color=style.NEUTRAL, label=f"{who(lines[0].predictor)}, exact identity"))
    if guarantees:
        handles.append(
            Line2D([], [], color=style.NEUTRAL, linestyle=_DASHED, label="minimax guarantee\n(exact predictor)")
        )
    if points:
        face = "white" if shown[0] in look.exact else style.NEUTRAL
        label = (f"{who(shown[0])}, " if len(shown) == 1 else "") + "Monte Carlo\n± standard error"
        paint: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": style.NEUTRAL, "markerfacecolor": face}
        handles.append(Line2D([], [], label=label, **paint))
    figure.legend(handles=handles, loc="outside right upper")
    return figure


def nelbo(rows: list[Row]) -> Figure | None:
    """NELBO against the number of predictor calls, for targets whose own entropy is not known."""
    look = Look(rows)
    rows = style.of_one_planner(rows)
    points = style.select(rows, "nelbo_nats")
    if style.select(rows, "path_kl_nats") or not points:
        return None
    shown = look.shown(points)
    points = [row for row in points if row.predictor in shown]
    of = f" of the {who(shown[0])}" if len(shown) == 1 else ""
    heading = f"Negative evidence lower bound{of} on {text(points[0].target)}"
    figure = style.new(8.0 + 4.5 * (len(shown) - 1), 4.8, heading)
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for predictor, axes in zip(shown, panels, strict=True):
        for name in look.present(points):
            mine = [row for row in points if row.schedule == name and row.predictor == predictor]
            line(axes, mine, color=look.color(name))
            scatter(axes, mine, look)
        if len(shown) > 1:
            axes.set_title(who(predictor), loc="left")
        style.steps_axis(axes, [calls_of(row) for row in points])
    panels[0].set_ylabel("NELBO, nats per sequence ± standard error")
    figure.legend(handles=[look.handle(name) for name in look.present(points)], loc="outside right upper")
    return figure


def kl_split(rows: list[Row]) -> Figure | None:
    """The KL along the path as factorization error plus learning error: one panel per number of steps."""
    look = Look(rows)
    factorization = style.finite(style.select(rows, "factorization_kl_nats"))
    shown = look.shown(factorization)
    if not shown:
        return None
    factorization = [row for row in factorization if row.predictor in shown]
    learning = [row for row in style.select(rows, "learning_kl_nats") if row.predictor in shown]
    of = f" of the {who(shown[0])}" if len(shown) == 1 else ""
    counts = sorted({steps_of(row) for row in factorization})
    bars = {count: look.present(r for r in factorization if r.num_steps == count) for count in counts}
    widths = [max(len(bars[count]), 2.5) for count in counts]
    longest = max(len(look.title(name)) for count in counts for name in bars[count])
    heading = f"KL along the path{of} on {text(factorization[0].target)}: where it comes from"
    figure = style.new(max(10.0, 0.28 * sum(widths)), 2.4 + (0.7 + 0.075 * longest) * len(shown), heading)
    panels = figure.subplots(len(shown), len(counts), width_ratios=widths, squeeze=False)
    for predictor, lane in zip(shown, panels, strict=True):
        for count, axes in zip(counts, lane, strict=True):
            here = {"num_steps": count, "predictor": predictor}
            for place, name in enumerate(bars[count]):
                below = style.select(factorization, "factorization_kl_nats", schedule=name, **here)
                above = style.select(learning, "learning_kl_nats", schedule=name, **here)
                _bar(axes, place, below, above, look.color(name))
            axes.set_title(f"K = {count}", loc="left")
            axes.set_xlim(-0.6, len(bars[count]) - 0.4)
            axes.set_xticks(range(len(bars[count])), [look.title(name) for name in bars[count]], rotation=90)
            axes.grid(axis="x", visible=False)
            axes.set_ylim(bottom=0.0)
            if all(row.value < 1e-9 for row in factorization + learning if row.num_steps == count):
                axes.set_yticks([0.0])
        lane[0].set_ylabel("path KL, nats per sequence" if len(shown) == 1 else f"{who(predictor)}\npath KL, nats")
    handles = [Patch(facecolor=style.NEUTRAL, label="factorization error")]
    if any(row.predictor not in look.exact for row in learning):
        label = "learning error ± standard error"
        handles.append(Patch(facecolor="white", edgecolor=style.NEUTRAL, hatch="/////", label=label))
    figure.legend(handles=handles, loc="outside lower right", ncols=2)
    return figure


def _bar(axes: Axes, place: int, factorization: list[Row], learning: list[Row], color: str) -> None:
    """Factorization error, and the learning error on top of it, which is hatched."""
    for row in factorization:
        bottom = max(row.value, 0.0)
        if bottom + sum(other.value for other in learning) < 1e-9:
            axes.annotate("0", (place, 0.0), xytext=(0, 3), textcoords="offset points", ha="center")
        axes.bar(place, bottom, color=color, width=0.75)
        shown = style.finite(learning)
        style.infinite(axes, [place for other in learning if other not in shown], color)
        for other in shown:
            if other.standard_error is not None:
                paint = {"color": "white", "edgecolor": color, "hatch": "/////", "width": 0.75, "linewidth": 0.8}
                bars = {"ecolor": style.NEUTRAL, "error_kw": {"elinewidth": 0.8, "capsize": 0}}
                axes.bar(place, other.value, bottom=bottom, yerr=style.error(other), **paint, **bars)


def line(axes: Axes, rows: list[Row], dash: bool = False, **paint) -> None:
    """The values of one schedule against the number of predictor calls.

    A value that is alone is a short ``dash``, if it has no marker that shows it.
    """
    ordered = sorted(style.finite(rows), key=calls_of)
    if len(ordered) > 1:
        axes.plot([calls_of(row) for row in ordered], [row.value for row in ordered], **paint)
    elif dash:
        for row in ordered:
            axes.plot([calls_of(row) / 1.08, calls_of(row) * 1.08], [row.value] * 2, **paint)


def scatter(axes: Axes, rows: list[Row], look: Look) -> None:
    """The estimates of one schedule with their standard errors, hollow where the predictor is exact."""
    shown = style.finite(rows)
    for row in shown[:1]:
        name, color = row.schedule, look.color(row.schedule)
        axes.errorbar(
            [calls_of(row) for row in shown],
            [row.value for row in shown],
            yerr=style.errors(shown),
            fmt=look.marker(name),
            markersize=look.marker_size(name),
            color=color,
            markerfacecolor="white" if row.predictor in look.exact else color,
            elinewidth=0.8,
        )
    for row in rows:
        if row not in shown:
            style.infinite(axes, [calls_of(row)], look.color(row.schedule))
