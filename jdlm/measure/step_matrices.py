"""A state space whose steps are products with sparse matrices: for hundreds of steps, or many schedules."""

import numpy as np
from scipy import sparse

from jdlm.errors import InputError
from jdlm.measure.state_space import StateSpace
from jdlm.planners import Planner
from jdlm.predictor import Predictor
from jdlm.sampling.filter import Draw

__all__ = ["MAX_MOVES", "StepMatrices"]

MAX_MOVES = 2**25
"""Largest number of moves, ``(2 * vocab_size + 1) ** length``, that is accepted: 12 bytes each, twice while built."""

_PLAIN = Draw()


class StepMatrices(StateSpace):
    """The same space with one matrix for each step size, which the planner and the predictor decide once and for all.

    A step of `StateSpace` walks all sets of positions; here it is a product for each size that the step can have, about
    20 times faster. Takes the place of a `StateSpace` wherever one is passed.

    Args:
      predictor: the mask predictor.
      planner: which positions a step reveals; not one that counts by itself.
      draw: temperature and filters of the drawn tokens.

    Raises:
      ValueError: the space is too large, or the planner counts by itself.
    """

    def __init__(self, predictor: Predictor, planner: Planner, draw: Draw = _PLAIN):
        if planner.count is not None:
            raise InputError(f"planner {planner.name} counts by itself, so no step has a given size; use StateSpace")
        moves = (2 * predictor.vocab_size + 1) ** predictor.length
        if moves > MAX_MOVES:
            raise InputError(
                f"length={predictor.length}, vocab_size={predictor.vocab_size} have {moves:.3g} moves; use StateSpace: "
                f"matrices hold at most {MAX_MOVES}"
            )
        super().__init__(predictor, planner, draw)
        self._matrices = [self._matrix(size, False) for size in range(1, self.length + 1)]
        others = draw.final is not None
        self._last = [self._matrix(size, True) for size in range(1, self.length + 1)] if others else self._matrices

    def _matrix(self, size: int, last: bool) -> sparse.csr_array:
        """Probability ``[state after, state]`` of the moves that reveal so many positions."""
        states, kernel = len(self.revealed), np.zeros((self.length + 1, self.length + 1))
        kernel[:, size] = 1.0
        entries = [
            (np.broadcast_to(before, after.shape).ravel(), after.ravel(), (probability * product).ravel())
            for before, probability, after, product in self.moves(np.ones(states), kernel, last)
        ]
        before, after, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
        places = after.astype(np.int32), before.astype(np.int32)
        return sparse.coo_array((values, places), shape=(states, states)).tocsr()

    def step(self, mass: np.ndarray, kernel: np.ndarray | None, last: bool = False) -> np.ndarray:
        """Mass after one step."""
        assert kernel is not None  # the planner does not count
        return self.steps(mass[:, None], kernel, last)[:, 0]

    def steps(self, masses: np.ndarray, kernel: np.ndarray, last: bool = False) -> np.ndarray:
        """Masses ``[states, columns]`` after one step each."""
        after = masses * kernel[self.revealed, 0][:, None]
        for size, matrix in enumerate(self._last if last else self._matrices, start=1):
            if kernel[:, size].any():
                after += matrix @ (masses * kernel[self.revealed, size][:, None])
        return after
