"""Training of a mask predictor, one target and one seed at a time.

There is no loader: the data of step t are drawn on the device from a key folded with t, so a run that is continued
from any saved state, on as many devices, gives the same bits as one that was never stopped.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Int, Key

from jdlm import devices, keys
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.errors import InputError
from jdlm.measure.estimate import Estimate
from jdlm.measure.learned_curve import cross_entropy_curve, learning_error
from jdlm.predictor import Predictor
from jdlm.targets import Target
from jdlm.training import network, objective

__all__ = ["TrainingInfo", "TrainingState", "accumulated", "init", "optimizer", "train"]

_BETA2 = 0.99  # of Adam: runs here are too short for the usual 0.999
_INIT, _DATA, _EVALUATION = range(3)  # what a key made from the seed is for


class TrainingState(NamedTuple):
    """All that a run carries from one step to the next; saved whole by `jdlm.checkpoints`.

    Attributes:
      params: parameters of the network, a nested dict of float32 arrays.
      optimizer: the optimizer's own state.
      ema: running mean of the parameters, of the same shape; what is evaluated and sampled.
      step: int32, optimizer steps done.
      key: typed key made from the seed; the draws of a step are folded from it and the step.
    """

    params: Any
    optimizer: Any
    ema: Any
    step: Int[Array, ""]
    key: Key[Array, ""]


class TrainingInfo(NamedTuple):
    """What is known after a chunk of steps.

    Attributes:
      step: optimizer steps done.
      loss: mean over the chunk, nats per sequence; an estimate of ``sum_j c[j]`` while the parameters change.
      steps_per_second: of the chunk alone, without compilation and evaluation.
      learning_error: ``sum_j (c - h)[j]`` of the EMA parameters on fixed draws, nats per sequence; None where the
        target has no exact conditionals.
    """

    step: int
    loss: Estimate
    steps_per_second: float
    learning_error: Estimate | None


def optimizer(config: TrainingConfig) -> optax.GradientTransformation:
    """AdamW with clipping, linear warm-up and cosine decay to zero; weight decay on matrices alone."""
    rate = optax.warmup_cosine_decay_schedule(
        init_value=config.learning_rate / (config.warmup_steps + 1),  # of the first step, which is to move, too
        peak_value=config.learning_rate,
        warmup_steps=config.warmup_steps,
        decay_steps=config.steps,
    )

    def matrices(params: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.ndim >= 2, params)

    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(rate, b2=_BETA2, weight_decay=config.weight_decay, mask=matrices),
    )


def init(network_config: NetworkConfig, target: Target, config: TrainingConfig) -> TrainingState:
    """The state before the first step."""
    key = keys.key(config.seed)
    return _init(key, _for_compilation(config), network_config, target.length, target.vocab_size)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4))
def _init(
    key: Array, config: TrainingConfig, network_config: NetworkConfig, length: int, vocab_size: int
) -> TrainingState:
    params = network.build(network_config, length, vocab_size).init(jax.random.fold_in(key, _INIT))
    return TrainingState(params, optimizer(config).init(params), params, jnp.zeros((), jnp.int32), key)


def train(
    network_config: NetworkConfig,
    target: Target,
    config: TrainingConfig,
    *,
    state: TrainingState | None = None,
    chunk: int | None = None,
    mesh: Mesh | None = None,
    on_chunk: Callable[[TrainingState, TrainingInfo], None] | None = None,
) -> TrainingState:
    """Trains a network on a target.

    Args:
      network_config: shape and precision of the network.
      target: the target to learn.
      config: steps, batch, optimizer, labels and seed.
      state: where to go on, from `init` or `jdlm.checkpoints.load`; used up by the call. The start if None.
      chunk: sequences whose gradient is computed together, `jdlm.network.chunk_size` if None; the result is the same to
        rounding.
      mesh: devices that share each batch, see `jdlm.devices.mesh`; the default device if None. The result is the same
        to rounding, and a run may go on with other devices.
      on_chunk: called after every ``config.chunk_steps`` steps and at the end. The state belongs to the run, which
        overwrites it with the next chunk: save or copy what is needed later.

    Returns:
      The state after ``config.steps`` steps.

    Raises:
      ValueError: oracle labels for a target without exact conditionals, or a state from beyond ``config.steps``.
      FloatingPointError: the loss or the parameters are no longer finite. ``on_chunk`` has not seen the state.
    """
    exact = target.has("conditionals")
    if config.labels == "oracle" and not exact:
        raise InputError(
            f"labels='oracle' needs exact conditionals, which {type(target).__name__} has not; use 'sampled'"
        )
    now = init(network_config, target, config) if state is None else state
    step = int(now.step)
    if step > config.steps:
        raise InputError(f"the state is at step {step}, beyond steps={config.steps}; use steps={step} or more")
    if step == config.steps:
        return now
    if config.batch_size % (parts := devices.size(mesh)):
        raise InputError(
            f"batch_size={config.batch_size} is not a multiple of the {parts} devices; "
            f"use {-(-config.batch_size // parts) * parts}, or fewer devices"
        )
    now, laws = devices.replicate(mesh, (now, target))
    if chunk is None:
        chunk = network.chunk_size(network_config, target.length, gradient=True, num_devices=devices.size_here(mesh))
    run = functools.partial(_run_chunk, _for_compilation(config), network_config, chunk, mesh)
    evaluation_key = jax.random.fold_in(devices.own_copy(now.key), _EVALUATION)
    now, *_ = run(now, laws, step)  # compiles, and does nothing
    while step < config.steps:
        first, step = step, min(step + config.chunk_steps, config.steps)
        started = time.perf_counter()
        now, losses, finite = run(now, laws, step)
        losses = devices.fetch(losses).astype(np.float64)[: step - first]
        seconds = time.perf_counter() - started
        _check_finite(losses, bool(devices.fetch(finite)), first, config)
        error = None
        if exact:
            model = _predictor(network_config, target, devices.own_copy(now.ema))
            measured = cross_entropy_curve(evaluation_key, model, target, config.evaluation_draws, mesh=mesh)
            error = learning_error(measured)
        if on_chunk is not None:
            # Batches are independent, the sequences of one batch are not: their counts are stratified.
            spread = float(losses.std(ddof=1) / np.sqrt(len(losses))) if len(losses) > 1 else float("nan")
            mean = Estimate(float(losses.mean()), spread, len(losses) * config.batch_size)
            on_chunk(devices.own_copy(now), TrainingInfo(step, mean, len(losses) / seconds, error))
    return now


def _predictor(network_config: NetworkConfig, target: Target, params: Any) -> Predictor:
    return network.predictor(network_config, params, target.length, target.vocab_size)


def _for_compilation(config: TrainingConfig) -> TrainingConfig:
    """The same for all runs that one compiled program can serve."""
    return dataclasses.replace(config, seed=0, evaluation_draws=2)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3), donate_argnums=4)
def _run_chunk(
    config: TrainingConfig,
    network_config: NetworkConfig,
    chunk: int | None,
    mesh: Mesh | None,
    state: TrainingState,
    target: Target,
    stop: ArrayLike,
) -> tuple[TrainingState, Array, Array]:
    """Steps until ``stop``, at most ``chunk_steps``; each one's loss (0 beyond ``stop``) and whether all is finite."""
    model = functools.partial(_predictor, network_config, target)
    transform = optimizer(config)

    def gradients(params: Any, target: Target, batch: objective.Batch) -> tuple[Array, Any]:
        def loss(params: Any, batch: objective.Batch) -> Array:
            return objective.loss(model(params), target, batch, config.labels)

        own = accumulated(loss, params, batch, chunk)
        return own if mesh is None else jax.lax.pmean(own, devices.AXIS)

    gradients = devices.sharded(mesh, gradients, (False, False, True), result_cut=False)

    def one_step(state: TrainingState) -> tuple[TrainingState, Array]:
        key = jax.random.fold_in(jax.random.fold_in(state.key, _DATA), state.step)
        batch = objective.draw_batch(key, target, config.batch_size, network_config.kind == "causal")

        value, gradient = gradients(state.params, target, batch)
        # Per token, so that the norm to clip to does not depend on the length.
        gradient = jax.tree.map(lambda leaf: leaf / target.length, gradient)
        updates, moments = transform.update(gradient, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        # A young mean forgets faster: at step t it covers about the last t/9 steps, and never the initial values.
        decay = jnp.minimum(config.ema_decay, state.step / (state.step + 9))
        ema = optax.incremental_update(params, state.ema, 1 - decay)
        return TrainingState(params, moments, ema, state.step + 1, state.key), value

    def idle(state: TrainingState) -> tuple[TrainingState, Array]:
        return state, jnp.zeros(())

    def body(state: TrainingState, _: None) -> tuple[TrainingState, Array]:
        return jax.lax.cond(state.step < stop, one_step, idle, state)

    state, losses = jax.lax.scan(body, state, length=config.chunk_steps)
    return state, losses, jnp.isfinite(optax.tree.norm((state.params, state.ema)))


def accumulated(
    loss: Callable[[Any, objective.Batch], Array], params: Any, batch: objective.Batch, chunk: int | None
) -> tuple[Array, Any]:
    """A loss and its gradient, computed on one part of the batch after the other and added up.

    Args:
      loss: ``(params, batch) -> mean over the batch``.
      params: what the gradient is taken in.
      batch: all sequences.
      chunk: sequences in each part at most; all of them if None.

    Returns:
      The same as ``jax.value_and_grad(loss)(params, batch)``, to rounding.
    """
    n = batch.tokens.shape[0]
    if chunk is None or chunk >= n:
        return jax.value_and_grad(loss)(params, batch)
    parts = objective.split(batch, chunk)
    width = parts.tokens.shape[1]

    def add(total: tuple[Array, Any], part: objective.Batch) -> tuple[tuple[Array, Any], None]:
        return jax.tree.map(jnp.add, total, jax.value_and_grad(loss)(params, part)), None

    nothing = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
    total, _ = jax.lax.scan(add, nothing, parts)
    return jax.tree.map(lambda leaf: leaf * np.float32(width / n), total)


def _check_finite(losses: np.ndarray, finite: bool, first: int, config: TrainingConfig) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad) or not finite:
        what = f"the loss is {losses[bad[0]]}" if len(bad) else "a parameter is not finite"
        step = first + (bad[0] if len(bad) else len(losses))
        raise FloatingPointError(
            f"{what} at step {step}; the last good state is that of step {first}; "
            f"lower learning_rate={config.learning_rate:g} or clip_norm={config.clip_norm:g}"
        )
