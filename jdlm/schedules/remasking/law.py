"""What distributions of steps that also mask tokens have in common, and how such steps are written.

A step is a pair: it asks the predictor, reveals ``sizes`` of the masked positions, and masks ``remask`` of those that
were revealed before it. A step that reveals nothing asks nothing, so it is done before the next one that does: together
they are one `Move`.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from jdlm.errors import InputError

__all__ = ["Move", "RemaskingLaw", "Ticks", "ticks"]


class Move(NamedTuple):
    """One predictor call and what goes with it, as kernels ``[length + 1, length + 1]`` on the revealed count n.

    Given n, the three numbers are independent. Rows of counts that cannot occur mean nothing.

    Attributes:
      reveal: P(positions revealed | n).
      before: P(positions masked before the call | n); None for none.
      after: P(positions masked after it, not counting those that it revealed | n); None for none.
    """

    reveal: Float[np.ndarray, "counts sizes"]
    before: Float[np.ndarray, "counts sizes"] | None = None
    after: Float[np.ndarray, "counts sizes"] | None = None

    def numbers(self, n: int) -> Iterator[tuple[int, int, int, float]]:
        """Numbers masked before the call, masked after it and revealed, from n, and the probability of the three."""
        none = np.eye(1, len(self.reveal))[0]
        laws = [none if kernel is None else kernel[n] for kernel in (self.before, self.after)] + [self.reveal[n]]
        for before, after, size in itertools.product(*(np.flatnonzero(law).tolist() for law in laws)):
            yield before, after, size, float(laws[0][before] * laws[1][after] * laws[2][size])


class Ticks(NamedTuple):
    """Lists of steps without those that ask nothing, each array int ``[lanes, steps]``, zeros at the end.

    Attributes:
      sizes: positions that a step reveals.
      before: positions masked before its call.
      after: positions masked after it, not counting those that it revealed.
      trailing: ``[lanes]`` positions masked after the last call.
    """

    sizes: np.ndarray
    before: np.ndarray
    after: np.ndarray
    trailing: np.ndarray


def ticks(sizes: Int[np.ndarray, "lanes steps"], remask: Int[np.ndarray, "lanes steps"]) -> Ticks:
    """The steps that ask the predictor, with what is masked between them.

    >>> made = ticks(np.array([[3, 0, 1, 2]]), np.array([[0, 1, 2, 0]]))   # mask 1, reveal 1 and mask 2, reveal 2
    >>> made.sizes.tolist(), made.before.tolist(), made.after.tolist()
    ([[3, 1, 2, 0]], [[0, 1, 0, 0]], [[0, 2, 0, 0]])
    """
    lanes, steps = sizes.shape
    asks = sizes > 0
    place = np.where(asks, np.cumsum(asks, axis=1) - 1, np.cumsum(asks, axis=1))  # of its own call, or of the next
    total = np.zeros((lanes, steps + 1), sizes.dtype), np.zeros((lanes, steps + 1), sizes.dtype)
    rows = np.broadcast_to(np.arange(lanes)[:, None], sizes.shape)
    packed = np.zeros((lanes, steps + 1), sizes.dtype)
    packed[rows[asks], place[asks]] = sizes[asks]
    for array, chosen in zip(total, (~asks, asks), strict=True):
        np.add.at(array, (rows[chosen], place[chosen]), remask[chosen])
    before, after = total
    calls = asks.sum(axis=1)
    trailing = before[np.arange(lanes), calls]
    before[np.arange(lanes), calls] = 0
    return Ticks(packed[:, :steps], before[:, :steps], after[:, :steps], trailing)


class RemaskingLaw:
    """Base of the distributions of pairs (reveal, remask); stands in the place of a `jdlm.schedules.law.Law`.

    Such a law has no exposure: the identity of `jdlm.curves` needs that each position is revealed once.
    """

    def checked(self, length: int, num_steps: int) -> "RemaskingLaw":
        """This law with numpy arrays of the right dtypes; ValueError where it is none."""
        raise NotImplementedError

    def both(
        self, uniforms: Float[np.ndarray, "lanes any"], more: Float[np.ndarray, "lanes any"], length: int
    ) -> tuple[Int[np.ndarray, "lanes num_steps"], Int[np.ndarray, "lanes num_steps"]]:
        """Numbers of positions that each step reveals and masks: one uniform of each array for a step."""
        raise NotImplementedError

    def moves(self, length: int) -> Iterator[tuple[float, Iterable[Move]]]:
        """The law as a mixture of chains: weights, and the moves of each."""
        raise NotImplementedError

    def export(self, length: int) -> dict[str, Any]:
        """The law as plain JSON data, see `jdlm.advice.export`."""
        raise NotImplementedError

    def counts(self, length: int) -> Iterator[tuple[float, list[np.ndarray]]]:
        """Of each chain, its weight and ``[calls, length + 1]``: laws of calls and revealed count after each move."""
        for weight, moves in self.moves(length):
            joint, laws = np.eye(1, length + 1), []
            laws.append(joint)
            for move in moves:
                after = np.zeros((len(joint) + 1, length + 1))
                for n in np.flatnonzero(joint.any(axis=0)):
                    asked, law = _following(move, int(n), length)
                    after[1:] += joint[:, n, None] * asked
                    after[:-1] += joint[:, n, None] * law
                joint = after
                laws.append(joint)
            yield weight, laws

    def nfe_law(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Distribution of the number of steps that reveal something, which are the predictor calls."""
        parts = [weight * laws[-1].sum(axis=1) for weight, laws in self.counts(length)]
        total = np.zeros(max(self._num_steps() + 1, *map(len, parts)))
        for part in parts:
            total[: len(part)] += part
        return total[: self._num_steps() + 1]

    def mean_nfe(self, length: int) -> None:
        """None: the mean of `nfe_law` is as good."""
        return None

    def leftover(self, length: int) -> float:
        """Probability that a mask is left after the last step."""
        return float(sum(weight * laws[-1][:, :length].sum() for weight, laws in self.counts(length)))

    def expected_revealed(self, length: int) -> Float[np.ndarray, " moves_plus_1"]:
        """Expected revealed count after 0, 1, ... moves."""
        parts = [
            [weight * (law.sum(axis=0) @ np.arange(length + 1)) for law in laws] for weight, laws in self.counts(length)
        ]
        steps = max(map(len, parts))
        return np.sum([part + [part[-1]] * (steps - len(part)) for part in parts], axis=0)

    def size_lists(self) -> None:
        """None: sizes alone do not tell what such a law does."""
        return None

    def draw(self, key: Shaped[PRNGKeyArray, ""], length: int) -> Int[Array, " num_steps"]:
        """Refused: one array of sizes does not tell what is masked again."""
        raise InputError(_TWO)

    def invert(self, uniforms: Float[np.ndarray, "lanes any"], length: int) -> Int[np.ndarray, "lanes num_steps"]:
        """Refused, as `draw` is."""
        raise InputError(_TWO)

    def exposure(self, length: int) -> Float[np.ndarray, " length"]:
        """Refused: there is none."""
        raise InputError(_NONE.format("exposure"))

    def overshoot(self, length: int, count: int) -> Float[np.ndarray, " overshoots"]:
        """Refused: there is none."""
        raise InputError(_NONE.format("overshoot"))

    def visits(self, length: int) -> Float[np.ndarray, " length_minus_1"]:
        """Refused: a count may be visited more than once."""
        raise InputError(_NONE.format("law of visits"))

    def kernels(self, length: int) -> Iterator[tuple[float, list[Float[np.ndarray, "counts sizes"]]]]:
        """Refused: see `moves`."""
        raise InputError(_NONE.format("chain of sizes alone"))

    def _num_steps(self) -> int:
        raise NotImplementedError


_TWO = "a schedule that masks tokens again has two numbers a step; use jdlm.sampling.draw_steps"
_NONE = (
    "a schedule that masks tokens again has no {}, for it reveals a position more than once; exact numbers are in "
    "jdlm.exact.output_law"
)


def _following(move: Move, n: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Laws ``[length + 1]`` of the count after a move from n, if it asks and if it does not; together they sum to 1."""
    asked, not_asked = np.zeros(length + 1), np.zeros(length + 1)
    for before, after, size, probability in move.numbers(n):
        place = n - before - after + size
        if not 0 <= place <= length:
            raise InputError(
                f"a move masks {before + after} and reveals {size} positions of {length}, {n} of them revealed"
            )
        (asked if size else not_asked)[place] += probability
    return asked, not_asked
