"""Planners: which masked positions a step of the sampler reveals.

A planner is a small frozen value, compared by its settings, with these members:

- ``priority(log_probs [length, vocab], masked [length]) -> [length]``: masked positions of the highest priority are
  revealed first. The sampler and `jdlm.exact` round priorities to multiples of ``GRID`` with `rounded`, so that ties
  are ties in every precision; equal priorities are put in a uniformly random order by the sampler's key, anew in each
  step, and averaged over by `jdlm.exact`. Probabilities are compared by their base-2 logarithms, entropies in nats.
- ``needs_logits``: whether the planner looks at ``log_probs``; if not, it is called with None, and its priority must
  not depend on ``masked`` either: the sampler then orders the positions of a lane once, before the first call.
- ``count``: None if a schedule says how many positions a step reveals, else
  ``count(log_probs, masked, order) -> int``, at least 1: how many of the positions in ``order`` (masked ones first,
  highest priority first) are revealed.
- ``costs``: None, or ``costs(log_probs, masked) -> [length]`` of a planner whose count depends on how ties were
  ordered: positions are revealed in a uniformly random order until their summed costs pass ``limit``.

``log_probs`` are the predictor's own: a temperature or a filter of the draw (`jdlm.draws`) does not reach a planner.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jdlm.targets import validation

GRID = 2.0**-12
"""Priorities and entropies are multiples of it: see docs/decisions/priorities-on-a-grid.md."""
TIE = 2.0**-18
"""Log probabilities (nats) and masses that differ by no more from a bound are taken to be equal to it."""
_LOG_2 = math.log(2.0)
_NO_LEAD = -1024.0  # margin of a tie, on the scale of logarithms


def rounded(priority: Float[Array, "..."]) -> Float[Array, "..."]:
    """Priorities rounded to the nearest multiple of ``GRID`` (2^-12)."""
    return jnp.round(priority / GRID) * GRID


@runtime_checkable
class Planner(Protocol):
    """What the sampler asks of a planner; see the module's text."""

    name: str
    needs_logits: bool
    count: Callable | None
    costs: Callable | None

    def priority(self, log_probs: Float[Array, "length vocab"] | None, masked: Bool[Array, " length"]) -> Array:
        """Priority ``[length]`` of each position, traceable by JAX; entries of revealed positions are ignored."""
        ...


def has_fixed_order(planner: Planner) -> bool:
    """Whether a planner knows the positions of all steps from the start, given their sizes."""
    return not planner.needs_logits and planner.count is None


@functools.lru_cache(maxsize=256)
def fixed_priority(planner: Planner, length: int) -> Float[np.ndarray, " length"]:
    """Rounded priority ``[length]`` of a planner of fixed order.

    Raises:
      ValueError: the priority depends on which positions are masked.
    """
    some = np.arange(length) % 2 == 0
    every, half = (np.asarray(_rounded_priority(planner, masked)) for masked in (np.ones(length, bool), some))
    if not np.array_equal(every[some], half[some]):
        raise ValueError(
            f"planner {planner.name} has needs_logits=False but a priority that depends on the masked positions; "
            "set needs_logits=True"
        )
    return every


@functools.partial(jax.jit, static_argnums=0)
def _rounded_priority(planner: Planner, masked: Array) -> Array:
    return rounded(planner.priority(None, masked))


@dataclasses.dataclass(frozen=True)
class _Sized:
    """A planner whose step sizes come from a schedule."""

    needs_logits: ClassVar[bool] = True
    count: ClassVar[None] = None
    costs: ClassVar[None] = None


@dataclasses.dataclass(frozen=True)
class _Random(_Sized):
    name: ClassVar[str] = "random"
    needs_logits: ClassVar[bool] = False

    def priority(
        self, log_probs: Float[Array, "length vocab"] | None, masked: Bool[Array, " length"]
    ) -> Float[Array, " length"]:
        return jnp.zeros(masked.shape)


@dataclasses.dataclass(frozen=True)
class _LeftToRight(_Sized):
    name: ClassVar[str] = "left_to_right"
    needs_logits: ClassVar[bool] = False

    def priority(
        self, log_probs: Float[Array, "length vocab"] | None, masked: Bool[Array, " length"]
    ) -> Float[Array, " length"]:
        return -jnp.arange(masked.shape[0]).astype(float)


@dataclasses.dataclass(frozen=True)
class _Bisection(_Sized):
    name: ClassVar[str] = "bisection"
    needs_logits: ClassVar[bool] = False

    def priority(
        self, log_probs: Float[Array, "length vocab"] | None, masked: Bool[Array, " length"]
    ) -> Float[Array, " length"]:
        return -jnp.asarray(bisection_depth(masked.shape[0])).astype(float)


@dataclasses.dataclass(frozen=True)
class _Confidence(_Sized):
    name: ClassVar[str] = "confidence"

    def priority(self, log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"]) -> Array:
        return log_probs.max(axis=1) / _LOG_2  # dyadic probabilities lie on the grid, not on the border of a cell


@dataclasses.dataclass(frozen=True)
class _Margin(_Sized):
    name: ClassVar[str] = "margin"

    def priority(self, log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"]) -> Array:
        best, tokens = log_probs.max(axis=1), jnp.arange(log_probs.shape[1])
        others = jnp.where(tokens[None] == log_probs.argmax(axis=1)[:, None], -jnp.inf, log_probs)
        lead = rounded(1 - jnp.exp(others.max(axis=1) - best))  # as a share of the best one
        return jnp.where(lead > 0, (best + jnp.log(jnp.maximum(lead, GRID))) / _LOG_2, _NO_LEAD)


@dataclasses.dataclass(frozen=True)
class _Entropy(_Sized):
    name: ClassVar[str] = "entropy"

    def priority(self, log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"]) -> Array:
        return -_entropies(log_probs)


@dataclasses.dataclass(frozen=True)
class _Threshold(_Confidence):
    tau: float = 0.0

    @property
    def name(self) -> str:
        return f"threshold({self.tau:g})"

    def priority(self, log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"]) -> Array:
        bound = math.log(self.tau) + TIE if self.tau else -math.inf
        # All that are above tau are revealed together, so only the others need an order.
        return jnp.where(log_probs.max(axis=1) > bound, 1.0, super().priority(log_probs, masked))

    def count(
        self, log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"], order: Int[Array, " length"]
    ) -> Int[Array, ""]:
        return jnp.maximum((masked & (self.priority(log_probs, masked) == 1.0)).sum(), 1)


@dataclasses.dataclass(frozen=True)
class _EntropyBounded(_Entropy):
    gamma: float = 0.0

    @property
    def name(self) -> str:
        return f"entropy_bounded({self.gamma:g})"

    def count(
        self, log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"], order: Int[Array, " length"]
    ) -> Int[Array, ""]:
        # In this order each prefix ends with its largest entropy, so "sum minus maximum" is the sum before the last.
        return _within(_costs(log_probs), masked, order, self.gamma)


@dataclasses.dataclass(frozen=True)
class _EntropySum(_Random):
    limit: float = 0.0
    needs_logits: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"entropy_sum({self.limit:g})"

    def costs(self, log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"]) -> Float[Array, " length"]:
        return _costs(log_probs)

    def count(
        self, log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"], order: Int[Array, " length"]
    ) -> Int[Array, ""]:
        return _within(self.costs(log_probs, masked), masked, order, self.limit)


def _within(
    costs: Float[Array, " length"], masked: Bool[Array, " length"], order: Int[Array, " length"], limit: float
) -> Int[Array, ""]:
    """How many positions in ``order`` come before their costs pass ``limit``."""
    costs = jnp.where(masked, costs, 0)[order]
    before = jnp.cumsum(costs) - costs
    return jnp.maximum((masked[order] & (before <= limit)).sum(), 1)


def _entropies(log_probs: Float[Array, "length vocab"]) -> Float[Array, " length"]:
    """Entropy of each row in nats; a token of probability 0 adds nothing."""
    return -jnp.where(jnp.isneginf(log_probs), 0, jnp.exp(log_probs) * log_probs).sum(axis=1)


def _costs(log_probs: Float[Array, "length vocab"]) -> Float[Array, " length"]:
    """The least entropy of each one's cell on the grid, so that a sum that is equal to a limit does not pass it.

    Multiples of half a cell, which add up exactly in any order; an entropy of 0 costs 0.
    """
    return jnp.maximum(rounded(_entropies(log_probs)) - GRID / 2, 0)


def bisection_depth(length: int) -> Int[np.ndarray, " length"]:
    """Depth of each position in the balanced bisection of 0..length-1: 0 for the middle, then the quarters, ...

    >>> bisection_depth(7).tolist()
    [2, 1, 2, 0, 2, 1, 2]
    """
    depth = np.zeros(length, np.int64)
    intervals = [(0, length, 0)]
    while intervals:
        low, high, level = intervals.pop()
        if low < high:
            middle = (low + high) // 2
            depth[middle] = level
            intervals += [(low, middle, level + 1), (middle + 1, high, level + 1)]
    return depth


def random() -> Planner:
    """The planner that reveals uniformly random positions: constant priority, so ties alone decide.

    Every set of masked positions of the step's size is equally likely, as the identities of `jdlm.curves` assume.
    """
    return _Random()


def left_to_right() -> Planner:
    """The planner that reveals the leftmost masked positions."""
    return _LeftToRight()


def bisection() -> Planner:
    """The planner that reveals separators first: the middle, then the middles of both halves, and so on.

    Given the separators, the halves of a Markov chain are independent, which is why this order suits chains
    (arXiv 2608.25505). Positions of equal depth are in random order.
    """
    return _Bisection()


def confidence() -> Planner:
    """The planner that reveals the positions whose most likely token has the highest probability."""
    return _Confidence()


def margin() -> Planner:
    """The planner that reveals the positions whose two most likely tokens differ most in probability.

    The difference is known to 2^-12 of the larger one; less is a tie.
    """
    return _Margin()


def entropy() -> Planner:
    """The planner that reveals the positions of the lowest entropy."""
    return _Entropy()


def threshold(tau: float | int) -> Planner:
    """The planner that reveals all positions whose most likely token has a probability above ``tau``, at least one.

    A probability that exceeds tau by less than 2^-18 of it is equal to tau, so not above it. With none above it, the
    position of the highest confidence is revealed.

    Raises:
      ValueError: tau outside [0, 1].
    """
    tau = validation.real("tau", tau)
    if not 0.0 <= tau <= 1.0:
        raise ValueError(f"tau={tau} is no probability; use 0..1")
    return _Threshold(tau)


def entropy_bounded(gamma: float | int) -> Planner:
    """The planner that reveals the k lowest entropies, k the largest with sum minus maximum at most ``gamma`` nats.

    The entropy-bounded unmasking of Ben-Hamu et al. 2025 (arXiv 2505.24857).

    Raises:
      ValueError: gamma negative or not finite.
    """
    return _EntropyBounded(_at_least_zero("gamma", gamma))


def entropy_sum(eta: float | int) -> Planner:
    """The planner that reveals positions in random order until the sum of their entropies passes ``eta`` nats.

    The token that takes the sum past eta is revealed, too, so a step reveals at least one. After Cai, Li 2026
    (arXiv 2603.22248).

    Raises:
      ValueError: eta negative or not finite.
    """
    return _EntropySum(_at_least_zero("eta", eta))


def _at_least_zero(name: str, value: float | int) -> float:
    value = validation.real(name, value)
    if not 0.0 <= value < float("inf"):
        raise ValueError(f"{name}={value} nats is no bound; use a finite number of at least 0")
    return value
