"""Planners that count by themselves how many positions a step reveals; they take no schedule.

The inner builders are cached without a limit, so that equal bounds give equal planners: their functions are made once
for each bound.
"""

import functools
import math

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jdlm.errors import InputError
from jdlm.planners.by_logits import confidence, entropies, entropy
from jdlm.planners.fixed_order import random
from jdlm.planners.planner import GRID, TIE, Planner, rounded
from jdlm.targets import validation

__all__ = ["entropy_bounded", "entropy_sum", "threshold"]


_LARGEST = 1e30  # of float32, with room for sums


def threshold(tau: float | int) -> Planner:
    """Return the planner that reveals all positions whose most likely token has a probability above ``tau``.

    At least one: with none above tau, the position of the highest confidence is revealed. A probability that exceeds
    tau by less than 2^-18 of it is equal to tau, so not above it.

    Raises:
      ValueError: tau outside [0, 1].
    """
    tau = validation.real("tau", tau)
    if not 0.0 <= tau <= 1.0:
        raise InputError(f"tau={tau} is not a probability; use 0..1")
    return _threshold(tau + 0.0)  # -0.0 equals 0.0, whose name it takes


def entropy_bounded(gamma: float | int) -> Planner:
    """Return the planner that reveals the k lowest entropies, k the largest with sum minus maximum at most ``gamma``.

    The entropy-bounded unmasking of Ben-Hamu et al. 2025 (arXiv 2505.24857), in nats.

    Raises:
      ValueError: gamma negative or not finite.
    """
    return _entropy_bounded(_at_least_zero("gamma", gamma))


def entropy_sum(eta: float | int) -> Planner:
    """Return the planner that reveals positions in random order until the sum of their entropies passes ``eta`` nats.

    The token that takes the sum past eta is revealed, too, so a step reveals at least one. After Cai, Li 2026
    (arXiv 2603.22248).

    Raises:
      ValueError: eta negative or not finite.
    """
    return _entropy_sum(_at_least_zero("eta", eta))


@functools.cache
def _threshold(tau: float) -> Planner:
    bound = math.log(tau) + TIE if tau else -math.inf
    confidences = confidence().priority

    def above(log_probs: Float[Array, "length vocab"]) -> Bool[Array, " length"]:
        return log_probs.max(axis=1) > bound

    def priority(log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"]) -> Float[Array, " length"]:
        # All that are above tau are revealed together, so only the others need an order.
        return jnp.where(above(log_probs), 1.0, confidences(log_probs, masked))

    def count(
        log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"], order: Int[Array, " length"]
    ) -> Int[Array, ""]:
        return jnp.maximum((masked & above(log_probs)).sum(), 1)

    return Planner(f"threshold({_digits(tau)})", priority, count=count)


@functools.cache
def _entropy_bounded(gamma: float) -> Planner:
    def count(
        log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"], order: Int[Array, " length"]
    ) -> Int[Array, ""]:
        # In this order each prefix ends with its largest entropy, so "sum minus maximum" is the sum before the last.
        return _within(_costs(log_probs, masked), masked, order, gamma)

    return Planner(f"entropy_bounded({_digits(gamma)})", entropy().priority, count=count)


@functools.cache
def _entropy_sum(eta: float) -> Planner:
    def count(
        log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"], order: Int[Array, " length"]
    ) -> Int[Array, ""]:
        return _within(_costs(log_probs, masked), masked, order, eta)

    return Planner(f"entropy_sum({_digits(eta)})", random().priority, count=count, costs=_costs, limit=eta)


def _costs(log_probs: Float[Array, "length vocab"], masked: Bool[Array, " length"]) -> Float[Array, " length"]:
    """The least entropy of each one's cell on the grid, so that a sum that is equal to a limit does not pass it.

    Multiples of half a cell, which add up exactly in any order; an entropy of 0 costs 0.
    """
    return jnp.maximum(rounded(entropies(log_probs)) - GRID / 2, 0)


def _within(
    costs: Float[Array, " length"], masked: Bool[Array, " length"], order: Int[Array, " length"], limit: float
) -> Int[Array, ""]:
    """How many positions in ``order`` come before their costs pass ``limit``."""
    costs = jnp.where(masked, costs, 0)[order]
    before = jnp.cumsum(costs) - costs
    return jnp.maximum((masked[order] & (before <= limit)).sum(), 1)


def _at_least_zero(name: str, value: float | int) -> float:
    value = validation.real(name, value)
    if not 0.0 <= value <= _LARGEST:
        raise InputError(f"{name}={value} nats is not a valid bound; use a number from 0 to {_LARGEST:g}")
    return value + 0.0  # -0.0 equals 0.0, whose name it takes


def _digits(value: float) -> str:
    """A number as a part of a name: all digits that tell it from others."""
    return repr(value).removesuffix(".0")
