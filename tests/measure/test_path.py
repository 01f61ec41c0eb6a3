"""Measurements against enumeration. Every statistical bound is 4.5 standard errors: a false alarm in 150,000."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import devices, evaluate, planners, schedules, targets
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


@pytest.mark.parametrize("nested", [False, True])
def test_cross_entropy_curve_is_that_of_enumeration(nested):
    key = jax.random.key(0)
    measured = evaluate.cross_entropy_curve(key, imperfect(), target(), N, nested=nested, batch_size=4096)
    gap = exact_curve() - entropy_curve()
    for curve, truth in ((measured.cross_entropy, exact_curve()), (measured.learning_error, gap)):
        assert curve.n == N
        assert (
            np.abs(curve.values - truth) < 4.5 * curve.standard_errors + 1e-6
        ).all()  # float32 where the term is constant
        assert (curve.standard_errors < 0.03).all()
    # The KL of the conditionals tells the learning error far more precisely than the difference of two curves.
    assert measured.learning_error.standard_errors[:3].max() < 0.5 * measured.cross_entropy.standard_errors[:3].min()
    assert agrees(evaluate.learning_error(measured), gap.sum())


@pytest.mark.parametrize("nested", [False, True])
def test_the_standard_error_of_any_weights_is_right(nested):
    """Over 150 replicates on a law of easy and hard sequences, whose level is common to all counts and cancels.

    The mean deviation is within 4.5 of its errors; the claimed errors are within four times 1 / sqrt(2 * 150) of the
    spread of the deviations, for which the worst of 3 nearly normal numbers is beyond once in 5,000.
    """
    easy = np.full([VOCAB] * LENGTH, 0.5 / (VOCAB**LENGTH - 1))
    easy[(0,) * LENGTH] = 0.5
    truth = reference.cross_entropy_curve(easy, functools.partial(reference.conditionals, easy))
    law_of_two = targets.table(easy)
    weights = np.array([[4.0, 0, -2, -2], [-1.0, 3, -1, -1], [1, 1, 1, 1]])
    values, errors = [], []
    for number in range(150):
        key = jax.random.fold_in(jax.random.key(7), number)
        curve = evaluate.cross_entropy_curve(
            key, oracle(law_of_two), law_of_two, 64, nested=nested, batch_size=4 * 64
        ).cross_entropy
        found = [curve.dot(w) for w in weights]
        values.append([estimate.value for estimate in found])
        errors.append([estimate.standard_error for estimate in found])
    spread = np.std(values, axis=0, ddof=1)
    assert (np.abs(np.mean(values, axis=0) - weights @ truth) < 4.5 * spread / np.sqrt(150)).all()
    ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / spread
    assert (np.abs(ratio - 1) < 4 / np.sqrt(2 * 150)).all(), ratio


def test_nested_sequences_make_differences_precise_and_sums_less_so():
    """What all counts of a sequence have in common cancels or adds up; reported errors have 2 percent of their own."""
    easy = np.full([VOCAB] * LENGTH, 0.5 / (VOCAB**LENGTH - 1))
    easy[(0,) * LENGTH] = 0.5
    target = targets.table(easy)
    errors = []
    for nested in (False, True):
        curve = evaluate.cross_entropy_curve(jax.random.key(9), oracle(target), target, 2048, nested=nested)
        errors.append([curve.cross_entropy.dot(np.array(w)).standard_error for w in ([1.0, -1, 0, 0], [1.0, 1, 1, 1])])
    (difference, total), (nested_difference, nested_total) = errors
    assert nested_difference < 0.6 * difference and nested_total > 1.6 * total, errors


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_errors_and_covariances_of_few_sequences_are_those_of_the_definition(n, nested, monkeypatch):
    """Sums of products over n - 1, then over n for the mean; a wrong divisor is off by a factor of up to 2 here."""
    terms = np.random.default_rng(n).normal(size=(2, LENGTH, n)).astype(np.float32)
    monkeypatch.setattr(devices, "in_batches", lambda *arguments: tuple(terms.reshape(2, -1)))
    measured = evaluate.cross_entropy_curve(jax.random.key(0), imperfect(), target(), n, nested=nested)
    weights = np.array([1.0, -2.0, 0.5, 3.0])
    for curve, mine in zip(measured, terms.astype(np.float64), strict=True):
        means = [math.fsum(row) / n for row in mine]
        np.testing.assert_allclose(curve.values, means, rtol=1e-6, atol=1e-7)
        covariance = np.array(
            [
                [
                    math.fsum((a - means[i]) * (b - means[j]) for a, b in zip(mine[i], mine[j], strict=True))
                    / (n - 1)
                    / n
                    for j in range(LENGTH)
                ]
                for i in range(LENGTH)
            ]
        )
        np.testing.assert_allclose(curve.standard_errors**2, np.diag(covariance), rtol=1e-5)
        if nested:
            np.testing.assert_allclose(curve.covariance, covariance, rtol=1e-5, atol=1e-8)
            variance = weights @ covariance @ weights
        else:
            assert curve.covariance is None
            variance = weights**2 @ np.diag(covariance)
        assert curve.n == n and curve.dot(weights) == (
            pytest.approx(weights @ means, rel=1e-5),
            pytest.approx(math.sqrt(max(variance, 0.0)), rel=1e-4, abs=1e-6),
            n,
        )
    total = evaluate.learning_error(measured)
    errors = measured.learning_error.covariance if nested else np.diag(measured.learning_error.standard_errors**2)
    assert total.value == pytest.approx(terms[1].astype(np.float64).mean(axis=1).sum(), rel=1e-5)
    assert total.standard_error == pytest.approx(math.sqrt(max(errors.sum(), 0.0)), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3])
def test_path_kls_of_few_sequences_are_those_of_the_definition(n):
    tokens = np.array([[0, 1, 2, 0], [1, 1, 0, 2], [2, 2, 1, 0]])[:n]
    log_q = np.array([-3.5, -2.0, -7.25])[:n]
    info = Info(np.zeros(n, np.int32), np.zeros(n, np.int32), log_q)
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


@pytest.mark.parametrize("nested", [False, True])
def test_a_measured_curve_does_not_depend_on_how_its_sequences_are_batched(nested):
    """To the rounding of float32, for batches that fill up, leave a rest, take all, and are shared by two devices."""
    reports = []

    def measure(batch_size, mesh=None):
        return evaluate.cross_entropy_curve(
            jax.random.key(8), imperfect(), target(), 11, nested=nested, batch_size=batch_size, mesh=mesh,
            progress=lambda done, total: reports.append((done, total)),
        )  # fmt: skip

    expected = measure(11)
    assert reports == [(done, 44) for done in (11, 22, 33, 44)]
    for found in (measure(1000), measure(7), measure(None), measure(3, devices.mesh(2))):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.values, other.values, rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(one.standard_errors, other.standard_errors, rtol=1e-5, atol=1e-7)
    assert reports[-1] == (44, 44) and reports[4] == (44, 44)


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
    info = Info(np.zeros(2, np.int32), np.zeros(2, np.int32), np.zeros(2))
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


def test_distinct_share_counts_sequences():
    tokens = np.array([[0, 1], [0, 1], [1, 1], [1, 0], [0, 1]])
    estimate = evaluate.distinct_share(tokens)
    assert estimate.value == 3 / 5 and estimate.n == 5
    # Once: 2, twice: 0, three times: 1, whose smoothing weight -15/16 leaves nothing to subtract.
    assert estimate.standard_error == pytest.approx(np.sqrt(2 - 2**2 / 5) / 5)
    for counts, correction in (
        ((1, 1, 1, 1, 1, 2), 1),
        ((1, 1, 1, 2, 2, 3), 2 - 15 / 16),
        ((1, 1, 1, 1, 2, 2, 4, 5), 2),
    ):
        tokens = np.repeat(np.arange(len(counts)), counts)[:, None]
        alone, n = counts.count(1), sum(counts)
        if counts[-1] == 5:
            correction += 11 / 16 - 5 / 16
            correction = min(correction, 2)  # at most the number seen twice
        found = evaluate.distinct_share(tokens)
        assert found.value == len(counts) / n
        expected = np.sqrt(max(alone - alone**2 / n - correction, 0)) / n
        assert found.standard_error == pytest.approx(expected), counts
    assert evaluate.distinct_share(np.array([[0], [1]])).standard_error == 0.0
    with pytest.raises(ValueError, match="n=1 sequences"):
        evaluate.distinct_share(np.array([[0, 1]]))


@pytest.mark.parametrize("n", [500, 5000])
@pytest.mark.parametrize("kind", ["flat 300", "flat 5000", "flat 50000", "zipf", "zipf squared", "gamma"])
def test_the_standard_error_of_distinct_share_is_right(kind, n):
    """Over 300 repeats the root mean square error is the spread of the values within 18 %: 4.4 times 1 / sqrt(600).

    A jackknife is 1.1 to 1.6 times too large here. Where all 300 outcomes are seen each time, both are 0.
    """
    generator = np.random.default_rng(8)
    weights = {
        "zipf": 1 / np.arange(1, 20_001),
        "zipf squared": 1 / np.arange(1.0, 20_001) ** 2,
        "gamma": generator.gamma(0.2, size=5000),
    }.get(kind)
    weights = np.ones(int(kind.split()[1])) if weights is None else weights
    drawn = generator.choice(len(weights), p=weights / weights.sum(), size=(300, n, 1))
    found = [evaluate.distinct_share(tokens) for tokens in drawn]
    spread = np.std([estimate.value for estimate in found], ddof=1)
    error = np.sqrt(np.mean([estimate.standard_error**2 for estimate in found]))
    if (kind, n) == ("flat 300", 5000):
        assert spread < 1e-4 and error < 1e-4
    else:
        assert 0.82 < spread / error < 1.18, (spread, error)


@pytest.mark.parametrize("values", [[1.0, 4.0], [1.0, 4.0, 2.5], [0.0, 0.0, 3.0]])
def test_the_mean_of_two_or_three_values_has_the_unbiased_variance(values):
    """The mean of (a - b)^2 / 2 over all pairs is the unbiased variance of one value."""
    n = len(values)
    pairs = [(a - b) ** 2 / 2 for i, a in enumerate(values) for b in values[:i]]
    estimate = evaluate.mean(values)
    assert estimate.value == pytest.approx(sum(values) / n) and estimate.n == n
    assert estimate.standard_error == pytest.approx(np.sqrt(sum(pairs) / len(pairs) / n))
    with pytest.raises(ValueError, match="n=1"):
        evaluate.mean(values[:1])


def test_the_mean_of_values_of_which_some_are_infinite():
    assert evaluate.mean([1.0, np.inf]).value == np.inf
    assert np.isnan(evaluate.mean([1.0, np.inf, -np.inf]).value)
    assert np.isnan(evaluate.mean([-np.inf, 0.0]).standard_error) and evaluate.mean([-np.inf, 0.0]).value == -np.inf


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


@pytest.mark.parametrize("logit", [np.nan, np.inf], ids=str)
def test_a_curve_of_a_predictor_without_probabilities_is_refused(logit):
    broken = Predictor.wrap(lambda tokens: jnp.zeros((LENGTH, VOCAB)).at[0, 0].set(logit), LENGTH, VOCAB)
    with pytest.raises(ValueError, match=r"the predictor returned NaN, \+inf or -inf for all tokens"):
        evaluate.cross_entropy_curve(jax.random.key(0), broken, target(), 4)
