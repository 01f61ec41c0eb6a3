"""The sampler: any predictor, planner and reveal sizes, lanes side by side in one compiled program.

A lane starts from masks (or from given tokens). Each of its steps asks the predictor once, lets the planner choose as
many masked positions as the lane's next size says, draws their tokens independently from the predicted marginals, and
reveals them; revealed tokens never change. Sizes are data, so no schedule and no number of steps compiles anew.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, Key
from numpy.typing import ArrayLike

from jdlm.draws import Draw
from jdlm.planners import Planner, random, rounded
from jdlm.predictor import Predictor, logits_dtype, map_lanes

DEFAULT_WIDTH = 128
_RANDOM = random()
_PLAIN = Draw()


class Info(NamedTuple):
    """What happened in each lane.

    Attributes:
      nfe: int32 ``[lanes]`` predictor calls; a step that reveals nothing makes none.
      leftover: int32 ``[lanes]`` masks left at the end; 0 unless ``allow_leftover``.
      path_log_prob: float ``[lanes]`` nats; log probability of the revealed tokens under the law that they were drawn
        from, each in the step that revealed it (order and sizes known).
    """

    nfe: Int[Array, " lanes"]
    leftover: Int[Array, " lanes"]
    path_log_prob: Float[Array, " lanes"]


class _State(NamedTuple):
    tokens: Array  # [lanes, length]
    path_log_prob: Array  # [lanes]
    nfe: Array  # [lanes]
    step: Array  # []


def lane_keys(key: Key[Array, ""], indices: Int[Array, " lanes"]) -> Key[Array, " lanes"]:
    """The key of each global sample number: sample i depends on the key and i alone."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, indices)


_lane_keys = jax.jit(lane_keys)


@functools.partial(jax.jit, static_argnames="count")
def _lane_words(key: Array, indices: Array, count: int) -> Array:
    return jax.vmap(lambda k: jax.random.bits(k, (2, count), jnp.uint32))(lane_keys(key, indices))


def draw_sizes(
    key: Key[Array, ""], schedule: Any, lanes: int | None = None, indices: ArrayLike | None = None
) -> Int32[Array, "lanes steps"]:
    """Reveal sizes of many lanes, drawn from a schedule's law: one row per global sample number.

    Args:
      key: typed key; use another one than for `sample`.
      schedule: a `jdlm.schedules.Schedule`.
      lanes: number of rows, for sample numbers 0..lanes-1; or give
      indices: int ``[lanes]`` global sample numbers.

    Returns:
      int32 ``[lanes, num_steps]``.

    Raises:
      ValueError: neither or both of ``lanes`` and ``indices`` are given.
    """
    if (lanes is None) == (indices is None):
        raise ValueError(f"lanes={lanes} and indices={indices}; give exactly one of the two")
    indices = np.arange(lanes) if indices is None else np.asarray(indices)
    # As many words as the longest schedules take, so that one program serves them all; 53 bits make a uniform.
    words = np.asarray(_lane_words(key, indices.astype(np.int32), max(schedule.length, schedule.num_steps)), np.float64)
    uniforms = (np.floor(words[:, 0] / 2**5) * 2**26 + np.floor(words[:, 1] / 2**6)) / 2**53
    return jnp.asarray(schedule.sizes_from(uniforms), jnp.int32)


def _reveal(planner: Planner, key: Array, size: Array | None, tokens: Array, logits: Array) -> Array:
    """Which masked positions one lane's step reveals, bool ``[length]``; the planner says how many if size is None."""
    length, vocab_size = logits.shape
    masked = tokens == vocab_size
    log_probs = jax.nn.log_softmax(logits) if planner.needs_logits else None
    priority = jnp.where(masked, rounded(planner.priority(log_probs, masked)), -jnp.inf)
    # Two words of random bits break ties, so that an order by index is left with probability about 2^-64 only.
    high, low = jax.random.bits(key, (2, length))
    order = jax.lax.sort((-priority, ~masked, high, low, jnp.arange(length)), num_keys=4)[-1]
    size = planner.count(log_probs, masked, order) if size is None else size
    rank = jnp.zeros(length, jnp.int32).at[order].set(jnp.arange(length, dtype=jnp.int32))
    return masked & (rank < size)


def _token_log_prob(logits: Array, tokens: Array) -> Array:
    """Log probability ``[length]`` of one lane's tokens under its logits."""
    log_probs = jax.nn.log_softmax(logits)
    return jnp.take_along_axis(log_probs, jnp.minimum(tokens, logits.shape[1] - 1)[:, None], axis=1)[:, 0]


@functools.partial(jax.jit, static_argnames=("shape", "dtype"))
def _lane_noise(key: Array, indices: Array, shape: tuple[int, int], dtype: Any) -> Array:
    """Gumbel noise ``[lanes, *shape]``: a token is drawn once in a lane's life, so each position needs one set of it.

    The mode "high" keeps tokens of probability below 1e-7 unbiased (arXiv 2409.02908 shows what plain float32 noise
    does to the temperature).
    """
    return jax.vmap(lambda k: jax.random.gumbel(k, shape, dtype, mode="high"))(lane_keys(key, indices))


@functools.partial(jax.jit, static_argnames=("planner", "draw"))
def _run(
    keys: Array,
    noise: Array | None,
    forced: Array | None,
    predictor: Predictor,
    sizes: Array | None,
    given: Array,
    *,
    planner: Planner,
    draw: Draw,
) -> tuple[Array, Array, Array]:
    """Runs the lanes of one batch until none has a step left; returns tokens, path log probability and NFE.

    ``keys`` ``[width]`` order the ties. Each revealed token is drawn with ``noise`` ``[width, length, vocab]``, or
    is that of ``forced`` ``[width, length]`` if there is no noise. ``sizes`` is ``[width, length]`` with a lane's
    zeros at its end, or None if the planner counts.
    """

    def active(state: _State) -> Array:
        if sizes is None:
            return jnp.any(state.tokens == predictor.vocab_size, axis=1)
        return sizes.at[:, state.step].get(mode="fill", fill_value=0) > 0

    def step(state: _State) -> _State:
        logits = map_lanes(predictor, state.tokens)
        step_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, state.step)
        size = None if sizes is None else sizes[:, state.step]
        reveal = jax.vmap(functools.partial(_reveal, planner))(step_keys, size, state.tokens, logits)
        logits = draw(logits)  # after the planner, which sees the predictor's own
        drawn = forced if noise is None else jnp.argmax(logits + noise, axis=-1).astype(jnp.int32)
        gained = jnp.where(reveal, jax.vmap(_token_log_prob)(logits, drawn), 0).sum(axis=1)
        tokens = jnp.where(reveal, drawn, state.tokens)
        return _State(tokens, state.path_log_prob + gained, state.nfe + active(state), state.step + 1)

    lanes = given.shape[0]
    dtype = logits_dtype(predictor)
    start = _State(given, jnp.zeros(lanes, dtype), jnp.zeros(lanes, jnp.int32), jnp.zeros((), jnp.int32))
    end = jax.lax.while_loop(lambda state: jnp.any(active(state)), step, start)
    return end.tokens, end.path_log_prob, end.nfe


def _check_tokens(name: str, tokens: np.ndarray, lanes: int, predictor: Predictor, highest: int) -> np.ndarray:
    """``tokens`` as int32 ``[lanes, length]``, after checking shape and range."""
    if tokens.ndim == 1:
        tokens = np.broadcast_to(tokens, (lanes, tokens.shape[0]))
    if tokens.shape != (lanes, predictor.length):
        raise ValueError(f"{name} has shape {tokens.shape}; it must be {(lanes, predictor.length)} or its last axis")
    if not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"{name} has dtype {tokens.dtype}; give integer tokens")
    bad = tokens[(tokens < 0) | (tokens > highest)]
    if bad.size:
        raise ValueError(f"{name} contains the token {bad.flat[0]}; use 0..{highest}")
    return tokens.astype(np.int32)


def _check_sizes(sizes: ArrayLike, given: np.ndarray, mask: int, allow_leftover: bool) -> np.ndarray:
    """Sizes as int32 ``[lanes, length]`` with zeros moved to the end, after checking each row's sum."""
    sizes = np.asarray(sizes)
    if not np.issubdtype(sizes.dtype, np.integer):
        raise ValueError(f"sizes has dtype {sizes.dtype}; give integers [lanes, steps]")
    if sizes.size and sizes.min() < 0:
        raise ValueError(f"sizes contains {sizes.min()}; a step reveals 0 tokens or more")
    length = given.shape[1]
    masks, sums = (given == mask).sum(axis=1), sizes.sum(axis=1)
    wrong = (sums > masks) if allow_leftover else (sums != masks)
    if wrong.any():
        lane = int(np.argmax(wrong))
        remedy = "" if sums[lane] > masks[lane] else ", or pass allow_leftover=True"
        raise ValueError(
            f"sizes of lane {lane} sum to {sums[lane]} but {masks[lane]} positions are to be filled; "
            f"make the sum {masks[lane]}{remedy}"
        )
    order = np.argsort(sizes == 0, axis=1, kind="stable")
    packed = np.take_along_axis(sizes, order, axis=1)[:, :length].astype(np.int32)
    return np.pad(packed, ((0, 0), (0, length - packed.shape[1])))


def _num_lanes(*arrays: tuple[ArrayLike | None, int]) -> int:
    """Length of the first array that has an axis of lanes, that is, the number of axes named beside it."""
    for array, ndim in arrays:
        if array is not None and np.ndim(array) == ndim:
            return len(np.asarray(array))
    raise ValueError("the number of lanes is unknown; give sizes [lanes, steps], or indices if the planner counts")


def _execute(
    key: Array,
    predictor: Predictor,
    sizes: ArrayLike | None,
    forced: ArrayLike | None,
    *,
    planner: Planner,
    draw: Draw,
    given: ArrayLike | None,
    indices: ArrayLike | None,
    batch_size: int | None,
    allow_leftover: bool,
) -> tuple[np.ndarray, Info]:
    """Checks the request, cuts it into batches of one fixed width, longest lanes first, and runs them."""
    length, mask = predictor.length, predictor.vocab_size
    if (sizes is None) != (planner.count is not None):
        remedy = "give sizes [lanes, steps]" if sizes is None else "give sizes=None, it counts by itself"
        raise ValueError(f"planner {planner.name} with sizes={'None' if sizes is None else 'an array'}; {remedy}")
    if sizes is not None and np.ndim(sizes) != 2:
        raise ValueError(f"sizes has shape {np.shape(sizes)}; give integers [lanes, steps]")
    lanes = _num_lanes((sizes, 2), (forced, 2), (given, 2), (indices, 1))
    if given is not None:
        given = _check_tokens("given", np.asarray(given), lanes, predictor, highest=mask)
    if forced is not None:
        forced = _check_tokens("tokens", np.asarray(forced), lanes, predictor, highest=mask - 1)
        if given is not None and (clash := (given != mask) & (given != forced)).any():
            lane, place = np.argwhere(clash)[0]
            raise ValueError(
                f"tokens[{lane}, {place}]={forced[lane, place]} differs from given {given[lane, place]}; "
                "the forced tokens must agree with the given ones"
            )
    given = np.full((lanes, length), mask, np.int32) if given is None else given
    indices = np.arange(lanes) if indices is None else np.asarray(indices)
    if indices.shape != (lanes,) or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"indices has shape {indices.shape} and dtype {indices.dtype}; give {lanes} integers")
    width = DEFAULT_WIDTH if batch_size is None else batch_size
    if width < 1:
        raise ValueError(f"batch_size={width}; use at least 1")
    if sizes is not None:
        sizes = _check_sizes(sizes, given, mask, allow_leftover)
    longest_first = np.arange(lanes) if sizes is None else np.argsort(-(sizes > 0).sum(axis=1), kind="stable")

    key_order, key_tokens = jax.random.split(key)
    dtype = logits_dtype(predictor)
    parts = []
    for start in range(0, lanes, width):
        rows = longest_first[start : start + width]

        def batch(array: np.ndarray | None, padding: int, rows: np.ndarray = rows) -> np.ndarray | None:
            if array is None:
                return None
            missing = ((0, width - len(rows)),) + ((0, 0),) * (array.ndim - 1)
            return np.pad(array[rows].astype(np.int32), missing, constant_values=padding)

        # A padding lane has nothing to do: all its tokens are given and its sizes are 0.
        lane_indices = batch(indices, 0)
        noise = None if forced is not None else _lane_noise(key_tokens, lane_indices, (length, mask), dtype)
        out = _run(
            _lane_keys(key_order, lane_indices), noise, batch(forced, 0), predictor, batch(sizes, 0), batch(given, 0),
            planner=planner, draw=draw,
        )  # fmt: skip
        parts.append([np.asarray(x)[: len(rows)] for x in out])
    if not parts:
        empty = np.zeros(0, np.int32)
        return np.zeros((0, length), np.int32), Info(empty, empty, np.zeros(0, np.float32))
    place = np.argsort(longest_first)
    tokens, path_log_prob, nfe = (np.concatenate(x)[place] for x in zip(*parts, strict=True))
    if np.isnan(path_log_prob).any():
        raise ValueError(
            f"the predictor returned NaN in lane {np.argmax(np.isnan(path_log_prob))}; check its parameters"
        )
    return tokens, Info(nfe, (tokens == mask).sum(axis=1, dtype=np.int32), path_log_prob)


def sample_with_info(
    key: Key[Array, ""],
    predictor: Predictor,
    sizes: ArrayLike | None,
    *,
    planner: Planner = _RANDOM,
    draw: Draw = _PLAIN,
    given: ArrayLike | None = None,
    indices: ArrayLike | None = None,
    batch_size: int | None = None,
    allow_leftover: bool = False,
) -> tuple[Int32[Array, "lanes length"], Info]:
    """Sequences like `sample`, and what happened in each lane.

    Args and Raises: see `sample`.

    Returns:
      Tokens int32 ``[lanes, length]`` and an `Info` of arrays ``[lanes]``.
    """
    tokens, info = _execute(
        key, predictor, sizes, None,
        planner=planner, draw=draw, given=given, indices=indices, batch_size=batch_size, allow_leftover=allow_leftover,
    )  # fmt: skip
    return jnp.asarray(tokens), Info(*map(jnp.asarray, info))


def sample(
    key: Key[Array, ""],
    predictor: Predictor,
    sizes: ArrayLike | None,
    *,
    planner: Planner = _RANDOM,
    draw: Draw = _PLAIN,
    given: ArrayLike | None = None,
    indices: ArrayLike | None = None,
    batch_size: int | None = None,
    allow_leftover: bool = False,
) -> Int32[Array, "lanes length"]:
    """Sequences drawn from a predictor, one a lane, each under its own row of reveal sizes.

    Lanes with different schedules and numbers of steps run side by side. At one ``batch_size`` the result of a lane
    depends on the key, its index, its sizes and its given tokens alone: not on the other lanes or their order.

    Args:
      key: typed key (`jax.random.key`).
      predictor: the mask predictor.
      sizes: int ``[lanes, steps]``; how many tokens each step of a lane reveals. Each row sums to the number of
        positions to fill. Zeros are allowed anywhere and cost nothing. None exactly if the planner counts by itself.
      planner: which positions a step reveals; `jdlm.planners.random` by default.
      draw: temperature and filters of the drawn tokens; none by default.
      given: int ``[length]`` or ``[lanes, length]`` tokens known from the start, with the mask id ``vocab_size``
        where a token is to be drawn; all masks by default.
      indices: int ``[lanes]`` global sample numbers; 0..lanes-1 by default.
      batch_size: lanes in the compiled program (default 128); requests are padded to a multiple of it.
      allow_leftover: accept rows of ``sizes`` that leave masks; they stay in the result as the mask id.

    Returns:
      int32 ``[lanes, length]``.

    Raises:
      ValueError: sizes, tokens or indices of a wrong shape, dtype, range or sum, or a predictor that returns NaN.
    """
    return sample_with_info(
        key, predictor, sizes,
        planner=planner, draw=draw, given=given, indices=indices, batch_size=batch_size, allow_leftover=allow_leftover,
    )[0]  # fmt: skip


def path_log_prob(
    key: Key[Array, ""],
    predictor: Predictor,
    sizes: ArrayLike | None,
    tokens: ArrayLike,
    *,
    planner: Planner = _RANDOM,
    draw: Draw = _PLAIN,
    given: ArrayLike | None = None,
    indices: ArrayLike | None = None,
    batch_size: int | None = None,
    allow_leftover: bool = False,
) -> Float[Array, " lanes"]:
    """Log probability in nats that the sampler's own steps give to known tokens, along one drawn path a lane.

    Runs the same program as `sample` with the tokens forced: each step reveals the given tokens at the positions that
    the planner chooses, and adds the log probabilities that the predictor gave to them. Its mean over sequences of
    the target, minus their log probability, is minus the path KL.

    Args:
      tokens: int ``[length]`` or ``[lanes, length]`` without masks.
      key, predictor, sizes, planner, draw, given, indices, batch_size, allow_leftover: see `sample`.

    Returns:
      Float ``[lanes]`` nats; -inf where the predictor excludes a token.

    Raises:
      ValueError: as `sample`, and where ``tokens`` disagrees with ``given``.
    """
    _, info = _execute(
        key, predictor, sizes, tokens,
        planner=planner, draw=draw, given=given, indices=indices, batch_size=batch_size, allow_leftover=allow_leftover,
    )  # fmt: skip
    return jnp.asarray(info.path_log_prob)
