"""Many-path bounds against an enumeration of all paths to every sequence.

Statistical bounds are 4.5 standard errors (enumerated ones where the number of paths is 1 or 2): a false alarm in
150,000 for each of about 70 comparisons, so one in 2,000 for the file; seeds are fixed.
"""

import functools
import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import devices, evaluate, planners, schedules, targets
from jdlm.measure import bound, exact
from jdlm.predictor import Predictor, oracle
from tests.reference import laws, paths

LENGTH, VOCAB, N = 4, 3, 2048
STICKY = np.full((VOCAB, VOCAB), 0.1) + 0.7 * np.eye(VOCAB)
LAWS = {
    "any": np.random.default_rng(11).dirichlet(np.full(VOCAB**LENGTH, 0.4)).reshape([VOCAB] * LENGTH),
    "chain": laws.markov(np.full(VOCAB, 1 / VOCAB), STICKY, LENGTH),
    "repetition": laws.repetition(LENGTH, VOCAB),
    "zero sum": laws.zero_sum(LENGTH, VOCAB),
    "two strings": laws.uniform_over([(0, 1, 0, 1), (1, 0, 1, 0)], VOCAB),
}
LISTS = [(0.25, (1, 1, 2)), (0.45, (3, 1)), (0.3, (2, 2))]


def mixed():
    weights, sizes = np.array([p for p, _ in LISTS]), np.array([(*sizes, 0)[:3] for _, sizes in LISTS])
    return schedules.Schedule("mixed", LENGTH, 3, schedules.Atoms(weights, sizes))


@functools.cache
def logits(name, wrong):
    """Of the exact conditionals on every state, or of conditionals that are clearly others."""
    table = np.zeros([VOCAB + 1] * LENGTH + [LENGTH, VOCAB])
    for state in np.ndindex(*[VOCAB + 1] * LENGTH):
        rows = paths.exact_rows(LAWS[name], state)
        table[state] = np.log(np.maximum(rows, 0.02 if wrong else 1e-300))
    return table + wrong * np.random.default_rng(5).normal(size=table.shape) * 0.5


def look_up(table, tokens, positions):
    rows = table[tuple(tokens)]
    return rows if positions is None else rows[positions]


def predictor_of(name, wrong):
    table = logits(name, wrong)
    return Predictor(jnp.asarray(np.where(table < -600, -np.inf, table), jnp.float32), look_up, LENGTH, VOCAB)


@functools.cache
def enumerated(name, wrong):
    """Moments of the bound's terms with one path and with two, and the KL of the output."""
    law, terms, output = LAWS[name], {1: [], 2: []}, 0.0
    rows = np.exp(logits(name, wrong))
    rows /= rows.sum(axis=-1, keepdims=True)
    for x in np.argwhere(law > 0.0):
        found = paths.paths(
            lambda state: rows[state], LENGTH, VOCAB, lambda rows, masked, order, size: order[:size], LISTS, tuple(x)
        )
        weights, log_q = np.array([(path.probability, path.log_q) for path in found]).T
        log_p = math.log(law[tuple(x)])
        output += law[tuple(x)] * (log_p - math.log(weights @ np.exp(log_q)))
        pairs = np.log((np.exp(log_q)[:, None] + np.exp(log_q)) / 2)
        terms[1] += [(law[tuple(x)] * weights, log_p - log_q)]
        terms[2] += [((law[tuple(x)] * np.outer(weights, weights)).ravel(), log_p - pairs.ravel())]
    moments = {number: paths.moments(*map(np.concatenate, zip(*parts, strict=True))) for number, parts in terms.items()}
    return moments, output


@pytest.mark.parametrize("wrong", [False, True], ids=["oracle", "wrong"])
@pytest.mark.parametrize("name", LAWS)
def test_bounds_are_those_of_enumeration_fall_and_stay_above_the_output_kl(name, wrong):
    target, predictor, schedule, key = targets.table(LAWS[name]), predictor_of(name, wrong), mixed(), jax.random.key(40)
    moments, output = enumerated(name, wrong)
    known = exact.path_kl(target, predictor, schedule)
    np.testing.assert_allclose((known.path, known.output), (moments[1].mean, output), rtol=1e-5, atol=1e-6)
    found = {m: evaluate.output_kl_bound(key, predictor, target, schedule, N, m) for m in (1, 2, 16)}
    assert found[1] == evaluate.monte_carlo_path_kl(key, predictor, target, schedule, N)
    for number, expected in moments.items():
        error = math.sqrt(expected.variance / N)
        assert abs(found[number].value - expected.mean) < 4.5 * error + 1e-6
        assert found[number].standard_error == pytest.approx(error, rel=0.2)
    for estimate in found.values():
        assert estimate.n == N and estimate.value > output - 4.5 * estimate.standard_error
    assert moments[1].mean > moments[2].mean > output  # strictly, for these sizes are random
    assert found[1].value > found[2].value > found[16].value
    assert found[16].value - output < 0.4 * (known.path - output) + 4.5 * found[16].standard_error


def test_a_planner_that_looks_at_logits_and_counts_by_itself():
    """Its ties are drawn anew for each path, so the bound falls towards the output KL of enumeration."""
    target, predictor = targets.table(LAWS["zero sum"]), predictor_of("zero sum", False)
    schedule, planner = None, planners.entropy_bounded(0.5)
    known = exact.path_kl(target, predictor, schedule, planner)
    key = jax.random.key(41)
    one, many = (evaluate.output_kl_bound(key, predictor, target, schedule, 512, m, planner=planner) for m in (1, 64))
    assert one == evaluate.monte_carlo_path_kl(key, predictor, target, schedule, 512, planner=planner)
    assert abs(one.value - known.path) < 4.5 * one.standard_error + 1e-5
    assert many.value > known.output - 4.5 * many.standard_error - 1e-5


def test_the_paths_of_fewer_are_among_those_of_more_however_they_are_run(monkeypatch):
    target, predictor, key = targets.table(LAWS["any"]), predictor_of("any", True), jax.random.key(42)

    def run(number, mesh=None):
        return bound._paths(key, predictor, target, mixed(), 30, number, planners.random(), None, mesh)

    tokens, few = run(2)
    _, many = run(5)
    assert tokens.shape == (30, LENGTH) and few.shape == (2, 30) and many.shape == (5, 30)
    np.testing.assert_array_equal(few, many[:2])
    assert len(np.unique(many, axis=0)) == 5
    np.testing.assert_array_equal(run(5, devices.mesh(2))[1], many)
    monkeypatch.setattr(bound, "_TOGETHER", 2 * 30 * LENGTH)
    np.testing.assert_array_equal(run(5)[1], many)
    lanes = []

    def sample_all(predictor, requests, **options):
        lanes.append(len(requests[0].forced))
        return SimpleNamespace(parts=[(None, SimpleNamespace(path_log_prob=np.zeros(lanes[-1])))])

    monkeypatch.setattr(bound, "sample_all", sample_all)
    with jax.debug_key_reuse(True):
        run(5)
    assert lanes == [60, 60, 30]


def test_the_bound_of_the_likelihood_is_that_of_the_kl_without_the_target():
    target, predictor, schedule, key = (
        targets.table(LAWS["any"]),
        predictor_of("any", True),
        mixed(),
        jax.random.key(43),
    )
    tokens = evaluate.path_request(key, target, schedule, 64).forced
    log_p = evaluate.log_prob(target, tokens)
    for number in (1, 3):
        likelihood = evaluate.nll_bound(key, predictor, target, schedule, 64, number)
        divergence = evaluate.output_kl_bound(key, predictor, target, schedule, 64, number)
        assert likelihood.value == pytest.approx(divergence.value - log_p.mean(), rel=1e-12) and likelihood.n == 64


def test_text_has_a_bound_of_its_likelihood_alone():
    """On all its windows; the output distribution is enumerated."""
    windows = np.array([[0, 1, 2, 0], [1, 1, 0, 2], [2, 2, 1, 0]] * 40)
    data, predictor = targets.data(windows), predictor_of("any", True)
    out = exact.output_law(predictor, mixed()).law
    truth = -np.mean([math.log(out[tuple(x)]) for x in windows[:3]])
    one, many = (evaluate.nll_bound(jax.random.key(44), predictor, data, mixed(), 600, m) for m in (1, 16))
    assert one.value > many.value > truth - 4.5 * many.standard_error
    assert many.value - truth < 0.3 * (one.value - truth) + 4.5 * many.standard_error
    with pytest.raises(targets.Unavailable):
        evaluate.output_kl_bound(jax.random.key(44), predictor, data, mixed(), 8, 2)


def test_impossible_paths_count_as_nothing_and_sequences_without_a_path_are_infinite():
    """Token 0 is excluded at position 0 while all is masked: only paths that begin elsewhere give those sequences."""
    table = logits("any", True).copy()
    table[(VOCAB,) * LENGTH][0, 0] = -np.inf
    predictor = Predictor(jnp.asarray(table, jnp.float32), look_up, LENGTH, VOCAB)
    target, schedule, key = targets.table(LAWS["any"]), schedules.uniform(LENGTH, 2), jax.random.key(45)
    output = exact.path_kl(target, predictor, schedule).output
    few, many = (evaluate.output_kl_bound(key, predictor, target, schedule, 512, m) for m in (1, 64))
    assert few.value == math.inf and math.isnan(few.standard_error)
    assert output - 4.5 * many.standard_error < many.value < output + 0.05 + 4.5 * many.standard_error
    left = planners.left_to_right()
    none = evaluate.output_kl_bound(key, predictor, target, schedule, 64, 16, planner=left)
    assert none.value == math.inf == exact.path_kl(target, predictor, schedule, left).output


def test_what_has_no_bound_is_refused():
    target, predictor, key = targets.table(LAWS["any"]), predictor_of("any", True), jax.random.key(0)
    for n, number, message in ((1, 1, "n=1 is too small; use at least 2"), (8, 0, "paths=0 is too small")):
        with pytest.raises(ValueError, match=message):
            evaluate.output_kl_bound(key, predictor, target, mixed(), n, number)
    leftover = schedules.tau_leaping(LENGTH, schedules.uniform_times(2), "linear", final_reveal=False)
    with pytest.raises(ValueError, match="leaves a mask with probability"):
        evaluate.nll_bound(key, predictor, target, leftover, 8, 2)
    with pytest.raises(ValueError, match=r"the predictor has \(length, vocab_size\)"):
        evaluate.output_kl_bound(key, oracle(targets.product(np.full((5, 2), 0.5))), target, mixed(), 8, 2)
