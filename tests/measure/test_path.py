"""Measurements against enumeration. Every statistical bound is 4.5 standard errors: a false alarm in 150,000."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import evaluate, planners, schedules, targets
from jdlm.measure import marginals
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import Info, sample_with_info
from jdlm.sampling.request import Request
from jdlm.study import sweep as sweeps
from tests.reference import laws, paths
from tests.reference import samplers as reference

LENGTH, VOCAB, N = 4, 3, 8192


@functools.cache
def law() -> np.ndarray:
    weights = np.random.default_rng(11).gamma(0.7, size=[VOCAB] * LENGTH)
    return weights / weights.sum()


@functools.cache
def target() -> targets.Target:
    return targets.table(law())


@functools.cache
def imperfect() -> Predictor:
    """The oracle with noise on its logits: a stand-in for a trained network whose law is known on every state."""
    table = np.zeros([VOCAB + 1] * LENGTH + [LENGTH, VOCAB])
    for state in reference.states(LENGTH, VOCAB):
        table[state] = np.log(np.maximum(reference.conditionals(law(), state), 1e-3))
    table += np.random.default_rng(5).normal(size=table.shape) * 0.4
    return Predictor(jnp.asarray(table, jnp.float32), _look_up, LENGTH, VOCAB)


def _look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


@functools.cache
def exact_curve() -> np.ndarray:
    logits = np.asarray(imperfect().params, np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return reference.cross_entropy_curve(law(), lambda state: probabilities[state])


@functools.cache
def entropy_curve() -> np.ndarray:
    return reference.cross_entropy_curve(law(), functools.partial(reference.conditionals, law()))


def agrees(estimate: evaluate.Estimate, value: float) -> bool:
    return abs(estimate.value - value) < 4.5 * estimate.standard_error


def mixed() -> schedules.Schedule:
    law_of_sizes = schedules.Atoms(np.array([0.25, 0.45, 0.3]), np.array([(1, 1, 2), (3, 1, 0), (2, 2, 0)]))
    return schedules.Schedule("mixed", LENGTH, 3, law_of_sizes)


@pytest.mark.parametrize("n", [2, 3])
def test_path_kls_of_few_sequences_are_those_of_the_definition(n):
    tokens = np.array([[0, 1, 2, 0], [1, 1, 0, 2], [2, 2, 1, 0]])[:n]
    log_q = np.array([-3.5, -2.0, -7.25])[:n]
    info = Info(np.zeros(n, np.int32), np.zeros(n, np.int32), log_q, np.zeros(n, np.int32))
    forward = evaluate.path_kl_estimate(
        Request(jax.random.key(0), planners.random(), None, forced=tokens), info, target()
    )
    reverse = evaluate.reverse_path_kl(log_q, tokens, target())
    terms = [math.log(law()[tuple(x)]) - q for x, q in zip(tokens, log_q, strict=True)]
    mean = math.fsum(terms) / n
    error = math.sqrt(math.fsum((term - mean) ** 2 for term in terms) / (n - 1) / n)
    for estimate, value in ((forward, mean), (reverse, -mean)):
        assert estimate == (pytest.approx(value, rel=1e-5), pytest.approx(error, rel=1e-5), n)
    halves = evaluate.outside_support_share(np.array([[0, 0, 0], [0, 1, 0], [1, 1, 1]])[:n], targets.repetition(3, 2))
    assert halves == (pytest.approx(1 / n), pytest.approx(math.sqrt((n - 1) / n / (n - 1) / n)), n)


def test_no_key_of_a_measurement_is_used_twice():
    with jax.debug_key_reuse(True):
        evaluate.cross_entropy_curve(jax.random.key(0), imperfect(), target(), 5, batch_size=10)
        evaluate.path_request(jax.random.key(1), target(), mixed(), 6)


def test_path_kl_of_another_planner():
    """A sticky chain from left to right in halves, against an enumeration of all paths; random positions cost less."""
    stay = np.array([[0.95, 0.05], [0.05, 0.95]])
    chain, chain_law = targets.markov([0.5, 0.5], stay, LENGTH), laws.markov([0.5, 0.5], stay, LENGTH)
    predict, halves, n = functools.partial(reference.conditionals, chain_law), [(1.0, (2, 2))], N
    known = paths.path_kl(chain_law, predict, lambda rows, masked, order, size: masked[:size], halves)
    other = paths.path_kl(chain_law, predict, lambda rows, masked, order, size: order[:size], halves)
    error = math.sqrt(known.variance / n)
    assert known.mean - other.mean > 12 * error
    schedule, planner = schedules.uniform(LENGTH, 2), planners.left_to_right()
    found = evaluate.monte_carlo_path_kl(
        jax.random.key(30), oracle(chain), chain, schedule, n, planner=planner, batch_size=4096
    )
    assert abs(found.value - known.mean) < 4.5 * error and found.n == n
    assert found.standard_error == pytest.approx(error, rel=0.2)


def test_a_path_kl_needs_forced_tokens():
    info = Info(np.zeros(2, np.int32), np.zeros(2, np.int32), np.zeros(2), np.zeros(2, np.int32))
    with pytest.raises(ValueError, match=r"^the request forces no tokens; make it with `path_request`$"):
        evaluate.path_kl_estimate(Request(jax.random.key(0), planners.random()), info, target())


def test_path_kl_by_forced_tokens_is_exposure_times_curve():
    """Also at one step with the oracle, where it is the total correlation."""
    entropy = -np.sum(law() * np.log(law()))
    single = [law().sum(axis=tuple(k for k in range(LENGTH) if k != i)) for i in range(LENGTH)]
    total_correlation = -sum(np.sum(p * np.log(p)) for p in single) - entropy
    cases = [
        (oracle(target()), schedules.uniform(LENGTH, 1), total_correlation),
        (imperfect(), schedules.uniform(LENGTH, 1), LENGTH * exact_curve()[0] - entropy),
        (imperfect(), mixed(), np.array([2.2, 0.25, 1.1, 0.45]) @ exact_curve() - entropy),
        (imperfect(), schedules.first_hitting(LENGTH), exact_curve().sum() - entropy),
    ]
    for number, (predictor, schedule, truth) in enumerate(cases):
        key = jax.random.key(20 + number)
        estimate = evaluate.monte_carlo_path_kl(key, predictor, target(), schedule, N, batch_size=4096)
        assert agrees(estimate, truth), (schedule.name, estimate, truth)
        assert estimate.standard_error < 0.03


def test_reverse_path_kl_in_one_step_is_that_of_the_product_of_marginals():
    single = [law().sum(axis=tuple(k for k in range(LENGTH) if k != i)) for i in range(LENGTH)]
    product = functools.reduce(np.multiply.outer, single)
    truth = np.sum(product * np.log(product / law()))
    sizes = np.full((N, 1), LENGTH, np.int32)
    tokens, info = sample_with_info(jax.random.key(2), oracle(target()), sizes, batch_size=4096)
    assert agrees(evaluate.reverse_path_kl(info.path_log_prob, tokens, target()), truth)
    assert evaluate.outside_support_share(tokens, target()).value == 0.0


def test_samples_outside_the_support_are_counted_and_make_the_reverse_kl_infinite():
    repetition = targets.repetition(3, 2)
    sizes = np.full((N, 1), 3, np.int32)
    tokens, info = sample_with_info(jax.random.key(3), oracle(repetition), sizes, batch_size=4096)
    share = evaluate.outside_support_share(tokens, repetition)
    assert agrees(share, 0.75) and 0.003 < share.standard_error < 0.006
    reverse = evaluate.reverse_path_kl(info.path_log_prob, tokens, repetition)
    assert reverse.value == np.inf and np.isnan(reverse.standard_error)


def test_marginals_are_those_of_enumeration():
    found = marginals.of_target(jax.random.key(0), target())
    assert len(found.pairs) == 6
    for (i, j), joint in zip(found.pairs, found.joint, strict=True):
        np.testing.assert_allclose(joint, law().sum(axis=tuple(k for k in range(LENGTH) if k not in (i, j))), atol=1e-6)
    data = targets.data(np.asarray(evaluate.draw_tokens(jax.random.key(1), target(), N)))
    sampled = marginals.of_target(jax.random.key(0), data, n=N)
    assert np.abs(sampled.single - found.single).max() < 4.5 * np.sqrt(0.25 / N) * 2


def test_a_sweep_of_data_without_a_law_reports_what_can_be_known():
    data = targets.data(np.asarray(evaluate.draw_tokens(jax.random.key(5), target(), 1000)))
    settings = {"target_name": "data", "n": 512, "curve_n": 64, "seed": 1, "batch_size": 2048}
    rows = sweeps.sweep(data, {"network": imperfect()}, [schedules.uniform(LENGTH, 2)], **settings)
    metrics = {row.metric for row in rows}
    assert {"nelbo_nats", "cross_entropy_curve_nats", "pair_marginal_tv", "distinct_share"} <= metrics
    assert not {"path_kl_nats", "learning_error_nats", "reverse_path_kl_nats"} & metrics


def test_wrong_partners_are_refused():
    other = targets.product(np.full((5, VOCAB), 1 / VOCAB))
    with pytest.raises(ValueError, match=r"length, vocab_size\)=\(4, 3\), the target \(5, 3\)"):
        evaluate.cross_entropy_curve(jax.random.key(0), imperfect(), other, 8)
    with pytest.raises(ValueError, match="n=1"):
        evaluate.cross_entropy_curve(jax.random.key(0), imperfect(), target(), 1)
    kernels = np.stack([np.eye(LENGTH + 1)])
    idle = schedules.Schedule("idle", LENGTH, 1, schedules.Chain(kernels))
    with pytest.raises(ValueError, match="idle leaves a mask with probability 1; build it with final_reveal=True"):
        evaluate.monte_carlo_path_kl(jax.random.key(0), imperfect(), target(), idle, 8)
