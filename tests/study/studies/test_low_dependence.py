"""The study of low dependence: curves by enumeration, its rows by other ways, its summary and figures.

Path KL of forced tokens is within 3.5 standard errors at 4 points: a false alarm in 500 seeds, with a fixed one.
"""

import functools
import itertools

import numpy as np
import pytest
from scipy.stats import linregress

from jdlm import curves, schedules, targets
from jdlm.study.studies import load, low_dependence, low_dependence_grids, low_dependence_targets
from jdlm.study.studies.low_dependence_targets import random_strings_curve
from tests.reference import laws as reference

SAMPLES = 128


@functools.cache
def quick():
    """The quick rows, with fewer samples for each point."""
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(low_dependence_grids, "SAMPLES", SAMPLES)
        rows = list(low_dependence.STUDY.measure(1, True, lambda *what: told.append(what)))
    assert told[-1][:2] == (len(told) - 1, len(told) - 1)
    return rows


def value(metric, **wanted):
    (row,) = [r for r in quick() if r.metric == metric and all(getattr(r, name) == w for name, w in wanted.items())]
    return row.value


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (3, 3), (4, 1)], ids=str)
def test_the_curve_of_random_strings_is_the_mean_over_all_of_them(shape):
    length, count = shape
    curve, sets = np.zeros(length), list(itertools.product(itertools.product(range(2), repeat=length), repeat=count))
    for strings in sets:
        law = np.zeros((2,) * length)
        for string in strings:
            law[string] += 1 / count
        curve += reference.entropy_curve(law) / len(sets)
    np.testing.assert_allclose(random_strings_curve(length, count), curve, rtol=0, atol=1e-12)


def test_long_curves_have_the_entropy_of_the_label():
    for count in (80, 5000):
        curve = random_strings_curve(2000, count)
        assert curves.entropy(curve) == pytest.approx(np.log(count), abs=1e-9)
        assert curves.dual_total_correlation(curve) == pytest.approx(np.log(count), abs=1e-9)
        assert curves.spectrum(curve).min() > -1e-12
    chain = low_dependence_targets.flip(9)
    law = reference.markov([0.5, 0.5], [[7 / 9, 2 / 9], [2 / 9, 7 / 9]], 9)
    np.testing.assert_allclose(chain[:2], reference.entropy_curve(law)[:2], atol=1e-12)


def test_soft_parity_is_what_it_says():
    target = low_dependence_targets.soft_parity(8, 4, 0.5)
    biased = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert curves.entropy(target.entropy_curve()) == pytest.approx(2 * (3 * np.log(2) + biased), abs=1e-12)
    tc = 2 * (np.log(2) - biased)
    assert curves.total_correlation(target.entropy_curve()) == pytest.approx(tc, abs=1e-12)


def test_rows_have_places_of_their_own_and_say_where_they_are_random():
    assert load("low-dependence") is low_dependence.STUDY
    assert len({row.place for row in quick()}) == len(quick())
    assert all((row.seed is None) == (row.n is None) for row in quick())


def test_steps_are_the_fewest_that_are_enough():
    curve = targets.sticky_markov(128, 4, 0.35).entropy_curve()
    kl = {k: curves.path_kl(schedules.uniform(128, k).exposure(), curve) for k in range(1, 129)}
    for goal in (0.1, 0.01):
        where = {"target": "markov:0.35", "schedule": "uniform"}
        steps = int(value(f"steps_until_kl_{goal:g}", **where))
        assert steps == value(f"calls_until_kl_{goal:g}", **where)
        assert kl[steps] <= goal < kl[steps - 1]
    word = {"target": "markov:0.35", "schedule": "ancestral:exponential"}
    steps = int(value("steps_until_kl_0.1", **word))
    around = [
        schedules.ancestral(128, schedules.exponential_times(128, k - 1), "exponential") for k in (steps, steps - 1)
    ]
    enough, fewer = (curves.path_kl(schedule.exposure(), curve) for schedule in around)
    assert enough <= 0.1 < fewer
    assert value("calls_until_kl_0.1", **word) == pytest.approx(around[0].mean_nfe, rel=1e-12)
    assert around[0].mean_nfe < steps


def test_the_best_list_and_minimax_between_its_shipped_steps():
    case = low_dependence_targets.Case(random_strings_curve(128, 16), 2)
    made = low_dependence._Schedules(128)
    rows = {
        (row.schedule, row.metric): row.value
        for row in low_dependence._needed(0, "strings:16", case, ("optimal", "minimax_both"), made)
    }
    best = rows["optimal", "steps_until_kl_0.1"]
    for steps, enough in ((int(best), True), (int(best) - 1, False)):
        kl = curves.path_kl(schedules.optimal(case.curve, steps).exposure(), case.curve)
        assert bool(kl <= 0.1) is enough
    steps = rows["minimax_both", "steps_until_kl_0.1"]
    below = 2 ** int(np.log2(steps))
    kl = [curves.path_kl(schedules.minimax(128, k, "both").exposure(), case.curve) for k in (below, 2 * below)]
    assert kl[1] < 0.1 < kl[0]
    assert np.log(kl[0] / 0.1) / np.log(kl[0] / kl[1]) == pytest.approx(np.log2(steps / below), abs=1e-12)
    assert low_dependence._between([(2, 0.4), (4, 0.2)], 0.1) is None


def test_fits_find_the_correlation_that_a_schedule_answers_to():
    """Equal sizes answer to TC + DTC and lists made for TC to it; the slope is that of a regression on logarithms."""
    names = ("markov:0.3", "markov:0.35", "mixture:4:40", "mixture:16:8", "parity:8:0.5", "parity:8:0.2")
    words = ("uniform", "best_fixed_tc")
    rows, made = [], low_dependence._Schedules(128)
    for name in names:
        rows += low_dependence._needed(0, name, low_dependence_targets.cases()[name](), words, made)
    fits = {(row.schedule, row.metric): row for row in low_dependence._fits(0, rows, words)}
    for word, good in (("best_fixed_tc", "tc"), ("uniform", "sum")):
        assert fits[word, f"steps_until_kl_0.1_r_squared_in_{good}"].value > 0.95
        assert fits[word, "steps_until_kl_0.1_r_squared_in_dtc"].value < 0.75
    assert fits["uniform", "targets_until_kl_0.1"].value == len(names)
    x = [np.log(value_of(rows, name, "correlation_sum_nats")) for name in names]
    y = [np.log(value_of(rows, name, "steps_until_kl_0.1", "uniform")) for name in names]
    slope = fits["uniform", "steps_until_kl_0.1_exponent_in_sum"]
    expected, _, correlation, _, error = linregress(x, y)
    assert (slope.value, slope.standard_error) == pytest.approx((expected, error), rel=1e-9)
    squared = fits["uniform", "steps_until_kl_0.1_r_squared_in_sum"].value
    assert squared == pytest.approx(float(correlation) ** 2, rel=1e-9)


def value_of(rows, target, metric, schedule=""):
    (row,) = [r for r in rows if (r.target, r.metric, r.schedule) == (target, metric, schedule)]
    return row.value


def test_constant_times_multiply_the_revealed_tokens_and_beat_geometric_ones_on_strings():
    for num_steps in (20, 30):
        where = {"target": "grids:strings:80", "num_steps": num_steps}
        constant = value("path_kl_nats", schedule="constant", **where)
        assert constant < 0.5 * value("path_kl_nats", schedule="geometric:0.1", **where)
        assert constant < 0.25 * value("path_kl_nats", schedule="geometric:0.01", **where)
        made = {schedule.name: schedule for schedule in low_dependence_grids.grids(2000, num_steps)}
        assert {schedule.num_steps for schedule in made.values()} == {num_steps}
        # By the definition: tokens are revealed at independent times, and step t shows those in its interval.
        alpha = np.exp(-np.linspace(8.0, 0.0, num_steps + 1))
        revealed = 2000 * (alpha - alpha[0]) / (1 - alpha[0])
        np.testing.assert_allclose(made["constant"].expected_revealed(), revealed, rtol=1e-9, atol=1e-9)
        growth = np.diff(np.log(made["constant"].expected_revealed()[9:]))
        assert growth.max() / growth.min() < 1.2
    places = [row for row in quick() if row.metric == "path_kl_up_to_nats" and row.schedule == "constant"]
    assert places[-1].value == pytest.approx(
        value("path_kl_nats", schedule="constant", num_steps=20, target="grids:strings:80")
    )
    assert value("dtc_share_up_to", target="grids:strings:80", index=1999) == pytest.approx(1.0, abs=1e-9)


def test_forced_tokens_have_the_path_kl_of_the_identity():
    deviations = [row for row in quick() if row.metric == "path_kl_deviation"]
    assert len(deviations) == 4 and {row.n for row in deviations} == {SAMPLES}
    for row in deviations:
        found, exact = (
            [r for r in quick() if r.cell == row.cell and r.metric == "path_kl_nats" and r.method == method]
            for method in ("monte_carlo", "identity")
        )
        apart, error = found[0].value - exact[0].value, found[0].standard_error
        assert error is not None and abs(apart) <= 3.5 * error
        assert row.value == pytest.approx(apart / error)


def test_summary_and_figures_come_from_the_rows():
    lines = low_dependence.STUDY.conclude(quick())
    assert 4 <= len(lines) <= 10 and all("[cell " in line and "\n" not in line for line in lines)
    drawn = {name: draw(quick()) for name, draw in low_dependence.STUDY.figures.items()}
    assert {name for name, figure in drawn.items() if figure is None} == {"predictors", "r_squared"}  # of all targets
    for figure in filter(None, drawn.values()):
        heading = figure.get_suptitle()
        assert "L = " in heading and "V = " in heading and ("K = " in heading or "n = " in heading)
    assert all(draw([]) is None for draw in low_dependence.STUDY.figures.values())
