"""Figures of the target's curve and of what the schedules reveal when."""

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from jdlm.study.figures import style
from jdlm.study.rows import Row


def entropy_curve(rows: list[Row]) -> Figure | None:
    """Entropy of a masked token against the number of revealed ones: true, as the network has it, and how much more."""
    true = style.select(rows, "entropy_curve_nats")
    learned = style.select(rows, "cross_entropy_curve_nats", predictor="network")
    excess = style.select(rows, "learning_error_curve_nats", predictor="network")
    if not true and not learned:
        return None
    target = (true or learned)[0].target
    figure = style.new(6.5, 5.2 if excess else 3.8, f"Entropy curve of {target}")
    panels = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2]) if excess else [figure.subplots()]
    if true:
        points = {"marker": ".", "markersize": 4, "color": style.NEUTRAL, "linewidth": 1.0}
        panels[0].plot([row.index for row in true], [row.value for row in true], label="true, $h[j]$", **points)
    if learned:
        panels[0].errorbar(
            [row.index for row in learned],
            [row.value for row in learned],
            yerr=style.errors(learned),
            fmt="o",
            markersize=3.5,
            color="#d55e00",
            elinewidth=0.8,
            label="trained network, $c[j]$ ± standard error",
        )
    panels[0].set_ylabel("nats per token")
    panels[0].legend(loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=2)
    if excess:
        total = style.select(rows, "learning_error_nats", predictor="network", index=None)
        note = f", sum {total[0].value:.3g} ± {total[0].standard_error:.1g} nats per sequence" if total else ""
        panels[1].axhline(0.0, color=style.NEUTRAL, linewidth=0.8)
        panels[1].errorbar(
            [row.index for row in excess],
            [row.value for row in excess],
            yerr=style.errors(excess),
            fmt="o",
            markersize=3.5,
            color="#d55e00",
            elinewidth=0.8,
        )
        panels[1].set_ylim(bottom=0.0)
        panels[1].set_ylabel("nats per token")
        panels[1].set_title(f"Learning error $c[j] - h[j]${note}", loc="left")
    panels[-1].set_xlabel("revealed tokens $j$")
    return figure


def sizes(rows: list[Row]) -> Figure | None:
    """What each schedule reveals when, at one number of steps: expected count after each step, and exposure."""
    counts = sorted({row.num_steps for row in style.select(rows, "expected_revealed")})
    if not counts:
        return None
    per_count = {count: len(style.schedules(r for r in rows if r.num_steps == count)) for count in counts}
    # The number of steps nearest to 8 among those at which most schedules were built.
    shown = min((count for count in counts if per_count[count] == max(per_count.values())), key=lambda k: abs(k - 8))
    at = [row for row in rows if row.num_steps == shown]
    names = style.schedules(at)
    figure = style.new(9.0, 4.2, f"What each schedule reveals when, at K = {shown} steps")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.15])
    axes = left.subplots()
    for name in names:
        revealed = style.select(at, "expected_revealed", schedule=name)
        axes.plot(
            [row.index for row in revealed],
            [row.value for row in revealed],
            color=style.color(name),
            marker=style.marker(name),
            label=style.title(name),
        )
    axes.set_xlabel("step")
    axes.set_ylabel("expected number of revealed tokens")
    axes.set_title("Revealed after each step", loc="left")
    strips = right.subplots(len(names), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    highest = max(row.value for row in style.select(at, "exposure"))
    for name, strip in zip(names, strips, strict=True):
        exposure = style.select(at, "exposure", schedule=name)
        strip.bar([row.index for row in exposure], [row.value for row in exposure], width=0.8, color=style.color(name))
        strip.set_ylim(0.0, highest * 1.05)
        strip.grid(axis="x", visible=False)
        strip.set_ylabel(style.title(name), rotation=0, ha="right", va="center", color=style.color(name), weight="bold")
    strips[0].set_title("Exposure $x[j]$: expected size of the step", loc="left")
    strips[-1].set_xlabel("revealed tokens $j$")
    return figure


def training(rows: list[Row]) -> Figure | None:
    """Learning error (the loss where there is none) against the training step."""
    measured = style.select(rows, "learning_error_nats", schedule="")
    metric = [row for row in measured if row.index is not None] or style.select(rows, "loss_nats")
    if not metric:
        return None
    figure = style.new(6.5, 3.6, f"Training on {metric[0].target}")
    axes = figure.subplots()
    steps, values = [row.index for row in metric], [row.value for row in metric]
    axes.errorbar(steps, values, yerr=style.errors(metric), fmt="o-", color="#d55e00", markersize=3.5, elinewidth=0.8)
    if min(values) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    exact = metric[0].metric == "learning_error_nats"
    axes.set_title(
        "Learning error $\\Sigma_j\\,(c-h)[j]$ of the averaged parameters ± standard error"
        if exact
        else "Loss (NELBO)",
        loc="left",
    )
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("nats per sequence")
    return figure
