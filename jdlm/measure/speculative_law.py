"""Exact output distribution and number of rounds of speculative sampling on small spaces.

The decisions of `jdlm.sampling.speculative` are followed one by one for each order of the positions: what a draft is,
whether it is accepted, and what is drawn in its place. Nothing here assumes that the result is that of one token per
step; `jdlm.measure.exact.output_law` says what that is.
"""

import itertools
import math
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jaxtyping import Array

from jdlm.errors import InputError
from jdlm.measure.orders import OrderSpace
from jdlm.measure.state_space import OutputLaw, check_size, on_rows, sequences
from jdlm.planners import Planner, fixed_priority, has_fixed_order, random
from jdlm.predictor import Predictor, fault_message, faults, is_of_target, map_lanes
from jdlm.sampling.filter import Draw
from jdlm.targets import validation

__all__ = ["MAX_WORK", "speculative_law"]

MAX_WORK = 2**28
"""Largest amount of work, ``orders * length^3 * vocab_size^length``, that is accepted: some minutes."""
_RANDOM = random()
_PLAIN = Draw()


def speculative_law(
    predictor: Predictor, planner: Planner = _RANDOM, window: int | None = None, *, draw: Draw = _PLAIN
) -> OutputLaw:
    """The exact output distribution of `jdlm.sampling.speculative`, and the distribution of its rounds.

    Args:
      predictor: the mask predictor, evaluated once on every state: the oracle in float64, a network in its precision.
      planner: of fixed order; orders that its ties allow are averaged over.
      window: positions that a round checks at most; all of them if None.
      draw: temperature and filters.

    Returns:
      An `OutputLaw` without leftover masks; ``nfe[r]`` is the probability of r rounds, float64 ``[length + 1]``. A
      predictor that depends on the order of reveal has fresh drafts, as in the sampler.

    Raises:
      ValueError: a planner that looks at logits, a window below 1, or too large a space.
    """
    length, vocab_size = predictor.length, predictor.vocab_size
    if not has_fixed_order(planner):
        raise InputError(
            f"planner {planner.name} chooses positions by their logits; use random, left_to_right or bisection"
        )
    check_size(length, vocab_size)
    window = length if window is None else validation.integer("window", window)
    priority = fixed_priority(planner, length)
    orders = math.prod(math.factorial(int(number)) for number in np.unique(priority, return_counts=True)[1])
    work = orders * length**3 * vocab_size**length
    if work > MAX_WORK:
        raise InputError(
            f"length={length}, vocab_size={vocab_size} with planner {planner.name} have {orders} orders and need "
            f"{work:.3g} operations; use a shorter length: at most {MAX_WORK}"
        )
    conditionals = _conditionals(predictor, planner, draw)
    law, rounds = np.zeros((vocab_size,) * length), np.zeros(length + 1)
    for order in _orders(priority):
        mass, mine = _of_order(conditionals(order), window, fresh=predictor.is_ordered)
        law += mass.reshape((vocab_size,) * length).transpose(np.argsort(order)) / orders
        rounds += mine / orders
    return OutputLaw(law, 0.0, rounds)


def _conditionals(predictor: Predictor, planner: Planner, draw: Draw) -> Callable[[tuple[int, ...]], list[np.ndarray]]:
    """Gives for an order: of each n ``[vocab^n, length, vocab]``, its j-th position given tokens of the first n."""
    if predictor.is_ordered:
        return OrderSpace(predictor, planner, draw).conditionals
    marginals = _marginals(predictor, draw)
    length, vocab_size = marginals.shape[-2:]

    def of(order: tuple[int, ...]) -> list[np.ndarray]:
        table = marginals.transpose(*order, length, length + 1)[..., list(order), :]
        return [
            table[(slice(vocab_size),) * n + (vocab_size,) * (length - n)].reshape(-1, length, vocab_size)
            for n in range(length)
        ]

    return of


def _marginals(predictor: Predictor, draw: Draw) -> np.ndarray:
    """What a token is drawn from in each state, float64 ``[vocab + 1] * length + [length, vocab]``."""
    length, vocab_size = predictor.length, predictor.vocab_size
    states = sequences((vocab_size + 1,) * length)

    def evaluate(predictor: Predictor, tokens: Array) -> tuple[Array, Array]:
        logits = map_lanes(predictor, tokens)
        return draw(logits), faults(logits)

    with jax.enable_x64(is_of_target(predictor)):
        logits, fault = on_rows(evaluate, predictor, states)
    fault = np.where(states == vocab_size, fault, 0)
    if fault.any():
        state = np.argmax(fault.max(axis=1))
        raise InputError(fault_message(int(fault[state].max()), f"on the tokens {states[state].tolist()}"))
    logits = np.where((states == vocab_size)[..., None], logits.astype(np.float64), 0.0)  # other rows mean nothing
    table = np.exp(logits - logits.max(axis=-1, keepdims=True))
    table /= table.sum(axis=-1, keepdims=True)
    return table.reshape((*(vocab_size + 1,) * length, length, vocab_size))


def _orders(priority: np.ndarray) -> Iterator[tuple[int, ...]]:
    """All orders of the positions in which the priority does not rise."""
    ties = [np.flatnonzero(priority == value).tolist() for value in np.unique(priority)[::-1]]
    for parts in itertools.product(*map(itertools.permutations, ties)):
        yield tuple(itertools.chain(*parts))


def _of_order(conditionals: list[np.ndarray], window: int, fresh: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mass of all sequences ``[vocab^length]``, positions in this order, and the law of the rounds ``[length + 1]``.

    Drafts are ``fresh`` given all tokens that are filled (the first round then drafts and checks), or else given the
    prefix that was checked last (the first round then drafts alone, and its first token needs no check).
    """
    length, vocab_size = conditionals[0].shape[1:]
    # waiting[n][d]: mass [rounds, vocab^n] of n positions filled, the rest to be drafted given the first d of them.
    waiting = [[np.zeros((length + 1, vocab_size**n)) for _ in range(n + 1)] for n in range(length + 1)]
    if fresh:
        waiting[0][0][0] = 1.0
    else:
        waiting[1][0][1] = conditionals[0][0, 0]
    late = 0 if fresh else 1
    for n in range(length):
        for d in range(n + 1):
            alive = waiting[n][d]
            if not alive.any():
                continue
            alive = np.roll(alive, 1, axis=0)  # a round more
            end = min(n + window, length)
            for i in range(n, end):
                draft = np.repeat(conditionals[d][:, i], vocab_size ** (i - d), axis=0)
                wanted = conditionals[i][:, i]
                with np.errstate(divide="ignore", invalid="ignore"):
                    accept = np.where(draft > 0.0, np.minimum(1.0, wanted / draft), 0.0)
                refusal = (draft * (1.0 - accept)).sum(axis=1)
                residual = np.maximum(wanted - draft, 0.0)
                total = residual.sum(axis=1, keepdims=True)
                residual = np.divide(residual, total, out=np.zeros_like(residual), where=total > 0.0)
                refused = (alive * refusal)[:, :, None] * residual
                waiting[i + 1][i + 1 - late] += refused.reshape(length + 1, -1)
                alive = (alive[:, :, None] * (draft * accept)).reshape(length + 1, -1)
            waiting[end][end - late] += alive
    final = np.sum(waiting[length], axis=0)
    return final.sum(axis=0), final.sum(axis=1)
