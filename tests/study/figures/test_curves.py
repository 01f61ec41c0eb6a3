"""Figures of curves: the entropy curve with its areas, sizes, and training."""

import numpy as np
import pytest

from jdlm.study import figures
from tests.study.figures.toy import (
    SCHEDULES,
    make_rows,
    row,
)  # fmt: skip


def area(patch):
    """Area of a stepped polygon, by the shoelace formula."""
    x, y = patch.get_path().vertices.T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_the_areas_at_the_entropy_curve_are_the_correlations():
    axes = figures.entropy_curve(make_rows()).axes[0]
    total, dual = [patch for patch in axes.patches if patch.get_fill()]
    harmonic = sum(1 / j for j in range(1, 9))
    assert area(total) == pytest.approx(8 - harmonic) and area(dual) == pytest.approx(harmonic - 1)
    assert total.get_path().vertices[:, 1].max() == 1.0 and dual.get_path().vertices[:, 1].min() == 1 / 8
    assert [total.get_label(), dual.get_label()] == ["TC = 5.28 nats", "DTC = 1.72 nats"]
    figure = figures.entropy_curve([r for r in make_rows() if not r.metric.endswith("_correlation_nats")])
    assert not figure.axes[0].patches, "without the numbers there are no areas"


def test_sizes_are_shown_at_the_number_of_steps_nearest_to_8_that_most_schedules_have():
    assert "K = 4" in figures.sizes(make_rows()).get_suptitle()


def test_ten_drawn_lists_are_bars_of_their_sizes():
    """Of a schedule with rows of them alone; the parts of a bar lie one after the other."""
    lists = np.array([[1, 2, 3, 2], [4, 1, 2, 1], [2, 0, 5, 1]])
    random = next(r.schedule for r in make_rows() if figures.look.Look(make_rows()).is_random(r.schedule))
    table = [
        row("drawn_size", float(size), schedule=random, num_steps=4, index=i) for i, size in enumerate(lists.ravel())
    ]
    figure = figures.sizes(make_rows() + table[::-1])
    axes = figure.axes[-1]
    found = sorted((bar.get_y(), bar.get_x(), bar.get_width()) for bar in axes.patches)
    wanted = [
        (i, start, size)
        for i, sizes in enumerate(lists)
        for start, size in zip(np.cumsum(sizes) - sizes, sizes, strict=True)
    ]
    assert [(round(y + 0.4), x, width) for y, x, width in found] == sorted(wanted)
    assert len(figure.axes) == len(figures.sizes(make_rows()).axes) + 1


def test_a_true_curve_alone_has_one_panel_and_a_learned_one_two():
    alone = figures.entropy_curve([r for r in make_rows() if r.metric == "entropy_curve_nats"])
    assert len(alone.axes) == 1 and alone.axes[0].get_xlabel() == "revealed tokens $j$"
    both = figures.entropy_curve(make_rows())
    assert len(both.axes) == 2 and both.axes[1].get_ylim()[0] == 0.0
    learned = [r for r in make_rows() if r.metric == "cross_entropy_curve_nats"]  # as on a text: nothing else is known
    only = figures.entropy_curve(learned).axes
    assert len(only) == 1 and not only[0].patches
    assert [t.get_text() for t in only[0].get_legend().get_texts()] == ["network, $c[j]$ ± standard error"]


def test_training_is_shown_in_logarithms_only_where_all_is_above_0():
    place = {"predictor": "network", "error": 0.1, "method": "monte_carlo"}
    for values, scale in (((0.5, 0.2), "log"), ((0.5, -0.01), "linear")):
        table = [row("learning_error_nats", value, index=step, **place) for step, value in enumerate(values)]
        axes = figures.training(table).axes[0]
        assert axes.get_yscale() == scale and axes.get_xlabel() == "optimizer step"
    spoiled = [row("loss_nats", v, index=j, error=0.1) for j, v in enumerate((3.0, np.inf, np.nan, 2.0))]
    (points,) = figures.training(spoiled).axes[0].containers
    assert points.lines[0].get_xdata().tolist() == [0, 3]
    assert figures.training([row("loss_nats", np.nan, index=0)]) is None
    sums = [row("learning_error_nats", 0.1, predictor="network", error=0.1)]  # the end's, with no step
    assert figures.training(sums) is None


def test_one_strip_for_each_schedule_at_one_number_of_steps():
    figure = figures.sizes(make_rows())
    strips = [axes for axes in figure.axes if axes.patches]
    assert len(strips) == len(SCHEDULES) and len({axes.get_ylim() for axes in strips}) == 1
    assert figures.sizes([r for r in make_rows() if r.metric != "expected_revealed"]) is None
    one = figures.sizes([r for r in make_rows(counts=(1,)) if r.schedule == "uniform"])
    assert one.get_suptitle().endswith("K = 1 step")
