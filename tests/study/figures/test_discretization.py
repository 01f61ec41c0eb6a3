"""Figures of discretizations against the committed rows: what is drawn is what the rows say."""

import functools

import numpy as np
import pytest
from matplotlib.figure import Figure

from jdlm.study import rows, verify
from jdlm.study.figures.discretization import FIGURES
from jdlm.study.rows import Row


@functools.cache
def table() -> list[Row]:
    return rows.read(verify.folder() / "discretization.csv")


def drawn(name: str) -> Figure:
    figure = FIGURES[name](table())
    assert figure is not None
    return figure


def lines(axes) -> list[tuple[list[float], list[float]]]:
    return [(np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()) for line in axes.lines]


def values(metric: str, across: str, **wanted) -> tuple[list[float], list[float]]:
    found = [r for r in table() if r.metric == metric and all(getattr(r, k) == v for k, v in wanted.items())]
    found.sort(key=lambda row: getattr(row, across))
    return [getattr(row, across) for row in found], [row.value for row in found]


@pytest.mark.parametrize("across", ["num_steps", "nfe"])
def test_total_variation_is_drawn_over_steps_and_over_calls(across):
    axes = drawn("tv").axes[1 if across == "num_steps" else 4]  # of the Markov chain
    where = {"target": "sticky_markov-8", "predictor": "oracle"}
    for word in ("euler:linear", "tau_leaping:cosine"):
        found = [row for row in table() if row.metric == "output_tv" and row.schedule == word]
        assert values("output_tv", across, schedule=word, **where) in lines(axes), found[0]
    assert axes.get_xscale() == ("log" if across == "num_steps" else "linear")


def test_path_kl_is_hollow_and_output_kl_is_filled():
    axes = drawn("kl").axes[0]
    for metric, hollow in (("path_kl_nats", True), ("output_kl_nats", False)):
        wanted = values(metric, "num_steps", target="parity-8", schedule="euler:linear", predictor="oracle")
        (line,) = [line for line in axes.lines if np.asarray(line.get_ydata()).tolist() == wanted[1]]
        assert (line.get_markerfacecolor() == "white") is hollow


def test_lines_of_one_panel_differ_without_their_colour():
    for name in ("tv", "dimension", "places", "leftover"):
        for axes in drawn(name).axes:
            looks = [(line.get_linestyle(), line.get_marker(), str(line._dash_pattern)) for line in axes.lines]
            assert len(set(looks)) == len(looks), name


def test_other_figures_show_their_rows():
    steps = drawn("dimension").axes[0]
    wanted = [row.value for row in table() if row.metric == "steps_until_tv_0.01" and row.schedule == "euler:linear"]
    wanted = sorted(value for value in wanted if value > 200)  # the lengths from 16 on
    assert wanted in [y for _, y in lines(steps)]
    places = values("output_tv", "index", target="mds-64", schedule="euler:cosine")
    assert places in lines(drawn("places").axes[0])
    masks = values("expected_leftover_masks", "num_steps", schedule="euler:cosine-open")
    assert masks in lines(drawn("leftover").axes[0])
    right = drawn("wrong").axes[1]
    assert values("output_tv_beyond_first_hitting", "num_steps", schedule="euler:cosine") in lines(right)
