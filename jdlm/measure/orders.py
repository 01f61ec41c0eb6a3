"""The state space of a predictor whose conditionals depend on the order in which tokens were revealed, on small spaces.

A state is which positions are revealed, in which order, and to what. The tokens that one step reveals count as revealed
one after the other, in the planner's order. The predictor is evaluated once on every state.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jdlm import planners
from jdlm.errors import InputError
from jdlm.measure.state_space import OutputLaw, on_rows, sequences
from jdlm.planners import Planner, rounded
from jdlm.predictor import Predictor, fault_message, faults, is_of_target
from jdlm.sampling.filter import Draw
from jdlm.schedules import Schedule

__all__ = ["MAX_ORDERED", "OrderSpace", "count_states"]

MAX_ORDERED = 2**18
"""Largest number of states that is accepted: ordered choices of positions, with tokens."""
_PLAIN = Draw()
_Order = tuple[int, ...]


def count_states(length: int, vocab_size: int) -> int:
    """Number of partly revealed sequences with an order of the revealed tokens, complete ones left out."""
    return sum(math.perm(length, n) * vocab_size**n for n in range(length))


class _States(NamedTuple):
    """All states of one order of revealed positions, ``n`` of them."""

    marginals: np.ndarray  # [vocab^n, length, vocab] what a token is drawn from at each masked position
    priority: np.ndarray  # [vocab^n, length] of the planner, -inf where revealed


class OrderSpace:
    """All states of a sampler with one predictor, and the sizes that a schedule gives.

    Args:
      predictor: any; a plain one gives the same laws as `jdlm.measure.state_space.StateSpace`.
      planner: which positions a step reveals; not one that counts by itself.
      draw: temperature and filters of the drawn tokens.

    Raises:
      ValueError: the space is too large, or the planner counts by itself.
    """

    def __init__(self, predictor: Predictor, planner: Planner, draw: Draw = _PLAIN):
        planners.check_reveals(planner)
        if draw.final is not None:
            raise InputError("draw has a final one, which laws over orders of reveal do not know; leave it out")
        self.length, self.vocab_size, self.planner = predictor.length, predictor.vocab_size, planner
        number = count_states(self.length, self.vocab_size)
        if number > MAX_ORDERED:
            raise InputError(
                f"length={self.length}, vocab_size={self.vocab_size} have {number:.3g} states with an order, which the "
                f"predictor wants to know; use a shorter length: exact laws take at most {MAX_ORDERED}"
            )
        if planner.count is not None:
            raise InputError(
                f"planner {planner.name} counts by itself, and exact laws of a predictor that depends on the order of "
                "reveal take their sizes from a schedule; use another planner"
            )
        self._states = self._evaluated(predictor, draw)

    def _evaluated(self, predictor: Predictor, draw: Draw) -> dict[_Order, _States]:
        length, vocab_size, planner = self.length, self.vocab_size, self.planner
        names, rows = [], []
        for n in range(length):
            tokens = sequences((vocab_size,) * n) if n else np.zeros((1, 0), np.int32)
            for order in itertools.permutations(range(length), n):
                left = [position for position in range(length) if position not in order]
                names.append((order, len(tokens)))
                full = np.zeros((len(tokens), length), np.int32)
                full[:, list(order)] = tokens
                rest = np.tile(np.array([*order, *left, n], np.int32), (len(tokens), 1))
                rows.append(np.concatenate([full, rest], axis=1))

        def evaluate(predictor: Predictor, rows: Array) -> tuple[Array, ...]:
            tokens, order, revealed = rows[:, :length], rows[:, length:-1], rows[:, -1:]
            place = jnp.arange(length, dtype=jnp.int32)[None]
            logits = predictor.along(tokens, order, jnp.minimum(place, revealed))
            back = jnp.argsort(order, axis=1)
            logits = jnp.take_along_axis(logits, back[..., None], axis=1)
            masked = back >= revealed
            log_probs = jax.nn.log_softmax(logits) if planner.needs_logits else None

            def of_one(masked: Array, log_probs: Array | None) -> Array:
                return jnp.where(masked, rounded(planner.priority(log_probs, masked)), -jnp.inf)

            priority = jax.vmap(of_one)(masked, log_probs)
            return draw(logits), priority, jnp.where(masked, faults(logits), 0).max(axis=1)

        with jax.enable_x64(is_of_target(predictor)):
            logits, priority, fault = on_rows(evaluate, predictor, np.concatenate(rows))
        if fault.any():
            raise InputError(fault_message(int(fault.max()), "on a partly revealed sequence"))
        table = _normalized(logits.astype(np.float64))
        ends = np.cumsum([count for _, count in names])[:-1]
        parts = zip(np.split(table, ends), np.split(priority.astype(np.float64), ends), strict=True)
        return {order: _States(*part) for (order, _), part in zip(names, parts, strict=True)}

    def conditionals(self, order: Sequence[int]) -> list[np.ndarray]:
        """Of each count n: ``[vocab^n, length, vocab]``, the j-th position of the order given tokens of the first n."""
        order = tuple(order)
        return [self._states[order[:n]].marginals[:, list(order)] for n in range(self.length)]

    def output_law(self, schedule: Schedule | None) -> OutputLaw:
        """The exact output distribution under a schedule; see `jdlm.measure.exact.output_law`."""
        schedule, law, left = self._checked(schedule), np.zeros((self.vocab_size,) * self.length), 0.0
        for weight, kernels in schedule.law().kernels(self.length):
            mass = {(): np.array([weight])}
            for kernel in kernels:
                mass = self._step(mass, kernel, None)[0]
            for order, values in mass.items():
                if len(order) == self.length:
                    law += values.reshape(law.shape).transpose(np.argsort(order))
                else:
                    left += float(values.sum())
        return OutputLaw(law, left, schedule.nfe_law())

    def path_kl(self, schedule: Schedule | None, law: np.ndarray) -> float:
        """KL along the path, teacher-forced on ``law``, in nats; infinite where a marginal excludes one of them."""
        total = 0.0
        for weight, kernels in self._checked(schedule).law().kernels(self.length):
            mass = {(): np.array([weight])}
            for kernel in kernels:
                mass, divergence = self._step(mass, kernel, law)
                total += divergence
        return total

    def _checked(self, schedule: Schedule | None) -> Schedule:
        if schedule is None:
            raise InputError(f"planner {self.planner.name} with schedule=None; give a schedule")
        if schedule.length != self.length:
            raise InputError(f"schedule {schedule.name} has length {schedule.length}, the predictor {self.length}")
        return schedule

    def _step(
        self, mass: dict[_Order, np.ndarray], kernel: np.ndarray, law: np.ndarray | None
    ) -> tuple[dict[_Order, np.ndarray], float]:
        """Mass after one step, ``[vocab^n]`` of each order; with tokens of ``law`` and the KL of the step if given."""
        after: dict[_Order, np.ndarray] = {}
        divergence = 0.0

        def add(order: _Order, values: np.ndarray) -> None:
            after[order] = after[order] + values if order in after else values

        for order, values in mass.items():
            n = len(order)
            for size in np.flatnonzero(kernel[n, : self.length - n + 1]):
                if size == 0 or n == self.length:
                    add(order, values * kernel[n, size])
                    continue
                for chosen, probability in self._choices(order, int(size)):
                    weight = values * probability * kernel[n, size]
                    product = self._product(order, chosen)
                    if law is None:
                        add(order + chosen, (weight[:, None] * product).ravel())
                    else:
                        forced = _given(law, order, chosen)
                        with np.errstate(divide="ignore", invalid="ignore"):
                            terms = np.where(forced > 0.0, forced * (np.log(forced) - np.log(product)), 0.0)
                        live = weight > 0.0
                        divergence += float(weight[live] @ terms[live].sum(axis=1))
                        add(order + chosen, (weight[:, None] * forced).ravel())
        return after, divergence

    def _choices(self, order: _Order, size: int) -> Iterator[tuple[_Order, np.ndarray]]:
        """The next ``size`` positions in the planner's order, and the probability in each state that they are."""
        priority = self._states[order].priority
        left = [position for position in range(self.length) if position not in order]
        for chosen in itertools.permutations(left, size):
            probability, rest = np.ones(len(priority)), list(left)
            for position in chosen:  # the highest priority comes next, ties at random
                best = priority[:, rest] >= priority[:, rest].max(axis=1, keepdims=True)
                probability = probability * best[:, rest.index(position)] / best.sum(axis=1)
                rest.remove(position)
            if probability.any():
                yield chosen, probability

    def _product(self, order: _Order, chosen: _Order) -> np.ndarray:
        """Probability ``[vocab^n, vocab^size]`` of the tokens that a step draws independently."""
        marginals = self._states[order].marginals
        product = np.ones((len(marginals), 1))
        for position in chosen:
            product = (product[:, :, None] * marginals[:, position][:, None, :]).reshape(len(marginals), -1)
        return product


def _normalized(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits; rows of revealed positions, which mean nothing, are uniform."""
    logits = np.where(np.isfinite(logits.max(axis=-1, keepdims=True)), logits, 0.0)
    table = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return table / table.sum(axis=-1, keepdims=True)


def _given(law: np.ndarray, order: _Order, chosen: _Order) -> np.ndarray:
    """``p(chosen | order)``, ``[vocab^n, vocab^size]``; 0 where the condition is impossible."""
    positions = order + chosen
    joint = law.sum(axis=tuple(i for i in range(law.ndim) if i not in positions))
    joint = joint.transpose(np.argsort(np.argsort(positions)))
    joint = joint.reshape(law.shape[0] ** len(order), -1)
    total = joint.sum(axis=1, keepdims=True)
    return np.divide(joint, total, out=np.zeros_like(joint), where=total > 0.0)
