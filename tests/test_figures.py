import dataclasses
import re
import struct

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from jdlm.study import figures
from jdlm.study.figures import style
from jdlm.study.rows import Row

LENGTH, COUNTS = 8, (1, 2, 4)
SCHEDULES = ("uniform", "cosine", "minimax_both", "home_made")
FLOOR = 0.02


def row(
    metric, value, *, predictor="", schedule="", planner=None, num_steps=None, index=None, error=None, method="exact"
):
    planner = planner or ("random" if predictor and schedule else "")
    return Row(
        cell="0" * 12, target="toy", predictor=predictor, schedule=schedule, planner=planner,
        num_steps=num_steps, nfe=None if num_steps is None else float(num_steps), metric=metric, index=index,
        value=float(value), standard_error=error, n=None if error is None else 100, method=method, seed=0,
    )  # fmt: skip


def make_rows(network=True, outside=False):
    table = [row("entropy_curve_nats", 1 / (1 + j), index=j) for j in range(LENGTH)]
    table += [row(f"{name}_marginal_tv_floor", FLOOR, error=0.001, method="monte_carlo") for name in ("single", "pair")]
    predictors = ["oracle", "network"] if network else ["oracle"]
    if network:
        for j in range(LENGTH):
            place = {"predictor": "network", "index": j, "error": 0.01, "method": "monte_carlo"}
            table.append(row("cross_entropy_curve_nats", 1 / (1 + j) + 0.02, **place))
            table.append(row("learning_error_curve_nats", 0.02, **place))
            table.append(row("learning_error_nats", 1.0 / (1 + j), **place))  # as in training
        place = {"predictor": "network", "error": 0.01, "method": "monte_carlo"}
        table.append(row("learning_error_nats", 0.16, **place))
    cells = [(name, k) for name in SCHEDULES for k in COUNTS] + [("first_hitting", LENGTH)]
    for which, (name, k) in enumerate(cells):
        place = {"schedule": name, "num_steps": k}
        factorization = 0.0 if name == "first_hitting" else (1 + which) / k**2
        for step in range(k + 1):
            table.append(row("expected_revealed", LENGTH * step / k, index=step, **place))
        for j in range(LENGTH):
            table.append(row("exposure", LENGTH / k if j % (LENGTH // k) == 0 else 0.0, index=j, **place))
        if name == "minimax_both":
            table.append(row("guarantee_nats", 2 * factorization, method="identity", **place))
        for predictor in predictors:
            learning = 0.16 if predictor == "network" else 0.0
            mine = place | {"predictor": predictor}
            estimate = mine | {"error": 0.01, "method": "monte_carlo"}
            table.append(row("factorization_kl_nats", factorization, method="identity", **mine))
            table.append(row("learning_kl_nats", learning, method="identity", error=0.01 if learning else None, **mine))
            table.append(row("path_kl_nats", factorization + learning, method="identity", **mine))
            table.append(row("path_kl_nats", factorization + learning + 0.005, **estimate))
            table.append(row("reverse_path_kl_nats", np.inf if outside else factorization + learning, **estimate))
            table.append(row("outside_support_share", 0.5 if outside else 0.0, **estimate))
            for planner in ("random", "confidence"):
                exact = mine | {"planner": planner}
                table.append(row("output_kl_nats", 0.5 * (factorization + learning), **exact))
                table.append(row("output_tv", 0.1, **exact))
                table.append(row("path_kl_nats", factorization + learning, **exact))
            table.append(row("single_marginal_tv", FLOOR + 0.1 / k, **estimate))
            table.append(row("pair_marginal_tv", FLOOR + 0.2 / k, **estimate))
    return table


@pytest.fixture(autouse=True)
def look():
    with matplotlib.rc_context(style.RC):
        yield


def test_all_figures_are_drawn_as_png_and_svg_without_global_state(tmp_path):
    done = []
    files = figures.draw(make_rows(), tmp_path / "figures", progress=lambda *now: done.append(now))
    drawn = set(figures.FIGURES) - {"nelbo"}  # which is for targets whose KL is not known
    assert sorted(path.name for path in files) == sorted(f"{n}.{s}" for n in drawn for s in ("png", "svg"))
    assert sorted(tmp_path.joinpath("figures").iterdir()) == sorted(files)
    assert done[-1] == (len(figures.FIGURES), len(figures.FIGURES), "done")
    assert not matplotlib._pylab_helpers.Gcf.figs
    for path in files:
        if path.suffix == ".png":
            width, _ = struct.unpack(">II", path.read_bytes()[16:24])
            assert width >= 6 * 150


def test_no_rows_make_no_figures(tmp_path):
    assert figures.draw([], tmp_path) == []
    assert [make([row("worst_case_tc", 1.0)]) for make in figures.FIGURES.values()] == [None] * len(figures.FIGURES)


def test_svg_bytes_depend_on_the_rows_alone(tmp_path):
    figures.save(figures.entropy_curve(make_rows()), tmp_path / "a", "e")
    figures.save(figures.entropy_curve(make_rows()), tmp_path / "b", "e")
    for name in ("e.svg", "e.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not re.search(rb"20\d\d-\d\d-\d\d", (tmp_path / "a" / "e.svg").read_bytes())


def test_one_colour_a_schedule():
    known = ["uniform", "cosine", "tc_equalizer", "minimax_tc", "minimax_dtc", "minimax_both", "first_hitting"]
    assert len({style.color(name) for name in known}) == len({style.marker(name) for name in known}) == len(known)
    assert style.color("home_made") not in {style.color(name) for name in known}
    assert (style.color("home_made"), style.marker("home_made")) == ("#88ccee", "h"), "stays the same in every process"
    assert style.schedules(make_rows()) == ["uniform", "cosine", "minimax_both", "first_hitting", "home_made"]


def lines(axes, name):
    """Data of the lines in a schedule's colour."""
    return [line for line in axes.get_lines() if to_hex(line.get_color()) == style.color(name)]


def test_path_kl_shows_the_oracle_as_line_the_network_as_points_and_the_guarantee_dashed():
    axes = figures.path_kl(make_rows()).axes[0]
    solid = [line for line in lines(axes, "minimax_both") if line.get_linestyle() == "-" and len(line.get_xdata()) == 3]
    dashed = [line for line in lines(axes, "minimax_both") if line.get_linestyle() == "--"]
    marked = [line for line in lines(axes, "minimax_both") if line.get_marker() == style.marker("minimax_both")]
    exact = np.array([7 / 1, 8 / 4, 9 / 16])
    np.testing.assert_allclose(solid[0].get_ydata(), exact)
    np.testing.assert_allclose(dashed[0].get_ydata(), 2 * exact)
    np.testing.assert_allclose(np.array(marked[0].get_ydata(), float), exact + 0.165)
    assert not [line for line in lines(axes, "uniform") if line.get_linestyle() == "--"]
    assert axes.get_ylim()[0] < 0.0 < axes.get_ylim()[1] and "along the path" in axes.figure.get_suptitle()


def test_path_kl_of_the_oracle_alone_shows_its_own_estimates():
    axes = figures.path_kl(make_rows(network=False)).axes[0]
    marked = [line for line in lines(axes, "cosine") if line.get_marker() == style.marker("cosine")]
    assert marked[0].get_markerfacecolor() == "white"


def test_kl_split_stacks_learning_on_factorization():
    panels = figures.kl_split(make_rows()).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["K = 1", "K = 2", "K = 4", "K = 8"]
    bars = panels[1].patches
    assert len(bars) == 2 * len(SCHEDULES)
    assert bars[1].get_y() == bars[0].get_height() and bars[1].get_height() == pytest.approx(0.16)


def test_sampled_shows_the_share_outside_where_the_reverse_kl_is_infinite():
    inside, outside = figures.sampled(make_rows()), figures.sampled(make_rows(outside=True))
    assert "KL(sampler || target)" in inside.axes[0].get_title(loc="left")
    assert "outside" in outside.axes[0].get_title(loc="left")
    floors = [line for line in inside.axes[1].get_lines() if set(line.get_ydata()) == {FLOOR}]
    assert floors and floors[0].get_linestyle() == "--"


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


def test_other_planners_do_not_enter_the_other_figures():
    extra = [dataclasses.replace(r, planner="confidence", value=99.0) for r in make_rows() if r.planner == "random"]
    for make in (figures.path_kl, figures.sampled):
        before, after = make(make_rows()), make(make_rows() + extra)
        assert [len(axes.get_lines()) for axes in before.axes] == [len(axes.get_lines()) for axes in after.axes]
    assert "planner confidence" in figures.sampled(extra).get_suptitle()


def test_the_nelbo_is_shown_where_no_kl_is_known():
    place = {"predictor": "network", "schedule": "cosine", "error": 0.1, "method": "identity"}
    table = [row("nelbo_nats", 5.0 / k, num_steps=k, **place) for k in COUNTS]
    assert figures.path_kl(table) is None and figures.nelbo(make_rows()) is None
    np.testing.assert_allclose(figures.nelbo(table).axes[0].get_lines()[0].get_ydata(), [5.0, 2.5, 1.25])


def test_sizes_are_shown_at_the_number_of_steps_nearest_to_8_that_most_schedules_have():
    assert "K = 4" in figures.sizes(make_rows()).get_suptitle()
