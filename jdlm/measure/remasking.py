"""Exact output law of samplers whose steps also mask tokens again, on small spaces.

A sampler that masks uniformly random positions, or those that a fixed order or the conditionals of the tokens name, is
a Markov chain on the partly masked sequences. Each set that may be masked together is one column of a product with the
matrices of `jdlm.measure.step_matrices`.
"""

import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jdlm import planners
from jdlm.errors import InputError
from jdlm.measure.state_space import OutputLaw, StateSpace, on_rows, sequences, set_probability
from jdlm.planners import Planner, fixed_priority, rounded
from jdlm.predictor import Predictor, is_of_target, map_lanes
from jdlm.schedules import RemaskingLaw, Schedule
from jdlm.schedules.remasking.law import Move

__all__ = ["MAX_MASKED", "calls_law", "check_remasker", "remasking_law"]

MAX_MASKED = 2**25
"""Largest number of pairs of a state and a set that may be masked there, ``(2 * (vocab_size + 1)) ** length``."""
_COLUMNS = 2**22  # numbers in memory at once


def check_remasker(remasker: Planner) -> None:
    """Refuse a planner for remasking with which a sampler is no Markov chain on the partly masked sequences.

    Raises:
      ValueError: it looks at what tokens were when they were drawn, or does not mask.
    """
    planners.check_masks(remasker)
    if remasker.scores == "drawn" or remasker.gumbel:
        raise InputError(
            f"planner {remasker.name} masks by the confidence that tokens had when they were drawn, which a partly "
            "masked sequence does not tell, so there is no exact law; count sampled sequences"
        )


def remasking_law(space: StateSpace, schedule: Schedule, remasker: Planner) -> OutputLaw:
    """The exact output law of a schedule that masks tokens again, see `jdlm.exact.output_law`.

    Args:
      space: of the predictor and the planner that reveals, best a `jdlm.measure.step_matrices.StepMatrices`.
      schedule: one that `remasks`.
      remasker: which revealed positions are masked.

    Raises:
      ValueError: as `check_remasker`, the space is too large, or the lengths differ.
    """
    check_remasker(remasker)
    if schedule.length != space.length:
        raise InputError(f"schedule {schedule.name} has length {schedule.length}, the predictor {space.length}")
    if space.planner.count is not None:
        raise InputError(f"planner {space.planner.name} counts by itself, so it takes no schedule; use another planner")
    pairs = (2 * (space.vocab_size + 1)) ** space.length
    if pairs > MAX_MASKED:
        raise InputError(
            f"length={space.length}, vocab_size={space.vocab_size} have {pairs:.3g} pairs of a state and a masked set; "
            f"use a shorter length: exact laws with remasking take at most {MAX_MASKED}"
        )
    if remasker.scores is not None and any(map(_may_mask_twice, _moves(schedule))):
        raise InputError(
            f"schedule {schedule.name} may mask twice between two calls, which the sampler does at once: planner "
            f"{remasker.name} then scores tokens once and not twice, so this law is another one; use with_corrector or "
            "fixed_pairs with it, or planners.random() here"
        )
    sets = _Sets(space, remasker)
    total = np.zeros(len(space.revealed))
    for weight, moves in _law(schedule).moves(space.length):
        mass = space.start(weight)
        moves = list(moves)
        for number, move in enumerate(moves):
            mass = _moved(space, sets, mass, move, number + 1 == len(moves))
        total += mass
    nfe = schedule.nfe_law() if remasker.scores is None else calls_law(schedule)
    return space.output(total, nfe)


def _moves(schedule: Schedule) -> Iterator[Move]:
    for _, moves in _law(schedule).moves(schedule.length):
        yield from moves


def _may_mask_twice(move: Move) -> bool:
    """Whether a move may mask tokens and reveal none."""
    if move.before is None and move.after is None:
        return False
    masks = np.zeros(len(move.reveal))
    for kernel in (move.before, move.after):
        masks += 0.0 if kernel is None else kernel[:, 1:].sum(axis=1)
    return bool(np.any((move.reveal[:-1, 0] > 0.0) & (masks[:-1] > 0.0) & (np.arange(len(masks) - 1) > 0)))


def _law(schedule: Schedule) -> RemaskingLaw:
    law = schedule.law()
    assert isinstance(law, RemaskingLaw)
    return law


class _Sets:
    """All sets of positions that a planner masks, with the probability of each in each state."""

    def __init__(self, space: StateSpace, remasker: Planner):
        revealed = ~space.masked
        if remasker.scores is None:
            priority = np.where(revealed, fixed_priority(remasker, space.length), -np.inf)
        else:
            priority = np.where(revealed, _token_priority(space, remasker), -np.inf)
        self.sets: list[tuple[tuple[int, ...], np.ndarray]] = []
        for size in range(1, space.length + 1):
            for positions in itertools.combinations(range(space.length), size):
                possible = revealed[:, np.array(positions)].all(axis=1)
                law = np.zeros(len(revealed))
                law[possible] = set_probability(priority[possible], revealed[possible], positions)
                self.sets.append((positions, law))

    def of_size(self, wanted: np.ndarray) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """The sets whose size has a probability in one of the kernel's rows."""
        for positions, law in self.sets:
            if len(positions) < wanted.shape[1] and wanted[:, len(positions)].any():
                yield positions, law


def _token_priority(space: StateSpace, remasker: Planner) -> np.ndarray:
    """Rounded priority ``[states, length]`` of a planner that scores revealed tokens given all others."""
    digits = sequences((space.vocab_size + 1,) * space.length)
    with jax.enable_x64(is_of_target(space.predictor)):
        log_probs = on_rows(_log_probs, space.predictor, digits).astype(np.float64)
    hidden = np.arange(len(digits))[:, None] + (space.vocab_size - digits) * space.weights  # that position masked
    tokens = np.minimum(digits, space.vocab_size - 1)
    scores = np.where(space.masked, 0.0, log_probs[hidden, np.arange(space.length)[None], tokens])
    with jax.enable_x64(True):
        made = rounded(jax.vmap(remasker.priority)(jnp.asarray(scores), jnp.asarray(~space.masked)))
        return np.asarray(made)


def _log_probs(predictor: Predictor, tokens: Array) -> Array:
    return jax.nn.log_softmax(map_lanes(predictor, tokens))


def _moved(space: StateSpace, sets: _Sets, mass: np.ndarray, move: Move, last: bool) -> np.ndarray:
    """Mass after one move: some positions are masked, others revealed, others masked."""
    counts = np.arange(space.length + 1)
    none = np.tile(counts == 0, (len(counts), 1)).astype(float)
    before = none if move.before is None else move.before
    after = none if move.after is None else move.after
    # By how many were masked first, because the numbers of a move depend on the count before that.
    strata = {0: mass * before[space.revealed, 0]}
    for positions, law in sets.of_size(before):
        size = len(positions)
        masked = space.masking(mass * before[space.revealed, size] * law, positions)
        strata[size] = strata.get(size, 0.0) + masked
    total = np.zeros_like(mass)
    for size, part in strata.items():
        if not np.any(part):
            continue
        start = np.minimum(counts + size, space.length)  # the count before, of each count now
        reveal, later = move.reveal[start], after[start]
        total += space.step(part * later[space.revealed, 0], reveal, last)
        columns = list(sets.of_size(later))
        width = max(1, _COLUMNS // len(mass))
        for first in range(0, len(columns), width):
            some = columns[first : first + width]
            weights = [part * later[space.revealed, len(positions)] * law for positions, law in some]
            made = space.steps(np.stack(weights, axis=1), reveal, last)
            for (positions, _), column in zip(some, made.T, strict=True):
                total += space.masking(column, positions)
    return total


def calls_law(schedule: Schedule) -> Float[np.ndarray, " calls"]:
    """Law of the number of predictor calls where each masking costs one for each token that may be masked."""
    laws = []
    for weight, moves in _law(schedule).moves(schedule.length):
        joint = {(0, 0): weight}  # revealed, calls
        for move in moves:
            following: dict[tuple[int, int], float] = {}
            for (n, calls), mass in joint.items():
                for m, b, a, p in move.numbers(n):
                    more = (a > 0) + (n if m else 0) + (n - m if b else 0)
                    place = (n - m + a - b, calls + more)
                    following[place] = following.get(place, 0.0) + mass * p
            joint = following
        laws.append(joint)
    law = np.zeros(1 + max(calls for joint in laws for _, calls in joint))
    for joint in laws:
        for (_, calls), mass in joint.items():
            law[calls] += mass
    return law
