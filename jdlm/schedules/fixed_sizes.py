"""Schedules with one fixed list of sizes, chosen without knowledge of the target."""

import hashlib

import numpy as np
from numpy.typing import ArrayLike

from jdlm.errors import InputError
from jdlm.schedules.atoms import Atoms
from jdlm.schedules.checks import check_length, check_steps
from jdlm.schedules.schedule import Schedule
from jdlm.targets import validation

__all__ = ["cosine", "digest", "first_hitting", "fixed", "geometric", "list_name", "uniform"]


def fixed(sizes: ArrayLike, name: str | None = None) -> Schedule:
    """Schedule that reveals ``sizes[t]`` tokens in step ``t``, always; its length is their sum.

    Args:
      sizes: tokens per step, integers of at least 0.
      name: what it is called in rows and figures; by default ``fixed:`` and the sizes, see `list_name`.

    Raises:
      ValueError: no sizes, a negative one, one that is not a whole number or beyond int32, or nothing revealed at all.

    >>> fixed([2, 1, 1]).exposure()
    array([2., 0., 1., 1.])
    """
    array = np.asarray(sizes)
    if isinstance(sizes, (list, tuple)) and any(isinstance(size, (bool, np.bool_)) for size in sizes):
        array = array.astype(bool)  # numpy takes those in a list with integers for 0 and 1
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"sizes have shape {array.shape}; give a list with one size for each step")
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"sizes are {array.dtype}; a step reveals a whole number of tokens, use integers")
    length = sum(map(int, array))
    return Schedule(name or list_name("fixed", array), length, len(array), Atoms(np.ones(1), array[None, :]))


def list_name(word: str, sizes: ArrayLike) -> str:
    """``word`` and the sizes of one list, a name that no other list has; long lists are cut and get a digest.

    >>> list_name("fixed", [4, 2, 2])
    'fixed:4-2-2'
    """
    text = "-".join(map(str, np.asarray(sizes).tolist()))
    if len(text) <= 24:
        return f"{word}:{text}"
    return f"{word}:{text[:12].rpartition('-')[0]}-...-{digest(text)}"


def digest(text: str) -> str:
    """Eight hexadecimal digits that tell ``text`` from others, the same on every machine."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def uniform(length: int, num_steps: int) -> Schedule:
    """Equal sizes; where ``num_steps`` does not divide ``length`` the first ``length % num_steps`` steps get one more.

    That is the convention of LLaDA-style sampling loops.

    Args:
      length: number of tokens.
      num_steps: number of steps, at most ``length``.

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``.

    >>> uniform(8, 3).law().sizes
    array([[3, 3, 2]], dtype=int32)
    """
    length, num_steps = check_steps(length, num_steps)
    return fixed(length // num_steps + (np.arange(num_steps) < length % num_steps), "uniform")


def cosine(length: int, num_steps: int) -> Schedule:
    """MaskGIT's cosine sizes: ``round(length * (1 - cos(pi*t / (2*num_steps))))`` revealed after ``t`` steps.

    Each step reveals at least one token. From Chang et al. 2022 (arXiv 2202.04200).

    Args:
      length: number of tokens.
      num_steps: number of steps, at most ``length``.

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``.

    >>> cosine(16, 4).law().sizes
    array([[1, 4, 5, 6]], dtype=int32)
    """
    length, num_steps = check_steps(length, num_steps)
    t = np.arange(1, num_steps + 1)
    return fixed(_rounded(length * (1.0 - np.cos(np.pi * t / (2 * num_steps))), length), "cosine")


def geometric(length: int, num_steps: int, ratio: float) -> Schedule:
    """Sizes in proportion to ``ratio**t``, rounded on the cumulative count, at least one token per step.

    A ratio below 1 shrinks (good for TC), above 1 grows (good for DTC), 1 is uniform up to the order of the sizes.
    Geometric lists have the optimal rate (Chen, Cong, Li 2025, Theorem 9, arXiv 2511.04647).

    Args:
      length: number of tokens.
      num_steps: number of steps, at most ``length``.
      ratio: size of a step over the size of the step before, above 0.

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``, or a ratio that is not positive and finite.

    >>> geometric(15, 4, 0.5).law().sizes
    array([[8, 4, 2, 1]], dtype=int32)
    """
    length, num_steps = check_steps(length, num_steps)
    ratio = validation.real("ratio", ratio)
    if not (np.isfinite(ratio) and ratio > 0.0):
        raise InputError(f"ratio={ratio} is not a ratio of sizes; use a finite number above 0")
    exponents = np.arange(num_steps) * np.log(ratio)
    shares = np.exp(exponents - exponents.max())
    name = f"geometric:{float(ratio)!r}".removesuffix(".0")
    return fixed(_rounded(length * np.cumsum(shares) / shares.sum(), length), name)


def first_hitting(length: int) -> Schedule:
    """One token per step: the limit of infinitely fine thinning, with no factorization error.

    Zheng et al. 2024 (arXiv 2409.02908) sample the times at which it happens; the tokens themselves need no times.

    Args:
      length: number of tokens.

    >>> first_hitting(3).exposure()
    array([1., 1., 1.])
    """
    length = check_length(length)
    return fixed(np.ones(length, dtype=int), "first_hitting")


def _rounded(revealed: np.ndarray, length: int) -> np.ndarray:
    """Sizes whose cumulative counts round ``revealed`` and leave at least one token for every step."""
    num_steps = len(revealed)
    sizes, before = [], 0
    for t, target in enumerate(np.rint(revealed).astype(int), start=1):
        after = length if t == num_steps else min(max(int(target), before + 1), length - (num_steps - t))
        sizes.append(after - before)
        before = after
    return np.asarray(sizes)
