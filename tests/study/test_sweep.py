"""Every number of a sweep against an independent one: enumeration of all paths on two laws of 16 sequences.

Monte Carlo numbers are within 4.5 of their true standard errors, and the reported standard errors within 4.5 standard
deviations of the true ones, both from enumerated moments: each alarms falsely once in 150,000 seeds, and there are
about 400 of them. Samples have a chi-square test against the enumerated law that alarms once in 100,000.
"""

import math

import numpy as np
import pytest

from tests.reference import laws, paths
from tests.reference import samplers as reference
from tests.reference import schedules as schedules_reference
from tests.study.cases import (
    CURVE_N,
    LENGTH,
    LISTS,
    PLANS,
    SEED,
    STEPS,
    VOCAB,
    N,
    bare_case,
    hidden_case,
    is_exact,
    kernels,
    marginal_distance,
    table_case,
)  # fmt: skip

EXACT = {("output_kl_nats", "exact"), ("output_tv", "exact"), ("path_kl_nats", "exact")}
SAMPLED = {
    (metric, "monte_carlo")
    for metric in (
        "path_kl_nats", "single_marginal_tv", "pair_marginal_tv", "distinct_share", "measured_nfe",
        "outside_support_share", "reverse_path_kl_nats",
    )
}  # fmt: skip
SPLIT = {(m, "identity") for m in ("factorization_kl_nats", "learning_kl_nats", "path_kl_nats", "nelbo_nats")}


CASES = {"table": table_case, "hidden Markov": hidden_case}


def every_cell(test):
    """Runs a test for each predictor of each sweep."""
    names = [("table", "oracle"), ("table", "wrong"), ("hidden Markov", "exact"), ("hidden Markov", "oracle")]
    return pytest.mark.parametrize(("case", "who"), names)(test)


def agrees(row, moments, n):
    """A mean of n values of these moments: its value and its standard error, which is that of the spread."""
    assert row.n == n and row.seed == SEED
    error = math.sqrt(moments.variance / n)
    if error < 1e-9:
        assert row.value == pytest.approx(moments.mean, abs=1e-6) and row.standard_error < 1e-6
        return
    assert abs(row.value - moments.mean) < 4.5 * error, (row, moments, error)
    kurtosis = moments.fourth / moments.variance**2
    assert abs(row.standard_error / error - 1) < 4.5 * math.sqrt((kurtosis - 1) / (4 * n)) + 2 / n, (row, error)


def cross_entropy(rows, truth, tokens):
    return -np.log(rows[np.arange(LENGTH), list(tokens)])


def divergence(rows, truth, tokens):
    truth, rows = np.where(truth > 0, truth, 1.0), np.where(truth > 0, rows, 1.0)  # 1 log(1/1) adds nothing
    return np.sum(truth * np.log(truth / rows), axis=1)


def test_rows_of_a_target_whose_entropy_curve_is_not_known():
    floors = {("single_marginal_tv_floor", "monte_carlo"), ("pair_marginal_tv_floor", "monte_carlo")}
    assert set(hidden_case().cell("")) == floors


@pytest.mark.parametrize("case", [bare_case, hidden_case])
def test_floors_are_what_true_samples_have(case):
    """Against 400 samples of the law drawn by numpy."""
    case = case()
    law, rng = case.law, np.random.default_rng(0)
    counts = rng.multinomial(N, law.ravel(), size=400).reshape(400, *law.shape) / N
    for name, size in (("single", 1), ("pair", 2)):
        distances = marginal_distance(law, counts, size)
        row = case.cell("")[f"{name}_marginal_tv_floor", "monte_carlo"]
        assert row.n == N and abs(row.value - distances.mean()) < 4.5 * distances.std()


@every_cell
def test_measured_curves(case, who):
    case = CASES[case]()
    found = {key: row for key, row in case.cell(who).items()}
    if (case, who) == (table_case(), "oracle"):  # known: nothing is measured
        assert not found
        return
    pairs = (("cross_entropy_curve_nats", cross_entropy), ("learning_error_curve_nats", divergence))
    for metric, score in pairs:
        known = paths.curve_terms(case.law, case.predict[who], score)
        for j, moments in enumerate(known):
            agrees(found.pop((metric, "monte_carlo", j)), moments, CURVE_N)
    total = found.pop(("learning_error_nats", "monte_carlo"))
    error = math.sqrt(sum(m.variance for m in known) / CURVE_N)  # of the last one, the divergence
    assert abs(total.value - sum(m.mean for m in known)) < 4.5 * error + 1e-6
    assert total.standard_error == pytest.approx(error, rel=0.2, abs=1e-6) and total.n == CURVE_N
    assert not found


@every_cell
def test_rows_of_identities(case, who):
    case = CASES[case]()
    h, entropy = laws.entropy_curve(case.law), laws.entropy(case.law)
    scores = {"nelbo_nats": cross_entropy, "learning_kl_nats": divergence}
    terms = {name: paths.curve_terms(case.law, case.predict[who], score) for name, score in scores.items()}
    for schedule in case.schedules:
        lists = LISTS[schedule.name]
        x = schedules_reference.moments(
            (kernels(),) if schedule.name == "chain" else tuple(zip(*lists, strict=True)), LENGTH
        )[0]
        found = {key: row for key, row in case.cell(who, "random", schedule.name).items() if key[1] == "identity"}

        def value(row, constant, metric, x=x):
            """A constant plus the exposure times a measured curve."""
            mean = constant + x @ [m.mean for m in terms[metric]]
            error = math.sqrt(x**2 @ [m.variance for m in terms[metric]] / CURVE_N)
            assert abs(row.value - mean) < 4.5 * error + 1e-6 and row.n == CURVE_N, (row, mean, error)
            assert row.standard_error == pytest.approx(error, rel=0.2, abs=1e-6)

        if case is hidden_case():
            value(found.pop(("nelbo_nats", "identity")), 0.0, "nelbo_nats")
            assert not found
            continue
        assert set(found) == SPLIT
        factorization = schedules_reference.mean_path_kl(case.law, lists)
        assert factorization == pytest.approx(x @ h - entropy)
        is_exact(found["factorization_kl_nats", "identity"], factorization)
        parts = {"learning_kl_nats": 0.0, "path_kl_nats": factorization, "nelbo_nats": entropy + factorization}
        for metric, constant in parts.items():
            if who == "oracle":
                is_exact(found[metric, "identity"], constant)
            else:
                value(found[metric, "identity"], constant, "learning_kl_nats")
        measured = (
            [case.cell(who)["learning_error_curve_nats", "monte_carlo", j].value for j in range(LENGTH)]
            if (who != "oracle")
            else np.zeros(LENGTH)
        )
        assert found["learning_kl_nats", "identity"].value == pytest.approx(x @ measured)


@every_cell
def test_rows_of_each_cell(case, who):
    """Path KL, output law, reverse KL, calls and samples of each planner with each schedule, from all paths."""
    case = CASES[case]()
    cells = case.cells(who)
    assert len(cells) == len(set(cells)) == (11 if case is table_case() else 3)
    for (tokens, _), (planner, schedule) in zip(case.tokens[who], cells, strict=False):
        found = case.cell(who, planner, schedule)
        wanted = EXACT | SAMPLED
        if planner == "random":
            wanted = wanted | (SPLIT if case is table_case() else {("nelbo_nats", "identity")})
        assert set(found) == wanted and len({row.cell for row in found.values()}) == 1
        lists, plan, predict = LISTS[schedule], PLANS[planner], case.predict[who]
        free = paths.paths(predict, LENGTH, VOCAB, plan, lists)
        chances = [p.probability for p in free]
        law = np.zeros_like(case.law)
        for p in free:
            law[p.tokens] += p.probability
        forced = paths.path_kl(case.law, predict, plan, lists)
        support = case.law > 0
        kl = np.sum(case.law[support] * np.log(case.law[support] / law[support]))
        is_exact(found["path_kl_nats", "exact"], forced.mean, 1e-5)
        is_exact(found["output_kl_nats", "exact"], kl, 1e-5)
        is_exact(found["output_tv", "exact"], 0.5 * np.abs(case.law - law).sum(), 1e-5)
        agrees(found["path_kl_nats", "monte_carlo"], forced, N)

        calls = paths.moments(chances, [p.calls for p in free])
        agrees(found["measured_nfe", "monte_carlo"], calls, N)
        assert found["output_tv", "exact"].nfe == pytest.approx(calls.mean, rel=1e-5)
        sampled = found["measured_nfe", "monte_carlo"]
        assert sampled.num_steps == STEPS[schedule]
        assert sampled.nfe == (pytest.approx(calls.mean) if schedule else None)
        outside = paths.moments(chances, [case.law[p.tokens] == 0.0 for p in free])
        agrees(found["outside_support_share", "monte_carlo"], outside, N)
        reverse = found["reverse_path_kl_nats", "monte_carlo"]
        if outside.mean > 0:
            assert reverse.value == math.inf and math.isnan(reverse.standard_error)
        else:
            agrees(reverse, paths.moments(chances, [p.log_q - np.log(case.law[p.tokens]) for p in free]), N)

        assert tokens.shape == (N, LENGTH) and reference.chi_square_p_value(tokens, law) > 1e-5
        same = np.sum(law**2)  # two sequences that have nothing to do with each other
        neighbours = (tokens[:-1] == tokens[1:]).all(axis=1).mean()
        assert abs(neighbours - same) < 4.5 * math.sqrt(2 * same * (1 - same) / N)  # pairs overlap: at most doubled
        counts = np.zeros_like(case.law)
        np.add.at(counts, tuple(tokens.T), 1 / N)
        for name, size in (("single", 1), ("pair", 2)):
            row = found[f"{name}_marginal_tv", "monte_carlo"]
            assert row.value == pytest.approx(marginal_distance(case.law, counts, size), abs=1e-6) and row.n == N
        assert found["distinct_share", "monte_carlo"].value == len(set(map(tuple, tokens.tolist()))) / N
