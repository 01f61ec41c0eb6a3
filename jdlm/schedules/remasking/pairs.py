"""A finite mixture of lists of steps that reveal and mask."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jdlm import pytrees
from jdlm.errors import InputError
from jdlm.schedules.checks import INT32, check_probabilities
from jdlm.schedules.law import choose
from jdlm.schedules.remasking.law import Move, RemaskingLaw, ticks

__all__ = ["Pairs"]


@pytrees.register
@dataclasses.dataclass(frozen=True, eq=False)
class Pairs(RemaskingLaw):
    """A finite mixture of lists of pairs.

    Attributes:
      weights: ``[lists]`` float64 probabilities.
      sizes: ``[lists, num_steps]`` int32, positions that each step reveals.
      remask: ``[lists, num_steps]`` int32, positions that it masks of those that were revealed before it.
    """

    weights: Any
    sizes: Any
    remask: Any

    def checked(self, length: int, num_steps: int) -> "Pairs":
        """This mixture as float64 and int32; ValueError where shapes, counts or weights are wrong."""
        weights = np.asarray(self.weights, dtype=np.float64)
        sizes, remask = np.asarray(self.sizes), np.asarray(self.remask)
        shape = (len(weights), num_steps)
        if weights.ndim != 1 or sizes.shape != shape or remask.shape != shape:
            raise InputError(
                f"weights {weights.shape}, sizes {sizes.shape} and remask {remask.shape} do not fit; use [A], "
                f"[A, {num_steps}] and [A, {num_steps}]"
            )
        for name, array in (("sizes", sizes), ("remask", remask)):
            if not np.issubdtype(array.dtype, np.integer):
                raise InputError(f"{name} are {array.dtype}; give whole numbers of positions, as integers")
            if array.size and not 0 <= array.min() <= array.max() <= INT32:
                raise InputError(f"{name} go from {array.min()} to {array.max()}; use 0 to {INT32}")
        check_counts(sizes.astype(np.int64), remask.astype(np.int64), np.full(len(weights), length), "list")
        check_probabilities(weights, "weights")
        return Pairs(weights, sizes.astype(np.int32), remask.astype(np.int32))

    def both(
        self, uniforms: Float[np.ndarray, "lanes any"], more: Float[np.ndarray, "lanes any"], length: int
    ) -> tuple[Int[np.ndarray, "lanes num_steps"], Int[np.ndarray, "lanes num_steps"]]:
        """The first uniform of each lane draws its list."""
        chosen = choose(self.weights[None, :], uniforms[:, 0])
        return self.sizes[chosen], self.remask[chosen]

    def moves(self, length: int) -> Iterator[tuple[float, Iterable[Move]]]:
        """The lists one by one, without their empty steps but the last, their numbers certain."""
        counts = np.arange(length + 1)

        def certain(number: int) -> np.ndarray:
            return np.tile(counts == number, (length + 1, 1)).astype(float)

        def some(number: int) -> np.ndarray | None:
            return certain(number) if number else None

        made = ticks(self.sizes, self.remask)
        for weight, end, *rows in zip(
            self.weights, self.sizes[:, -1], *(array.tolist() for array in made[:3]), strict=True
        ):
            steps = [row for row in zip(*rows, strict=True) if row[0]]
            steps += [] if end else [(0, 0, 0)]  # an empty last step, so that none before it is the last
            yield float(weight), [Move(certain(size), some(first), some(last)) for size, first, last in steps]

    def export(self, length: int) -> dict[str, Any]:
        """``atoms`` with ``tokens_per_step`` and ``masked_per_step``."""
        lists = zip(self.weights, self.sizes, self.remask, strict=True)
        return {
            "atoms": [
                {"weight": float(w), "tokens_per_step": sizes.tolist(), "masked_per_step": remask.tolist()}
                for w, sizes, remask in lists
            ]
        }

    def _num_steps(self) -> int:
        return self.sizes.shape[1]


def check_counts(sizes: np.ndarray, remask: np.ndarray, to_fill: np.ndarray, what: str) -> None:
    """Refuses lists that reveal more than is masked, or mask more than is revealed before the step, somewhere.

    Args:
      sizes: int64 ``[lists, steps]``.
      remask: int64 ``[lists, steps]``.
      to_fill: ``[lists]`` masked positions at the start.
      what: what a list is called in messages.

    Raises:
      ValueError: such a list, with its number, its step and both counts.
    """
    revealed = np.cumsum(sizes - remask, axis=1) - (sizes - remask)  # before each step
    too_many = sizes > to_fill[:, None] - revealed
    if too_many.any():
        row, step = np.argwhere(too_many)[0]
        left = to_fill[row] - revealed[row, step]
        raise InputError(
            f"step {step} of {what} {row} reveals {sizes[row, step]} positions, but {left} are masked then; "
            "reveal fewer"
        )
    if (remask > revealed).any():
        row, step = np.argwhere(remask > revealed)[0]
        raise InputError(
            f"step {step} of {what} {row} masks {remask[row, step]} positions, but {revealed[row, step]} were revealed "
            "before it; mask fewer"
        )
