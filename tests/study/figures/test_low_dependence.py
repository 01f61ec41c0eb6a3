"""Figures of low dependence against the committed rows: what is drawn is what the rows say."""

import functools

import numpy as np

from jdlm.study import rows, verify
from jdlm.study.figures.low_dependence import FIGURES
from jdlm.study.rows import Row


@functools.cache
def table() -> list[Row]:
    return rows.read(verify.folder() / "low-dependence.csv")


def drawn(name: str):
    figure = FIGURES[name](table())
    assert figure is not None
    return figure


def test_points_of_the_predictors_are_the_targets():
    figure = drawn("predictors")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == 20 and titles[0].startswith("uniform: R² = ")
    axes = figure.axes[3]  # of equal sizes against TC + DTC
    found = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines}
    steps = {r.target: r.value for r in table() if (r.metric, r.schedule) == ("steps_until_kl_0.1", "uniform")}
    sums = {r.target: r.value for r in table() if r.metric == "correlation_sum_nats"}
    wanted = {(sums[name], value) for name, value in steps.items() if ":" in name and "-" not in name and value >= 2}
    assert found == wanted and len(wanted) > 25
    (r_squared,) = [r for r in table() if r.metric == "steps_until_kl_0.1_r_squared_in_sum" and r.schedule == "uniform"]
    assert titles[3] == f"uniform: R² = {r_squared.value:.2f}"


def test_r_squared_is_drawn_for_every_schedule_and_correlation():
    (axes,) = drawn("r_squared").axes
    values = {row.value for row in table() if row.metric.startswith("steps_until_kl_0.1_r_squared_in_")}
    assert {x for line in axes.lines for x in line.get_xdata()} == values
    assert len({line.get_marker() for line in axes.lines}) == 4


def test_grids_and_the_reason_are_drawn():
    panels = drawn("grids").axes
    for axes, count in zip(panels, (20, 30), strict=True):
        wanted = {
            r.value for r in table() if r.metric == "path_kl_nats" and r.target[:5] == "grids" and r.num_steps == count
        }
        assert {line.get_xdata()[0] for line in axes.lines} == wanted
        assert len({line.get_marker() for line in axes.lines}) == 8
    first = drawn("why").axes
    places = [r for r in table() if (r.target, r.schedule) == ("grids:strings:80", "constant")]
    for axes, metric in ((first[1], "overshoot_over_place"), (first[2], "path_kl_up_to_nats")):
        wanted = [row.value for row in places if row.metric == metric]
        assert wanted in [np.asarray(line.get_ydata()).tolist() for line in axes.lines]
        assert len({line.get_linestyle() for line in axes.lines}) == len(axes.lines)


def test_growth_with_the_length_is_drawn():
    chain, strings = drawn("length").axes
    for axes, name in ((chain, "flip"), (strings, "strings:80")):
        lengths = (64, 128, 256, 512, 1024, 2000)
        wanted = [
            r.value
            for length in lengths
            for r in table()
            if (r.target, r.schedule, r.metric) == (f"{name}-{length}", "cosine", "steps_until_kl_0.1")
        ]
        assert wanted in [np.asarray(line.get_ydata()).tolist() for line in axes.lines]
