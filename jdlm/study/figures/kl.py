"""Figures of the KL along the path, and of what sampled tokens show."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jdlm.study.figures import style
from jdlm.study.rows import Row


def path_kl(rows: list[Row]) -> Figure | None:
    """KL along the path against the number of predictor calls, for every schedule.

    Lines are the oracle's identity, dashes the guarantee of a minimax schedule, points the Monte Carlo estimate of the
    trained network (of the oracle where there is no network).
    """
    rows = style.of_one_planner(rows)
    shown = "network" if style.select(rows, "path_kl_nats", predictor="network") else "oracle"
    lines = style.select(rows, "path_kl_nats", predictor="oracle", method="identity")
    points = style.select(rows, "path_kl_nats", predictor=shown, method="monte_carlo")
    guarantees = style.select(rows, "guarantee_nats")
    if not lines and not points:
        return None
    figure = style.new(
        8.0,
        4.8,
        f"KL along the path, KL(target || sampler), on {(lines or points)[0].target}{style.planner_note(points)}",
    )
    axes = figure.subplots()
    for name in style.schedules(lines + points):
        paint = {"color": style.color(name)}
        _line(axes, [row for row in lines if row.schedule == name], **paint)
        _line(axes, [row for row in guarantees if row.schedule == name], linestyle=(0, (4, 3)), linewidth=1.0, **paint)
        _points(axes, [row for row in points if row.schedule == name], name, hollow=shown == "oracle")
    style.steps_axis(axes, [row.nfe for row in lines + points])
    style.kl_axis(axes, lines + guarantees, points)
    axes.set_ylabel("nats per sequence")
    _legend(figure, style.schedules(lines + points), shown, lines, guarantees)
    return figure


def nelbo(rows: list[Row]) -> Figure | None:
    """NELBO against the number of predictor calls, for targets whose own entropy is not known."""
    rows = style.of_one_planner(rows)
    if style.select(rows, "path_kl_nats"):
        return None
    points = style.select(rows, "nelbo_nats", predictor="network")
    if not points:
        return None
    heading = f"Negative evidence lower bound of the trained network on {points[0].target}"
    figure = style.new(8.0, 4.8, heading)
    axes = figure.subplots()
    names = style.schedules(points)
    for name in names:
        mine = [row for row in points if row.schedule == name]
        _line(axes, mine, color=style.color(name))
        _points(axes, mine, name, hollow=False)
    style.steps_axis(axes, [row.nfe for row in points])
    axes.set_ylabel("nats per sequence ± standard error")
    figure.legend(handles=[style.handle(name) for name in names], loc="outside right upper")
    return figure


def kl_split(rows: list[Row]) -> Figure | None:
    """The KL along the path as factorization error plus learning error: one panel a number of steps."""
    shown = "network" if style.select(rows, "factorization_kl_nats", predictor="network") else "oracle"
    factorization = style.select(rows, "factorization_kl_nats", predictor=shown)
    learning = style.select(rows, "learning_kl_nats", predictor=shown)
    if not factorization:
        return None
    who = "trained network" if shown == "network" else "oracle"
    figure = style.new(10.0, 3.9, f"KL along the path of the {who} on {factorization[0].target}: where it comes from")
    counts = sorted({row.num_steps for row in factorization})
    bars = {count: style.schedules(r for r in factorization if r.num_steps == count) for count in counts}
    widths = [max(len(bars[count]), 2.5) for count in counts]
    panels = figure.subplots(1, len(counts), width_ratios=widths, squeeze=False)[0]
    for count, axes in zip(counts, panels, strict=True):
        for place, name in enumerate(bars[count]):
            here = {"num_steps": count, "schedule": name}
            bottom = max(style.select(factorization, "factorization_kl_nats", **here)[0].value, 0.0)
            total = bottom + sum(row.value for row in style.select(learning, "learning_kl_nats", **here))
            if total < 1e-9:
                axes.annotate("0", (place, 0.0), xytext=(0, 3), textcoords="offset points", ha="center")
            axes.bar(place, bottom, color=style.color(name), width=0.75)
            for row in style.select(learning, "learning_kl_nats", **here):
                if shown == "network":
                    axes.bar(
                        place,
                        row.value,
                        bottom=bottom,
                        yerr=row.standard_error,
                        color="white",
                        edgecolor=style.color(name),
                        hatch="/////",
                        width=0.75,
                        linewidth=0.8,
                        ecolor=style.NEUTRAL,
                        error_kw={"elinewidth": 0.8, "capsize": 0},
                    )
        axes.set_title(f"K = {count}", loc="left")
        axes.set_xlim(-0.6, max(len(bars[count]), 1) - 0.4)
        axes.set_xticks(range(len(bars[count])), [style.title(name) for name in bars[count]], rotation=90)
        axes.grid(axis="x", visible=False)
        axes.set_ylim(bottom=0.0)
        if all(row.value < 1e-9 for row in factorization + learning if row.num_steps == count):
            axes.set_yticks([0.0])
    panels[0].set_ylabel("nats per sequence")
    handles = [Patch(facecolor=style.NEUTRAL, label="factorization error")]
    if shown == "network":
        label = "learning error ± standard error"
        handles.append(Patch(facecolor="white", edgecolor=style.NEUTRAL, hatch="/////", label=label))
    figure.legend(handles=handles, loc="outside lower right", ncols=2)
    return figure


def sampled(rows: list[Row]) -> Figure | None:
    """What really sampled tokens show: reverse KL along the path and marginal errors beside their noise floor."""
    rows = style.of_one_planner(rows)
    shown = "network" if style.select(rows, "single_marginal_tv", predictor="network") else "oracle"
    if not style.select(rows, "single_marginal_tv", predictor=shown):
        return None
    who = "trained network" if shown == "network" else "oracle"
    reverse = style.select(rows, "reverse_path_kl_nats", predictor=shown)
    finite = bool(reverse) and all(math.isfinite(row.value) for row in reverse)
    metrics = {
        "reverse_path_kl_nats": ("KL(sampler || target) along the path", "nats per sequence"),
        "outside_support_share": ("Sequences outside the target's support", "share"),
        "single_marginal_tv": ("Law of one token", "total variation"),
        "pair_marginal_tv": ("Law of a pair of tokens", "total variation"),
    }
    metrics.pop("outside_support_share" if finite else "reverse_path_kl_nats")
    metrics = {metric: texts for metric, texts in metrics.items() if style.select(rows, metric, predictor=shown)}
    tv = style.select(rows, "single_marginal_tv", predictor=shown)
    heading = f"From sampled tokens of the {who} on {tv[0].target}{style.planner_note(tv)}"
    figure = style.new(3.7 * len(metrics), 4.2, heading)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    names: list[str] = []
    for (metric, (heading, unit)), axes in zip(metrics.items(), panels, strict=True):
        points = style.select(rows, metric, predictor=shown)
        names = style.schedules(points) or names
        for name in names:
            mine = [row for row in points if row.schedule == name]
            _line(axes, mine, color=style.color(name), linewidth=0.8)
            _points(axes, mine, name, hollow=shown == "oracle")
        for floor in style.select(rows, f"{metric}_floor"):
            axes.axhline(floor.value, color=style.NEUTRAL, linestyle=(0, (4, 3)), linewidth=1.0)
            band = (floor.value - (floor.standard_error or 0.0), floor.value + (floor.standard_error or 0.0))
            axes.axhspan(*band, color=style.FAINT, alpha=0.5, linewidth=0, zorder=0)
        style.steps_axis(axes, [row.nfe for row in points])
        if metric == "reverse_path_kl_nats":
            style.kl_axis(axes, [], points)
        elif metric == "outside_support_share":
            axes.set_ylim(-0.03, 1.03)
        else:
            shown_rows = points + style.select(rows, f"{metric}_floor")
            axes.set_ylim(0.0, 1.1 * max(row.value + (row.standard_error or 0.0) for row in shown_rows))
        axes.set_title(heading, loc="left")
        axes.set_ylabel(unit)
    handles = [style.handle(name, hollow=shown == "oracle") for name in names]
    handles.append(Line2D([], [], color=style.NEUTRAL, linestyle=(0, (4, 3)), label="as many true samples"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _line(axes: Axes, rows: list[Row], **paint) -> None:
    ordered = sorted(rows, key=lambda row: row.nfe)
    if len(ordered) > 1:
        axes.plot([row.nfe for row in ordered], [row.value for row in ordered], **paint)
    else:  # a schedule with one number of steps, such as first hitting, is a short dash
        for row in ordered:
            axes.plot([row.nfe / 1.08, row.nfe * 1.08], [row.value] * 2, **paint)


def _points(axes: Axes, rows: list[Row], name: str, hollow: bool) -> None:
    if rows:
        axes.errorbar(
            [row.nfe for row in rows],
            [row.value for row in rows],
            yerr=style.errors(rows),
            fmt=style.marker(name),
            markersize=style.marker_size(name),
            color=style.color(name),
            markerfacecolor="white" if hollow else style.color(name),
            elinewidth=0.8,
        )


def _legend(figure: Figure, names: list[str], shown: str, lines: list[Row], guarantees: list[Row]) -> None:
    handles = [style.handle(name, hollow=shown == "oracle") for name in names]
    handles.append(Line2D([], [], linestyle="none", label=" "))
    if lines:
        handles.append(Line2D([], [], color=style.NEUTRAL, label="oracle, exact identity"))
    if guarantees:
        handles.append(Line2D([], [], color=style.NEUTRAL, linestyle=(0, (4, 3)), label="minimax guarantee"))
    face, who = ("white", "oracle") if shown == "oracle" else (style.NEUTRAL, "trained network")
    label = f"{who}, Monte Carlo\n± standard error"
    handles.append(Line2D([], [], linestyle="none", marker="o", color=style.NEUTRAL, markerfacecolor=face, label=label))
    figure.legend(handles=handles, loc="outside right upper")
