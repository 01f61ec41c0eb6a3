"""The figure of sampled tokens."""

import dataclasses

import numpy as np

from jdlm.study import figures
from tests.study.figures.toy import (
    FLOOR,
    labels,
    make_rows,
)  # fmt: skip


def test_sampled_shows_the_share_outside_where_the_reverse_kl_is_infinite():
    inside, outside = figures.sampled(make_rows()), figures.sampled(make_rows(outside=True))
    assert "KL(sampler || target)" in inside.axes[0].get_title(loc="left")
    assert "outside" in outside.axes[0].get_title(loc="left")
    floors = [line for line in inside.axes[1].get_lines() if set(line.get_ydata()) == {FLOOR}]
    assert floors and floors[0].get_linestyle() == "--"


def test_a_floor_has_a_band_of_its_standard_error():
    axes = figures.sampled(make_rows()).axes[1]
    bands = [patch.get_y() for patch in axes.patches], [patch.get_height() for patch in axes.patches]
    np.testing.assert_allclose(bands, [[FLOOR - 0.001], [0.002]])


def test_a_share_of_0_or_1_lies_inside_the_axis():
    table = [
        dataclasses.replace(r, value=1.0) if r.metric == "outside_support_share" else r for r in make_rows(outside=True)
    ]
    panel = next(axes for axes in figures.sampled(table).axes if "outside" in axes.get_title(loc="left"))
    assert panel.get_ylim()[0] < 0.0 and panel.get_ylim()[1] > 1.0


def test_a_floor_belongs_to_its_own_metric():
    """No floor is drawn where there is none, and nothing says that there is one."""
    bare = [r for r in make_rows() if not r.metric.endswith("_floor")]
    figure = figures.sampled(bare)
    assert "as many true samples" not in labels(figure)
    assert not [line for axes in figure.axes for line in axes.get_lines() if set(line.get_ydata()) == {FLOOR}]
    single = [r for r in make_rows() if r.metric != "pair_marginal_tv_floor"]
    drawn = figures.sampled(single)
    assert "as many true samples" in labels(drawn)
    panels = {axes.get_title(loc="left"): len(axes.patches) for axes in drawn.axes}
    assert panels["Law of one token"] == 1 and panels["Law of a pair of tokens"] == 0


def test_nothing_sampled_makes_no_figure():
    metrics = ("reverse_path_kl_nats", "outside_support_share", "single_marginal_tv", "pair_marginal_tv")
    assert figures.sampled([r for r in make_rows() if r.metric not in metrics]) is None
