"""Priorities on a relative grid, bounds that are met exactly, and ties that recur.

The chi-square test alarms falsely with probability 1e-6; its seed is fixed.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jdlm import planners, schedules, targets
from jdlm.measure import exact
from jdlm.measure.state_space import StateSpace
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import sample, sample_all, sample_with_info
from jdlm.sampling.request import Request

EVERY = np.ones(8, bool)


def priorities(planner, probabilities, dtype=jnp.float32) -> np.ndarray:
    with jax.enable_x64(dtype == jnp.float64), np.errstate(divide="ignore"):
        rows = jnp.asarray(np.log(np.asarray(probabilities, np.float64)), dtype)
        return np.asarray(planners.rounded(planner.priority(rows, jnp.ones(len(rows), bool))), np.float64)


def test_a_large_vocabulary_has_an_order():
    """At V = 20,000 the confidences of random logits are 0.0025 +- 0.0005: two or three cells of a grid of 2^-12."""
    rows = np.random.default_rng(0).dirichlet(np.full(20_000, 0.5), 8)
    ordered = np.sort(rows, axis=1)[:, ::-1]
    scores = {
        planners.confidence(): ordered[:, 0],
        planners.margin(): ordered[:, 0] - ordered[:, 1],
        planners.entropy(): np.sum(rows * np.log(np.maximum(rows, 1e-300)), axis=1),
    }
    for planner, score in scores.items():
        found = priorities(planner, rows)
        assert len(set(found)) == 8, planner.name
        np.testing.assert_array_equal(np.argsort(found), np.argsort(score))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_ties_of_the_best_two_are_ties_of_the_margin(dtype):
    rows = [[0.5, 0.5, 0.0], [0.4, 0.4, 0.2], [1 / 3, 1 / 3, 1 / 3], [0.2, 0.4, 0.4]]
    found = priorities(planners.margin(), [*rows, [0.4, 0.39, 0.21], [1.0, 0.0, 0.0]], dtype)
    assert len(set(found[:4])) == 1 and found[3] < found[4] < found[5] == 0.0
    # Rounding does not make a tie a lead.
    noisy = np.array(rows) * (1 + 1e-6 * np.random.default_rng(1).normal(size=(4, 3)))
    np.testing.assert_array_equal(priorities(planners.margin(), noisy, dtype), found[:4])


@pytest.mark.parametrize("planner", [planners.confidence(), planners.margin()], ids=lambda planner: planner.name)
def test_margin_and_confidence_are_base_2_logarithms(planner):
    rows = np.random.default_rng(2).dirichlet(np.ones(3), 8)
    best = np.sort(rows, axis=1)[:, ::-1]
    wanted = best[:, 0] - (best[:, 1] if planner == planners.margin() else 0)
    # The lead of a margin is rounded to 2^-12 of the best, then both to the grid.
    bound = 2**-13 * (1 + 1.5 * best[:, 0] / wanted) + 1e-6
    assert (abs(priorities(planner, rows) - np.log2(wanted)) <= bound).all()


def test_dyadic_confidences_are_not_on_the_border_of_a_cell():
    for power in range(1, 9):
        law = np.full(2**power, 2.0**-power)
        for noise in (-3e-7, 0.0, 3e-7):
            assert priorities(planners.confidence(), [law * (1 + noise)])[0] == -power


def test_one_token_is_certain():
    assert priorities(planners.margin(), [[1.0]])[0] == 0.0


def count(planner, probabilities, masked=None, dtype=jnp.float32) -> int:
    with jax.enable_x64(dtype == jnp.float64), np.errstate(divide="ignore"):
        rows = jnp.asarray(np.log(np.asarray(probabilities, np.float64)), dtype)
        masked = jnp.ones(len(rows), bool) if masked is None else jnp.asarray(masked)
        priority = jnp.where(masked, planners.rounded(planner.priority(rows, masked)), -jnp.inf)
        return int(planner.count(rows, masked, jnp.argsort(-priority, stable=True)))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("tau", [0.5, 1 / 3, 0.7, 0.9, 0.95, 0.99])
def test_a_probability_equal_to_tau_is_not_above_it(tau, dtype):
    def rows(best):
        return [[best, *[(1 - best) / 3] * 3]] * 6

    assert count(planners.threshold(tau), rows(tau), dtype=dtype) == 1
    assert count(planners.threshold(tau), rows(tau * (1 + 1e-6)), dtype=dtype) == 1
    assert count(planners.threshold(tau), rows(tau * (1 + 1e-5)), dtype=dtype) == 6
    assert count(planners.threshold(tau), rows(tau * (1 - 1e-5)), dtype=dtype) == 1
    mixed = rows(tau)[:2] + rows(tau * 1.001)[:3]
    assert count(planners.threshold(tau), mixed, dtype=dtype) == 3
    assert count(planners.threshold(tau), mixed, [True, True, True, False, False], dtype) == 1


def test_thresholds_0_and_1():
    rows = [[0.25] * 4] * 5
    assert count(planners.threshold(0), rows) == 5
    assert count(planners.threshold(1), [[1.0, 0.0]] * 5) == 1
    assert count(planners.threshold(1.0 - 1e-4), [[1.0, 0.0]] * 5) == 5


def test_what_is_above_tau_is_revealed_first_and_else_the_most_confident():
    """0.90001 and 0.89999 share a cell of the grid: the first is above 0.9, the second is not."""
    rows = [[0.89999, 0.10001], [0.90001, 0.09999], [0.5, 0.5]]
    found = priorities(planners.threshold(0.9), rows)
    assert found.argmax() == 1 and found[1] > found[0] > found[2]
    _, info = sample_with_info(
        jax.random.key(0), oracle(targets.product(rows)), None,
        planner=planners.threshold(0.9), indices=np.arange(50), batch_size=8,
    )  # fmt: skip
    assert (np.asarray(info.nfe) == 3).all()


@pytest.mark.parametrize("tau", [1 / 3, 0.6])
def test_sampler_and_laboratory_decide_alike_at_exactly_tau(tau):
    target = targets.product([[tau, 1 - tau - 0.05, 0.05] if tau > 0.5 else [1 / 3] * 3] * 4)
    law = exact.output_law(oracle(target), None, planners.threshold(tau))
    np.testing.assert_allclose(law.nfe, [0, 0, 0, 0, 1], atol=1e-12)
    sampled = sample_with_info(
        jax.random.key(0), oracle(target), None, planner=planners.threshold(tau), indices=np.arange(20), batch_size=8
    )
    assert (np.asarray(sampled[1].nfe) == 4).all()


def nfe(target, rules, lanes=60) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each planner: the law of the number of calls by enumeration, and the calls of lanes."""
    requests = [Request(jax.random.key(1), rule, indices=np.arange(lanes)) for rule in rules]
    parts = sample_all(oracle(target), requests, batch_size=16).parts
    return [
        (exact.output_law(oracle(target), None, rule).nfe, info.nfe)
        for rule, (_, info) in zip(rules, parts, strict=True)
    ]


@pytest.mark.parametrize(
    ("build", "calls"),
    [
        (lambda: targets.repetition(4, 3), 2),  # one token tells all others, whose entropy is 0
        (lambda: targets.parity(4), 4),  # one of entropy log 2 at a time; the last one of entropy 0 is alone
        (lambda: targets.blocks(targets.repetition(2, 2), 2), 3),
        (lambda: targets.linear_code([[1, 1, 0, 1], [0, 0, 1, 1]], 2), 3),
    ],
)
def test_entropies_of_0_cost_nothing(build, calls):
    """Whatever is certain is revealed together; one uncertain token a step, as those rules reveal one at least."""
    target = build()
    rules = [planners.entropy_sum(0), planners.entropy_bounded(0)]
    for rule, (law, sampled) in zip(rules, nfe(target, rules), strict=True):
        if calls == 3:  # the number depends on the path, but never passes 3
            assert law[4:].sum() < 1e-12 and sampled.max() <= 3
        else:
            assert law[calls] == pytest.approx(1.0) and (sampled == calls).all()
        out = exact.output_law(oracle(target), None, rule).law
        assert exact.total_variation(out, exact.target_law(target)) < 1e-12


@pytest.mark.parametrize("vocab", [2, 3, 5])
def test_a_sum_that_equals_its_limit_does_not_pass_it(vocab):
    """Uniform tokens of entropy log V: the sum of n is n log V, whatever the grid makes of log V."""
    length = 6 if vocab <= 3 else 4
    target = targets.product(np.full((length, vocab), 1 / vocab))
    expected = {}  # the token that takes the sum past the limit is revealed too
    for number in (1, 2):
        limit = number * float(np.log(vocab))
        expected[planners.entropy_sum(limit)] = -(-length // (number + 1))
        expected[planners.entropy_bounded(limit)] = -(-length // (number + 1))  # sum minus maximum
        expected[planners.entropy_sum(limit - 0.01)] = -(-length // number)
    for calls, (law, sampled) in zip(expected.values(), nfe(target, list(expected), 20), strict=True):
        assert law[calls] == pytest.approx(1.0) and (sampled == calls).all()


def _first_two_then_all(log_probs, masked):
    """Positions 0 and 1 tie for the first place; after it, all that are left tie."""
    last = jnp.arange(masked.shape[0]) == masked.shape[0] - 1
    return jnp.where(masked.all() & last, -jnp.inf, 0.0)


FIRST_TWO_THEN_ALL = planners.Planner("first_two_then_all", _first_two_then_all)


LAST_IS_LAST = planners.Planner("last_is_last", lambda log_probs, masked: jnp.where(jnp.arange(3) == 2, -jnp.inf, 0.0))


def _turn(tokens):
    """Each token is the number of those revealed before it, so the tokens tell the order."""
    return jnp.where(jnp.arange(3)[None] == (tokens != 3).sum(), jnp.zeros((3, 1)), -jnp.inf)


def test_ties_are_ordered_anew_in_each_step():
    """0 or 1 first, then either of the others. One order for all steps would give 1/3 : 1/6 : 1/3 : 1/6."""
    predictor = Predictor.wrap(_turn, 3, 3)
    law = exact.output_law(predictor, schedules.first_hitting(3), FIRST_TWO_THEN_ALL).law
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 0, 1)]  # turn of each position
    np.testing.assert_allclose([law[order] for order in orders], 0.25, atol=1e-12)
    tokens = sample(jax.random.key(3), predictor, np.ones((4000, 3), int), planner=FIRST_TWO_THEN_ALL, batch_size=64)
    counts = [int((np.asarray(tokens) == order).all(axis=1).sum()) for order in orders]
    assert sum(counts) == 4000 and stats.chisquare(counts).pvalue > 1e-6


def test_a_priority_of_minus_infinity_does_not_tie_with_revealed_positions():
    space = StateSpace(Predictor.wrap(_turn, 3, 3), LAST_IS_LAST)
    (both,) = (reveal for reveal in space.reveals if reveal.positions == (1, 2))
    # Of states with position 0 revealed, both others are the only set of two; from masks alone 0 and 1 come first.
    assert (space.revealed[both.states] == 1).all() and len(both.states) == 3
    np.testing.assert_allclose(both.probabilities, 1.0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: planners.threshold(True), "tau=True is not a number"),
        (lambda: planners.threshold(1.5), "tau=1.5 is not a probability"),
        (lambda: planners.threshold(float("nan")), "tau=nan is not a probability"),
        (lambda: planners.entropy_bounded(float("inf")), "gamma=inf nats is not a valid bound"),
    ],
)
def test_bad_bounds_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
