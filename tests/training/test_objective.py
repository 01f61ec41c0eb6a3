"""The training objective against enumeration, and the draws behind it."""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jdlm import exact, schedules, targets, training
from jdlm.config.settings import NetworkConfig
from jdlm.predictor import Predictor, map_lanes, oracle
from jdlm.training import network, objective
from tests.reference import training as reference

LENGTH, VOCAB = 4, 3
NETWORK = NetworkConfig(width=8, depth=1, heads=2, mlp_ratio=2)
# Any law, tilted so that its marginals can be learned in a few steps.
PROBABILITIES = np.random.default_rng(0).dirichlet(np.full(VOCAB**LENGTH, 0.3)).reshape([VOCAB] * LENGTH)
for axis in range(LENGTH):
    PROBABILITIES = PROBABILITIES * np.expand_dims([8, 2, 1], [a for a in range(LENGTH) if a != axis])
PROBABILITIES /= PROBABILITIES.sum()
TARGET = targets.table(PROBABILITIES)


@pytest.fixture(scope="module")
def draws():
    """4,000 batches of 6, the loss of each with both kinds of labels under one fixed network, and that network."""
    params = jax.device_get(network.build(NETWORK, LENGTH, VOCAB).init(jax.random.key(1)))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: np.asarray(leaf + rng.normal(scale=0.5, size=leaf.shape), np.float32), params)
    predictor = network.predictor(NETWORK, params, LENGTH, VOCAB)

    @jax.jit
    def measure(keys):
        def one(key):
            batch = objective.draw_batch(key, TARGET, 6)
            return batch, *(objective.loss(predictor, TARGET, batch, labels) for labels in ("sampled", "oracle"))

        return jax.lax.map(one, keys)

    return predictor, jax.device_get(measure(jax.random.split(jax.random.key(2), 4000)))


@pytest.fixture(scope="module")
def summed_cross_entropy(draws):
    """Enumerated for the network of `draws`."""
    states = list(itertools.product(range(VOCAB + 1), repeat=LENGTH))
    logits = np.asarray(jax.jit(map_lanes)(draws[0], jnp.array(states)), np.float64)
    log_q = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return reference.summed_cross_entropy(PROBABILITIES, dict(zip(states, log_q, strict=True)))


@pytest.mark.parametrize("labels", ["sampled", "oracle"])
def test_the_loss_along_orders_is_unbiased_for_the_mean_over_all_orders(labels):
    """2,000 batches of 6 against enumeration, within 4 standard errors (false alarm 6e-5)."""
    config = dataclasses.replace(NETWORK, kind="causal")
    params, rng = network.build(config, LENGTH, VOCAB).init(jax.random.key(1)), np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + rng.normal(scale=0.5, size=leaf.shape).astype("f"), params)
    predictor = network.predictor(config, params, LENGTH, VOCAB)

    def one(key):
        return objective.loss(predictor, TARGET, objective.draw_batch(key, TARGET, 6, ordered=True), labels)

    values = np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(jax.random.key(2), 2000)))
    first_hitting = schedules.first_hitting(LENGTH)
    expected = exact.path_kl(TARGET, predictor, first_hitting).path + exact.entropy(PROBABILITIES)
    assert abs(values.mean() - expected) < 4 * values.std(ddof=1) / math.sqrt(len(values))

    def of_the_oracle(key):
        return objective.loss(oracle(TARGET), TARGET, objective.draw_batch(key, TARGET, 6, ordered=True), labels)

    values = np.asarray(
        jax.jit(lambda keys: jax.lax.map(of_the_oracle, keys))(jax.random.split(jax.random.key(4), 500))
    )
    error = values.std(ddof=1) / math.sqrt(len(values))
    assert abs(values.mean() - exact.entropy(PROBABILITIES)) < 4 * error
    batch = objective.draw_batch(jax.random.key(3), TARGET, 6, ordered=True)
    assert (np.sort(batch.order, axis=1) == np.arange(LENGTH)).all() and len(np.unique(batch.order, axis=0)) > 2
    parts = objective.split(batch, 4)
    assert parts.weight.shape == (2, 3) and float(parts.weight.sum()) == 6
    filled = objective.split(batch._replace(weight=batch.weight), 5)
    assert filled.weight.shape == (2, 3)


@pytest.mark.parametrize("labels", ["sampled", "oracle"])
def test_loss_is_unbiased_for_the_summed_cross_entropy(draws, summed_cross_entropy, labels):
    values = np.asarray(draws[1][{"sampled": 1, "oracle": 2}[labels]], np.float64)
    error = values.std(ddof=1) / math.sqrt(len(values))
    assert error < 0.01 * summed_cross_entropy
    # False alarms: 4.5 standard errors, 7e-6.
    assert abs(values.mean() - summed_cross_entropy) < 4.5 * error


def test_oracle_labels_have_less_variance(draws):
    sampled, oracle = draws[1][1:]
    assert oracle.std() < 0.9 * sampled.std()


def test_counts_are_stratified_and_sets_uniform(draws):
    batch = draws[1][0]
    revealed = LENGTH - batch.masked.sum(axis=2)
    each = np.stack([(revealed == j).sum(axis=1) for j in range(LENGTH)], axis=1)
    assert set(np.unique(each)) == {1, 2}  # 6 sequences over 4 counts, in every batch
    np.testing.assert_allclose(batch.weight, LENGTH / (LENGTH - revealed), rtol=1e-6)
    # One lane of each batch, so that draws are independent: a uniform count, then a uniform set of that size.
    # False alarms: 1e-5 for each of 6 lanes.
    for lane in range(6):
        observed = np.bincount(batch.masked[:, lane] @ (1 << np.arange(LENGTH)), minlength=2**LENGTH)
        share = [1 / LENGTH / math.comb(LENGTH, i.bit_count()) for i in range(1, 2**LENGTH)]
        assert observed[0] == 0
        assert stats.chisquare(observed[1:], np.array(share) * observed.sum()).pvalue > 1e-5


def test_sequences_of_a_batch_have_sets_of_their_own(draws):
    masked = draws[1][0].masked
    both_two = masked[(masked[:, :2].sum(axis=2) == 2).all(axis=1), :2]
    same = (both_two[:, 0] == both_two[:, 1]).all(axis=1)
    # Two random pairs of 4 positions agree with probability 1/6; false alarms 1e-6.
    assert stats.binomtest(int(same.sum()), len(same), 1 / 6).pvalue > 1e-6


def test_parts_of_a_batch_add_up_to_the_whole(draws):
    """Loss and gradient of 7 sequences in two parts of 4, where one row is too many."""
    params = draws[0].params
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[:, :5].reshape(-1, *leaf.shape[2:])[:7]), draws[1][0])

    def loss(params, batch):
        return objective.loss(network.predictor(NETWORK, params, LENGTH, VOCAB), TARGET, batch, "oracle")

    expected = jax.jit(jax.value_and_grad(loss))(params, batch)
    found = jax.jit(lambda params, batch: training.accumulated(loss, params, batch, 5))(params, batch)
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * float(expected[0]))


def test_what_fills_a_part_up_has_no_weight(draws):
    batch = jax.tree.map(lambda leaf: leaf[0], draws[1][0])
    parts = objective.split(jax.tree.map(jnp.asarray, batch), 5)  # 6 sequences in two parts of 3
    assert parts.tokens.shape == (2, 3, LENGTH)
    np.testing.assert_array_equal(parts.tokens.reshape(6, LENGTH), batch.tokens)
    parts = objective.split(jax.tree.map(lambda leaf: jnp.asarray(leaf[:5]), batch), 3)  # one row too many
    np.testing.assert_array_equal(parts.weight.reshape(6), np.append(batch.weight[:5], 0))
    assert not parts.masked[1, 2].any()


def test_a_uniform_predictor_loses_length_log_vocab_on_every_batch():
    """Whatever is revealed: weight length / m times m masked tokens of log V each; oracle labels say the same."""
    flat = Predictor.wrap(lambda tokens: jnp.zeros((LENGTH, VOCAB)), LENGTH, VOCAB)

    @jax.jit
    def losses(key):
        batch = objective.draw_batch(key, TARGET, 5)
        return jnp.stack([objective.loss(flat, TARGET, batch, labels) for labels in ("sampled", "oracle")])

    np.testing.assert_allclose(losses(jax.random.key(0)), LENGTH * math.log(VOCAB), rtol=1e-6)


def test_one_sequence_alone_has_every_count():
    """A batch of one: its count is uniform over 0..length-1; chi-square, false alarm 1e-6."""
    keys = jax.random.split(jax.random.key(3), 4000)
    masked = jax.jit(jax.vmap(lambda key: objective.draw_batch(key, TARGET, 1).masked))(keys)
    counts = np.bincount(np.asarray(masked).sum(axis=2).ravel(), minlength=LENGTH + 1)
    assert counts[0] == 0 and stats.chisquare(counts[1:]).pvalue > 1e-6
