"""Shortest paths from 0 to ``length`` revealed tokens: what `optimal` and the pricing of `minimax` minimize.

A path visits increasing revealed counts; its edge ``n -> m`` is a step of size ``m - n`` from ``n`` revealed tokens.
Edge costs are ``[length + 1, length + 1]`` float64 with ``inf`` wherever ``m <= n``.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

__all__ = ["Paths", "from_zero", "through_every_count", "trace"]


class Paths(NamedTuple):
    """Shortest paths with every number of edges.

    Attributes:
      costs: ``[num_steps + 1, length + 1]``; ``costs[t, n]`` is the least cost of ``t`` edges from 0 to ``n``.
      before: ``[num_steps, length + 1]``; ``before[t, n]`` is the last count but one of the best ``t + 1`` edges to n.
    """

    costs: Float[np.ndarray, "steps_plus_1 counts"]
    before: Int[np.ndarray, "steps counts"]


def from_zero(edge_costs: Float[np.ndarray, "counts counts"], num_steps: int) -> Paths:
    """Shortest paths from 0 to every count with 0 to ``num_steps`` edges.

    Args:
      edge_costs: ``[length + 1, length + 1]``.
      num_steps: largest number of edges.
    """
    counts = np.arange(len(edge_costs))
    cost = np.where(counts == 0, 0.0, np.inf)
    costs, before = [cost], []
    for _ in range(num_steps):
        through = cost[:, None] + edge_costs
        before.append(np.argmin(through, axis=0))
        cost = through[before[-1], counts]
        costs.append(cost)
    return Paths(np.asarray(costs), np.asarray(before))


def trace(paths: Paths, num_steps: int) -> Int[np.ndarray, " steps_plus_1"]:
    """Revealed counts ``[num_steps + 1]`` of the best path with exactly ``num_steps`` edges, from 0 to ``length``."""
    counts = [paths.costs.shape[1] - 1]
    for step in range(num_steps - 1, -1, -1):
        counts.append(int(paths.before[step, counts[-1]]))
    return np.asarray(counts[::-1])


def through_every_count(
    edge_costs: Float[np.ndarray, "counts counts"], num_steps: int
) -> tuple[Float[np.ndarray, " counts"], Int[np.ndarray, "counts steps_plus_1"]]:
    """For every count the cheapest path with exactly ``num_steps`` edges from 0 to ``length`` that visits it.

    Args:
      edge_costs: ``[length + 1, length + 1]``.
      num_steps: number of edges, at most ``length``.

    Returns:
      Costs ``[length + 1]`` and revealed counts ``[length + 1, num_steps + 1]``; row ``n`` belongs to the path through
      ``n``, and rows 0 and ``length`` are the shortest path of all.
    """
    length = len(edge_costs) - 1
    forward = from_zero(edge_costs, num_steps)
    reverse = from_zero(edge_costs[::-1, ::-1].T, num_steps)  # counts read from the other end
    joined = forward.costs + reverse.costs[::-1, ::-1]
    step_of = np.argmin(joined, axis=0)
    rows = np.arange(length + 1)
    counts = np.zeros((length + 1, num_steps + 1), dtype=np.int64)
    counts[rows, step_of] = rows
    for step in range(num_steps - 1, -1, -1):
        sel = step_of > step
        counts[sel, step] = forward.before[step, counts[sel, step + 1]]
    for step in range(1, num_steps + 1):
        sel = step_of < step
        counts[sel, step] = length - reverse.before[num_steps - step, length - counts[sel, step - 1]]
    return joined[step_of, rows], counts
