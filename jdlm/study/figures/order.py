"""Figures of the study ``order``: a panel for each target, over the number of predictor calls."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jdlm.study.figures import style
from jdlm.study.figures.look import text, title
from jdlm.study.rows import Row

__all__ = ["FIGURES"]

# Colour, marker, line and size of the marker; large hollow ones first, so that those that coincide are all seen.
_SIZED = {
    "random": ("#000000", "o", "-", 9.0),
    "left_to_right": ("#e69f00", "<", (0, (1.5, 1.5)), 7.5),
    "bisection": ("#d55e00", "D", (0, (5, 2)), 6.5),
    "confidence": ("#0072b2", "s", (0, (6, 2, 1.5, 2)), 6.0),
    "margin": ("#cc79a7", "x", (0, (3, 1.5, 1, 1.5, 1, 1.5)), 5.0),
    "entropy": ("#009e73", ".", (0, (2, 3)), 4.0),
}
_BEST = "random, best sizes"  # the list of sizes that suits the target's entropy curve
_COUNTING = {
    "threshold": ("#0072b2", "v", (0, (6, 2, 1.5, 2)), 5.0),
    "entropy_bounded": ("#009e73", "^", (0, (2, 3)), 5.0),
    "entropy_sum": ("#000000", "*", "-", 6.5),
    _BEST: ("#8c8c8c", "P", (0, (1, 1)), 5.5),
}
_COLUMNS = 4
_SHAPE = {"L": "length", "V": "vocab_size"}


def _family(row: Row) -> str:
    return _BEST if row.schedule.startswith("optimal") else row.planner.split("(")[0]


def _calls(row: Row) -> float:
    assert row.nfe is not None  # every sampler of the study makes some
    return row.nfe


def _paint(name: str) -> dict:
    color, marker, line, size = (_SIZED | _COUNTING)[name]
    face = color if name in _COUNTING or marker in "x." else "none"
    return {
        "color": color,
        "marker": marker,
        "linestyle": line,
        "markersize": size,
        "markerfacecolor": face,
        "linewidth": 0.9,
    }


def _panels(metric: str, heading: str, label: str) -> Callable[[Sequence[Row]], Figure | None]:
    """The figure of one metric; targets on which it is 0 throughout are left out."""

    def draw(rows: Sequence[Row]) -> Figure | None:
        found = [row for row in rows if row.metric == metric]
        targets = [
            name
            for name in dict.fromkeys(row.target for row in found)
            if max(row.value for row in found if row.target == name) > 1e-9
        ]
        if not targets:
            return None
        lines = -(-len(targets) // _COLUMNS)
        columns = min(_COLUMNS, len(targets))
        steps = sorted({row.num_steps for row in found if row.num_steps is not None})
        counts = sorted({row.n for row in found if row.n is not None})
        sizes = {fact: [style.select(rows, fact, target=name)[0].value for name in targets] for fact in _SHAPE.values()}
        facts = ", ".join(f"{letter} = {_span(sizes[fact])}" for letter, fact in _SHAPE.items())
        facts += f", K = {_span(steps)} equal sizes or as the planner counts, the oracle, exact"
        if counts:
            facts += f"; crosses: sampled, n = {_span(counts)}, 3 standard errors"
        figure = style.new(2.9 * columns + 0.3, 2.5 * lines + 1.3, f"{heading} ({facts})")
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for name, axes in zip(targets, panels, strict=False):
            mine = [row for row in found if row.target == name]
            _panel(axes, mine)
            place = targets.index(name)
            shape = ", ".join(f"{letter} = {sizes[fact][place]:.0f}" for letter, fact in _SHAPE.items())
            axes.set_title(f"{text(title(name))}, {shape}", loc="left", fontsize=8.5)
        for axes in panels[len(targets) :]:
            axes.set_axis_off()
        for axes in panels[max(len(targets) - columns, 0) : len(targets)]:
            axes.set_xlabel("expected predictor calls (NFE)")
        figure.supylabel(label, fontsize=9)
        families = dict.fromkeys(_family(row) for row in found)
        handles = [Line2D([], [], label=title(name), **_paint(name)) for name in families]
        style.legend_below(figure, handles)
        return figure

    return draw


def _span(values: Sequence[float | int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"


def _panel(axes: Axes, rows: Sequence[Row]) -> None:
    exact = [row for row in rows if row.method != "monte_carlo"]
    for name in dict.fromkeys(_family(row) for row in exact):
        mine = sorted((row for row in exact if _family(row) == name), key=_calls)
        axes.plot([_calls(row) for row in mine], [row.value for row in mine], **_paint(name))
    for row in rows:
        if row.method == "monte_carlo":
            axes.errorbar(_calls(row), row.value, 3.0 * style.error(row), color="#000000", fmt="+", markersize=8.0)
    axes.set_ylim(bottom=-0.03 * max(row.value for row in rows))


FIGURES = {
    "order_output_kl": _panels(
        "output_kl_nats", "KL(target || output) of each planner", "output KL, nats per sequence"
    ),
    "order_path_kl": _panels("path_kl_nats", "KL along the path of each planner", "path KL, nats per sequence"),
    "order_validity": _panels("outside_support_share", "Impossible sequences of each planner", "share of sequences"),
    "order_kernel": _panels("kernel_tv", "Moves in the output against those of the chain", "total variation of a move"),
}
