"""Requests to the sampler, checked, as plain arrays with one row per lane."""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key
from numpy.typing import ArrayLike

from jdlm import keys, planners
from jdlm.errors import InputError
from jdlm.keys import IMPL
from jdlm.planners import Planner
from jdlm.predictor import Predictor
from jdlm.schedules.remasking.law import ticks
from jdlm.schedules.remasking.pairs import check_counts
from jdlm.targets import validation

__all__ = ["MOST_LANES", "Lanes", "Request", "Rows", "Steps", "lanes_of", "sample_numbers"]

MOST_LANES = 2**26
"""Most lanes of one call; more are sampled in several, with sample numbers of their own."""
Rows = Any
"""An array whose first axis is one of lanes: of numpy on the host, of JAX within a program."""


_RANDOM = planners.random()


class Steps(NamedTuple):
    """Steps that also mask tokens again, for many lanes; what `jdlm.sampling.draw_steps` returns.

    A step reveals ``sizes`` of the masked positions, with one predictor call, and masks ``remask`` of the positions
    that were revealed before it. Steps that reveal nothing make no call and are done together with the next one that
    does. Given tokens are never masked.

    Attributes:
      sizes: int ``[lanes, steps]``.
      remask: int ``[lanes, steps]``.
      remasker: planner that says which revealed positions are masked, see `jdlm.planners`; `jdlm.planners.random` if
        None.
    """

    sizes: Any
    remask: Any
    remasker: Planner | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """A request to the sampler: one sequence per lane, all with one key and one planner.

    Attributes:
      key: typed threefry key (`jax.random.key`).
      planner: which positions a step reveals.
      sizes: int ``[lanes, steps]``; how many tokens each step of a lane reveals; or `Steps`, which mask some again.
        None exactly if the planner counts.
      given: int ``[length]`` or ``[lanes, length]`` tokens known from the start, the mask id where one is to be drawn.
      forced: int ``[length]`` or ``[lanes, length]`` tokens that the steps reveal instead of drawn ones.
      indices: int ``[lanes]`` global sample numbers below 2^32; 0..lanes-1 if None.
      allow_leftover: accept sizes that leave masks.

    Raises:
      ValueError: ``planner`` is not a planner that reveals, or ``remasker`` not one that masks.
    """

    key: Key[Array, ""]
    planner: Planner
    sizes: ArrayLike | Steps | None = None
    given: ArrayLike | None = None
    forced: ArrayLike | None = None
    indices: ArrayLike | None = None
    allow_leftover: bool = False

    def __post_init__(self):
        planners.check_reveals(self.planner)
        planners.check_masks(self.remasker)

    @property
    def remasker(self) -> Planner:
        """Which revealed positions are masked, where some are."""
        remasker = self.sizes.remasker if isinstance(self.sizes, Steps) else None
        return _RANDOM if remasker is None else remasker


class Lanes(NamedTuple):
    """Rows of work, one for each lane.

    Attributes:
      start: int32 ``[lanes, length]`` tokens known from the start, with masks.
      forced: int32 ``[lanes, length]`` tokens to reveal, -1 where one is to be drawn.
      sizes: int32 ``[lanes, width]`` sizes of the steps, without zeros between them; zeros if the planner counts. The
        width is the length, or more where there are more steps.
      num_steps: int32 ``[lanes]`` number of steps; at most so many if the planner counts.
      indices: uint32 ``[lanes]`` global sample numbers.
      key_words: uint32 ``[lanes, 2, 2]`` the request's keys of order and tokens, as words of threefry keys.
      planner: int32 ``[lanes]`` number of the lane's planner in a list of them.
      final: bool ``[lanes]`` whether the lane's last step is the last of its schedule.
      remask: int32 ``[lanes, width, 2]`` how many positions each step masks before and after its call; None where no
        lane masks any.
    """

    start: Rows
    forced: Rows
    sizes: Rows
    num_steps: Rows
    indices: Rows
    key_words: Rows
    planner: Rows
    final: Rows
    remask: Rows | None = None

    def keys(self) -> tuple[Key[Array, " lanes"], Key[Array, " lanes"]]:
        """The lanes' own keys of order and tokens."""
        fold = jax.vmap(jax.random.fold_in)
        keys = jax.random.wrap_key_data(self.key_words, impl=IMPL)
        return fold(keys[:, 0], self.indices), fold(keys[:, 1], self.indices)


def lanes_of(request: Request, predictor: Predictor, planner_number: int = 0) -> Lanes:
    """The rows of a request.

    Raises:
      ValueError: sizes, tokens or indices of a wrong shape, dtype, range or sum, or a key that is not threefry's.
    """
    keys.check(request.key)
    length, mask, planner, sizes = predictor.length, predictor.vocab_size, request.planner, request.sizes
    given, forced, indices, remask = request.given, request.forced, request.indices, None
    if isinstance(sizes, Steps):
        sizes, remask = sizes.sizes, validation.array("remask", sizes.remask)
    if (sizes is None) != (planner.count is not None):
        remedy = "give sizes [lanes, steps]" if sizes is None else "give sizes=None, it counts by itself"
        raise InputError(f"planner {planner.name} with sizes={'None' if sizes is None else 'an array'}; {remedy}")
    names = ("sizes", sizes), ("given", given), ("tokens", forced), ("indices", indices)
    sizes, given, forced, indices = (None if x is None else validation.array(name, x) for name, x in names)
    if sizes is not None and sizes.ndim != 2:
        raise InputError(f"sizes has shape {sizes.shape}; give integers [lanes, steps]")
    if remask is not None and sizes is not None and remask.shape != sizes.shape:
        raise InputError(f"remask has shape {remask.shape}, sizes {sizes.shape}; give one number for each step")
    lanes = _num_lanes((sizes, 2), (forced, 2), (given, 2), (indices, 1))
    if given is not None:
        given = _tokens("given", given, lanes, length, highest=mask)
    if forced is not None:
        forced = _tokens("tokens", forced, lanes, length, highest=mask - 1)
        if given is not None and (clash := (given != mask) & (given != forced)).any():
            lane, place = np.argwhere(clash)[0]
            raise InputError(
                f"tokens[{lane}, {place}]={forced[lane, place]} differs from given {given[lane, place]}; "
                "the forced tokens must agree with the given ones"
            )
    given = np.full((lanes, length), mask, np.int32) if given is None else given
    forced = np.full((lanes, length), -1, np.int32) if forced is None else forced
    indices = sample_numbers(np.arange(lanes) if indices is None else indices, lanes)
    final = np.zeros(lanes, bool) if sizes is None or not sizes.shape[1] else sizes[:, -1] > 0
    if remask is not None and sizes is not None and np.any(remask):
        if request.forced is not None:
            raise InputError(
                "the sizes mask tokens again, so known tokens do not tell what was revealed and masked on the way; use "
                "sizes without remasking"
            )
        if predictor.is_ordered and request.remasker.scores == "conditional":
            raise InputError(
                f"planner {request.remasker.name} asks for tokens given all others, and the predictor depends on the "
                "order of reveal, which these have not; use another planner for remasking"
            )
        sizes, remask = _steps(sizes, remask, (given == mask).sum(axis=1), length, request.allow_leftover)
        num_steps = (sizes > 0).sum(axis=1)
    elif sizes is None:
        sizes, num_steps = np.zeros((lanes, length), np.int32), (given == mask).sum(axis=1)
    else:
        remask, sizes = None, _sizes(sizes, given, mask, request.allow_leftover)
        num_steps = (sizes > 0).sum(axis=1)
    words = np.asarray(_words(request.key))
    return Lanes(
        given,
        forced,
        sizes,
        num_steps.astype(np.int32),
        indices,
        np.broadcast_to(words, (lanes, *words.shape)),
        np.full(lanes, planner_number, np.int32),
        final,
        remask,
    )


def sample_numbers(indices: ArrayLike, lanes: int | None = None) -> np.ndarray:
    """Global sample numbers as uint32 ``[lanes]``, which keys are folded with.

    Raises:
      ValueError: not integers ``[lanes]``, or outside 0..2^32-1, where they would wrap around to other samples' keys.
    """
    indices = validation.array("indices", indices)
    if indices.ndim != 1 or lanes not in (None, len(indices)) or not np.issubdtype(indices.dtype, np.integer):
        wanted = "integers [lanes]" if lanes is None else f"{lanes} integers"
        raise InputError(f"indices has shape {indices.shape} and dtype {indices.dtype}; give {wanted}")
    wrong = np.flatnonzero((indices < 0) | (indices > np.uint64(2**32 - 1)))
    if wrong.size:
        raise InputError(f"indices[{wrong[0]}]={indices[wrong[0]]} is not a valid sample number; use 0 to {2**32 - 1}")
    return indices.astype(np.uint32)


@jax.jit
def _words(key: Array) -> Array:
    return jax.random.bits(key, (2, 2), np.uint32)


def _tokens(name: str, tokens: np.ndarray, lanes: int, length: int, highest: int) -> np.ndarray:
    """``tokens`` as int32 ``[lanes, length]``, after checking shape and range."""
    if tokens.ndim == 1:
        tokens = np.broadcast_to(tokens, (lanes, tokens.shape[0]))
    if tokens.shape != (lanes, length):
        raise InputError(f"{name} has shape {tokens.shape}; it must be {(lanes, length)} or its last axis")
    if not np.issubdtype(tokens.dtype, np.integer):
        raise InputError(f"{name} has dtype {tokens.dtype}; give integer tokens")
    bad = np.argwhere((tokens < 0) | (tokens > highest))
    if bad.size:
        lane, place = bad[0]
        raise InputError(f"{name}[{lane}, {place}] contains the token {tokens[lane, place]}; use 0..{highest}")
    return tokens.astype(np.int32)


def _sizes(sizes: np.ndarray, given: np.ndarray, mask: int, allow_leftover: bool) -> np.ndarray:
    """Sizes as int32 ``[lanes, length]`` with zeros moved to the end, after checking each row's sum."""
    if not np.issubdtype(sizes.dtype, np.integer):
        raise InputError(f"sizes has dtype {sizes.dtype}; give integers [lanes, steps]")
    if sizes.size and sizes.min() < 0:
        raise InputError(f"sizes contains {sizes.min()}; a step reveals 0 tokens or more")
    length = given.shape[1]
    if sizes.size and sizes.max() > 2**31 - 1:  # before they are added, which could overflow
        raise InputError(f"sizes contains {sizes.max()}; a step reveals at most {length} tokens")
    masks, sums = (given == mask).sum(axis=1), sizes.sum(axis=1)
    wrong = (sums > masks) if allow_leftover else (sums != masks)
    if wrong.any():
        lane = int(np.argmax(wrong))
        remedy = "" if sums[lane] > masks[lane] else ", or pass allow_leftover=True"
        raise InputError(
            f"sizes of lane {lane} sum to {sums[lane]} but {masks[lane]} positions are to be filled; "
            f"make the sum {masks[lane]}{remedy}"
        )
    order = np.argsort(sizes == 0, axis=1, kind="stable")
    packed = np.take_along_axis(sizes, order, axis=1)[:, :length].astype(np.int32)
    return np.pad(packed, ((0, 0), (0, length - packed.shape[1])))


def _steps(
    sizes: np.ndarray, remask: np.ndarray, to_fill: np.ndarray, length: int, allow_leftover: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Sizes int32 ``[lanes, width]`` and remasking ``[lanes, width, 2]`` of the steps that ask, with counts checked."""
    for name, array in (("sizes", sizes), ("remask", remask)):
        if not np.issubdtype(array.dtype, np.integer):
            raise InputError(f"{name} has dtype {array.dtype}; give integers [lanes, steps]")
        if array.min(initial=0) < 0 or array.max(initial=0) > 2**31 - 1:
            wrong = array.min() if array.min() < 0 else array.max()
            raise InputError(f"{name} contains {wrong}; a step reveals and masks 0 to {length} tokens")
    sizes, remask = sizes.astype(np.int64), remask.astype(np.int64)
    check_counts(sizes, remask, to_fill, "lane")
    left = to_fill - (sizes - remask).sum(axis=1)
    if (left != 0).any() and not allow_leftover:
        lane = int(np.argmax(left != 0))
        raise InputError(
            f"sizes less remask of lane {lane} sum to {to_fill[lane] - left[lane]} but {to_fill[lane]} positions are "
            f"to be filled; make the sum {to_fill[lane]}, or pass allow_leftover=True"
        )
    made = ticks(sizes, remask)
    if made.trailing.any():
        lane = int(np.argmax(made.trailing > 0))
        raise InputError(
            f"lane {lane} masks {made.trailing[lane]} positions after its last call, which nothing reveals; leave them "
            "out"
        )
    most = int((made.sizes > 0).sum(axis=1).max(initial=0))
    width = length
    while width < most:  # few widths, so that few programs are compiled
        width *= 2
    numbers = [made.sizes, made.before, made.after]
    numbers = [
        np.pad(array[:, :width], ((0, 0), (0, max(width - array.shape[1], 0)))).astype(np.int32) for array in numbers
    ]
    return numbers[0], np.stack(numbers[1:], axis=2)


def _num_lanes(*arrays: tuple[np.ndarray | None, int]) -> int:
    """Length of the first array that has an axis of lanes, that is, the number of axes named beside it."""
    for array, ndim in arrays:
        if array is not None and array.ndim == ndim:
            return len(array)
    raise InputError("the number of lanes is unknown; give sizes [lanes, steps], or indices if the planner counts")
