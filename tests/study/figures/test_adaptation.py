"""Figures of the study of adaptation, from its committed rows: what is drawn, and that black and white is enough."""

import dataclasses

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from jdlm.study import rows, verify
from jdlm.study.figures import style
from jdlm.study.figures.adaptation import FIGURES, adaptation
from jdlm.study.figures.look import Look
from jdlm.study.figures.strokes import Strokes, described


@pytest.fixture(autouse=True)
def settings():
    with matplotlib.rc_context(style.RC):
        yield


@pytest.fixture(scope="module")
def table():
    return rows.read(verify.folder() / "adaptation.csv")


def labels(axes):
    return [text.get_text() for text in axes.texts]


def test_one_glance_names_what_is_flat_and_what_leaves_the_panel(table):
    tc, dtc, output = adaptation(table).axes
    assert labels(tc) == ["TC equalizer 0.2249", "minimax both 0.3058"]
    assert labels(dtc) == [
        "minimax DTC 0.1725",
        "minimax both 0.3058",
        "uniform ↑ 3\nTC equalizer ↑ 6.97\nrandom phase equal ↑ 2",
    ]
    assert labels(output) == []
    assert adaptation(table).get_suptitle().endswith("([L, m] codes, L = 32, V = 37, K = 8, exact)")


def test_one_glance_draws_the_rows_lists_thin_and_dashed_and_random_sizes_thick(table):
    panels = adaptation(table).axes
    metrics = ("code_path_kl_over_tc", "code_path_kl_over_dtc", "code_output_kl_nats")
    look = Look(table)
    names = [name for name in look.schedules if name in {"uniform", "cosine", "best_fixed_both", "tc_equalizer",
             "minimax_dtc", "minimax_both", "random_phase_equal"}]  # fmt: skip
    for axes, metric in zip(panels, metrics, strict=True):
        lines = [line for line in axes.lines if len(line.get_xdata()) == 31]
        assert len(lines) == len(names) == 7
        for name, line in zip(names, lines, strict=True):
            mine = [row for row in table if (row.metric, row.schedule) == (metric, name)]
            assert list(line.get_ydata()) == [row.value for row in mine]
            random = name in ("tc_equalizer", "minimax_dtc", "minimax_both", "random_phase_equal")
            assert (line.get_linewidth() > 1.5, line.get_linestyle() == "-") == (random, random)


def test_black_and_white_tells_the_schedules_apart(table):
    strokes = Strokes(table)
    assert len(strokes.names) == 13
    seen = {str((strokes.paint(name)["marker"], strokes.paint(name)["linestyle"])) for name in strokes.names}
    assert len(seen) == 13
    lightness = [to_rgb(strokes.paint(name)["color"]) @ np.array([0.299, 0.587, 0.114]) for name in strokes.names]
    assert max(lightness) < 0.75, "none is lost on white paper"


def test_headings_say_length_vocabulary_steps_and_number(table):
    sampled = [row for row in table if row.metric == "inside_code_share" and row.n]
    assert described("Inside", sampled, table) == "Inside (L = 32, V = 37, K = 8, n = 2,048)"
    steps = [row for row in table if row.metric == "path_kl_steps_over_tc"]
    assert described("Rates", steps, table) == "Rates (L = 64 and 128, V = 67 and 131, K = 4 to 64, exact)"


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_of_its_rows_and_none_of_others(table, name):
    figure = FIGURES[name](table)
    figure.draw_without_rendering()
    assert all(word in figure.get_suptitle() for word in ("L = ", "V = ", "K = "))
    assert FIGURES[name]([dataclasses.replace(row, metric="another") for row in table[:5]]) is None
