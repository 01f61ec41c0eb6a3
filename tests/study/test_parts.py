"""Rows of what is known without a predictor: of the target, of each schedule, and the floor of true samples."""

import math

import numpy as np
import pytest

from jdlm import evaluate, schedules, targets
from jdlm.measure import CurveEstimate
from jdlm.study import parts
from jdlm.study import sweep as sweeps
from jdlm.study.cells import Origin
from tests.reference import laws
from tests.reference import samplers as reference
from tests.reference import schedules as schedules_reference
from tests.study.cases import (
    LENGTH,
    LISTS,
    STEPS,
    N,
    bare_case,
    correlations,
    is_exact,
    marginal_distance,
    table_law,
)  # fmt: skip


def test_rows_of_the_target():
    found = bare_case().cell("")
    known = correlations(table_law())
    is_exact(found.pop(("entropy_nats", "exact")), laws.entropy(table_law()))
    for name, word in (("total", "tc"), ("dual_total", "dtc"), ("effective", "both")):
        is_exact(found.pop((f"{name}_correlation_nats", "exact")), known[word])
    for j, value in enumerate(laws.entropy_curve(table_law())):
        is_exact(found.pop(("entropy_curve_nats", "exact", j)), value)
    assert set(found) == {("single_marginal_tv_floor", "monte_carlo"), ("pair_marginal_tv_floor", "monte_carlo")}


def test_floors_are_those_of_the_sequences_drawn_for_them(monkeypatch):
    drawn, whole = [], evaluate.draw_tokens
    monkeypatch.setattr(evaluate, "draw_tokens", lambda *given: drawn.append(whole(*given)) or drawn[-1])
    target = targets.table(table_law())
    made = sweeps.sweep(target, {}, [], target_name="law", n=N, curve_n=2, seed=0)
    (tokens,) = drawn
    assert tokens.shape == (N, LENGTH) and reference.chi_square_p_value(tokens, table_law()) > 1e-5
    counts = np.zeros_like(table_law())
    np.add.at(counts, tuple(tokens.T), 1 / N)
    found = {row.metric: row.value for row in made}
    for name, size in (("single", 1), ("pair", 2)):
        assert found[f"{name}_marginal_tv_floor"] == pytest.approx(
            marginal_distance(table_law(), counts, size), abs=1e-6
        )


@pytest.mark.parametrize("name", ["uniform", "mixed", "chain"])
def test_rows_of_a_schedule(name):
    found = bare_case().cell("", schedule=name)
    lists = LISTS[name]
    exposure, revealed = np.zeros(LENGTH), np.zeros(STEPS[name] + 1)
    for probability, sizes in lists:
        for step, size in enumerate(sizes):
            exposure[sum(sizes[:step]) : sum(sizes[:step]) + (size > 0)] += probability * size
            revealed[step + 1] += probability * sum(sizes[: step + 1])
    for j in range(LENGTH):
        is_exact(found.pop(("exposure", "exact", j)), exposure[j])
    for step in range(STEPS[name] + 1):
        is_exact(found.pop(("expected_revealed", "exact", step)), revealed[step])
    for word in ("tc", "dtc", "both"):
        row = found.pop((f"worst_case_{word}", "exact"))
        is_exact(row, schedules_reference.worst_case(lists, word))
        assert row.num_steps == STEPS[name] and row.nfe == pytest.approx(mean_calls(lists))
    if STEPS[name] == 3:  # as most schedules of this sweep have
        is_exact(found.pop(("code_field_size", "exact")), 5.0)  # the smallest prime of at least 4
        for m in range(1, LENGTH):
            beyond = [(p, min(n for n in np.cumsum(sizes) if n >= m) - m) for p, sizes in lists]
            mean = sum(p * over for p, over in beyond)
            is_exact(found.pop(("code_path_kl_over_tc", "identity", m)), mean / (LENGTH - m))
            is_exact(found.pop(("code_path_kl_over_dtc", "identity", m)), mean / m)
            inside = sum(p * 5.0**-over for p, over in beyond)
            is_exact(found.pop(("code_output_kl_nats", "exact", m)), -math.log(inside))
    drawn = [found.pop(("drawn_size", "monte_carlo", index)).value for index in range(30 * (len(lists) > 1))
             if STEPS[name] == 3]  # fmt: skip
    possible = {tuple(sizes) for probability, sizes in lists if probability > 0}
    assert {tuple(each) for each in np.reshape(drawn, (-1, 3)).astype(int).tolist()} <= possible
    assert not found


def mean_calls(lists):
    return sum(probability * np.count_nonzero(sizes) for probability, sizes in lists)


def test_guarantees_are_the_least_worst_case_times_the_targets_own_correlation():
    """Against the linear program on (step, revealed) nodes; no other schedule gets a guarantee."""
    target = targets.table(table_law())
    plan = [schedules.minimax(LENGTH, 2, word) for word in ("tc", "dtc", "both")]
    plan += [schedules.minimax(LENGTH, 3, "dtc"), schedules.tc_equalizer(LENGTH, 2)]
    found = sweeps.sweep(target, {}, plan, target_name="law", n=2, curve_n=2, seed=0)
    guarantees = {(r.schedule, r.num_steps): r for r in found if r.metric == "guarantee_nats"}
    known = correlations(table_law())
    for word, steps in (("tc", 2), ("dtc", 2), ("both", 2), ("dtc", 3)):
        row = guarantees.pop((f"minimax_{word}", steps))
        is_exact(row, schedules_reference.minimax(LENGTH, steps, word) * known[word], 1e-6)
        assert row.method == "identity"
    assert not guarantees


CURVE = np.array([2.0, 1.5, 1.0, 0.25])


def values(rows):
    """By metric and index; no two rows are the same number."""
    rows = list(rows)
    found = {(row.metric, row.index) if row.index is not None else row.metric: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_identities_add_what_was_learned_to_what_the_schedule_costs():
    """By hand: x = (2, 0, 2, 0), so 2 * 2 + 2 * 1 - 4.75 for factorization and 2 * 0.1 + 2 * 0.3 for learning."""
    origin = Origin("it", 0, schedule=schedules.uniform(4, 2), predictor="p")
    errors = evaluate.MeasuredCurve(
        CurveEstimate(CURVE + 9.0, np.ones(4), 50), CurveEstimate(np.array([0.1, 7, 0.3, 7]), np.full(4, 0.05), 50)
    )
    known, measured = (values(parts.identities(origin, CURVE, what)) for what in (None, errors))
    expected = {"factorization_kl_nats": 1.25, "learning_kl_nats": 0.8, "path_kl_nats": 2.05, "nelbo_nats": 6.8}
    for metric, value in expected.items():
        row = measured[metric]
        assert row.value == pytest.approx(value) and row.method == "identity"
        exact = metric == "factorization_kl_nats"
        assert (row.n, row.standard_error) == ((None, None) if exact else (50, pytest.approx(0.05 * np.sqrt(8))))
        without = known[metric]
        learned = 0.0 if exact else 0.8
        assert (without.value, without.standard_error, without.n) == (pytest.approx(value - learned), None, None)
    assert set(known) == set(measured) == set(expected)


def test_without_an_entropy_curve_the_nelbo_is_the_exposure_times_the_measured_curve():
    origin = Origin("it", 0, schedule=schedules.uniform(4, 2), predictor="p")
    measured = evaluate.MeasuredCurve(CurveEstimate(CURVE, np.full(4, 0.05), 50), None)
    (row,) = parts.identities(origin, None, measured)
    assert (row.metric, row.value, row.n) == ("nelbo_nats", 6.0, 50)
    found = values(parts.of_curve(origin, measured))
    assert set(found) == {("cross_entropy_curve_nats", j) for j in range(4)}
    assert list(parts.of_target(origin, None)) == []


def test_a_guarantee_takes_a_certificate_and_an_entropy_curve():
    schedule = schedules.minimax(4, 2, "dtc")
    origin = Origin("it", 0, schedule=schedule)
    with_curve, without = (values(parts.of_schedule(origin, curve)) for curve in (CURVE, None))
    dual = CURVE.sum() - 4 * 0.25
    assert with_curve["guarantee_nats"].value == pytest.approx(schedule.certificate.value * dual)
    assert set(with_curve) - set(without) == {"guarantee_nats"}
    equal = Origin("it", 0, schedule=schedules.uniform(4, 2))
    assert "guarantee_nats" not in values(parts.of_schedule(equal, CURVE))


def test_drawn_sizes_are_ten_lists_of_a_randomized_schedule():
    """Each sums to the length and is one of its lists, in the share of its weight: 10 of them, so only roughly."""
    schedule = schedules.minimax(6, 3, "both")
    rows = list(parts.of_drawn(Origin("toy", 5, schedule=schedule)))
    assert [r.index for r in rows] == list(range(30)) and {(r.metric, r.n, r.seed) for r in rows} == {
        ("drawn_size", 1, 5)
    }
    lists = np.array([r.value for r in rows]).reshape(10, 3)
    possible = {tuple(sizes) for sizes in np.asarray(schedule.law().size_lists()[1]).tolist()}
    assert {tuple(each) for each in lists.astype(int).tolist()} <= possible and len({tuple(each) for each in lists}) > 1
    assert list(parts.of_drawn(Origin("toy", 5, schedule=schedules.uniform(6, 3)))) == []
    assert list(parts.of_drawn(Origin("toy", 5, schedule=schedules.tc_equalizer(80, 70)))) == []
