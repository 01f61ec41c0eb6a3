"""Figure of the exact output distribution of each planner and schedule, without Monte Carlo error."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jdlm.study.figures import style
from jdlm.study.figures.look import Look, text, title, who
from jdlm.study.rows import Row, calls_of

_METRICS = {"output_kl_nats": "output KL, nats per sequence", "output_tv": "output TV"}
_FREE = "sizes of their own"


def exact_laws(rows: list[Row]) -> Figure | None:
    """KL and total variation of the exact output law against the number of predictor calls, one column per planner.

    The KL along the path, which is an upper bound, is dotted. Planners with step sizes of their own share a column.
    """
    look = Look(rows)
    laws = [row for row in rows if row.metric in _METRICS and row.planner]
    shown = look.shown(laws)
    laws = [row for row in laws if row.predictor in shown]
    if not laws:
        return None
    paths = style.select(rows, "path_kl_nats", method="exact")
    planned = sorted({row.planner for row in laws if row.schedule}, key=lambda name: (name != "random", name))
    columns = [*planned, *([_FREE] if any(not row.schedule for row in laws) else [])]
    target = text(laws[0].target)
    of = f" of the {who(shown[0])}" if len(shown) == 1 else ""
    of += " ± standard error" if any(style.errors(laws)) else ""  # over the seeds of a training
    heading = f"Exact output law{of} on {target}: KL(target || output law) and TV"
    figure = style.new(max(2.7 * len(columns) + 0.6, 8.0), 5.6 * len(shown), heading)
    panels = figure.subplots(2 * len(shown), len(columns), sharey="row", squeeze=False)
    for place, (metric, unit) in enumerate(list(_METRICS.items()) * len(shown)):
        predictor, line = shown[place // 2], panels[place]
        values = [row for row in laws if row.metric == metric and row.predictor == predictor]
        dots = [row for row in paths if row.predictor == predictor] if metric == "output_kl_nats" else []
        for name, axes in zip(columns, line, strict=True):
            own = name not in planned
            here = [row for row in values if (not row.schedule if own else row.schedule and row.planner == name)]
            if own:
                _free(axes, here, dots)
            else:
                _planned(axes, here, [row for row in dots if row.planner == name], look)
            style.steps_axis(axes, [calls_of(row) for row in values])
            axes.set_xlabel("expected predictor calls (NFE)")
            if metric == "output_kl_nats":
                axes.set_title(name if own else title(name), loc="left")
        if metric == "output_kl_nats":
            style.kl_axis(line[0], values + dots, [])
        else:
            line[0].set_ylim(0.0, 1.1 * max([row.value for row in style.finite(values)], default=0.0) or 1.0)
        line[0].set_ylabel(unit if len(shown) == 1 else f"{who(predictor)}\n{unit}")
    handles = [look.handle(name) for name in look.present(laws)]
    handles.append(Line2D([], [], color=style.NEUTRAL, linestyle=":", label="path KL"))
    style.legend_below(figure, handles)
    return figure


def _planned(axes: Axes, laws: list[Row], paths: list[Row], look: Look) -> None:
    """One planner: a line for each schedule, dotted for the path."""
    for schedule in look.present(laws):
        paint: dict[str, Any] = {"linewidth": 1.0, "color": look.color(schedule)}
        marks: dict[str, Any] = {"marker": look.marker(schedule), "markersize": look.marker_size(schedule)}
        dots: dict[str, Any] = {"linestyle": ":"}
        for rows, more in ((paths, dots), (laws, marks)):
            ordered = sorted((row for row in rows if row.schedule == schedule), key=calls_of)
            shown = style.finite(ordered)
            where = [calls_of(row) for row in shown], [row.value for row in shown]
            axes.plot(*where, **paint, **more)
            if any(style.errors(shown)):  # over the seeds of a training
                axes.errorbar(*where, yerr=style.errors(shown), fmt="none", ecolor=paint["color"], elinewidth=0.8)
            style.infinite(axes, [calls_of(row) for row in ordered if row not in shown], paint["color"])


def _free(axes: Axes, laws: list[Row], paths: list[Row]) -> None:
    """Planners with step sizes of their own: a point each, and a dotted line up to the KL along the path."""
    for number, row in enumerate(laws):
        marker = "oX^vDs"[number % 6]
        axes.plot(calls_of(row), row.value, marker, color=style.NEUTRAL, label=title(row.planner))
        if style.error(row):
            axes.errorbar(calls_of(row), row.value, yerr=style.error(row), fmt="none", ecolor=style.NEUTRAL)
        for path in paths:
            if path.planner == row.planner and not path.schedule:
                axes.plot([calls_of(row)] * 2, [row.value, path.value], ":", color=style.NEUTRAL, linewidth=1.0)
    if laws:
        axes.legend(loc="best", fontsize=7)
