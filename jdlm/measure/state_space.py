"""The state space of a sampler on a small space: every partly masked sequence, and every move from each of them.

The state is which positions are revealed, and to what. The predictor is evaluated once on each of the
``(vocab_size + 1) ** length`` states; `StateSpace.moves` then lists what one step can do, one set of jointly revealed
positions at a time.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float

from jdlm import planners
from jdlm.errors import InputError
from jdlm.planners import Planner, rounded
from jdlm.predictor import Predictor, fault_message, faults, is_of_target, map_lanes
from jdlm.sampling.filter import Draw
from jdlm.schedules import Schedule

__all__ = [
    "MAX_SETS",
    "MAX_STATES",
    "MAX_TABLE",
    "OutputLaw",
    "StateSpace",
    "check_size",
    "on_rows",
    "sequences",
    "set_probability",
]

MAX_STATES = 1_200_000
"""Largest number of states, ``(vocab_size + 1) ** length``, that is accepted."""
MAX_TABLE = 2**27
"""Largest number of probabilities, ``states * length * vocab_size``, that is accepted: 1 GiB as float64."""
MAX_SETS = 2**25
"""Largest number of pairs of a state and a set revealed there, ``(vocab_size + 2) ** length``: 12 bytes each."""


_CHUNK = 16384
_PLAIN = Draw()


def check_size(length: int, vocab_size: int) -> int:
    """Number of states ``(vocab_size + 1) ** length``.

    Raises:
      ValueError: there are more states, or larger tables, than are accepted.
    """
    states = (vocab_size + 1) ** length
    sizes = (states, states * length * vocab_size, (vocab_size + 2) ** length)
    if any(size > limit for size, limit in zip(sizes, (MAX_STATES, MAX_TABLE, MAX_SETS), strict=True)):
        raise InputError(
            f"length={length}, vocab_size={vocab_size} have {states:.3g} states with {sizes[1]:.3g} probabilities and "
            f"{sizes[2]:.3g} reveals; use a shorter length: exact laws take at most {MAX_STATES}, {MAX_TABLE} and "
            f"{MAX_SETS}"
        )
    return states


def sequences(shape: tuple[int, ...]) -> np.ndarray:
    """All index tuples of an array of this shape, int32 ``[prod(shape), len(shape)]`` in C order."""
    return np.stack(np.unravel_index(np.arange(math.prod(shape)), shape), axis=1).astype(np.int32)


def on_rows(function: Callable, parameter: Any, rows: np.ndarray) -> Any:
    """``function(parameter, rows)`` in chunks of one width; arrays ``[rows, ...]`` on the host."""
    width = min(_CHUNK, len(rows))
    compiled = jax.jit(function)
    # Copies, because JAX 0.10 may reuse the float32 version of a numpy array that it has met outside of x64.
    parameter = jax.tree.map(lambda leaf: jax.device_put(np.array(leaf)), parameter)
    padded = np.pad(rows, ((0, -len(rows) % width), (0, 0)), mode="edge")
    parts = [jax.device_get(compiled(parameter, part)) for part in np.split(padded, len(padded) // width)]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(rows)], *parts)


def set_probability(priority: np.ndarray, eligible: np.ndarray, positions: tuple[int, ...]) -> np.ndarray:
    """Probability ``[n]`` that a planner picks exactly these positions, if it picks so many; ties averaged over.

    Args:
      priority: float64 ``[n, length]``, -inf where a position cannot be picked.
      eligible: bool ``[n, length]`` where it can.
      positions: some that can be picked in all n.
    """
    chosen = np.array(positions)
    lowest = priority[:, chosen].min(axis=1, keepdims=True)
    skipped = (priority > lowest).sum(axis=1) - (priority[:, chosen] > lowest).sum(axis=1)
    tied = ((priority == lowest) & eligible).sum(axis=1)
    taken = (priority[:, chosen] == lowest).sum(axis=1)
    return (skipped == 0) / scipy.special.comb(tied, taken)


def _evaluate(planner: Planner, draw: Draw, masked: Array, logits: Array) -> tuple[Array, ...]:
    """Of one state: the logits drawn from, the rounded priorities, the planner's count or costs (or zeros), faults, and
    where they are others the logits of a last step.
    """
    log_probs = jax.nn.log_softmax(logits) if planner.needs_logits else None
    priority = jnp.where(masked, rounded(planner.priority(log_probs, masked)), -jnp.inf)
    own = jnp.zeros(masked.shape)
    if planner.costs is not None:
        own = jnp.where(masked, planner.costs(log_probs, masked), 0)
    elif planner.count is not None:
        order = jnp.lexsort((-priority, ~masked))
        own = jnp.full(masked.shape, planner.count(log_probs, masked, order), own.dtype)
    last = () if draw.final is None else (draw.final(logits),)
    return draw(logits), priority, own, jnp.where(masked, faults(logits), 0).max(), *last


@functools.lru_cache(maxsize=64)  # one function for equal arguments, so that its program is compiled once
def _evaluator(planner: Planner, draw: Draw) -> Callable[[Predictor, Array], tuple[Array, ...]]:
    """`_evaluate` of all lanes."""

    def evaluate(predictor: Predictor, tokens: Array) -> tuple[Array, ...]:
        step = functools.partial(_evaluate, planner, draw)
        return jax.vmap(step)(tokens == predictor.vocab_size, map_lanes(predictor, tokens))

    return evaluate


class OutputLaw(NamedTuple):
    """The output of a sampler.

    Attributes:
      law: float64 ``[vocab] * length``, the probability of each sequence; sums to ``1 - leftover``.
      leftover: probability that a mask is left.
      nfe: float64 ``[steps + 1]``, the law of the number of predictor calls.
    """

    law: Float[np.ndarray, "..."]
    leftover: float
    nfe: Float[np.ndarray, " calls"]


class _Reveal(NamedTuple):
    """A set of positions, the states in which it may be revealed, and the planner's probability that it is."""

    positions: tuple[int, ...]
    states: np.ndarray  # [n]
    probabilities: np.ndarray  # [n], given the step's size if a schedule says it
    successors: np.ndarray  # [vocab ** size], to be added to a state


class StateSpace:
    """All states of one sampler, numbered in C order, and the sets that its planner reveals from them."""

    def __init__(self, predictor: Predictor, planner: Planner, draw: Draw = _PLAIN):
        length, vocab_size = predictor.length, predictor.vocab_size
        if predictor.is_ordered:
            raise InputError(
                "the predictor depends on the order of reveal, which these states do not hold; use jdlm.exact.space"
            )
        check_size(length, vocab_size)
        planners.check_reveals(planner)
        self.length, self.vocab_size, self.planner, self.predictor = length, vocab_size, planner, predictor
        states = sequences((vocab_size + 1,) * length)
        self.masked = states == vocab_size
        self.revealed = length - self.masked.sum(axis=1)

        # The oracle is evaluated in float64; a network keeps the precision of its parameters.
        with jax.enable_x64(is_of_target(predictor)):
            logits, priority, own, fault, *last = on_rows(_evaluator(planner, draw), predictor, states)
        if fault.any():
            state = np.argmax(fault > 0)
            raise InputError(fault_message(int(fault[state]), f"on the tokens {states[state].tolist()}"))
        self.priority, self.own = priority.astype(np.float64), own.astype(np.float64)
        self.marginals = self._normalized(logits)
        self.last_marginals = self._normalized(last[0]) if last else None
        self.weights = (vocab_size + 1) ** np.arange(length)[::-1]
        self.reveals = list(self._reveals())

    def _normalized(self, logits: np.ndarray) -> np.ndarray:
        logits = logits.astype(np.float64)
        logits[~self.masked] = 0.0  # rows of revealed positions mean nothing
        marginals = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return marginals / marginals.sum(axis=-1, keepdims=True)

    def _reveals(self) -> Iterator[_Reveal]:
        for size in range(1, self.length + 1):
            for positions in itertools.combinations(range(self.length), size):
                states = self._sum_of_digits(
                    [[self.vocab_size] if i in positions else range(self.vocab_size + 1) for i in range(self.length)]
                )
                probabilities = self._set_probability(positions, states)
                possible = np.flatnonzero(probabilities)
                successors = self._sum_of_digits(
                    [range(-self.vocab_size, 0) if i in positions else [0] for i in range(self.length)]
                )
                yield _Reveal(positions, states[possible].astype(np.int32), probabilities[possible], successors)

    def _sum_of_digits(self, digits: list) -> np.ndarray:
        """State numbers of all combinations of the digits listed for each position, in C order."""
        total = np.zeros(1, np.int64)
        for weight, values in zip(self.weights, digits, strict=True):
            total = np.add.outer(total, weight * np.asarray(values)).ravel()
        return total

    def _set_probability(self, positions: tuple[int, ...], states: np.ndarray) -> np.ndarray:
        """Probability ``[n]`` that the planner picks exactly these positions, ties averaged over."""
        size, chosen = len(positions), np.array(positions)
        priority = self.priority[states]
        if self.planner.costs is not None:
            # In a random order of those of the highest priority, which are all, or those of one block.
            first = (priority == priority.max(axis=1, keepdims=True)) & self.masked[states]
            number = first.sum(axis=1)
            costs = self.own[np.ix_(states, chosen)]
            total = costs.sum(axis=1)
            may_be_last = (total[:, None] - costs <= self.planner.limit).sum(axis=1)
            stops = ((total > self.planner.limit) | (number == size)) & first[:, chosen].all(axis=1)
            return stops * may_be_last / (size * scipy.special.comb(np.maximum(number, size), size))
        probability = set_probability(priority, self.masked[states], positions)
        return probability if self.planner.count is None else probability * (self.own[states, 0] == size)

    def kernels(self, schedule: Schedule | None) -> Iterator[tuple[float, Sequence[np.ndarray | None]]]:
        """Weights, and for each step ``[length + 1, length + 1]`` P(size | revealed), None if the planner counts."""
        if (schedule is None) != (self.planner.count is not None):
            remedy = "give a schedule" if schedule is None else "give schedule=None, it counts by itself"
            raise InputError(f"planner {self.planner.name} with schedule={getattr(schedule, 'name', None)}; {remedy}")
        if schedule is None:
            if self.last_marginals is not None:
                raise InputError("draw has a final one, and a planner that counts by itself knows no last step")
            yield 1.0, [None] * self.length
            return
        if schedule.length != self.length:
            raise InputError(f"schedule {schedule.name} has length {schedule.length}, the predictor {self.length}")
        yield from schedule.law().kernels(self.length)

    def moves(
        self, mass: np.ndarray, kernel: np.ndarray | None, last: bool = False
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """For each set that a step may reveal: states ``[n, 1]``, their mass that reveals it, successors, marginals.

        In the ``last`` step tokens are drawn from the marginals of a last step, if these are others.
        """
        marginals = self.marginals if self.last_marginals is None or not last else self.last_marginals
        for reveal in self.reveals:
            size = len(reveal.positions)
            if kernel is not None and not kernel[:, size].any():
                continue
            weight = mass[reveal.states] * reveal.probabilities
            if kernel is not None:
                weight *= kernel[self.revealed[reveal.states], size]
            live = np.flatnonzero(weight)
            if not live.size:
                continue
            states, weight = reveal.states[live].astype(np.int64), weight[live]
            product = np.ones((len(live), 1))
            for i in reveal.positions:
                product = (product[:, :, None] * marginals[states, i][:, None, :]).reshape(len(live), -1)
            yield states[:, None], weight[:, None], states[:, None] + reveal.successors, product

    def step(self, mass: np.ndarray, kernel: np.ndarray | None, last: bool = False) -> np.ndarray:
        """Mass after one step."""
        after = self.staying(mass, kernel)
        for _, probability, successors, product in self.moves(mass, kernel, last):
            after[successors] += probability * product  # successors of one set are all different
        return after

    def steps(self, masses: np.ndarray, kernel: np.ndarray, last: bool = False) -> np.ndarray:
        """Masses ``[states, columns]`` after one step each."""
        return np.stack([self.step(mass, kernel, last) for mass in masses.T], axis=1)

    def masking(self, mass: np.ndarray, positions: tuple[int, ...]) -> np.ndarray:
        """Mass after these positions are masked; they are revealed in all states that have some."""
        grid = mass.reshape((self.vocab_size + 1,) * self.length)
        for position in positions:
            masked = np.zeros_like(grid)
            index = tuple([slice(None)] * position + [self.vocab_size])
            masked[index] = grid.sum(axis=position)
            grid = masked
        return grid.reshape(-1)

    def output(self, total: np.ndarray, nfe: np.ndarray) -> OutputLaw:
        """What mass over all states says of the output."""
        shape = (self.vocab_size + 1,) * self.length
        law = total.reshape(shape)[(slice(0, self.vocab_size),) * self.length].copy()
        return OutputLaw(law, float(total[self.revealed < self.length].sum()), nfe)

    def staying(self, mass: np.ndarray, kernel: np.ndarray | None) -> np.ndarray:
        """Mass that a step leaves where it is."""
        complete = self.revealed == self.length
        return mass * (complete if kernel is None else kernel[self.revealed, 0])

    def start(self, weight: float) -> np.ndarray:
        """Mass of an atom of this weight before the first step: all on the state of masks."""
        mass = np.zeros(len(self.revealed))
        mass[-1] = weight  # all digits are the mask
        return mass
