"""The linear program of the minimax schedule, solved by column generation with a certificate.

Over mixtures of size lists with ``num_steps`` steps it minimizes the worst-case constant

    eps = max_m o[m] / w[m],   o[m] the overshoot of the mixture, w[m] the weight of curves.weights.

For duals ``y[m] >= 0`` of the rows ``o[m] <= eps * w[m]`` every mixture has ``eps * sum(y*w) >= sum(y*o)``, and the
size list with the least ``sum(y*o)`` is a shortest path: with edge cost ``sum_{m=n+1..n'} y[m] * (n' - m)`` it prices
new columns, and (shortest path) / sum(y*w) is a lower bound whatever ``y`` is.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linprog

from jdlm import curves
from jdlm.errors import InputError
from jdlm.schedules import shortest_path

__all__ = ["Solution", "lower_bound", "solve"]

# Shares of the best duals so far in the point that is priced, tried until one yields columns: the duals of a small
# master swing from corner to corner, and pricing near the best keeps the columns useful (in-out separation).
_MIXES = (0.8, 0.24, 0.07, 0.02, 0.0)
_NEW = 128  # most columns added in a round
_KEEP = 6  # columns held, in units of the length; beyond it the ones with the largest reduced cost go


class Solution(NamedTuple):
    """A mixture of size lists and the duals that prove how good it is.

    Attributes:
      weights: ``[atoms]`` float64 probabilities.
      sizes: ``[atoms, num_steps]`` step sizes, each row summing to the length.
      duals: ``[length - 1]`` float64, at least 0; entry ``m - 1`` is ``y[m]``.
    """

    weights: Float[np.ndarray, " atoms"]
    sizes: Int[np.ndarray, "atoms steps"]
    duals: Float[np.ndarray, " length_minus_1"]


def lower_bound(duals: Float[np.ndarray, " length_minus_1"], num_steps: int, weight: curves.Weight) -> float:
    """A bound that no value-independent schedule of ``num_steps`` steps can beat, proved by the duals.

    Args:
      duals: ``[length - 1]``, at least 0 and not all 0; better duals give a higher bound, any give a true one.
      num_steps: number of steps.
      weight: "tc", "dtc" or "both".

    Raises:
      ValueError: a negative or infinite dual, or nothing but zeros.
    """
    scale = float(duals @ curves.weights(len(duals) + 1, weight))
    if not (np.all(duals >= 0.0) and np.isfinite(scale) and scale > 0.0):
        raise InputError(f"duals from {duals.min():g} to {duals.max():g} prove nothing; they must be >= 0, one above")
    return float(shortest_path.from_zero(_edge_costs(duals), num_steps).costs[-1, -1]) / scale


def solve(
    length: int,
    num_steps: int,
    weight: curves.Weight,
    tolerance: float,
    progress: Callable[[str], None] | None = None,
) -> Solution:
    """Minimizes the worst-case constant until value and lower bound agree to the tolerance.

    Args:
      length: number of tokens, at least 2.
      num_steps: number of steps, below ``length``.
      weight: "tc", "dtc" or "both".
      tolerance: wanted ``(value - lower_bound) / value``.
      progress: called with a line of text about every two seconds.

    Returns:
      At most ``length`` size lists, in lexicographic order. Deterministic.
    """
    scale = curves.weights(length, weight)
    started = reported = time.monotonic()
    duals = best = 1.0 / (scale * (length - 1))
    costs, counts = shortest_path.through_every_count(_edge_costs(duals), num_steps)
    bound = lower_bound(best, num_steps, weight)
    counts = np.unique(counts[np.isfinite(costs)], axis=0)
    rounds = 0
    while True:
        overshoots = _overshoots(counts)
        value, mixture, duals = _master(overshoots, scale)
        if value - bound <= 0.5 * tolerance * value:  # half, so that rounding the atoms cannot use up the tolerance
            break
        pool = counts
        if len(counts) > _KEEP * length:
            reduced = np.where(mixture > 0.0, -np.inf, overshoots @ duals)  # what is in use stays
            pool = counts[np.argsort(reduced, kind="stable")[: _KEEP * length // 2]]
        for share in _MIXES:
            priced = share * best + (1.0 - share) * duals
            priced /= priced @ scale
            costs, paths = shortest_path.through_every_count(_edge_costs(priced), num_steps)
            if costs[0] > bound:
                bound, best = float(costs[0]), priced
            order = np.argsort(costs, kind="stable")[:_NEW]
            paths = paths[order[np.isfinite(costs[order])]]
            paths = paths[_overshoots(paths) @ duals < value * (1.0 - 1e-9)]
            if len(paths):
                break
        else:  # no size list is better than the mixture at its own duals: optimal
            break
        counts = np.unique(np.concatenate([pool, paths]), axis=0)
        rounds += 1
        if progress is not None and time.monotonic() - reported > 2.0:
            reported = time.monotonic()
            progress(
                f"minimax length={length} num_steps={num_steps} weight={weight}: round {rounds}, constant between "
                f"{bound:.6g} and {value:.6g}, gap {100 * (1 - bound / value):.2g} % ({100 * tolerance:.2g} % wanted), "
                f"{reported - started:.0f} s"
            )
    used = mixture > 1e-12
    sizes = np.diff(counts[used], axis=1)
    return Solution(mixture[used] / mixture[used].sum(), sizes, best)


def _edge_costs(duals: np.ndarray) -> np.ndarray:
    """Edge costs ``sum_{m=n+1..n'} y[m] * (n' - m)``, from two prefix sums; rounding below 0 is cut off."""
    y = np.concatenate([[0.0], duals, [0.0]])
    counts = np.arange(len(y))
    mass, moment = np.cumsum(y), np.cumsum(y * counts)
    costs = counts[None, :] * (mass[None, :] - mass[:, None]) - (moment[None, :] - moment[:, None])
    return np.where(np.triu(np.ones(costs.shape, dtype=bool), 1), np.maximum(costs, 0.0), np.inf)


def _overshoots(counts: np.ndarray) -> np.ndarray:
    """Overshoots ``[paths, length - 1]`` of revealed counts ``[paths, num_steps + 1]``."""
    exposures = np.zeros((len(counts), counts[0, -1]))
    np.put_along_axis(exposures, counts[:, :-1], np.diff(counts, axis=1).astype(float), axis=1)
    return np.cumsum(exposures - 1.0, axis=1)[:, :-1]


def _master(overshoots: np.ndarray, scale: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Best mixture of the known size lists: its constant, its weights ``[paths]``, the duals ``[length - 1]``."""
    columns = len(overshoots)
    result = linprog(
        np.append(np.zeros(columns), 1.0),
        A_ub=np.column_stack([overshoots.T / scale[:, None], -np.ones(len(scale))]),
        b_ub=np.zeros(len(scale)),
        A_eq=np.append(np.ones(columns), 0.0)[None, :],
        b_eq=np.ones(1),
        bounds=(0.0, None),
        method="highs-ds",
        options={"presolve": False, "primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if result.x is None:
        raise RuntimeError(f"the linear program of {columns} size lists failed in HiGHS: {result.message}")
    duals = np.maximum(-result.ineqlin.marginals, 0.0) / scale
    return float(result.fun), np.maximum(result.x[:-1], 0.0), duals / (duals @ scale)
