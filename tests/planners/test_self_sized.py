"""Planners that count by themselves: bounds that are met exactly, and the planners' identity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners, targets
from jdlm.measure import exact
from jdlm.predictor import oracle
from jdlm.sampling import sample_all, sample_with_info
from jdlm.sampling.request import Request


def priorities(planner, probabilities, dtype=jnp.float32) -> np.ndarray:
    with jax.enable_x64(dtype == jnp.float64), np.errstate(divide="ignore"):
        rows = jnp.asarray(np.log(np.asarray(probabilities, np.float64)), dtype)
        return np.asarray(planners.rounded(planner.priority(rows, jnp.ones(len(rows), bool))), np.float64)


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


@pytest.mark.parametrize("build", [planners.threshold, planners.entropy_bounded, planners.entropy_sum])
def test_equal_bounds_are_equal_planners(build):
    assert build(1) == build(1.0) == build(np.float64(1.0)) != build(0.5)
    assert hash(build(1)) == hash(build(1.0))
    assert build(-0.0) == build(0) and build(-0.0).name == build(0).name == f"{build.__name__}(0)"


def test_bounds_that_differ_have_names_that_differ():
    for build in (planners.threshold, planners.entropy_bounded, planners.entropy_sum):
        assert build(0.9).name != build(0.90000001).name and build(0.9).name.endswith("(0.9)")
        assert build(1).name == build(1.0).name and build(1).name.endswith("(1)")
