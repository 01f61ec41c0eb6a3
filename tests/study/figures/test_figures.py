import dataclasses
import re
import struct
import xml.etree.ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.colors import to_hex, to_rgb

from jdlm import config
from jdlm.config import presets
from jdlm.study import figures
from jdlm.study.figures import look as look_module
from jdlm.study.figures import style
from jdlm.study.figures.look import Look, text
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


def make_rows(network=True, outside=False, length=LENGTH, counts=COUNTS, schedules=SCHEDULES):
    table = [row("entropy_curve_nats", 1 / (1 + j), index=j) for j in range(length)]
    entropy = sum(1 / (1 + j) for j in range(length))
    table.append(row("total_correlation_nats", length - entropy))
    table.append(row("dual_total_correlation_nats", entropy - 1))  # length * h[-1] = 1
    table += [row(f"{name}_marginal_tv_floor", FLOOR, error=0.001, method="monte_carlo") for name in ("single", "pair")]
    predictors = ["oracle", "network"] if network else ["oracle"]
    if network:
        for j in range(length):
            place = {"predictor": "network", "index": j, "error": 0.01, "method": "monte_carlo"}
            table.append(row("cross_entropy_curve_nats", 1 / (1 + j) + 0.02, **place))
            table.append(row("learning_error_curve_nats", 0.02, **place))
            table.append(row("learning_error_nats", 1.0 / (1 + j), **place))  # as in training
        place = {"predictor": "network", "error": 0.01, "method": "monte_carlo"}
        table.append(row("learning_error_nats", 0.16, **place))
    cells = [(name, k) for name in schedules for k in counts] + [("first_hitting", length)]
    for which, (name, k) in enumerate(cells):
        place = {"schedule": name, "num_steps": k}
        factorization = 0.0 if name == "first_hitting" else (1 + which) / k**2
        for step in range(k + 1):
            table.append(row("expected_revealed", length * step / k, index=step, **place))
        for j in range(length):
            if name == "minimax_both":
                size = 1.5 if j == 0 and length > 1 else 0.5 if j == 1 else 1.0
            else:
                size = length - length // k * (k - 1) if j == length // k * (k - 1) else length // k
                size = size if j % (length // k) == 0 and j <= length // k * (k - 1) else 0.0
            table.append(row("exposure", size, index=j, **place))
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


LOOK = Look(make_rows())


@pytest.fixture(autouse=True)
def settings():
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
    look = Look(make_rows())
    assert look.schedules == ["uniform", "cosine", "minimax_both", "first_hitting", "home_made"]
    assert (look.color("home_made"), look.marker("home_made")) == ("#00dddd", "X"), "stays the same in every process"
    assert look.present([row("exposure", 1.0, schedule="cosine"), row("exposure", 1.0, schedule="uniform")]) == [
        "uniform",
        "cosine",
    ]


def lines(axes, name):
    """Data of the lines in a schedule's colour."""
    return [line for line in axes.get_lines() if to_hex(line.get_color()) == LOOK.color(name)]


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


def renamed(table, **names):
    """The rows with other names of their predictors."""
    return [dataclasses.replace(r, predictor=names.get(r.predictor, r.predictor)) for r in table]


def labels(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_predictors_of_any_name_are_drawn():
    table = renamed(make_rows(), oracle="network", network="oracle")  # a name says nothing
    swapped, usual = figures.path_kl(table), figures.path_kl(make_rows())
    for name in SCHEDULES:
        mine, theirs = lines(swapped.axes[0], name), lines(usual.axes[0], name)
        assert len(mine) == len(theirs)
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(np.array(a.get_ydata(), float), np.array(b.get_ydata(), float))
            assert a.get_markerfacecolor() == b.get_markerfacecolor()
    assert "trained network, exact identity" in labels(swapped)
    assert "oracle, Monte Carlo\n± standard error" in labels(swapped)
    table = renamed(make_rows(), oracle="truth", network="mine")
    drawn = {name: make(table) for name, make in figures.FIGURES.items() if name != "nelbo"}
    for name in ("kl_split", "sampled", "exact_laws"):
        assert "of the mine on toy" in drawn[name].get_suptitle()
    assert "mine, $c[j]$ ± standard error" in [
        t.get_text() for t in drawn["entropy_curve"].axes[0].get_legend().get_texts()
    ]
    assert "sum 0.16 ± 0.01 nats" in drawn["entropy_curve"].axes[1].get_title(loc="left")


def test_each_of_several_networks_has_a_panel():
    other = [dataclasses.replace(r, predictor="other") for r in make_rows() if r.predictor == "network"]
    other = [dataclasses.replace(r, value=2 * r.value) for r in other]
    drawn = {name: make(make_rows() + other) for name, make in figures.FIGURES.items() if name != "nelbo"}
    assert [axes.get_title(loc="left") for axes in drawn["path_kl"].axes] == ["trained network", "other"]
    for axes, factor in zip(drawn["path_kl"].axes, (1, 2), strict=True):
        marked = [line for line in lines(axes, "cosine") if line.get_marker() == LOOK.marker("cosine")]
        np.testing.assert_allclose(
            np.array(marked[0].get_ydata(), float), factor * (np.array([4 / 1, 5 / 4, 6 / 16]) + 0.165)
        )
    assert len(drawn["kl_split"].axes) == 2 * 4 and "other" in drawn["kl_split"].axes[4].get_ylabel()
    assert len(drawn["sampled"].axes) == 2 * 3 and len(drawn["exact_laws"].axes) == 2 * 2 * 2
    assert len([c for c in drawn["entropy_curve"].axes[0].containers]) == 2


@pytest.mark.parametrize(
    ("curve", "total", "exact"),
    [
        (0, None, True),
        (12, None, False),
        (12, 0.16, False),
        (12, 3.6e-6, True),  # a hidden Markov model's oracle against itself
        (1, 3.6e-6, False),
        (12, np.inf, False),
        (0, 0.16, False),
    ],
)
def test_a_predictor_is_exact_that_has_no_error(curve, total, exact):
    table = [row("path_kl_nats", 0.5, predictor="p", schedule="uniform", num_steps=2, error=0.1)]
    table += [row("cross_entropy_curve_nats", 1.0, predictor="p", index=j, error=0.1) for j in range(curve)]
    if total is not None:
        table.append(row("learning_error_nats", total, predictor="p", error=0.0))
    table.append(
        row("learning_error_nats", 9.0, predictor="p", index=100, error=0.1)
    )  # in training: of another network
    assert Look(table).exact == ({"p"} if exact else set())


def test_estimates_alone_are_drawn_hollow_for_an_oracle_without_a_curve():
    keep = [r for r in make_rows(network=False) if r.method == "monte_carlo" or r.metric == "exposure"]
    axes = figures.path_kl(keep).axes[0]
    marked = [line for line in lines(axes, "cosine") if line.get_marker() == LOOK.marker("cosine")]
    assert marked[0].get_markerfacecolor() == "white"
    assert labels(axes.figure)[-1].startswith("oracle, Monte Carlo") and "exact identity" not in str(
        labels(axes.figure)
    )


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


@pytest.mark.parametrize(("length", "counts"), [(8, (3,)), (1, (1,))])
def test_every_length_and_number_of_steps_is_drawn(length, counts):
    table = make_rows(length=length, counts=counts)
    if length == 1:  # there are no pairs
        pairs = ("pair_marginal_tv", "pair_marginal_tv_floor")
        table = [dataclasses.replace(r, value=np.nan, standard_error=np.nan) if r.metric in pairs else r for r in table]
    for name, make in figures.FIGURES.items():
        if name != "nelbo":
            make(table).draw_without_rendering()
    axes = figures.path_kl(table).axes[0]
    assert set(counts) <= set(axes.get_xticks())
    assert "Law of a pair of tokens" not in [a.get_title(loc="left") for a in figures.sampled(table).axes] or length > 1


def lab(color):
    """CIELAB (D65) of a colour in sRGB."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear / [0.95047, 1.0, 1.08883])  # near black this is darker than the norm's
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def looks(names):
    look = Look([row("worst_case_tc", 1.0, schedule=name, num_steps=2) for name in names])
    return [look.color(name) for name in names], [(look.color(name), look.marker(name)) for name in names]


def test_colours_of_all_schedules_can_be_told_apart():
    every = [
        f"{name}:{choice}" if word.choices else f"{name}:0.{digit}" if word.parameter else name
        for name, word in config.SCHEDULES.items()
        for choice, digit in zip(word.choices or "12", "1234", strict=False)
        if word.parameter or choice == "1"
    ]
    assert {"uniform", "euler:cosine", "geometric:0.1", "geometric:0.2"} <= set(every)
    for names in [every, *(presets.load(name).sweep.schedules for name in presets.names())]:
        colors, pairs = looks(names)
        assert len(set(pairs)) == len(names)
        places = np.array([lab(color) for color in [*colors, "#ffffff", "#333333"]])
        distances = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e3 * np.eye(len(places))
        assert distances.min() > 15, (names, distances.min())
    assert len(set(looks([f"mine {i}" for i in range(60)])[1])) == 60


def test_which_sizes_are_random_is_seen():
    table = make_rows()
    for make in (figures.path_kl, figures.sampled, figures.exact_laws):
        shown = labels(make(table))
        assert "minimax both (random sizes)" in shown
        assert {"uniform", "cosine", "first hitting", "home made"} <= set(shown)
    assert "minimax both\n(random sizes)" in [axes.get_ylabel() for axes in figures.sizes(table).axes]


@pytest.mark.parametrize(
    ("exposure", "expected"),
    [
        ([1.0, 1.0, 1.0], True),
        ([3.0, 0.0, 0.0], True),
        ([2.0, 0.0, 1.0], True),
        ([1.0], True),
        ([2.0, 1.0, 0.0], False),  # integers, but the count 1 is visited inside of a step of 2
        ([1.0, 2.0, 1.0], False),
        ([1.0, 1.0, 2.0], False),  # ends beyond the length
        ([1.0, 1.5, 0.5], False),
        ([1.0, 0.0, 2.0], False),
    ],
)
def test_the_exposure_tells_lists_from_random_sizes(exposure, expected):
    assert look_module.is_list(exposure) is expected


def test_no_random_schedule_has_the_exposure_of_a_list():
    for length in (1, 2, 6):
        for name in (*(n for n, word in config.SCHEDULES.items() if not word.parameter), "ancestral:cosine"):
            for k in range(2, length + 1):
                if name == "optimal" or (name == "first_hitting" and k < length):
                    continue
                schedule = config.build_schedule(name, length, k)
                law = schedule.law()
                if hasattr(law, "sizes"):
                    nonzero = {tuple(s for s in sizes if s) for sizes in law.sizes[law.weights > 1e-9]}
                    certain = len(nonzero) == 1
                else:
                    certain = len(np.unique(schedule.sizes_from(np.random.default_rng(0).random((50, k))), axis=0)) == 1
                assert look_module.is_list(schedule.exposure().tolist()) == certain, (name, length, k)


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


NASTY = [
    "$x$",
    "a_b^c\\d",
    "<script>alert(1)</script>&amp;",
    "_hidden",
    "n" * 300,
    "漢字🙂",
    "tab\tnew\nline\x1b[0m",
    "a$b",
]


def test_names_are_text_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setitem(style.RC, "savefig.dpi", 40)
    target = "|".join(NASTY[:3] + NASTY[5:])
    table = renamed(make_rows(schedules=NASTY, counts=(2,)), network=NASTY[6])
    table = [dataclasses.replace(r, target=target) for r in table]
    table = [dataclasses.replace(r, planner=NASTY[2] if r.planner == "confidence" else r.planner) for r in table]
    for name in NASTY:
        place = {"predictor": NASTY[6], "planner": name}
        table += [dataclasses.replace(row(m, 0.3, **place), nfe=3.5) for m in ("output_kl_nats", "output_tv")]
    files = figures.draw(table, tmp_path)  # warnings, as of a glyph that the font lacks, are errors here
    assert len(files) == 2 * (len(figures.FIGURES) - 1)
    for path in files:
        if path.suffix == ".svg":
            tags = {str(element.tag) for element in xml.etree.ElementTree.parse(path).getroot().iter()}
            assert not any("script" in tag for tag in tags)


@pytest.mark.parametrize("name", NASTY)
def test_names_of_all_kinds_are_shown_whole(name):
    table = renamed(make_rows(schedules=("uniform", name), counts=(2,)), network=name)
    figure = figures.path_kl([dataclasses.replace(r, target=name) for r in table])
    figure.draw_without_rendering()
    heading = figure.get_suptitle()
    assert text(name) in heading and not is_math_text(heading)
    width, height = figure.get_size_inches() * figure.dpi
    for artist in [*figure.legends, figure._suptitle, *figure.axes]:
        box = artist.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, "nothing is cut off"
    assert look_module.title(name) in labels(figure)
    assert figure.axes[0].get_window_extent().width > 0.4 * width
    shown = [t.get_text() for t in figures.entropy_curve(table).axes[0].get_legend().get_texts()]
    assert f"{look_module.who(name)}, $c[j]$ ± standard error" in shown


def test_names_are_shown_as_they_are_written():
    assert text("a$b") == r"a\$b" and text("x\ny") == r"x\ny" and text("\\") == "\\" and text("🙂") == r"\U0001f642"
    assert text("z" * 41) == "z" * 20 + "…" + "z" * 19 and text("z" * 40) == "z" * 40
    names = ["m" * 50 + f"{i}" + "m" * 50 for i in range(3)]
    look = Look([row("worst_case_tc", 1.0, schedule=name, num_steps=2) for name in names])
    assert len({look.title(name) for name in names}) == 3, "also where what differs is cut out"


def test_a_figure_that_fails_costs_no_other(tmp_path, monkeypatch):
    def fails(rows):
        raise ZeroDivisionError("no $uch luck")

    some = {"entropy_curve": figures.entropy_curve, "path_kl": figures.training, "training": figures.training}
    monkeypatch.setattr(figures, "FIGURES", some)
    figures.draw(make_rows(), tmp_path)
    monkeypatch.setattr(figures, "FIGURES", some | {"path_kl": fails})
    message = r"^1 of 3 figures could not be drawn: path_kl \(ZeroDivisionError: no \$uch luck\)$"
    with pytest.raises(figures.FigureError, match=message) as info:
        figures.draw(make_rows(), tmp_path)
    left = {"entropy_curve", "training"}  # the old path_kl showed other rows
    assert {path.stem for path in tmp_path.iterdir()} == {path.stem for path in info.value.files} == left


def test_figures_of_other_rows_do_not_stay(tmp_path, monkeypatch):
    some = {"entropy_curve": figures.entropy_curve, "training": figures.training}
    monkeypatch.setattr(figures, "FIGURES", some)
    (tmp_path / "notes.txt").write_text("mine")
    figures.draw(make_rows(), tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {"notes", *some}
    figures.draw(make_rows(network=False), tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {"notes", "entropy_curve"}


def test_the_users_settings_of_matplotlib_do_not_matter(tmp_path):
    table = [r for r in make_rows() if r.metric == "entropy_curve_nats"]
    figures.draw(table, tmp_path / "a")
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "red", "font.family": "none such"}):
        figures.draw(table, tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_infinite_values_are_said():
    def hit(r):
        return r.metric in ("path_kl_nats", "output_kl_nats") and r.predictor == "network" and r.num_steps == 2

    table = [dataclasses.replace(r, value=np.inf) if hit(r) and r.method != "identity" else r for r in make_rows()]
    for make in (figures.path_kl, figures.exact_laws):
        signs = [t for t in make(table).axes[0].texts if t.get_text() == "∞"]
        assert {t.xy[0] for t in signs} == {2.0} and {t.get_color() for t in signs} == {
            LOOK.color(n) for n in SCHEDULES
        }

    def hit(r):
        return (
            r.metric in ("learning_kl_nats", "cross_entropy_curve_nats") and r.index in (None, 3) and r.standard_error
        )

    table = [dataclasses.replace(r, value=np.inf, standard_error=np.nan) if hit(r) else r for r in make_rows()]
    assert [t.xy[0] for t in figures.entropy_curve(table).axes[0].texts] == [3]
    assert len([t for t in figures.kl_split(table).axes[0].texts if t.get_text() == "∞"]) == len(SCHEDULES)


def test_axes_say_which_kl_they_show():
    table = make_rows()
    assert figures.path_kl(table).axes[0].get_ylabel() == "path KL, nats per sequence"
    assert figures.kl_split(table).axes[0].get_ylabel() == "path KL, nats per sequence"
    assert figures.sampled(table).axes[0].get_ylabel() == "reverse path KL, nats per sequence"
    exact = figures.exact_laws(table).axes
    assert [exact[0].get_ylabel(), exact[2].get_ylabel()] == ["output KL, nats per sequence", "output TV"]
    assert "path KL" in labels(figures.exact_laws(table))
    assert {axes.get_xlabel() for axes in exact} == {"expected predictor calls (NFE)"}
    for make in (figures.path_kl, figures.sampled):
        assert {axes.get_xlabel() for axes in make(table).axes} == {"expected predictor calls per sequence (NFE)"}


def test_error_bars_are_one_standard_error_to_each_side():
    axes = figures.path_kl(make_rows()).axes[0]
    bars = [bar for bar in axes.containers if to_hex(bar.lines[0].get_color()) == LOOK.color("cosine")]
    (segments,) = [barline.get_segments() for barline in bars[0].lines[2]]
    exact = np.array([4 / 1, 5 / 4, 6 / 16]) + 0.165
    np.testing.assert_allclose([s[:, 1] for s in segments], np.stack([exact - 0.01, exact + 0.01], axis=1))
    np.testing.assert_allclose([s[0, 0] for s in segments], COUNTS)


def test_a_floor_has_a_band_of_its_standard_error():
    axes = figures.sampled(make_rows()).axes[1]
    bands = [patch.get_y() for patch in axes.patches], [patch.get_height() for patch in axes.patches]
    np.testing.assert_allclose(bands, [[FLOOR - 0.001], [0.002]])


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


def test_what_is_drawn_are_the_values_of_the_rows():
    table = make_rows()

    def values(metric, **wanted):
        return [r.value for r in style.select(table, metric, **wanted)]

    here = {"schedule": "minimax_both", "num_steps": 4}
    panels = figures.sizes(table).axes
    (revealed,) = lines(panels[0], "minimax_both")
    np.testing.assert_allclose(revealed.get_xydata(), np.stack([range(5), values("expected_revealed", **here)], axis=1))
    (strip,) = [axes for axes in panels if axes.get_ylabel().startswith("minimax both")]
    assert [(bar.get_x() + 0.4, bar.get_height()) for bar in strip.patches] == [
        (pytest.approx(j), value) for j, value in enumerate(values("exposure", **here))
    ]
    for axes, metric in zip(
        figures.sampled(table).axes, ("reverse_path_kl_nats", "single_marginal_tv", "pair_marginal_tv"), strict=True
    ):
        for name in SCHEDULES:
            (points,) = [line for line in lines(axes, name) if line.get_marker() == LOOK.marker(name)]
            expected = values(metric, schedule=name, predictor="network")
            np.testing.assert_allclose(np.array(points.get_xydata(), float), np.stack([COUNTS, expected], axis=1))
    entropy = figures.entropy_curve(table).axes
    drawn = [np.array(c.lines[0].get_ydata(), float) for axes in entropy for c in axes.containers]
    np.testing.assert_allclose(drawn, [values("cross_entropy_curve_nats"), values("learning_error_curve_nats")])
    (true,) = [line for line in entropy[0].get_lines() if line.get_marker() == "."]
    np.testing.assert_allclose(true.get_ydata(), values("entropy_curve_nats"))
    training = figures.training(table).axes[0]
    np.testing.assert_allclose(
        np.array(training.get_lines()[0].get_xydata(), float), [(j, 1 / (1 + j)) for j in range(LENGTH)]
    )
    assert training.get_yscale() == "log" and training.get_title(loc="left").startswith("Learning error")
    loss = [row("loss_nats", value, index=j, error=0.1) for j, value in enumerate((3.0, 2.0))]
    axes = figures.training(loss).axes[0]
    assert axes.get_title(loc="left") == "Loss (NELBO)" and list(axes.get_lines()[0].get_ydata()) == [3.0, 2.0]


def test_errors_that_are_not_known_are_not_drawn():
    table = [dataclasses.replace(r, standard_error=np.nan) if r.standard_error else r for r in make_rows()]
    for make in (figures.sampled, figures.path_kl, figures.kl_split, figures.entropy_curve):
        assert all(np.isfinite(axes.get_ylim()).all() for axes in make(table).axes)


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


def test_a_marker_that_is_alone_has_no_dash_that_looks_like_an_error():
    def dashes(axes):
        two = [line for line in axes.get_lines() if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
        return [line for line in two if to_hex(line.get_color()) != style.FAINT]  # which is the line at 0

    table = [r for r in make_rows() if r.num_steps in (None, 2)]
    assert not [line for axes in figures.sampled(table).axes for line in dashes(axes)]
    assert len(dashes(figures.path_kl(table).axes[0])) == len(SCHEDULES), "lines of the identity have no marker"
