"""Figures of the study ``precision``: what becomes of each probability, and how far off a draw is as a temperature."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jdlm.study.figures import style
from jdlm.study.figures.look import text
from jdlm.study.rows import Row

__all__ = ["FIGURES"]

# Colour, marker, line and whether the marker is filled, by the way of drawing.
_WAYS = {
    "gumbel_low_float32": ("#d55e00", "v", (0, (5, 2)), "float32 Gumbel-max, mode low"),
    "gumbel_high_float32": ("#0072b2", "s", "-", "float32 Gumbel-max, mode high"),
    "inverse_cdf_float32": ("#e69f00", "D", (0, (1.5, 1.5)), "float32 inverse CDF"),
    "inverse_cdf_float64": ("#009e73", "^", (0, (6, 2, 1.5, 2)), "float64 inverse CDF"),
    "gumbel_low_bfloat16": ("#8c8c8c", "<", (0, (3, 1.5, 1, 1.5, 1, 1.5)), "bfloat16 Gumbel-max, mode low"),
    "gumbel_high_bfloat16": ("#cc79a7", "P", (0, (4, 1, 1, 1)), "bfloat16 Gumbel-max, mode high"),
    "jdlm_bfloat16_logits": ("#56b4e9", "x", (0, (2, 2)), "jdlm, bfloat16 logits"),
    "jdlm": ("#000000", "o", "-", "jdlm"),
}
_NEVER = 1e-6  # where the ladder's panel shows what is never drawn


def _paint(way: str) -> dict:
    color, marker, line, label = _WAYS.get(way, ("#333333", ".", "-", text(way)))
    size = 9.0 if way == "jdlm" else 5.0
    face = "none" if way == "jdlm" else color
    return {
        "color": color,
        "marker": marker,
        "linestyle": line,
        "label": label,
        "markersize": size,
        "markerfacecolor": face,
    }


def _heading(what: str, vocab: str, shown: Sequence[Row]) -> str:
    counts = sorted({row.n for row in shown if row.n is not None})
    sampled = f", sampled: n = {', '.join(f'{n:,}' for n in counts)}" if counts else ""
    return f"{what} (L = 1, V = {vocab}, K = 1, exact{sampled})"


def _place(row: Row) -> int:
    assert row.index is not None
    return row.index


def ladder(rows: Sequence[Row]) -> Figure | None:
    """How often each token of the ladder is drawn, over its probability."""
    ratios = [row for row in rows if row.target == "ladder" and row.metric == "token_ratio"]
    if not ratios:
        return None
    levels = sorted({_place(row) for row in ratios})
    figure = style.new(8.6, 5.4, _heading("How often a token is drawn, over its probability", str(len(levels)), ratios))
    axes = figure.subplots()
    ways = list(dict.fromkeys(row.predictor for row in ratios))
    for way in ways:
        mine = style.select(ratios, "token_ratio", predictor=way)
        axes.plot([_place(row) for row in mine], [max(row.value, _NEVER) for row in mine], **_paint(way))
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.4 * _NEVER)
    axes.axhline(_NEVER, color=style.FAINT, linewidth=0.8, zorder=0)
    axes.text(0.0, 1.2 * _NEVER, "never", fontsize=8)
    axes.set_xticks(levels, [f"1e-{level}" if level else "1" for level in levels])
    axes.set_xlabel("probability of the token, times 10/9")
    axes.set_ylabel("drawn / wanted")
    style.legend_below(figure, [Line2D([], [], **_paint(way)) for way in ways])
    return figure


def temperature(rows: Sequence[Row]) -> Figure | None:
    """The effective temperature over the size of a crowd, and over the number of steps a token is drawn in."""
    found = [row for row in rows if row.metric == "effective_temperature" and row.index is not None]
    if not found:
        return None
    crowd = [row for row in found if row.target == "crowd"]
    sizes = [1 + _place(row) for row in crowd]
    figure = style.new(9.6, 4.6, _heading("Rare tokens as a temperature", f"{min(sizes):,} to {max(sizes):,}", crowd))
    left, right = figure.subplots(1, 2)
    _against(left, crowd, "tokens that share one half of the probability")
    left.set_title("one token against a crowd", loc="left")
    _against(right, [row for row in found if row.target == "drawn_together"], "steps, of which one reveals")
    vocab = style.select(rows, "vocab_size", target="drawn_together")[0].value
    right.set_title(f"drawn together with staying masked, V = {vocab:.0f}", loc="left")
    ways = list(dict.fromkeys(row.predictor for row in found))
    style.legend_below(figure, [Line2D([], [], **_paint(way)) for way in ways])
    return figure


def _against(axes: Axes, rows: Sequence[Row], label: str) -> None:
    exact = [row for row in rows if row.method != "monte_carlo"]
    for way in dict.fromkeys(row.predictor for row in exact):
        mine = style.select(exact, "effective_temperature", predictor=way)
        axes.plot([_place(row) for row in mine], [row.value for row in mine], **_paint(way))
    for row in rows:
        if row.method == "monte_carlo":
            color = _paint(row.predictor)["color"]
            axes.errorbar(_place(row) * 1.25, row.value, style.error(row), color=color, fmt="+", capsize=4)
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel("effective temperature")


FIGURES = {"precision_ladder": ladder, "precision_temperature": temperature}
