import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jdlm import evaluate, targets, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.predictor import Predictor, map_lanes
from jdlm.study import metrics
from jdlm.targets import Target
from jdlm.training import checkpoint as checkpoints
from jdlm.training import loop, network, objective
from tests.reference import training as reference

LENGTH, VOCAB = 4, 3
NETWORK = NetworkConfig(width=8, depth=1, heads=2, mlp_ratio=2)
PART = 4  # sequences at once, so that each step of these runs adds up two parts
CONFIG = TrainingConfig(
    steps=100, batch_size=6, learning_rate=0.01, warmup_steps=2, chunk_steps=40, evaluation_draws=16
)
# Any law, tilted so that its marginals can be learned in a few steps.
PROBABILITIES = np.random.default_rng(0).dirichlet(np.full(VOCAB**LENGTH, 0.3)).reshape([VOCAB] * LENGTH)
for axis in range(LENGTH):
    PROBABILITIES = PROBABILITIES * np.expand_dims([8, 2, 1], [a for a in range(LENGTH) if a != axis])
PROBABILITIES /= PROBABILITIES.sum()
TARGET = targets.table(PROBABILITIES)


def run(state=None, config=CONFIG, target=TARGET):
    """Trains; returns the final state and what was reported, each with a copy of the state."""
    seen = []

    def on_chunk(state, progress):
        seen.append((copy(state), progress))

    return training.train(NETWORK, target, config, state=state, chunk=PART, on_chunk=on_chunk), seen


def copy(state):
    """What is left of a state when the run that is given it overwrites it."""
    host = state._replace(key=jax.random.key_data(state.key))
    copied = jax.tree.map(lambda leaf: jnp.asarray(np.array(leaf)), host)
    return copied._replace(key=jax.random.wrap_key_data(copied.key))


def bits(state):
    leaves = jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))
    return [np.asarray(leaf).tobytes() for leaf in leaves]


@pytest.fixture(scope="module")
def trained():
    return run()


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


def test_each_step_draws_a_batch_of_its_own(trained):
    config = loop._for_compilation(CONFIG)
    losses = [
        loop._run_chunk(config, NETWORK, PART, None, copy(trained[0])._replace(step=jnp.int32(step)), TARGET, step + 1)[
            1
        ]
        for step in (10, 10, 11)
    ]
    assert losses[0][0] == losses[1][0] != losses[2][0]


def test_a_resumed_run_is_the_same_bits(trained, tmp_path):
    final, seen = trained
    assert [progress.step for _, progress in seen] == [40, 80, 100]  # 100 is no multiple of 40
    checkpoints.save(tmp_path, seen[0][0], NETWORK)
    loaded = checkpoints.load(tmp_path, NETWORK, TARGET, CONFIG)
    assert bits(loaded) == bits(seen[0][0])
    resumed, again = run(loaded)
    assert bits(resumed) == bits(final)
    assert [progress.loss for _, progress in again] == [progress.loss for _, progress in seen[1:]]
    assert [progress.learning_error for _, progress in again] == [progress.learning_error for _, progress in seen[1:]]


def test_one_program_serves_all_chunks_seeds_and_resumptions(trained):
    before = loop._run_chunk._cache_size()
    other = training.init(NETWORK, TARGET, dataclasses.replace(CONFIG, seed=1))._replace(step=jnp.int32(97))
    final, seen = run(other)
    assert int(final.step) == 100 and len(seen) == 1
    assert bits(final) != bits(trained[0])
    assert loop._run_chunk._cache_size() == before


def test_reports_agree_with_the_state(trained):
    state, progress = trained[1][-1]
    assert progress.loss.n == 20 * CONFIG.batch_size and progress.loss.standard_error > 0
    assert progress.steps_per_second > 0
    predictor = Predictor(state.ema, network.build(NETWORK, LENGTH, VOCAB).apply, LENGTH, VOCAB)
    key = jax.random.fold_in(jax.random.key(0), loop._EVALUATION)
    expected = evaluate.learning_error(evaluate.cross_entropy_curve(key, predictor, TARGET, 16))
    assert progress.learning_error == expected
    made = metrics.metric_rows(progress, cell="0" * 12, target="table", seed=0)
    assert [(row.metric, row.index) for row in made] == [
        ("loss_nats", 100),
        ("steps_per_second", 100),
        ("learning_error_nats", 100),
    ]


def test_training_learns(trained):
    """From the uniform law, with which the network starts, towards the target."""
    entropy = -(PROBABILITIES * np.log(PROBABILITIES)).sum()
    at_start = LENGTH * math.log(VOCAB) - entropy
    last = trained[1][-1][1]
    assert last.learning_error.value < 0.6 * at_start
    assert last.loss.value + 4 * last.loss.standard_error < LENGTH * math.log(VOCAB)


def test_running_mean_forgets_the_start(trained):
    """After 40 steps it lies nearer to the parameters than the start does."""
    start = training.init(NETWORK, TARGET, CONFIG).params
    state = trained[1][0][0]

    def distance(a, b):
        pairs = zip(*map(jax.tree.leaves, jax.device_get((a, b))), strict=True)
        return math.sqrt(sum(((x - y) ** 2).sum() for x, y in pairs))

    assert distance(state.ema, state.params) < 0.5 * distance(start, state.params)


def test_a_loss_that_is_not_finite_stops_before_the_callback(trained):
    state = copy(trained[1][0][0])
    state.params["head"]["bias"] = state.params["head"]["bias"].at[0].set(jnp.nan)
    reported = []
    with pytest.raises(FloatingPointError, match=r"the loss is nan at step 40; the last good state .* step 40; lower"):
        training.train(NETWORK, TARGET, CONFIG, state=state, chunk=PART, on_chunk=lambda *a: reported.append(a))
    assert not reported


def test_parameters_that_are_not_finite_stop_too(trained):
    """The last step of a chunk may spoil the parameters after its loss was computed."""
    state = copy(trained[1][0][0])
    state.ema["head"]["bias"] = state.ema["head"]["bias"].at[0].set(jnp.inf)
    with pytest.raises(
        FloatingPointError, match=r"a parameter is not finite at step 80; the last good state .* step 40"
    ):
        training.train(NETWORK, TARGET, CONFIG, state=state, chunk=PART)


def test_weight_decay_is_on_matrices_alone():
    config = TrainingConfig(steps=10, warmup_steps=1, learning_rate=0.1, weight_decay=0.5)
    transform = training.optimizer(config)
    params = {"kernel": np.ones((2, 2), np.float32), "bias": np.ones(2, np.float32)}
    zeros = jax.tree.map(np.zeros_like, params)
    updates = jax.jit(lambda: transform.update(zeros, transform.init(params), params)[0])()
    np.testing.assert_allclose(updates["kernel"], -0.05 * 0.5, rtol=1e-6)  # half the peak rate in the warm-up
    assert not np.asarray(updates["bias"]).any()


class Opaque(Target):
    """A law that can only be sampled."""

    length, vocab_size = LENGTH, VOCAB


def test_a_target_without_conditionals_trains_on_samples(trained, monkeypatch):
    with pytest.raises(ValueError, match=r"labels='oracle' needs exact conditionals, .* use 'sampled'"):
        training.train(NETWORK, Opaque(), dataclasses.replace(CONFIG, labels="oracle"))
    monkeypatch.setattr(Target, "has", lambda target, member: False)
    _, seen = run(copy(trained[1][1][0])._replace(step=jnp.int32(99)))
    progress = seen[0][1]
    assert progress.learning_error is None
    assert math.isnan(progress.loss.standard_error)  # a chunk of one step
    assert len(metrics.metric_rows(progress, cell="0" * 12, target="opaque", seed=0)) == 2


def test_a_state_beyond_the_end_is_refused():
    state = training.init(NETWORK, TARGET, CONFIG)._replace(step=jnp.int32(101))
    with pytest.raises(ValueError, match="step 101, beyond steps=100; use steps=101 or more"):
        training.train(NETWORK, TARGET, CONFIG, state=state, chunk=PART)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"steps": 0}, "steps=0 .* use steps=1 or more"),
        ({"warmup_steps": 1000}, "warmup_steps=1000 .* use at most 999"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0 is not a positive number"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0 .* use 0"),
        ({"ema_decay": 1.0}, "ema_decay=1.0 is outside"),
        ({"evaluation_draws": 1}, "evaluation_draws=1 .* use evaluation_draws=2 or more"),
        ({"seed": -1}, "seed=-1 is outside"),
        ({"seed": 2**32}, "seed=4294967296 is outside"),
        ({"chunk_steps": True}, "chunk_steps=True is not a whole number"),
        ({"batch_size": 0}, "batch_size=0 .* use batch_size=1 or more"),
        ({"warmup_steps": -1}, "warmup_steps=-1 .* use warmup_steps=0 or more"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 is not a positive number"),
        ({"learning_rate": math.inf}, "learning_rate=inf is not a positive number"),
        ({"clip_norm": 0.0}, "clip_norm=0.0 is not a positive number"),
        ({"weight_decay": math.inf}, "weight_decay=inf is negative or not finite"),
        ({"ema_decay": -0.1}, "ema_decay=-0.1 is outside"),
    ],
)
def test_bad_settings_are_refused(field, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**field)


def test_the_last_settings_of_each_range_are_accepted():
    TrainingConfig(steps=1, batch_size=1, chunk_steps=1, warmup_steps=0, evaluation_draws=2, weight_decay=0.0)
    TrainingConfig(steps=2, warmup_steps=1, ema_decay=0.0, seed=2**32 - 1)
    NetworkConfig(width=1, depth=1, heads=1, mlp_ratio=1)
