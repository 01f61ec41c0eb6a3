"""The sampler's reference: all lanes step by step, side by side, logits at all positions, nothing shared or skipped.

`jdlm.sampling._queue` gives the same samples with less work; tests compare the two. Both take a
`jdlm.sampling.request.Lanes`.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jdlm.planners import Planner
from jdlm.predictor import Predictor, logits_dtype, map_lanes
from jdlm.sampling import _step as steps
from jdlm.sampling.filter import Draw
from jdlm.sampling.request import Lanes


class _State(NamedTuple):
    tokens: Array  # [lanes, length]
    path_log_prob: Array  # [lanes]
    nfe: Array  # [lanes]
    step: Array  # []


def run(predictor: Predictor, lanes: Lanes, planner: Planner, draw: Draw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens ``[lanes, length]``, path log probabilities and NFE ``[lanes]`` of lanes that have one planner.

    All lanes are in memory at once, with Gumbel noise ``[lanes, length, vocab]``.
    """
    return jax.device_get(_run(predictor, lanes, planner=planner, draw=draw))


@functools.partial(jax.jit, static_argnames=("planner", "draw"))
def _run(predictor: Predictor, lanes: Lanes, *, planner: Planner, draw: Draw) -> tuple[Array, Array, Array]:
    length, vocab_size = predictor.length, predictor.vocab_size
    dtype, width = logits_dtype(predictor), len(lanes.start)
    key_order, key_tokens = lanes.keys()
    noise = jax.vmap(lambda key: steps.noise_at(key, jnp.arange(length), vocab_size, dtype))(key_tokens)

    def active(state: _State) -> Array:
        masks_left = jnp.any(state.tokens == vocab_size, axis=1)
        return masks_left if planner.count is not None else state.step < lanes.num_steps

    def step(state: _State) -> _State:
        masked = state.tokens == vocab_size
        logits = map_lanes(predictor, state.tokens)
        size = jnp.where(active(state), lanes.sizes[:, jnp.minimum(state.step, length - 1)], 0)
        everyone = jnp.zeros(width, jnp.int32)
        order, size = steps.choose([planner], everyone, key_order, everyone + state.step, size, masked, logits, dtype)
        rank = jnp.argsort(order, axis=1)
        reveal = masked & (rank < size[:, None])
        logits = draw(logits)  # after the planner, which sees the predictor's own
        drawn = jnp.argmax(logits + noise, axis=-1).astype(jnp.int32)
        drawn = jnp.where(lanes.forced < 0, drawn, lanes.forced)
        gained = jnp.where(reveal, jax.vmap(steps.token_log_prob)(logits, drawn), 0).sum(axis=1)
        tokens = jnp.where(reveal, drawn, state.tokens)
        return _State(tokens, state.path_log_prob + gained, state.nfe + active(state), state.step + 1)

    start = _State(lanes.start, jnp.zeros(width, dtype), jnp.zeros(width, jnp.int32), jnp.zeros((), jnp.int32))
    end = jax.lax.while_loop(lambda state: jnp.any(active(state)), step, start)
    return end.tokens, end.path_log_prob, end.nfe
