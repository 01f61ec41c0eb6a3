"""A schedule with Gibbs rounds after some of its steps."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jdlm import pytrees
from jdlm.errors import InputError
from jdlm.schedules.law import Law
from jdlm.schedules.remasking.law import Move, RemaskingLaw

__all__ = ["Corrected"]


@pytrees.register
@dataclasses.dataclass(frozen=True, eq=False)
class Corrected(RemaskingLaw):
    """A law of steps, with rounds that mask and reveal the same number of positions after some of its steps.

    Attributes:
      base: the law of the other steps, with or without remasking; one that makes as many moves as it has steps, which
        mixtures of lists do not (they become `Pairs`).
      rounds: rounds after each of the steps.
      size: positions that a round masks; all that are revealed where these are fewer.
      after: numbers of the base's steps, from 0.
      steps: number of the base's steps.
    """

    base: Law | RemaskingLaw
    rounds: int = dataclasses.field(metadata={"static": True})
    size: int = dataclasses.field(metadata={"static": True})
    after: tuple[int, ...] = dataclasses.field(metadata={"static": True})
    steps: int = dataclasses.field(metadata={"static": True})

    def checked(self, length: int, num_steps: int) -> "Corrected":
        """This law with its base checked; ValueError where the number of steps is not that of all of them."""
        if num_steps != self._num_steps():
            raise InputError(f"num_steps={num_steps}, but steps and rounds are {self._num_steps()}; use that")
        return dataclasses.replace(self, base=self.base.checked(length, self.steps))

    def both(
        self, uniforms: Float[np.ndarray, "lanes any"], more: Float[np.ndarray, "lanes any"], length: int
    ) -> tuple[Int[np.ndarray, "lanes num_steps"], Int[np.ndarray, "lanes num_steps"]]:
        """The steps of the base, from the same uniforms, and those of the rounds."""
        if isinstance(self.base, RemaskingLaw):
            sizes, remask = self.base.both(uniforms, more, length)
        else:
            sizes = self.base.invert(uniforms, length)
            remask = np.zeros_like(sizes)
        return self.with_rounds(sizes, remask)

    def with_rounds(self, sizes: np.ndarray, remask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers ``[lanes, steps]`` of the base with a step that masks and one that reveals for each round."""
        revealed = np.cumsum(sizes - remask, axis=1)
        columns: list[tuple[np.ndarray, np.ndarray]] = []
        for step in range(self.steps):
            columns.append((sizes[:, step], remask[:, step]))
            if step in self.after:
                number = np.minimum(revealed[:, step], self.size).astype(np.int32)
                nothing = np.zeros_like(number)
                columns += [(nothing, number), (number, nothing)] * self.rounds
        return np.stack([a for a, _ in columns], axis=1), np.stack([b for _, b in columns], axis=1)

    def moves(self, length: int) -> Iterator[tuple[float, Iterable[Move]]]:
        """The moves of the base, and one for each round."""
        counts = np.arange(length + 1)
        number = (counts[None, :] == np.minimum(counts, self.size)[:, None]).astype(float)
        gibbs = Move(number, before=number)
        if isinstance(self.base, RemaskingLaw):
            chains = self.base.moves(length)
        else:
            chains = ((weight, map(Move, kernels)) for weight, kernels in self.base.kernels(length))
        for weight, moves in chains:
            yield weight, self._with_rounds(moves, gibbs)

    def _with_rounds(self, moves: Iterable[Move], gibbs: Move) -> Iterator[Move]:
        for step, move in enumerate(moves):
            yield move
            if step in self.after:
                yield from [gibbs] * self.rounds

    def export(self, length: int) -> dict[str, Any]:
        """The base, and its rounds."""
        rounds = {"rounds": self.rounds, "size": self.size, "after_steps": list(self.after)}
        return {**self.base.export(length), "corrector": rounds}

    def _num_steps(self) -> int:
        return self.steps + 2 * self.rounds * len(self.after)
