"""Axes, ticks and the choice of rows that all figures share."""

import dataclasses

import matplotlib
import numpy as np
import pytest

from jdlm.study import figures
from jdlm.study.figures import style
from tests.study.figures.toy import (
    make_rows,
    row,
)  # fmt: skip


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([3.0], [3]),
        ([5.7712], [5.7712]),
        ([6.0, 12.0], [6, 8, 12]),
        ([2.0, 4.0, 6.0, 8.0, 12.0], [2, 4, 6, 8, 12]),
        ([2.0, 4.0, 8.0, 16.0, 32.0], [2, 4, 8, 16, 32]),
        ([1.0, 2.4, 7.7], [1, 2, 4]),
        ([2.9, 5.77], [2.9, 4, 5.77]),
        ([64.0, 4096.0], [64, 128, 256, 512, 1024, 2048, 4096]),
        ([100.0, 101.0, 102.0], [100]),
    ],
)
def test_there_are_ticks_whatever_the_numbers_of_steps(values, ticks):
    axes = matplotlib.figure.Figure().subplots()
    style.steps_axis(axes, values)
    assert list(axes.get_xticks()) == ticks
    low, high = axes.get_xlim()
    assert low < min(values) and max(values) < high
    shown = [tick.get_text() for tick in axes.get_xticklabels()]
    assert shown == [f"{tick:.0f}" if tick == round(tick) else f"{tick:.2f}" for tick in ticks]


def kl_rows(*values, error=0.0):
    return [row("path_kl_nats", v, predictor="p", schedule="uniform", num_steps=2, error=error) for v in values]


@pytest.mark.parametrize(
    ("exact", "estimates", "ticks"),
    [
        ([0.16, 0.45], [], ["0", "0.1", "0.2", "0.5"]),
        ([0.0, 3.0, 0.02], [], ["0", "0.01", "0.1", "1"]),
        ([2e-6, 0.5], [], ["0", "0.1", "0.2", "0.5"]),  # 2e-6 is rounding
        ([], [0.4], ["0", "0.1", "0.2", "0.5"]),
        ([], [0.4, 0.005], ["0", "0.1", "0.2", "0.5"]),  # less than its error 0.01
        ([], [0.4, -0.2], ["-0.2", "-0.1", "0", "0.1", "0.2", "0.5"]),
        ([0.0], [], ["0", "0.001"]),
    ],
)
def test_the_axis_of_a_kl_can_be_read(exact, estimates, ticks):
    axes = matplotlib.figure.Figure().subplots()
    style.kl_axis(axes, kl_rows(*exact), kl_rows(*estimates, error=0.01))
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ticks
    low, high = axes.get_ylim()
    errors = 0.01 if estimates else 0.0
    assert low < 0.0 and low <= min([*exact, *estimates]) - errors and high >= max([*exact, *estimates]) + errors


def test_errors_that_are_not_known_are_not_drawn():
    table = [dataclasses.replace(r, standard_error=np.nan) if r.standard_error else r for r in make_rows()]
    for make in (figures.sampled, figures.path_kl, figures.kl_split, figures.entropy_curve):
        assert all(np.isfinite(axes.get_ylim()).all() for axes in make(table).axes)


def test_rows_are_chosen_by_any_field_and_come_by_index():
    table = [row("exposure", 10.0 * j, schedule=name, index=j) for j in (2, 0, 1) for name in ("a", "b")]
    table.append(row("exposure", -1.0, schedule="a"))
    assert [r.value for r in style.select(table, "exposure", schedule="a")] == [-1.0, 0.0, 10.0, 20.0]
    assert style.select(table, "exposure", schedule="a", index=None) == table[-1:] and not style.select(table, "nfe")


def test_one_planner_is_shown_the_random_one_if_it_is_there():
    def of(*names):
        return [row("path_kl_nats", 1.0, schedule="s", predictor="p", planner=name) for name in names]

    nobody, free = row("exposure", 1.0, schedule="s"), row("output_tv", 1.0, predictor="p", planner="threshold(1)")
    assert style.of_one_planner([*of("b", "random", "a"), nobody]) == [*of("random"), nobody]
    assert style.of_one_planner([*of("b", "a"), nobody, free]) == [*of("a"), nobody]
    assert style.planner_note(of("random")) == "" and style.planner_note(of("b", "a_b")) == ", planner a b, planner b"


def test_headings_are_wrapped_to_the_width():
    figure = style.new(3.0, 2.0, "word " * 20)
    lines_of_heading = figure.get_suptitle().splitlines()
    assert len(lines_of_heading) > 2 and max(map(len, lines_of_heading)) <= 34


def test_a_legend_has_as_many_columns_as_fit():
    def columns(width, label):
        figure = style.new(width, 3.0, "x")
        style.legend_below(figure, [matplotlib.lines.Line2D([], [], label=label) for _ in range(6)])
        return figure.legends[0]._ncols

    assert columns(20.0, "short") == 4 and columns(3.0, "a rather long label of a schedule") == 1
