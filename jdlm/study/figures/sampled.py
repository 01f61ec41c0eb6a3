"""Figure of the statistics of sampled tokens."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jdlm.study.figures import style
from jdlm.study.figures.kl import line, scatter
from jdlm.study.figures.look import Look, text, who
from jdlm.study.rows import Row, calls_of

_METRICS = {
    "reverse_path_kl_nats": ("KL(sampler || target) along the path", "reverse path KL, nats per sequence"),
    "outside_support_share": ("Sequences outside the target's support", "share"),
    "single_marginal_tv": ("Law of one token", "total variation"),
    "pair_marginal_tv": ("Law of a pair of tokens", "total variation"),
}


def sampled(rows: list[Row]) -> Figure | None:
    """What really sampled tokens show: reverse KL along the path and marginal errors beside their noise floor."""
    look = Look(rows)
    rows = style.of_one_planner(rows)
    shown = look.shown(row for row in rows if row.metric in _METRICS and row.schedule)
    mine = [row for row in rows if row.predictor in shown and row.schedule]
    reverse = style.select(mine, "reverse_path_kl_nats")
    finite = bool(reverse) and all(math.isfinite(row.value) for row in reverse)
    left_out = "outside_support_share" if finite else "reverse_path_kl_nats"
    metrics = [m for m in _METRICS if m != left_out and style.finite(style.select(mine, m))]
    if not metrics:
        return None
    of = f" of the {who(shown[0])}" if len(shown) == 1 else ""
    heading = f"From sampled tokens{of} on {text(mine[0].target)}{style.planner_note(mine)}"
    figure = style.new(max(3.7 * len(metrics), 5.0), 4.2 * len(shown), heading)
    panels = figure.subplots(len(shown), len(metrics), squeeze=False)
    for predictor, lane in zip(shown, panels, strict=True):
        for metric, axes in zip(metrics, lane, strict=True):
            points = style.select(mine, metric, predictor=predictor)
            _panel(axes, metric, points, style.select(rows, f"{metric}_floor"), look)
            if len(shown) > 1:
                axes.set_title(f"{who(predictor)}: {_METRICS[metric][0]}", loc="left")
    handles = [look.handle(name, hollow=shown[0] in look.exact) for name in look.present(mine)]
    if any(style.finite(style.select(rows, f"{metric}_floor")) for metric in metrics):
        handles.append(Line2D([], [], color=style.NEUTRAL, linestyle=(0, (4, 3)), label="as many true samples"))
    style.legend_below(figure, handles)
    return figure


def _panel(axes: Axes, metric: str, points: list[Row], floors: list[Row], look: Look) -> None:
    """One metric of one predictor, with the floor where there is one."""
    for name in look.present(points):
        mine = [row for row in points if row.schedule == name]
        line(axes, mine, color=look.color(name), linewidth=0.8)
        scatter(axes, mine, look)
    floors = style.finite(floors)
    for floor in floors:
        axes.axhline(floor.value, color=style.NEUTRAL, linestyle=(0, (4, 3)), linewidth=1.0)
        band = (floor.value - style.error(floor), floor.value + style.error(floor))
        axes.axhspan(*band, color=style.FAINT, alpha=0.5, linewidth=0, zorder=0)
    style.steps_axis(axes, [calls_of(row) for row in points])
    if metric == "reverse_path_kl_nats":
        style.kl_axis(axes, [], points)
    elif metric == "outside_support_share":
        axes.set_ylim(-0.03, 1.03)
    else:
        highest = max([row.value + style.error(row) for row in style.finite(points) + floors], default=0.0)
        axes.set_ylim(0.0, 1.1 * highest or 1.0)
    title, unit = _METRICS[metric]
    axes.set_title(title, loc="left")
    axes.set_ylabel(unit)
