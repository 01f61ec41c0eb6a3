import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import evaluate, targets, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.predictor import Predictor
from jdlm.study import metrics
from jdlm.targets import Target
from jdlm.training import checkpoint as checkpoints
from jdlm.training import loop, network

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


@pytest.mark.parametrize("labels", ["sampled", "oracle"])
def test_a_causal_network_learns_and_resumes_with_the_same_bits(labels, tmp_path):
    network_config, config = dataclasses.replace(NETWORK, kind="causal"), dataclasses.replace(CONFIG, labels=labels)
    seen = []
    train = functools.partial(training.train, network_config, TARGET, config, chunk=PART)
    final = train(on_chunk=lambda state, info: seen.append((copy(state), info)))
    assert seen[-1][1].loss.value < seen[0][1].loss.value
    assert seen[-1][1].learning_error.value < seen[0][1].learning_error.value
    checkpoints.save(tmp_path, seen[0][0], network_config)
    loaded = checkpoints.load(tmp_path, network_config, TARGET, config)
    assert bits(train(state=loaded)) == bits(final)


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
