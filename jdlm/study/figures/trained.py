"""Figures of the study ``trained``."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jdlm.study.figures import style
from jdlm.study.figures.look import Look, text
from jdlm.study.figures.strokes import described
from jdlm.study.rows import Row

__all__ = ["FIGURES", "split"]

_PARTS = {
    "factorization_kl_nats": ("schedule (factorization)", "#d0d0d0", ""),
    "learning_kl_nats": ("learning", "white", "////"),
}


def split(rows: Sequence[Row]) -> Figure | None:
    """Path KL of trained networks, split into schedule and learning, with the KL of the output; a row for each K."""
    shown = [row for row in rows if row.metric in (*_PARTS, "output_kl_nats") and row.predictor == "network"]
    if not shown:
        return None
    steps = sorted({row.num_steps for row in shown if row.num_steps is not None})
    names = list(dict.fromkeys(row.target for row in shown))
    heading = "What trained networks cost: bars are the path KL, points the output KL, means of n trainings"
    figure = style.new(max(2.5 * len(names), 6.0), 3.2 * len(steps) + 0.8, described(heading, shown, rows))
    panels = figure.subplots(len(steps), len(names), sharex=True, squeeze=False)
    look = Look(rows)
    for line, num_steps in zip(panels, steps, strict=True):
        for axes, name in zip(line, names, strict=True):
            _bars(axes, [row for row in rows if (row.target, row.num_steps) == (name, num_steps)], look)
            axes.set_title(f"{text(name)}, K = {num_steps}", loc="left")
        line[0].set_ylabel("nats per sequence")
    handles = [
        Patch(facecolor=color, edgecolor="black", hatch=hatch, label=label) for label, color, hatch in _PARTS.values()
    ]
    handles += [
        Line2D([], [], color="black", marker="o", linestyle="", label="output KL, network (error over the trainings)"),
        Line2D([], [], color="black", marker="_", markersize=11, linestyle="", label="output KL, oracle"),
    ]
    style.legend_below(figure, handles)
    return figure


def _bars(axes: Axes, rows: Sequence[Row], look: Look) -> None:
    names = [name for name in look.schedules if any(row.schedule == name for row in rows)]
    bottom = np.zeros(len(names))
    places = np.arange(len(names))
    for metric, (_, color, hatch) in _PARTS.items():
        heights = [style.select(rows, metric, schedule=name)[0].value for name in names]
        axes.bar(places, heights, 0.7, bottom=bottom, facecolor=color, edgecolor="black", linewidth=0.7, hatch=hatch)
        bottom += heights
    of_network = [style.select(rows, "output_kl_nats", schedule=name, predictor="network")[0] for name in names]
    of_oracle = [style.select(rows, "output_kl_nats", schedule=name, predictor="oracle")[0] for name in names]
    axes.errorbar(
        places, [row.value for row in of_network], style.errors(of_network), color="black", marker="o", linestyle=""
    )
    axes.plot(places, [row.value for row in of_oracle], color="black", marker="_", markersize=11, linestyle="")
    axes.set_xticks(places, [look.title(name) for name in names], rotation=60, ha="right", fontsize=8)
    axes.set_ylim(bottom=0.0)


FIGURES = {"trained": split}
