"""Figures of the study ``correctors``: KL against calls, and what a filter does to KL and to the surprise."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jdlm.study.figures import style
from jdlm.study.rows import Row, calls_of
from jdlm.study.studies.correctors_cases import WRONG

__all__ = ["FIGURES"]

_LEAST = 1e-5  # KL below it is drawn there
_TITLES = {"chain": "sticky chain", "mixture": "mixture", "parity": "soft parity"}
_PLAIN: dict[str, tuple[str, Literal["-", ":"], str]] = {  # prefix of the schedule -> style of its line
    "uniform": ("#000000", "-", "equal sizes"),
    "optimal": ("#000000", ":", "best list for the curve"),
    "ancestral": ("#0072b2", "-", "thinning (ancestral)"),
}
_WHO = {"oracle": "oracle", "wrong": f"logits wrong by {WRONG:g}"}
_REMDM = {"cap": "#d55e00", "rescale": "#e69f00", "loop": "#cc79a7", "conf": "#56b4e9"}
_FILTERS = {"": "no filter", "argmax": "argmax at the end", "nucleus": "nucleus 0.9", "nucleus and argmax": "both"}


def _targets(rows: Sequence[Row]) -> list[tuple[str, str]]:
    return [(row.target, _TITLES[row.target.partition("-")[0]]) for row in rows if row.metric == "length"]


def _settings(rows: Sequence[Row], target: str) -> str:
    (length,), (vocab,) = (style.select(rows, metric, target=target) for metric in ("length", "vocab_size"))
    return f"L = {length.value:.0f}, V = {vocab.value:.0f}"


def _points(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    ordered = sorted((row for row in rows if row.value == row.value), key=calls_of)
    return [calls_of(row) for row in ordered], [max(row.value, _LEAST) for row in ordered]


def against_calls(rows: Sequence[Row]) -> Figure | None:
    """KL of the output against mean calls: plain schedules, Gibbs rounds, ReMDM; oracle and wrong predictor."""
    shown = _targets(rows)
    heading = "Is a call better spent on correcting? Exact KL of the output (conf: sampled, ± standard error)"
    figure = style.new(3.6 * len(shown) + 0.6, 6.8, heading)
    grid = figure.subplots(2, len(shown), squeeze=False, sharex=True)
    for column, (target, title) in enumerate(shown):
        for axes, who in zip(grid[:, column], ("oracle", "wrong"), strict=True):
            mine = style.select(rows, "output_kl_nats", target=target, predictor=who)
            exact = [row for row in mine if row.method == "exact"]
            for prefix, (color, dash, _) in _PLAIN.items():
                same = [row for row in exact if row.schedule.partition(":")[0] == prefix]
                axes.plot(*_points(same), dash, color=color, linewidth=1.3, zorder=2)
            for prefix, marker, size in (("uniform+gibbs", "+", 6.0), ("uniform+gibbs best", "P", 6.5)):
                gibbs = [row for row in exact if row.schedule.startswith("uniform+gibbs")]
                if prefix.endswith("best"):
                    gibbs = [
                        min((r for r in gibbs if r.nfe == n), key=lambda r: r.value) for n in {r.nfe for r in gibbs}
                    ]
                axes.plot(*_points(gibbs), marker, color="#009e73", markersize=size, markeredgewidth=1.0, zorder=3)
            for kind, color in _REMDM.items():
                same = [row for row in mine if row.schedule.startswith(f"remdm_{kind}:0.3:") and row.value < 1e9]
                where, values = _points(same)
                if kind == "conf":
                    bars = [style.error(row) for row in sorted(same, key=calls_of)]
                    axes.errorbar(where, values, yerr=bars, fmt="s", color=color, markersize=4, zorder=4)
                else:
                    axes.plot(where, values, "o-", color=color, markersize=3.5, linewidth=0.9, zorder=3)
            axes.set_yscale("log")
            if who == "oracle":
                axes.set_ylim(bottom=_LEAST / 1.5)
            axes.set_xlim(1.6, 12.4)
            axes.set_title(f"{title}, {_WHO[who]} ({_settings(rows, target)})", fontsize=9)
        grid[1, column].set_xlabel("mean predictor calls")
    for axes in grid[:, 0]:
        axes.set_ylabel(f"output KL, nats (below {_LEAST:g}: there)")
    handles = [Line2D([], [], color=c, linestyle=d, label=label) for c, d, label in _PLAIN.values()]
    handles.append(Line2D([], [], color="#009e73", marker="+", linestyle="none", label="Gibbs rounds, every placement"))
    handles.append(Line2D([], [], color="#009e73", marker="P", linestyle="none", label="the best of them"))
    for kind, color in _REMDM.items():
        marker, dash = ("s", "none") if kind == "conf" else ("o", "-")
        label = f"ReMDM {kind}, eta 0.3"
        handles.append(Line2D([], [], color=color, markersize=3.5, marker=marker, linestyle=dash, label=label))
    style.legend_below(figure, handles)
    return figure


def filters(rows: Sequence[Row]) -> Figure | None:
    """The target's surprise at the output, of which a perplexity is made, beside TV; with and without filters."""
    shown = [pair for pair in _targets(rows) if pair[0].startswith(("mixture", "chain"))]
    heading = "What a perplexity sees, and the truth: oracle, 8 equal times (cap makes more calls than thinning)"
    figure = style.new(4.4 * len(shown) + 0.6, 4.6, heading)
    for axes, (target, title) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        (entropy,) = style.select(rows, "entropy_nats", target=target)
        axes.axvline(entropy.value, color=style.NEUTRAL, linestyle="--", linewidth=1.0)
        for word, (marker, _) in zip(_FILTERS, (("o", 0), ("s", 0), ("^", 0), ("D", 0)), strict=True):
            who = f"oracle, {word}" if word else "oracle"
            for schedule, color in (("ancestral:linear", "#0072b2"), ("remdm_cap:0.3:linear", "#d55e00"),
                                    ("remdm_cap:1:linear", "#882255")):  # fmt: skip
                wanted = {"target": target, "predictor": who, "schedule": schedule, "num_steps": 8}
                (x,), (y,) = (style.select(rows, metric, **wanted) for metric in ("surprise_nats", "output_tv"))
                axes.plot(
                    [x.value], [y.value], marker, color=color, markersize=7, markerfacecolor="none" if word else color
                )
        axes.set_xlabel("mean surprise of the target, nats a sequence")
        axes.set_title(f"{title} ({_settings(rows, target)})", fontsize=9)
        axes.set_ylabel("TV from the target")
        axes.set_ylim(bottom=0.0)
    handles = [
        Line2D(
            [], [], marker=m, linestyle="none", color="#444444", markerfacecolor="none" if w else "#444444", label=label
        )
        for (w, label), m in zip(_FILTERS.items(), "os^D", strict=True)
    ]
    handles += [
        Line2D([], [], marker="o", linestyle="none", color=c, label=label)
        for c, label in (("#0072b2", "thinning"), ("#d55e00", "cap 0.3"), ("#882255", "cap 1"))
    ]
    handles.append(Line2D([], [], color=style.NEUTRAL, linestyle="--", label="entropy of the target"))
    style.legend_below(figure, handles)
    return figure


FIGURES = {"correctors_calls": against_calls, "correctors_filters": filters}
