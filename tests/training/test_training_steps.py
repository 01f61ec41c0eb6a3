"""The arithmetic of training, against float64 numpy: rate, clipping, AdamW, running mean, keys, reports."""

import dataclasses
import itertools
import math
import types

import jax
import numpy as np
import pytest

from jdlm import devices, evaluate, targets, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.study import metrics
from jdlm.training import loop, network, objective
from tests.reference import training as reference

LENGTH, VOCAB = 4, 3
NETWORK = NetworkConfig(width=8, depth=1, heads=2, mlp_ratio=2)
# Large enough a rate, decay and tilt that each shows; the norms of the gradients lie on both sides of the clipping.
CONFIG = TrainingConfig(
    steps=8, batch_size=6, learning_rate=0.05, warmup_steps=2, weight_decay=0.5, clip_norm=0.85, ema_decay=0.3,
    chunk_steps=3, evaluation_draws=2, seed=5,
)  # fmt: skip
TARGET = targets.markov([0.7, 0.2, 0.1], [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.2, 0.2]], LENGTH)
PARAMETERS, DATA, EVALUATION = 0, 1, 2  # what is folded into the seed's key


def flat(tree):
    leaves = jax.tree_util.tree_flatten_with_path(jax.device_get(tree))[0]
    return {jax.tree_util.keystr(p, simple=True, separator="."): np.asarray(leaf, np.float64) for p, leaf in leaves}


def norm(gradient):
    return math.sqrt(sum((g**2).sum() for g in gradient.values()))


@pytest.fixture(scope="module")
def run():
    """Parameters, running mean and report after 3, 6 and 8 steps."""
    seen = []

    def on_chunk(state, progress):
        seen.append((flat(state.params), flat(state.ema), progress))

    training.train(NETWORK, TARGET, CONFIG, on_chunk=on_chunk)
    return seen


@pytest.fixture(scope="module")
def twin():
    """Parameters after each step, losses and norms of the gradients per token, from numpy and the loss alone."""
    key = jax.random.key(CONFIG.seed, impl="threefry2x32")
    start = network.build(NETWORK, LENGTH, VOCAB).init(jax.random.fold_in(key, PARAMETERS))
    tree, params = jax.tree.structure(start), flat(start)
    decayed = {name for name in params if name in ("tokens", "positions") or name.endswith(".kernel")}

    @jax.jit
    def measure(params, step):
        batch = objective.draw_batch(jax.random.fold_in(jax.random.fold_in(key, DATA), step), TARGET, CONFIG.batch_size)

        def loss(params):
            return objective.loss(network.predictor(NETWORK, params, LENGTH, VOCAB), TARGET, batch)

        return jax.value_and_grad(loss)(params)

    moments = tuple({name: np.zeros_like(value) for name, value in params.items()} for _ in range(2))
    history, losses, norms = [], [], []
    for step in range(CONFIG.steps):
        loss, gradient = measure(jax.tree.unflatten(tree, [p.astype(np.float32) for p in params.values()]), step)
        gradient = {name: g / LENGTH for name, g in flat(gradient).items()}
        params, moments = reference.adamw(
            params, gradient, step, moments, decay=CONFIG.weight_decay, decayed=decayed, clip=CONFIG.clip_norm,
            rate=reference.learning_rate(step, CONFIG.learning_rate, CONFIG.warmup_steps, CONFIG.steps),
        )  # fmt: skip
        history.append(params)
        losses.append(float(loss))
        norms.append(norm(gradient))
    return history, losses, norms


def close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # A shift of all keys changes no attention: its gradient is rounding noise, which Adam makes a step of.
        if not name.endswith("key.bias"):
            np.testing.assert_allclose(found[name], value, rtol=0, atol=2e-3 * CONFIG.learning_rate, err_msg=name)


def test_parameters_follow_adamw_on_the_gradient_per_token(run, twin):
    history, _, norms = twin
    assert min(norms) < 0.9 * CONFIG.clip_norm and max(norms) > 1.5 * CONFIG.clip_norm
    for (params, _, progress), step in zip(run, (3, 6, 8), strict=True):
        assert progress.step == step
        close(params, history[step - 1])


def test_the_running_mean_follows_its_recursion(run, twin):
    """With the decay t / (t + 9) at first and 0.3 from the fifth step on."""
    for (_, ema, _), step in zip(run, (3, 6, 8), strict=True):
        names = twin[0][0]
        close(
            ema, {name: reference.running_mean([p[name] for p in twin[0][:step]], CONFIG.ema_decay) for name in names}
        )


def test_losses_are_reported_with_the_spread_of_few_batches(run, twin):
    """Chunks of three and of two steps: by the sample variance, sum of squares over (steps - 1)."""
    for (_, _, progress), chunk in zip(run, (twin[1][:3], twin[1][3:6], twin[1][6:]), strict=True):
        mean = math.fsum(chunk) / len(chunk)
        variance = math.fsum((loss - mean) ** 2 for loss in chunk) / (len(chunk) - 1)
        assert progress.loss.value == pytest.approx(mean, rel=1e-4)
        assert progress.loss.standard_error == pytest.approx(math.sqrt(variance / len(chunk)), rel=2e-3)
        assert progress.loss.n == len(chunk) * CONFIG.batch_size


def test_the_learning_error_is_that_of_the_running_mean_on_fixed_draws(run, monkeypatch):
    """Draws of a key of their own, the same after each chunk, and none of the training's data."""
    used = []
    whole = evaluate.cross_entropy_curve

    def watched(key, predictor, target, n, **options):
        used.append(jax.random.key_data(key).tolist())
        return whole(key, predictor, target, n, **options)

    monkeypatch.setattr("jdlm.training.loop.cross_entropy_curve", watched)
    training.train(NETWORK, TARGET, CONFIG)
    root = jax.random.key(CONFIG.seed, impl="threefry2x32")
    assert used == 3 * [jax.random.key_data(jax.random.fold_in(root, EVALUATION)).tolist()]
    assert len({PARAMETERS, DATA, EVALUATION}) == 3
    assert (loop._INIT, loop._DATA, loop._EVALUATION) == (PARAMETERS, DATA, EVALUATION)


def test_rows_of_a_chunk_hold_what_was_reported(run):
    progress = run[-1][2]
    made = {row.metric: row for row in metrics.metric_rows(progress, cell="c" * 12, target="markov", seed=5)}
    reported = {"loss_nats": progress.loss, "learning_error_nats": progress.learning_error}
    for metric, estimate in reported.items():
        row = made.pop(metric)
        assert (row.value, row.standard_error, row.n) == tuple(estimate)
        assert (row.index, row.cell, row.target, row.seed, row.method) == (8, "c" * 12, "markov", 5, "monte_carlo")
    speed = made.pop("steps_per_second")
    assert (speed.value, speed.standard_error, speed.n) == (progress.steps_per_second, None, None) and not made


def test_a_speed_is_steps_over_seconds_also_of_the_shorter_last_chunk(monkeypatch):
    """By a clock that is 2 seconds later whenever it is read."""
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(perf_counter=itertools.count(0.0, 2.0).__next__))
    speeds = []
    training.train(NETWORK, TARGET, CONFIG, on_chunk=lambda _, progress: speeds.append(progress.steps_per_second))
    assert speeds == [3 / 2, 3 / 2, 2 / 2]


def test_a_finished_run_is_given_back_and_batches_are_shared_evenly():
    state = training.init(NETWORK, TARGET, CONFIG)._replace(step=np.int32(8))
    reported = []
    assert training.train(NETWORK, TARGET, CONFIG, state=state, on_chunk=lambda *a: reported.append(a)) is state
    assert not reported
    with pytest.raises(ValueError, match="batch_size=5 is not a multiple of the 2 devices; use 6, or fewer devices"):
        training.train(NETWORK, TARGET, dataclasses.replace(CONFIG, batch_size=5), mesh=devices.mesh(2))


def test_no_key_of_training_is_used_twice():
    with jax.debug_key_reuse(True):
        start = training.init(NETWORK, TARGET, CONFIG)
        batch = jax.jit(objective.draw_batch, static_argnums=2)(jax.random.key(9), TARGET, 5)
    assert batch.tokens.shape == (5, LENGTH)
    root = jax.random.key(CONFIG.seed, impl="threefry2x32")
    np.testing.assert_array_equal(jax.random.key_data(start.key), jax.random.key_data(root))
    expected = network.build(NETWORK, LENGTH, VOCAB).init(jax.random.fold_in(root, PARAMETERS))
    for one, other, mean in zip(*map(jax.tree.leaves, (start.params, expected, start.ema)), strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, mean)


@pytest.mark.parametrize(("steps", "warmup"), [(10, 3), (10, 0), (1, 0), (7, 6)])
def test_learning_rate_of_every_step(steps, warmup):
    """Without a gradient a step takes rate * decay off a matrix; the first is 1 / (warmup + 1) of the peak."""
    config = TrainingConfig(steps=steps, warmup_steps=warmup, learning_rate=0.1, weight_decay=0.5)
    transform = training.optimizer(config)
    params = {"kernel": np.ones((2, 2), np.float32)}
    zeros, state, rates = {"kernel": np.zeros((2, 2), np.float32)}, transform.init(params), []
    update = jax.jit(transform.update)
    for _ in range(steps):
        moved, state = update(zeros, state, params)
        rates.append(-float(moved["kernel"][0, 1]) / 0.5)
    expected = [reference.learning_rate(step, 0.1, warmup, steps) for step in range(steps)]
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-8)
    assert rates[0] == pytest.approx(0.1 / (warmup + 1)) and rates[warmup] == max(rates) == pytest.approx(0.1)
    assert np.argmax(rates) == warmup and (np.diff(rates[warmup:]) < 0).all() and rates[-1] > 0.0


@pytest.mark.parametrize("length", [3, 12])
def test_what_is_clipped_does_not_depend_on_the_length(length):
    """From the start, with exact labels of independent tokens, the gradient of the head's bias is 1 / V - p a token."""
    law = np.array([0.7, 0.2, 0.1])
    shape = NetworkConfig(width=2, depth=1, heads=1, mlp_ratio=1)
    config = TrainingConfig(steps=1, batch_size=6, warmup_steps=0, clip_norm=1e6, labels="oracle", chunk_steps=1)
    target = targets.product(np.tile(law, (length, 1)))
    start = training.init(shape, target, config)
    state = loop._run_chunk(loop._for_compilation(config), shape, None, None, start, target, 1)[0]
    first_moment = flat(state.optimizer[1][0].mu)["head.bias"]
    np.testing.assert_allclose(first_moment, 0.1 * (1 / 3 - law), rtol=1e-5)


@pytest.mark.parametrize(("first", "second", "kept"), [(3.0, 3.9, 1.0), (0.3, 0.4, 1.0), (6.0, 8.0, 0.5)])
def test_a_gradient_is_cut_to_the_norm_of_all_its_parts_if_it_is_larger(first, second, kept):
    transform = training.optimizer(TrainingConfig(clip_norm=5.0, weight_decay=0.0))
    gradient = {"a": np.array([first, 0.0], np.float32), "b": np.full((1, 1), second, np.float32)}
    zeros = jax.tree.map(np.zeros_like, gradient)
    _, state = jax.jit(lambda: transform.update(gradient, transform.init(zeros), zeros))()
    for name, value in flat(state[1][0].mu).items():
        np.testing.assert_allclose(value, 0.1 * kept * gradient[name], rtol=1e-5)
