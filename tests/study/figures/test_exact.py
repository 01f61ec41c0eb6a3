"""The figure of exact output laws."""

import dataclasses

import numpy as np

from jdlm.study import figures
from tests.study.figures.toy import (
    lines,
    make_rows,
    row,
)  # fmt: skip


def test_exact_laws_have_a_column_for_each_planner():
    table = make_rows()
    place = {"predictor": "network", "planner": "threshold(0.9)"}
    free = [dataclasses.replace(row(metric, 0.3, **place), nfe=3.5) for metric in ("output_kl_nats", "output_tv")]
    panels = figures.exact_laws(table + free).axes
    titles = [axes.get_title(loc="left") for axes in panels[:3]]
    assert len(panels) == 6 and titles == ["random", "confidence", "sizes of their own"]
    solid = [line for line in lines(panels[0], "minimax_both") if line.get_linestyle() == "-"]
    np.testing.assert_allclose(solid[0].get_ydata(), 0.5 * (np.array([7 / 1, 8 / 4, 9 / 16]) + 0.16))
    dotted = [line for line in lines(panels[0], "minimax_both") if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted[0].get_ydata(), np.array([7 / 1, 8 / 4, 9 / 16]) + 0.16)


def test_planners_with_sizes_of_their_own_show_both_divergences():
    free = []
    for planner, nfe in (("threshold(0.9)", 3.5), ("entropy_sum(0.5)", 2.5)):
        place = {"predictor": "network", "planner": planner}
        mine = [row(m, v, **place) for m, v in (("output_kl_nats", 0.3), ("output_tv", 0.1), ("path_kl_nats", 0.7))]
        free += [dataclasses.replace(r, nfe=nfe, value=nfe * r.value) for r in mine]
    panel = figures.exact_laws(make_rows() + free).axes[2]
    dotted = [line.get_xydata().tolist() for line in panel.get_lines() if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted, [[[3.5, 1.05], [3.5, 2.45]], [[2.5, 0.75], [2.5, 1.75]]])
    marks = [line for line in panel.get_lines() if line.get_marker() in "oX"]
    assert [line.get_label() for line in marks] == ["threshold(0.9)", "entropy_sum(0.5)"]
    assert len({line.get_marker() for line in marks}) == 2


def test_the_random_planner_comes_first_and_the_others_by_name():
    table = [dataclasses.replace(r, planner={"confidence": "a_planner"}.get(r.planner, r.planner)) for r in make_rows()]
    assert [axes.get_title(loc="left") for axes in figures.exact_laws(table).axes[:2]] == ["random", "a planner"]


def test_only_planners_that_count_have_a_column_of_their_own():
    place = {"predictor": "network", "planner": "threshold(0.9)"}
    free = [dataclasses.replace(row(m, 0.3, **place), nfe=3.5) for m in ("output_kl_nats", "output_tv")]
    figure = figures.exact_laws(free)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["sizes of their own", ""]
    assert figures.exact_laws([r for r in make_rows() if not r.metric.startswith("output_")]) is None


def test_a_tv_of_0_everywhere_still_has_an_axis():
    table = [dataclasses.replace(r, value=0.0) if r.metric == "output_tv" else r for r in make_rows()]
    assert figures.exact_laws(table).axes[2].get_ylim() == (0.0, 1.0)
