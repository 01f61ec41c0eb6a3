"""How schedules and predictors look, and how names enter a figure."""

import dataclasses

import numpy as np
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.colors import to_rgb

from jdlm import config
from jdlm.config import presets
from jdlm.study import figures
from jdlm.study.figures import look as look_module
from jdlm.study.figures import style
from jdlm.study.figures.look import Look, text
from tests.study.figures.toy import (
    LOOK,
    NASTY,
    SCHEDULES,
    labels,
    lines,
    make_rows,
    renamed,
    row,
)  # fmt: skip


def test_one_colour_a_schedule():
    look = Look(make_rows())
    assert look.schedules == ["uniform", "cosine", "minimax_both", "first_hitting", "home_made"]
    assert (look.color("home_made"), look.marker("home_made")) == ("#00dddd", "X"), "stays the same in every process"
    assert look.present([row("exposure", 1.0, schedule="cosine"), row("exposure", 1.0, schedule="uniform")]) == [
        "uniform",
        "cosine",
    ]


def test_predictors_of_any_name_are_drawn():
    table = renamed(make_rows(), oracle="network", network="oracle")  # a name says nothing
    swapped, usual = figures.path_kl(table), figures.path_kl(make_rows())
    for name in SCHEDULES:
        mine, theirs = lines(swapped.axes[0], name), lines(usual.axes[0], name)
        assert len(mine) == len(theirs)
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(np.array(a.get_ydata(), float), np.array(b.get_ydata(), float))
            assert a.get_markerfacecolor() == b.get_markerfacecolor()
    assert "network, exact identity" in labels(swapped)
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
    assert [axes.get_title(loc="left") for axes in drawn["path_kl"].axes] == ["network", "other"]
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
    assert len(every) >= 15 + 12 + 2
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


def test_a_predictor_is_shown_by_itself_only_where_it_has_errors_of_its_own():
    look = LOOK
    assert look.predictors == ["network", "oracle"] and look.exact == {"oracle"}
    both = [row("path_kl_nats", 1.0, predictor=name) for name in ("network", "oracle")]
    assert look.shown(both) == ["network"] and look.shown(both[1:]) == ["oracle"] and look.shown([]) == []
    assert look.learned_color("network") != style.NEUTRAL
