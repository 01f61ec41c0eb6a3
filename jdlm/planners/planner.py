"""The one shape of all planners: a frozen value of functions, and the grid on which priorities are compared.

`check` refuses anything else in a planner's place, even an object with the same members: a planner is a
static argument of compiled programs and must compare and hash by what it does.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jdlm.errors import InputError, shown

__all__ = [
    "GRID",
    "TIE",
    "Planner",
    "check",
    "check_masks",
    "check_reveals",
    "fixed_priority",
    "has_fixed_order",
    "rounded",
]

GRID = 2.0**-12
"""Priorities and entropies are multiples of it: see docs/decisions/priorities-on-a-grid.md."""
TIE = 2.0**-18
"""Log probabilities (nats) and masses that differ by no more from a bound are taken to be equal to it."""


@dataclasses.dataclass(frozen=True)
class Planner:
    """Which masked positions a step of the sampler reveals.

    The functions see one sequence and are traced by JAX. ``log_probs`` ``[length, vocab]`` are the predictor's own: a
    temperature or a filter of the draw (`jdlm.sampling.filter`) does not reach a planner. ``masked`` is bool
    ``[length]``. Planners are compared by these fields, functions by identity: define functions once, not anew in each
    call, or each planner compiles a program of its own.

    Attributes:
      name: by which rows, figures and messages know it.
      priority: ``priority(log_probs, masked) -> [length]``; masked positions of the highest priority are revealed
        first, entries of revealed ones are ignored. The sampler and `jdlm.measure.exact` round priorities with
        `rounded`, so that ties are ties in every precision. The sampler orders equal ones uniformly at random, anew in
        each step; `jdlm.measure.exact` averages over those orders.
      needs_logits: whether the functions look at ``log_probs``. If not, they are called with None, and the priority
        must not depend on ``masked`` either: the sampler then orders the positions of a lane once, before the first
        call.
      count: None if a schedule says how many positions a step reveals, else ``count(log_probs, masked, order) -> int``,
        at least 1: how many of the positions in ``order`` (masked ones first, highest priority first) are revealed.
      costs: ``costs(log_probs, masked) -> [length]`` of a planner whose count depends on how ties were ordered:
        positions are revealed in a uniformly random order until their summed costs pass ``limit``. Else None.
      limit: of the summed costs; None exactly if ``costs`` is.
      scores: None for a planner that reveals. One for remasking alone says what its priority is called with in place of
        ``log_probs``: ``priority(scores, revealed) -> [length]`` with the log probability ``[length]`` of each revealed
        token under the predictor, either when it was drawn ("drawn"; 0 for given tokens, which are never masked) or
        given all other tokens ("conditional"). Revealed positions of the highest priority are masked.
      gumbel: of a planner with scores: Gumbel noise is added to the rounded priorities, so that positions are drawn
        without replacement in proportion to their exponentials.

    Raises:
      ValueError: ``costs`` without ``limit`` or ``count``, ``limit`` without ``costs``, unknown ``scores``, or a
        planner with scores that looks at logits or counts.
    """

    name: str
    priority: Callable[..., Array]
    needs_logits: bool = True
    count: Callable[..., Array] | None = None
    costs: Callable[..., Array] | None = None
    limit: float | None = None
    scores: str | None = None
    gumbel: bool = False

    def __post_init__(self):
        if self.scores not in (None, "drawn", "conditional"):
            raise InputError(f"planner {self.name} has scores={self.scores!r}; use 'drawn', 'conditional' or None")
        if self.scores is not None and (self.needs_logits or self.count is not None):
            raise InputError(
                f"planner {self.name} has scores, with which it masks; set needs_logits=False and no count"
            )
        if self.gumbel and self.scores is None:
            raise InputError(f"planner {self.name} has gumbel=True but no scores; only those for remasking draw so")
        if (self.costs is None) != (self.limit is None):
            one, other = ("limit", "costs") if self.costs is None else ("costs", "limit")
            raise InputError(f"planner {self.name} has {one} but no {other}; give both or neither")
        if self.costs is not None and self.count is None:
            raise InputError(f"planner {self.name} has costs but no count; give the count that they decide")


def check(planner: Any) -> None:
    """Refuse what is not a `Planner`.

    Raises:
      ValueError: a builder that was not called, or another object.
    """
    if not isinstance(planner, Planner):
        raise InputError(
            f"planner={shown(planner)} is not a planner; use one such as planners.random(), or make your own with "
            "planners.Planner(name=..., priority=...)"
        )


def check_reveals(planner: Any) -> None:
    """Refuse what cannot say which masked positions a step reveals.

    Raises:
      ValueError: no planner, or one for remasking alone.
    """
    check(planner)
    if planner.scores is not None:
        raise InputError(f"planner {planner.name} masks tokens and reveals none; give it as the remasker")


def check_masks(planner: Any) -> None:
    """Refuse what cannot say which revealed positions a step masks.

    Raises:
      ValueError: no planner, or one that looks at the distributions of masked positions or counts them.
    """
    check(planner)
    if planner.needs_logits or planner.count is not None:
        raise InputError(
            f"planner {planner.name} looks at masked positions, so it cannot mask revealed ones; use "
            "planners.random(), low_confidence(), confidence_weighted() or informed()"
        )


def rounded(priority: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return priorities rounded to the nearest multiple of ``GRID`` (2^-12)."""
    return jnp.round(priority / GRID) * GRID


def has_fixed_order(planner: Planner) -> bool:
    """Return whether a planner knows the positions of all steps from the start, given their sizes."""
    return not planner.needs_logits and planner.count is None and planner.scores is None


@functools.lru_cache(maxsize=256)
def fixed_priority(planner: Planner, length: int) -> Float[np.ndarray, " length"]:
    """Return the rounded priority ``[length]`` of a planner of fixed order.

    Raises:
      ValueError: the priority depends on which positions are masked.
    """
    some = np.arange(length) % 2 == 0
    every, half = (np.asarray(_rounded_priority(planner, masked)) for masked in (np.ones(length, bool), some))
    if not np.array_equal(every[some], half[some]):
        raise InputError(
            f"planner {planner.name} has needs_logits=False but a priority that depends on the masked positions; "
            "set needs_logits=True"
        )
    return every


@functools.partial(jax.jit, static_argnums=0)
def _rounded_priority(planner: Planner, masked: Array) -> Array:
    return rounded(planner.priority(None, masked))
