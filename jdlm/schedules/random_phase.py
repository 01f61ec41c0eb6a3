"""Geometric sizes with one random phase: a randomized schedule by a formula, with no optimization."""

from typing import Literal

import numpy as np

from jdlm.errors import InputError
from jdlm.schedules.atoms import Atoms
from jdlm.schedules.checks import check_memory, check_steps
from jdlm.schedules.schedule import Schedule

__all__ = ["PhaseWeight", "random_phase", "spacing"]

PhaseWeight = Literal["tc", "dtc"]


def random_phase(length: int, num_steps: int, weight: PhaseWeight) -> Schedule:
    """Cuts at ``u = (i + phase) * delta``, ``i = 0, 1, ...``, with one phase uniform in [0, 1).

    A construction of this project. ``weight="tc"`` shrinks: ``u = -log(1 - n/length)``, counts rounded to nearest,
    until ``u`` has passed ``log(length)``. ``weight="dtc"`` grows: ``u = log(n)``, counts rounded down. Empty steps are
    dropped, so the number of predictor calls varies by one or two with the phase; ``delta`` is chosen so that the
    largest is ``num_steps`` (`spacing`). For large lengths the worst case is ``1 - (1 - exp(-delta))/delta``
    times TC (shrinking), ``(exp(delta) - 1)/delta - 1`` times DTC (growing): about half of what one phase alone has.

    The law is exact: the list of sizes is piecewise constant in the phase, so it is a mixture of at most ``length + 2``
    lists.

    Args:
      length: number of tokens.
      num_steps: largest number of steps, at most ``length``.
      weight: "tc" or "dtc".

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``, or another weight.
    """
    length, num_steps = check_steps(length, num_steps)
    delta = spacing(length, num_steps, weight)
    shares, counts = _phases(length, delta, weight)
    steps = np.diff(counts, axis=1, prepend=0)
    sizes = np.zeros((len(shares), num_steps), dtype=np.int64)
    for row, list_of_sizes in zip(sizes, steps, strict=True):
        kept = list_of_sizes[list_of_sizes > 0]
        row[: len(kept)] = kept
    distinct, which = np.unique(sizes, axis=0, return_inverse=True)
    weights = np.bincount(which.ravel(), weights=shares)
    return Schedule(f"random_phase_{weight}", length, num_steps, Atoms(weights, distinct))


def spacing(length: int, num_steps: int, weight: PhaseWeight) -> float:
    """The ``delta`` of `random_phase`: by bisection, the smallest for which no phase needs more steps.

    Args:
      length: number of tokens.
      num_steps: largest number of steps, at most ``length``.
      weight: "tc" or "dtc".

    Returns:
      The spacing; ``inf`` for a single step.

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``, or another weight.
    """
    length, num_steps = check_steps(length, num_steps)
    check_memory(length, 4)
    if weight not in ("tc", "dtc"):
        raise InputError(f'weight={weight!r} has no random-phase schedule; use "tc" (shrinking) or "dtc" (growing)')

    def most_steps(delta: float) -> int:
        return int(np.count_nonzero(np.diff(_phases(length, delta, weight)[1], axis=1, prepend=0), axis=1).max())

    if num_steps == 1:
        return np.inf
    few, enough = 0.5 / length, 2.0  # below the first, half the closest two counts can be, every step reveals one token
    while most_steps(enough) > num_steps:
        enough *= 2.0
    for _ in range(50):
        middle = (few + enough) / 2.0
        few, enough = (few, middle) if most_steps(middle) <= num_steps else (middle, enough)
    return enough


def _phases(length: int, delta: float, weight: PhaseWeight) -> tuple[np.ndarray, np.ndarray]:
    """Shares ``[intervals]`` of the phase and the revealed counts ``[intervals, cuts]`` on each, ending in length."""
    end = np.log(length)
    if weight == "tc":
        jumps = -np.log1p(-(np.arange(length) + 0.5) / length)  # where the nearest count changes
    else:
        jumps = np.log(np.arange(1, length + 1))
    edges = np.unique(np.concatenate([[0.0, 1.0], np.mod(np.append(jumps, end) / delta, 1.0)]))
    phases = (edges[1:] + edges[:-1]) / 2.0
    u = (np.arange(int(end / delta) + 2) + phases[:, None]) * delta
    revealed = np.rint(-length * np.expm1(-u)) if weight == "tc" else np.floor(np.exp(np.minimum(u, end + 1.0)))
    passed = np.roll(u, 1, axis=1) > end if weight == "tc" else u >= end
    if weight == "tc":
        passed[:, 0] = False
    counts = np.where(passed, length, np.minimum(revealed, length)).astype(np.int64)
    return np.diff(edges), np.column_stack([counts, np.full(len(phases), length)])
