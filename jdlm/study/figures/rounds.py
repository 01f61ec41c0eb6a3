"""Figures of the study ``rounds``: rounds beside the steps of schedules, on each target and against the length."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jdlm.study.figures import style
from jdlm.study.rows import Row

__all__ = ["FIGURES"]

_STEPS = {  # schedule and goal -> marker, colour, filled, label
    ("best", "0.1"): ("^", "#0072b2", False, "best list, 0.1 nats"),
    ("best", "0.01"): ("v", "#0072b2", True, "best list, 0.01 nats"),
    ("equal", "0.1"): ("s", "#d55e00", False, "equal sizes, 0.1 nats"),
    ("equal", "0.01"): ("D", "#d55e00", True, "equal sizes, 0.01 nats"),
}
_KINDS = {"oracle": ("o", "#000000"), "bidirectional": ("P", "#009e73"), "causal": ("*", "#cc79a7")}


def _numbers(rows: Sequence[Row], metric: str) -> dict[str, float]:
    return {row.target: row.value for row in rows if row.metric == metric}


def _settings(rows: Sequence[Row], targets: Sequence[str]) -> str:
    """What a heading says: lengths, vocabularies and sequences."""

    def span(values: list[float]) -> str:
        low, high = min(values), max(values)
        return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"

    lengths, vocabularies = _numbers(rows, "length"), _numbers(rows, "vocab_size")
    counts = [row.n for row in rows if row.metric == "rounds" and row.target in targets and row.n and row.n > 3]
    return (
        f"(L = {span([lengths[t] for t in targets])}, V = {span([vocabularies[t] for t in targets])}, "
        f"n = {span([float(count) for count in counts])})"
    )


def _rounds_of(kind: str) -> str:
    return f"rounds{' of two passes' if kind == 'causal' else ''}, {kind} (± standard error)"


def by_target(rows: Sequence[Row]) -> Figure | None:
    """Rounds of each target, oracle and networks, with the steps of the best list and of equal sizes."""
    lengths = _numbers(rows, "length")
    names = [name for name in lengths if not name.startswith("flip") and name != "small"]
    if not names:
        return None
    heading = f"Speculative sampling, exact in law: rounds beside the steps of schedules {_settings(rows, names)}"
    figure = style.new(8.6, 1.6 + 0.36 * len(names), heading)
    axes = figure.subplots()
    for place, name in enumerate(reversed(names)):
        mine = [row for row in rows if row.target == name]
        axes.plot([lengths[name]], [place], "|", color=style.NEUTRAL, markersize=11)
        for (schedule, goal), (marker, color, filled, _) in _STEPS.items():
            for row in style.select(mine, f"steps_until_kl_{goal}", schedule=schedule):
                axes.plot([row.value], [place], marker, color=color, markerfacecolor=color if filled else "none")
        for row in style.select(mine, "rounds"):
            marker, color = _KINDS[row.predictor]
            axes.errorbar([row.value], [place], xerr=style.error(row), fmt=marker, color=color, markersize=6.5)
    axes.set_yticks(range(len(names)), list(reversed(names)))
    axes.set_xscale("log", base=2)
    axes.set_xticks([2, 4, 8, 16, 32], ["2", "4", "8", "16", "32"])
    axes.set_xlabel("rounds, or steps of a schedule")
    shown = {row.predictor for row in rows if row.metric == "rounds" and row.target in names}
    handles = [
        Line2D([], [], linestyle="none", marker=marker, color=color, label=_rounds_of(kind))
        for kind, (marker, color) in _KINDS.items()
        if kind in shown
    ]
    handles += [
        Line2D([], [], linestyle="none", marker=m, color=c, markerfacecolor=c if filled else "none", label=label)
        for m, c, filled, label in _STEPS.values()
    ]
    handles.append(Line2D([], [], linestyle="none", marker="|", color=style.NEUTRAL, label="one token per step (L)"))
    style.legend_below(figure, handles)
    return figure


def against_length(rows: Sequence[Row]) -> Figure | None:
    """Rounds on the binary chain with flip 2 / L against the length."""
    lengths = {name: value for name, value in _numbers(rows, "length").items() if name.startswith("flip:")}
    if not lengths:
        return None
    heading = f"Binary chain with flip 2 / L: rounds and steps against the length {_settings(rows, list(lengths))}"
    figure = style.new(7.6, 4.6, heading)
    axes = figure.subplots()
    found = [row for row in style.select(rows, "rounds") if row.target in lengths]
    axes.errorbar(
        [lengths[row.target] for row in found], [row.value for row in found], yerr=style.errors(found),
        fmt="o-", color="#000000", label="rounds, oracle (± standard error)",
    )  # fmt: skip
    for (schedule, goal), (marker, color, filled, label) in _STEPS.items():
        mine = [r for r in style.select(rows, f"steps_until_kl_{goal}", schedule=schedule) if r.target in lengths]
        axes.plot(
            [lengths[row.target] for row in mine], [row.value for row in mine], marker, linestyle=(0, (4, 2)),
            color=color, markerfacecolor=color if filled else "none", linewidth=1.0, label=label,
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = sorted(set(lengths.values()))
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.set_xlabel("length L")
    axes.set_ylabel("rounds, or steps")
    style.legend_below(figure, axes.get_legend_handles_labels()[0])
    return figure


FIGURES = {"rounds_targets": by_target, "rounds_length": against_length}
