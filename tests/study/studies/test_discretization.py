"""The study of discretizations: closed forms against its rows, and its summary and figures from the quick rows.

Sampled points are within 3.5 standard errors; with 4 of them and a fixed seed a false alarm has probability 0.2 %.
"""

import functools
import itertools

import numpy as np
import pytest

from jdlm import curves, schedules, targets
from jdlm.measure import exact
from jdlm.predictor import oracle
from jdlm.study.studies import discretization, discretization_errors, discretization_grids, load
from jdlm.study.studies.discretization_grids import DISCRETIZATIONS, thinned

SAMPLES = 1024


@functools.cache
def quick():
    """The quick rows, with fewer samples for each point."""
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discretization_errors, "SAMPLES", SAMPLES)
        rows = list(discretization.STUDY.measure(1, True, lambda *what: told.append(what)))
    assert told[-1][:2] == (len(told) - 1, len(told) - 1)
    return rows


def value(metric, rows=None, **wanted):
    (row,) = [
        r
        for r in (quick() if rows is None else rows)
        if r.metric == metric and all(getattr(r, name) == what for name, what in wanted.items())
    ]
    return row.value


def last_two_together(length, revealed):
    """P(the last step that reveals something reveals at least two tokens), from the revealed fractions after steps."""
    total = 0.0
    for before, after in itertools.pairwise(revealed):
        alone = length * (after - before) * before ** (length - 1)
        total += after**length - before**length - alone
    return total


def test_rows_have_places_of_their_own_and_do_not_depend_on_the_seed_where_they_are_exact():
    assert load("discretization") is discretization.STUDY
    assert len({row.place for row in quick()}) == len(quick())
    assert all((row.seed is None) == (row.method != "monte_carlo") for row in quick())


@pytest.mark.parametrize("num_steps", [4, 16])
def test_euler_on_parity_is_the_chance_that_the_last_two_tokens_come_together(num_steps):
    """Linear masking reveals the fraction t/K after t steps; an even number of ones is then right by chance."""
    together = last_two_together(8, np.arange(num_steps + 1) / num_steps)
    where = {"target": "parity-8", "schedule": "euler:linear", "num_steps": num_steps}
    assert value("output_tv", **where) == pytest.approx(together / 2, abs=1e-12)
    assert value("output_kl_nats", **where) == pytest.approx(-np.log(1 - together / 2), abs=1e-12)
    assert value("path_kl_nats", **where) == pytest.approx(together * np.log(2), abs=1e-12)


def test_the_number_of_steps_on_parity_is_the_length_over_four_times_the_distance():
    for length in (64, 256):
        where = {"target": f"parity-{length}", "schedule": "euler:linear"}
        assert value("tv_steps_over_length", num_steps=4 * length, **where) == pytest.approx(0.2396, abs=3e-4)
        assert value("tv_steps_over_length", num_steps=16 * length, **where) == pytest.approx(0.2474, abs=6e-5)
        steps = int(value("steps_until_tv_0.01", **where))
        assert steps == pytest.approx(length / 0.04, rel=0.01)
        for count, enough in ((steps, True), (steps - 1, False)):
            tv = last_two_together(length, np.arange(count + 1) / count) / 2
            assert bool(tv <= 0.01) is enough
        revealed = np.diff(np.arange(steps + 1) / steps)
        assert value("calls_until_tv_0.01", **where) == pytest.approx(np.sum(1 - (1 - revealed) ** length), rel=1e-9)
    power = "steps_until_tv_0.01_exponent_in_length"
    assert value(power, target="parity-16-256", schedule="euler:linear") == pytest.approx(1.0, abs=0.01)
    assert value(power, target="parity-16-256", schedule="euler:polynomial") == pytest.approx(0.5, abs=0.01)


def test_euler_on_other_maskings_has_the_rates_of_the_theory():
    """By the definition in continuous time: hazards at the beginning of each step, on the grid of the study."""
    length, num_steps = 16, 64
    last = {"cosine": np.pi / 2, "exponential-constant": np.log(2 * length)}
    for word, rate in (
        ("euler:cosine", lambda tau: np.pi / 2 / np.tan(np.pi / 2 * tau)),
        ("euler:polynomial", lambda tau: 2 / tau),
        ("euler:exponential-constant", lambda tau: 1 / np.expm1(tau)),
    ):
        start = last["exponential-constant"] if "exponential" in word else 1.0
        closed = word == "euler:polynomial"  # the last rate is at least 1
        times = np.linspace(start, 0.0, num_steps + (1 if closed else 0))
        rates = np.minimum((times[:-1] - times[1:]) * rate(times[:-1]), 1.0)
        revealed = 1 - np.concatenate([[1.0], np.cumprod(1 - np.append(rates, 1.0))])
        where = {"target": f"parity-{length}", "schedule": word, "num_steps": num_steps}
        assert value("output_tv", **where) == pytest.approx(last_two_together(length, revealed) / 2, abs=1e-12), word


def test_every_discretization_takes_the_steps_that_it_is_given():
    for word, length, num_steps in itertools.product(DISCRETIZATIONS, (4, 9), (2, 7, 30)):
        schedule = thinned(word, length, num_steps)
        assert (schedule.name, schedule.num_steps, schedule.length) == (word, num_steps, length)
        assert schedule.leftover == 0.0
    np.testing.assert_allclose(
        thinned("euler:linear", 9, 7).exposure(),
        schedules.ancestral(9, schedules.uniform_times(7), "linear").exposure(),
        rtol=1e-12,
    )
    left = discretization_grids.opened("tau_leaping:linear", 32, 8)
    assert left.leftover == pytest.approx(0.888, abs=5e-4) and left.num_steps == 8


def test_first_hitting_has_no_error_and_bounds_that_are_nearly_met():
    assert value("output_tv", target="parity-8", schedule="first_hitting") == pytest.approx(0.0, abs=1e-14)
    bit, code = {"target": "fair_bits-6"}, {"target": "repetition-6"}
    assert value("output_tv", **bit) == pytest.approx(0.05, abs=1e-12)
    assert value("accumulated_tv", **bit) == pytest.approx(0.05, abs=1e-12)
    score = -0.5 * np.log(1 - 4 * 0.05**2)
    assert value("score_error_nats", **bit) == pytest.approx(score, abs=1e-12)
    assert value("output_tv_over_score_error_bound", **bit) == pytest.approx(0.05 / np.sqrt(score / 2), abs=1e-12)
    # After j equal bits the next one differs with this probability, and leaves the code.
    agreed = [0.995**j / (0.995**j + 0.005**j) for j in range(1, 6)]
    leaves = np.array([0.005 * p + 0.995 * (1 - p) for p in agreed])
    assert value("accumulated_tv", **code) == pytest.approx(leaves.sum(), abs=1e-12)
    assert value("output_tv", **code) == pytest.approx(1 - np.prod(1 - leaves), abs=1e-12)
    assert value("output_tv", **code) == pytest.approx(1 - 0.995**6 - 0.005**6, abs=1e-12)


def test_a_wrong_predictor_stays_within_its_bounds_and_euler_comes_down_to_it():
    for number in discretization_errors.SEEDS:
        where = {"predictor": f"perturbed:0.4:{number}", "schedule": "first_hitting"}
        tv, accumulated, bound = (value(m, **where) for m in ("output_tv", "accumulated_tv", "score_error_bound_tv"))
        assert 0.0 < tv < min(accumulated, bound)
        assert value("output_kl_nats", **where) < value("score_error_nats", **where)
    beyond = [r.value for r in quick() if r.metric == "output_tv_beyond_first_hitting" and r.schedule == "euler:linear"]
    assert np.all(np.diff(beyond) < 0.0) and 0.0 < beyond[-1] < 0.01 * beyond[0]


def test_sampled_tokens_have_the_exact_total_variation():
    apart = [row for row in quick() if row.metric == "sampled_tv_deviation"]
    assert len(apart) == 4 and {row.n for row in apart} == {SAMPLES}
    assert all(abs(row.value) <= 3.5 for row in apart)
    for row in apart:
        where = {"target": row.target, "schedule": row.schedule, "predictor": row.predictor}
        (found,) = [r for r in quick() if r.metric == "sampled_tv" and r.cell == row.cell]
        assert found.standard_error is not None
        assert abs(found.value - value("sampled_tv_exact", **where)) <= 3.5 * found.standard_error


def test_codes_of_all_dimensions_and_leftover_masks():
    tv = [row.value for row in quick() if row.target == "mds-64" and row.metric == "output_tv"]
    assert value("largest_output_tv", target="mds-64") == max(tv)
    overshoot = thinned("euler:linear", 64, 256).overshoot_law(20)
    assert tv[19] == pytest.approx(1 - overshoot @ 67.0 ** -np.arange(len(overshoot)), abs=1e-12)
    masked = np.prod(1 - (1 - np.exp(-1 / np.arange(16, 0, -1))))  # tau-leaping, linear: the rate is 1 / steps left
    where = {"schedule": "tau_leaping:linear-open", "num_steps": 16}
    assert value("expected_leftover_masks", **where) == pytest.approx(64 * masked, rel=1e-12)
    assert value("leftover_probability", **where) == pytest.approx(1 - (1 - masked) ** 64, rel=1e-12)


def test_enumeration_by_the_study_is_that_of_the_sampler():
    schedule = thinned("tau_leaping:cosine", 8, 4)
    target = targets.parity(8)
    out = exact.output_law(oracle(target), schedule).law
    where = {"target": "parity-8", "schedule": "tau_leaping:cosine", "num_steps": 4}
    assert value("output_tv", **where) == pytest.approx(exact.total_variation(exact.target_law(target), out), abs=1e-12)
    path = curves.path_kl(schedule.exposure(), target.entropy_curve())
    assert value("path_kl_nats", **where) == pytest.approx(path, abs=1e-12)


def test_summary_and_figures_come_from_the_rows():
    lines = discretization.STUDY.conclude(quick())
    assert 5 <= len(lines) <= 10 and all("[cell " in line and "\n" not in line for line in lines)
    for name, draw in discretization.STUDY.figures.items():
        figure = draw(quick())
        assert figure is not None, name
        heading = figure.get_suptitle()
        assert "L = " in heading and ("exact" in heading or "n = " in heading), name
        assert draw([]) is None
