"""Every number of a sweep against an independent one: enumeration of all paths on two laws of 16 sequences.

Monte Carlo numbers are within 4.5 of their true standard errors, and the reported standard errors within 4.5 standard
deviations of the true ones, both from enumerated moments: each alarms falsely once in 150,000 seeds, and there are
about 400 of them. Samples have a chi-square test against the enumerated law that alarms once in 100,000.
"""

import functools
import math

import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import evaluate, planners, predictor, schedules, targets
from jdlm.study import sweep as sweeps
from tests.reference import laws, paths
from tests.reference import samplers as reference
from tests.reference import schedules as schedules_reference

LENGTH, VOCAB, N, CURVE_N, SEED = 4, 2, 4096, 2048, 3
TAU, ETA = 0.8, 0.93
SURE = 2e-3  # no confidence is nearer to another one, or to TAU, unless they are equal: no grid of priorities matters

INITIAL, TRANSITION = np.array([0.6, 0.4]), np.array([[0.85, 0.15], [0.25, 0.75]])
EMISSION = np.array([[0.8, 0.2], [0.1, 0.9]])


@functools.cache
def table_law():
    """With three sequences of probability 0, which parallel sampling reaches."""
    weights = np.random.default_rng(259).gamma(0.8, size=[VOCAB] * LENGTH)
    weights[0, 1, 0, 1] = weights[1, 0, 0, 0] = weights[1, 1, 1, 0] = 0.0
    return weights / weights.sum()


@functools.cache
def hidden_law():
    return laws.hidden_markov(INITIAL, TRANSITION, EMISSION, LENGTH)


@functools.cache
def wrong_logits():
    """Few values apart, so that confidences are tied or clearly not."""
    rng = np.random.default_rng(9)
    return 0.3 * rng.integers(-8, 9, size=[VOCAB + 1] * LENGTH + [LENGTH, VOCAB]).astype(np.float32)


def look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


@functools.cache
def wrong():
    """A predictor that has learned nothing."""
    return predictor.Predictor(jnp.asarray(wrong_logits()), look_up, LENGTH, VOCAB)


def predict_wrong(state):
    weights = np.exp(wrong_logits()[state].astype(np.float64))
    return weights / weights.sum(axis=1, keepdims=True)


MIXED = [(0.25, (1, 1, 2)), (0.45, (3, 1, 0)), (0.3, (0, 2, 2))]


def mixed():
    weights, sizes = zip(*MIXED, strict=True)
    return schedules.Schedule("mixed", LENGTH, 3, schedules.Atoms(np.array(weights), np.array(sizes)))


@functools.cache
def kernels():
    """A chain that may stand still, and whose last step reveals what is left."""
    steps = np.triu(np.random.default_rng(6).gamma(1.0, size=(2, LENGTH + 1, LENGTH + 1)))
    last = np.zeros((1, LENGTH + 1, LENGTH + 1))
    last[..., -1] = 1.0
    return np.concatenate([steps / steps.sum(axis=2, keepdims=True), last])


def chain():
    return schedules.Schedule("chain", LENGTH, 3, schedules.Chain(kernels()))


def halves():
    return schedules.uniform(LENGTH, 2)


LISTS = {"uniform": [(1.0, (2, 2))], "mixed": MIXED, "chain": schedules_reference.size_lists((kernels(),)), "": []}
STEPS = {"uniform": 2, "mixed": 3, "chain": 3, "": None}


def confidence(rows, masked):
    """Of the masked positions, by position."""
    found = rows[masked].max(axis=1)
    gaps = np.abs(found[:, None] - found)
    assert ((gaps < 1e-9) | (gaps > SURE)).all() and (np.abs(found - TAU) > SURE).all()
    return dict(zip(masked, np.round(found, 6), strict=True))


def above(rows, masked, order, size):
    found = confidence(rows, masked)
    return [i for i in masked if found[i] > TAU] or sorted(order, key=lambda i: -found[i])[:1]


def surest(rows, masked, order, size):
    found = confidence(rows, masked)
    return sorted(order, key=lambda i: -found[i])[:size]


def until(rows, masked, order, size):
    total, chosen = 0.0, []
    for i in order:
        chosen.append(i)
        total += laws.entropy(rows[i])
        assert abs(total - ETA) > SURE
        if total > ETA:
            break
    return chosen


PLANS = {
    "random": lambda rows, masked, order, size: order[:size],
    "left_to_right": lambda rows, masked, order, size: masked[:size],
    "confidence": surest,
    f"threshold({TAU})": above,
    f"entropy_sum({ETA})": until,
}
EXACT = {("output_kl_nats", "exact"), ("output_tv", "exact"), ("path_kl_nats", "exact")}
SAMPLED = {
    (metric, "monte_carlo")
    for metric in (
        "path_kl_nats", "single_marginal_tv", "pair_marginal_tv", "distinct_share", "measured_nfe",
        "outside_support_share", "reverse_path_kl_nats",
    )
}  # fmt: skip
SPLIT = {(m, "identity") for m in ("factorization_kl_nats", "learning_kl_nats", "path_kl_nats", "nelbo_nats")}


class Case:
    """One sweep, with what it should say."""

    def __init__(self, target, law, predictors, plan, who, seed=SEED, **options):
        self.law, self.schedules, self.tokens, self.parts = law, plan, {}, []
        self.predict = {
            name: predict_wrong if mine is wrong() else functools.partial(reference.conditionals, law)
            for name, mine in predictors.items()
        }
        self.options = {"target_name": "law", "samples": N, "curve_samples": CURVE_N, "planners": who, **options}
        self.arguments = (target, predictors, plan)
        self.rows = sweeps.sweep(
            *self.arguments,
            seed=seed,
            on_samples=lambda name, results: self.tokens.update({name: results.parts}),
            on_row=self.parts.append,
            **self.options,
        )

    def cell(self, who, planner="", schedule=""):
        """Rows by (metric, method), and by index where there is one."""
        mine = [r for r in self.rows if (r.predictor, r.planner, r.schedule) == (who, planner, schedule)]
        return {(r.metric, r.method) if r.index is None else (r.metric, r.method, r.index): r for r in mine}

    def cells(self, who):
        """Planner and schedule of each cell of a predictor, in the order of its samples."""
        return [(r.planner, r.schedule) for r in self.rows if (r.predictor, r.metric) == (who, "measured_nfe")]


@functools.cache
def table_case():
    target = targets.table(table_law())
    who = [planners.random(), planners.left_to_right(), planners.confidence()]
    who += [planners.threshold(TAU), planners.entropy_sum(ETA)]
    predictors = {"oracle": predictor.oracle(target), "wrong": wrong()}
    return Case(target, table_law(), predictors, [halves(), mixed(), chain()], who)


@functools.cache
def hidden_case():
    """The wrong predictor is called the oracle; the oracle is called otherwise."""
    target = targets.hidden_markov(INITIAL, TRANSITION, EMISSION, LENGTH)
    who = [planners.random(), planners.threshold(TAU)]
    predictors = {"exact": predictor.oracle(target), "oracle": wrong()}
    return Case(target, hidden_law(), predictors, [mixed(), chain()], who)


@functools.cache
def bare_case():
    """What is known of the target and of the schedules without a predictor."""
    return Case(targets.table(table_law()), table_law(), {}, [halves(), mixed(), chain()], [planners.random()])


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


def is_exact(row, value, tolerance=1e-9):
    assert (row.standard_error, row.n, row.seed) == (None, None, None)
    assert row.value == pytest.approx(value, rel=tolerance, abs=tolerance), row


def cross_entropy(rows, truth, tokens):
    return -np.log(rows[np.arange(LENGTH), list(tokens)])


def divergence(rows, truth, tokens):
    truth, rows = np.where(truth > 0, truth, 1.0), np.where(truth > 0, rows, 1.0)  # 1 log(1/1) adds nothing
    return np.sum(truth * np.log(truth / rows), axis=1)


def correlations(law):
    h = laws.entropy_curve(law)
    total = laws.entropy(law)
    single = sum(laws.entropy(laws.marginal(law, (i,))) for i in range(LENGTH))
    rest = sum(total - laws.entropy(laws.marginal(law, set(range(LENGTH)) - {i})) for i in range(LENGTH))
    both = sum((h[m - 1] - h[m]) * min(m, LENGTH - m) for m in range(1, LENGTH))
    return {"tc": single - total, "dtc": total - rest, "both": both}


def test_rows_of_the_target():
    found = bare_case().cell("")
    known = correlations(table_law())
    is_exact(found.pop(("entropy_nats", "exact")), laws.entropy(table_law()))
    for name, word in (("total", "tc"), ("dual_total", "dtc"), ("effective", "both")):
        is_exact(found.pop((f"{name}_correlation_nats", "exact")), known[word])
    for j, value in enumerate(laws.entropy_curve(table_law())):
        is_exact(found.pop(("entropy_curve_nats", "exact", j)), value)
    assert set(found) == {("single_marginal_tv_floor", "monte_carlo"), ("pair_marginal_tv_floor", "monte_carlo")}


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


def test_floors_are_those_of_the_sequences_drawn_for_them(monkeypatch):
    drawn, whole = [], evaluate.draw_tokens
    monkeypatch.setattr(evaluate, "draw_tokens", lambda *given: drawn.append(whole(*given)) or drawn[-1])
    target = targets.table(table_law())
    made = sweeps.sweep(target, {}, [], target_name="law", samples=N, curve_samples=2, seed=0)
    (tokens,) = drawn
    assert tokens.shape == (N, LENGTH) and reference.chi_square_p_value(tokens, table_law()) > 1e-5
    counts = np.zeros_like(table_law())
    np.add.at(counts, tuple(tokens.T), 1 / N)
    found = {row.metric: row.value for row in made}
    for name, size in (("single", 1), ("pair", 2)):
        assert found[f"{name}_marginal_tv_floor"] == pytest.approx(
            marginal_distance(table_law(), counts, size), abs=1e-6
        )


def marginal_distance(law, frequencies, size):
    """Mean over sets of ``size`` positions of the TV between marginals of ``[..., vocab, vocab, ...]`` and the law."""
    total, places = 0.0, list(laws.itertools.combinations(range(LENGTH), size))
    for kept in places:
        gone = tuple(i for i in range(LENGTH) if i not in kept)
        off = frequencies.sum(tuple(i - LENGTH for i in gone)) - law.sum(gone)
        total = total + 0.5 * np.abs(off).sum(tuple(range(-size, 0)))
    return total / len(places)


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
    assert not found


def mean_calls(lists):
    return sum(probability * np.count_nonzero(sizes) for probability, sizes in lists)


def test_guarantees_are_the_least_worst_case_times_the_targets_own_correlation():
    """Against the linear program on (step, revealed) nodes; no other schedule gets a guarantee."""
    target = targets.table(table_law())
    plan = [schedules.minimax(LENGTH, 2, word) for word in ("tc", "dtc", "both")]
    plan += [schedules.minimax(LENGTH, 3, "dtc"), schedules.tc_equalizer(LENGTH, 2)]
    found = sweeps.sweep(target, {}, plan, target_name="law", samples=2, curve_samples=2, seed=0)
    guarantees = {(r.schedule, r.num_steps): r for r in found if r.metric == "guarantee_nats"}
    known = correlations(table_law())
    for word, steps in (("tc", 2), ("dtc", 2), ("both", 2), ("dtc", 3)):
        row = guarantees.pop((f"minimax_{word}", steps))
        is_exact(row, schedules_reference.minimax(LENGTH, steps, word) * known[word], 1e-6)
        assert row.method == "identity"
    assert not guarantees


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
