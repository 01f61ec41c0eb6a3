"""The best single list of sizes: for a known curve, and for a guarantee without one."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from jdlm import curves
from jdlm.errors import InputError
from jdlm.schedules import shortest_path
from jdlm.schedules.checks import check_memory, check_steps, numbers_of
from jdlm.schedules.fixed_sizes import fixed, list_name
from jdlm.schedules.schedule import Schedule

__all__ = ["best_fixed", "from_word", "optimal", "optimal_lists"]


def optimal(curve: ArrayLike, num_steps: int) -> Schedule:
    """Sizes with the smallest ``x . c`` for a curve ``c``, so the smallest path KL (entropy curve) or NELBO (measured).

    A shortest path with at most ``num_steps`` edges, where the step from ``n`` to ``m`` revealed tokens costs
    ``(m - n) * c[n]``. The curve may be any, also one that noise makes rise in places; then fewer steps can be better,
    and where it is flat no worse: of equally good lists the one with the fewest steps is taken. The steps not used are
    empty ones at the end. A curve that falls all the way down uses all ``num_steps``. The name holds the sizes, since
    each curve has its own. The dynamic program of Chen, Cong, Li 2025 (arXiv 2511.04647).

    Args:
      curve: ``[length]`` nats; entry ``j`` is the (cross-)entropy of a masked token given ``j`` revealed ones.
      num_steps: largest number of steps, at most ``length``.

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``, or a curve that is not a finite list of numbers.

    >>> optimal([1.0, 1.0, 0.5, 0.5], 2).law().sizes   # two tokens, after which the rest costs less
    array([[2, 2]], dtype=int32)
    """
    c = numbers_of(curve, "curve")
    if c.ndim != 1 or c.size == 0 or not np.all(np.isfinite(c)):
        raise InputError(f"curve has shape {c.shape}; give one finite number of nats for each revealed count")
    length, num_steps = check_steps(len(c), num_steps)
    paths = _paths(c, num_steps)
    rounding = 1e-14 * length * np.abs(c).max()
    used = 1 + int(np.argmax(paths.costs[1:, -1] <= paths.costs[1:, -1].min() + rounding))
    sizes = np.pad(np.diff(shortest_path.trace(paths, used)), (0, num_steps - used))
    return fixed(sizes, list_name("optimal", sizes[:used]))


def from_word(length: int, num_steps: int, *, curve: Callable[[], ArrayLike]) -> Schedule:
    """The schedule of a preset's word ``optimal``, for the curve of all ``length`` tokens.

    Args:
      length: number of tokens.
      num_steps: largest number of steps, at most ``length``.
      curve: gives the curve, see `optimal`.

    Raises:
      ValueError: a curve of another number of tokens; and as `optimal`.
    """
    values = np.asarray(curve())
    if len(values) != length:
        raise InputError(
            f"schedule 'optimal' is made for the curve of all {len(values)} tokens, not for {length} where others "
            "are given, whose curve is another one; use a schedule such as uniform or minimax_both"
        )
    return optimal(values, num_steps)


def optimal_lists(curve: ArrayLike) -> list[Int[np.ndarray, " steps"]]:
    """The best list of exactly K sizes of at least 1 for every K = 1..length, in one pass; see `optimal`.

    Args:
      curve: ``[length]`` nats.
    """
    c = numbers_of(curve, "curve")
    paths = _paths(c, len(c))
    return [np.diff(shortest_path.trace(paths, count)) for count in range(1, len(c) + 1)]


def _paths(curve: np.ndarray, num_steps: int) -> shortest_path.Paths:
    check_memory(len(curve), 4)
    counts = np.arange(len(curve) + 1)
    step = counts[None, :] - counts[:, None]
    costs = np.where(step > 0, step * np.append(curve, 0.0)[:, None], np.inf)
    return shortest_path.from_zero(costs, num_steps)


def best_fixed(length: int, num_steps: int, weight: curves.Weight) -> Schedule:
    """The single list of sizes with the smallest worst-case constant ``eps`` (``curves.worst_case``).

    From ``n`` revealed tokens a constant ``eps`` allows a step of ``min(length - n, floor(1 + eps * w[n+1]))``; taking
    all of it is best, and the smallest ``eps`` that needs at most ``num_steps`` steps is found by bisection. A
    construction of this project; randomization (`minimax`) improves on it by a factor of about 2. Where several lists
    are best, steps not needed split the largest ones.

    Args:
      length: number of tokens.
      num_steps: number of steps, at most ``length``.
      weight: "tc", "dtc" or "both".

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``, or an unknown weight.

    >>> best_fixed(16, 4, "tc").law().sizes
    array([[9, 4, 2, 1]], dtype=int32)
    """
    length, num_steps = check_steps(length, num_steps)
    scale = np.append(curves.weights(length, weight), 0.0)
    few, enough = 0.0, float(2 * length)
    for _ in range(80):
        middle = (few + enough) / 2.0
        few, enough = (few, middle) if len(_greedy(scale, middle)) <= num_steps else (middle, enough)
    sizes = _greedy(scale, enough)
    while len(sizes) < num_steps:
        largest = int(np.argmax(sizes))
        sizes[largest : largest + 1] = [sizes[largest] - sizes[largest] // 2, sizes[largest] // 2]
    return fixed(sizes, f"best_fixed_{weight}")


def _greedy(scale: np.ndarray, eps: float) -> list[int]:
    """Sizes as large as ``eps`` allows; ``scale[n]`` is the weight ``w[n + 1]``."""
    length, sizes, revealed = len(scale), [], 0
    while revealed < length:
        sizes.append(min(length - revealed, int(1.0 + eps * scale[revealed])))
        revealed += sizes[-1]
    return sizes
