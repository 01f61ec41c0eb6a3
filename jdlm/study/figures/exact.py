"""Figure of exact output laws: what each planner and schedule really samples from, with no Monte Carlo error."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jdlm.study.figures import style
from jdlm.study.rows import Row

_METRICS = {"output_kl_nats": "nats per sequence", "output_tv": "total variation"}


def exact_laws(rows: list[Row]) -> Figure | None:
    """KL and total variation of the exact output law against the number of predictor calls, one column a planner.

    The KL along the path, which is an upper bound, is dotted. Planners with step sizes of their own share a column.
    """
    shown = "network" if style.select(rows, "output_kl_nats", predictor="network") else "oracle"
    laws = [row for row in rows if row.metric in _METRICS and row.predictor == shown and row.planner]
    if not laws:
        return None
    paths = style.select(rows, "path_kl_nats", predictor=shown, method="exact")
    planned = sorted({row.planner for row in laws if row.schedule}, key=lambda name: (name != "random", name))
    free = sorted({row.planner for row in laws if not row.schedule})
    columns = [*planned, *(["sizes of their own"] if free else [])]
    who = "trained network" if shown == "network" else "oracle"
    heading = f"Exact output law of the {who} on {laws[0].target}: KL(target || output law) and total variation"
    figure = style.new(max(2.7 * len(columns) + 0.6, 8.0), 5.6, heading)
    panels = figure.subplots(2, len(columns), sharey="row", squeeze=False)
    for (metric, unit), line in zip(_METRICS.items(), panels, strict=True):
        values = [row for row in laws if row.metric == metric]
        for name, axes in zip(columns, line, strict=True):
            here = [row for row in values if (row.planner == name if name in planned else not row.schedule)]
            for schedule in style.schedules(here):
                _curve(axes, [row for row in here if row.schedule == schedule], schedule, "-", style.marker(schedule))
                if metric == "output_kl_nats":
                    dots = [row for row in paths if row.planner == name and row.schedule == schedule]
                    _curve(axes, dots, schedule, ":", "")
            for number, row in enumerate(row for row in here if not row.schedule):
                marker = "oX^vDs"[number % 6]
                axes.plot(row.nfe, row.value, marker, color=style.NEUTRAL, label=row.planner)
            if name not in planned:
                axes.legend(loc="best", fontsize=7)
            style.steps_axis(axes, [row.nfe for row in values])
            axes.set_xlabel("expected NFE")
            axes.set_title(style.title(name) if metric == "output_kl_nats" else "", loc="left")
        if metric == "output_kl_nats":
            style.kl_axis(line[0], values + paths, [])
        else:
            line[0].set_ylim(0.0, 1.1 * max(row.value for row in values))
        line[0].set_ylabel(unit)
    handles = [style.handle(name) for name in style.schedules(laws)]
    handles.append(Line2D([], [], color=style.NEUTRAL, linestyle=":", label="KL along the path"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _curve(axes, rows: list[Row], schedule: str, linestyle: str, marker: str) -> None:
    ordered = sorted(rows, key=lambda row: row.nfe)
    size = style.marker_size(schedule)
    where = [row.nfe for row in ordered], [row.value for row in ordered]
    axes.plot(*where, linestyle=linestyle, marker=marker, markersize=size, linewidth=1.0, color=style.color(schedule))
