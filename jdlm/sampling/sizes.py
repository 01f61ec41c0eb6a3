"""Drawn steps: what the lanes of a request do, drawn from a schedule on the host."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, Key
from numpy.typing import ArrayLike

from jdlm import keys
from jdlm.errors import InputError, check_type
from jdlm.sampling._again import APART
from jdlm.sampling.request import MOST_LANES, Steps, sample_numbers
from jdlm.schedules import Schedule
from jdlm.targets import validation

__all__ = ["draw_sizes", "draw_steps"]


@functools.partial(jax.jit, static_argnames=("count", "again"))
def _lane_words(key: Array, indices: Array, count: int, again: bool) -> Array:
    def words(key: Array) -> Array:
        key = jax.random.fold_in(key, APART) if again else key
        return jax.random.bits(key, (2, count), jnp.uint32)

    return jax.vmap(words)(keys.lane_keys(key, indices))


def draw_sizes(
    key: Key[Array, ""], schedule: Any, lanes: Any = None, indices: ArrayLike | None = None
) -> Int32[np.ndarray, "lanes steps"]:
    """Draw the reveal sizes of many lanes from a schedule: one row per global sample number.

    They stay on the host until a `Request` takes them to the device.

    Args:
      key: typed threefry key; use another one than for `sample`.
      schedule: a `jdlm.schedules.Schedule`.
      lanes: int, number of rows, with sample numbers 0..lanes-1; give this or ``indices``.
      indices: int ``[lanes]`` global sample numbers below 2^32.

    Returns:
      numpy int32 ``[lanes, num_steps]``.

    Raises:
      ValueError: neither or both of ``lanes`` and ``indices`` are given, invalid sample numbers, or an invalid key.
    """
    check_type("schedule", schedule, Schedule, "build one with jdlm.schedules")
    return schedule.sizes_from(_uniforms(key, schedule, _numbers(key, lanes, indices)))


def draw_steps(key: Key[Array, ""], schedule: Any, lanes: Any = None, indices: ArrayLike | None = None) -> Steps:
    """Draw the steps of many lanes from any schedule, also from one that masks tokens again; else as `draw_sizes`.

    The sizes are those of `draw_sizes` where nothing is masked.

    Args:
      key, schedule, lanes, indices: see `draw_sizes`.

    Returns:
      `Steps` of numpy arrays int32 ``[lanes, num_steps]`` with the schedule's own remasker, to pass to `sample` as its
      sizes.

    Raises:
      ValueError: as `draw_sizes`.

    >>> from jdlm import keys, schedules
    >>> steps = draw_steps(keys.key(0), schedules.with_corrector(schedules.uniform(4, 2), rounds=1, size=1), 2)
    >>> steps.sizes.tolist(), steps.remask.tolist()
    ([[2, 2, 0, 1], [2, 2, 0, 1]], [[0, 0, 1, 0], [0, 0, 1, 0]])
    """
    check_type("schedule", schedule, Schedule, "build one with jdlm.schedules")
    indices = _numbers(key, lanes, indices)
    uniforms = _uniforms(key, schedule, indices)
    more = _uniforms(key, schedule, indices, again=True) if schedule.remasks else uniforms
    sizes, remask = schedule.steps_from(uniforms, more)
    return Steps(sizes, remask, schedule.remasker)


def _numbers(key: Array, lanes: Any, indices: ArrayLike | None) -> np.ndarray:
    keys.check(key)
    if (lanes is None) == (indices is None):
        raise InputError(f"lanes={lanes} and indices={indices}; give exactly one of the two")
    return sample_numbers(np.arange(validation.integer("lanes", lanes, 0, MOST_LANES)) if indices is None else indices)


def _uniforms(key: Array, schedule: Any, indices: np.ndarray, again: bool = False) -> np.ndarray:
    """Float64 ``[lanes, numbers]`` on [0, 1) of 53 random bits; others with ``again``."""
    # As many words as the longest schedule needs, so that one program serves all.
    count = max(schedule.length, schedule.num_steps)
    words = np.asarray(_lane_words(key, indices, count, again), np.float64)
    return (np.floor(words[:, 0] / 2**5) * 2**26 + np.floor(words[:, 1] / 2**6)) / 2**53
