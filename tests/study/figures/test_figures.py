"""What `draw` writes, and what holds for all figures."""

import dataclasses
import re
import struct
import xml.etree.ElementTree

import matplotlib
import numpy as np
import pytest

from jdlm.study import figures
from jdlm.study.figures import style
from tests.study.figures.toy import (
    COUNTS,
    LENGTH,
    LOOK,
    NASTY,
    SCHEDULES,
    labels,
    lines,
    make_rows,
    renamed,
    row,
)  # fmt: skip


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


def test_other_planners_do_not_enter_the_other_figures():
    extra = [dataclasses.replace(r, planner="confidence", value=99.0) for r in make_rows() if r.planner == "random"]
    for make in (figures.path_kl, figures.sampled):
        before, after = make(make_rows()), make(make_rows() + extra)
        assert [len(axes.get_lines()) for axes in before.axes] == [len(axes.get_lines()) for axes in after.axes]
    assert "planner confidence" in figures.sampled(extra).get_suptitle()


@pytest.mark.parametrize(("length", "counts"), [(8, (3,)), (1, (1,))])
def test_every_length_and_number_of_steps_is_drawn(length, counts):
    table = make_rows(length=length, counts=counts)
    if length == 1:  # there are no pairs
        pairs = ("pair_marginal_tv", "pair_marginal_tv_floor")
        table = [dataclasses.replace(r, value=np.nan, standard_error=np.nan) if r.metric in pairs else r for r in table]
    for name, make in figures.FIGURES.items():
        if name != "nelbo" and (name, length) != ("adaptation", 1):  # a single token depends on nothing
            make(table).draw_without_rendering()
    axes = figures.path_kl(table).axes[0]
    assert set(counts) <= set(axes.get_xticks())
    assert "Law of a pair of tokens" not in [a.get_title(loc="left") for a in figures.sampled(table).axes] or length > 1


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
