"""Figures of the KL along the path, of its two parts, and of the NELBO."""

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_hex

from jdlm.study import figures
from jdlm.study.figures import style
from tests.study.figures.toy import (
    COUNTS,
    LOOK,
    SCHEDULES,
    labels,
    lines,
    make_rows,
    row,
)  # fmt: skip


def test_path_kl_shows_the_oracle_as_line_the_network_as_points_and_the_guarantee_dashed():
    axes = figures.path_kl(make_rows()).axes[0]
    solid = [line for line in lines(axes, "minimax_both") if line.get_linestyle() == "-" and len(line.get_xdata()) == 3]
    dashed = [line for line in lines(axes, "minimax_both") if line.get_linestyle() == "--"]
    marked = [line for line in lines(axes, "minimax_both") if line.get_marker() == LOOK.marker("minimax_both")]
    exact = np.array([7 / 1, 8 / 4, 9 / 16])
    np.testing.assert_allclose(solid[0].get_ydata(), exact)
    np.testing.assert_allclose(dashed[0].get_ydata(), 2 * exact)
    np.testing.assert_allclose(np.array(marked[0].get_ydata(), float), exact + 0.165)
    assert not [line for line in lines(axes, "uniform") if line.get_linestyle() == "--"]
    assert axes.get_ylim()[0] < 0.0 < axes.get_ylim()[1] and "along the path" in axes.figure.get_suptitle()


def test_path_kl_of_the_oracle_alone_shows_its_own_estimates():
    axes = figures.path_kl(make_rows(network=False)).axes[0]
    marked = [line for line in lines(axes, "cosine") if line.get_marker() == LOOK.marker("cosine")]
    assert marked[0].get_markerfacecolor() == "white"


def test_kl_split_stacks_learning_on_factorization():
    panels = figures.kl_split(make_rows()).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["K = 1", "K = 2", "K = 4", "K = 8"]
    bars = panels[1].patches
    assert len(bars) == 2 * len(SCHEDULES)
    assert bars[1].get_y() == bars[0].get_height() and bars[1].get_height() == pytest.approx(0.16)


def test_the_nelbo_is_shown_where_no_kl_is_known():
    place = {"predictor": "network", "schedule": "cosine", "error": 0.1, "method": "identity"}
    table = [row("nelbo_nats", 5.0 / k, num_steps=k, **place) for k in COUNTS]
    assert figures.path_kl(table) is None and figures.nelbo(make_rows()) is None
    np.testing.assert_allclose(figures.nelbo(table).axes[0].get_lines()[0].get_ydata(), [5.0, 2.5, 1.25])


def test_estimates_alone_are_drawn_hollow_for_an_oracle_without_a_curve():
    keep = [r for r in make_rows(network=False) if r.method == "monte_carlo" or r.metric == "exposure"]
    axes = figures.path_kl(keep).axes[0]
    marked = [line for line in lines(axes, "cosine") if line.get_marker() == LOOK.marker("cosine")]
    assert marked[0].get_markerfacecolor() == "white"
    assert labels(axes.figure)[-1].startswith("oracle, Monte Carlo") and "exact identity" not in str(
        labels(axes.figure)
    )


def test_error_bars_are_one_standard_error_to_each_side():
    axes = figures.path_kl(make_rows()).axes[0]
    bars = [bar for bar in axes.containers if to_hex(bar.lines[0].get_color()) == LOOK.color("cosine")]
    (segments,) = [barline.get_segments() for barline in bars[0].lines[2]]
    exact = np.array([4 / 1, 5 / 4, 6 / 16]) + 0.165
    np.testing.assert_allclose([s[:, 1] for s in segments], np.stack([exact - 0.01, exact + 0.01], axis=1))
    np.testing.assert_allclose([s[0, 0] for s in segments], COUNTS)


def test_a_guarantee_holds_for_random_positions_alone():
    table = [
        dataclasses.replace(r, planner=r.planner and "confidence")
        for r in make_rows()
        if r.method != "identity" or r.metric == "guarantee_nats"
    ]
    figure = figures.path_kl(table)
    assert "planner confidence" in figure.get_suptitle() and "guarantee" not in str(labels(figure))
    assert not [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "--"]
    assert "minimax guarantee\n(exact predictor)" in labels(figures.path_kl(make_rows()))


def test_a_marker_that_is_alone_has_no_dash_that_looks_like_an_error():
    def dashes(axes):
        two = [line for line in axes.get_lines() if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
        return [line for line in two if to_hex(line.get_color()) != style.FAINT]  # which is the line at 0

    table = [r for r in make_rows() if r.num_steps in (None, 2)]
    assert not [line for axes in figures.sampled(table).axes for line in dashes(axes)]
    assert len(dashes(figures.path_kl(table).axes[0])) == len(SCHEDULES), "lines of the identity have no marker"


def test_bars_that_are_0_say_so():
    """First hitting with the oracle has neither error: a bar of height 0 looks like a missing one."""
    axes = figures.kl_split(make_rows(network=False)).axes[-1]
    assert axes.get_title(loc="left") == "K = 8" and [t.get_text() for t in axes.texts] == ["0"]
    assert axes.get_yticks().tolist() == [0.0]
    assert "learning" not in str(labels(axes.figure))


def test_lines_are_ordered_by_the_number_of_calls():
    table = make_rows()[::-1]
    for name in SCHEDULES:
        drawn = [line for line in lines(figures.path_kl(table).axes[0], name) if line.get_linestyle() in ("-", "--")]
        assert drawn and all((np.diff(line.get_xdata()) > 0).all() for line in drawn)
