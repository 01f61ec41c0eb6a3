"""The interface of a distribution of step sizes.

Each form is one file: a NamedTuple of arrays with the members of `Law`. `jdlm.schedules.atoms`, `jdlm.schedules.chain`,
`jdlm.schedules.thinning_law` and `jdlm.schedules.per_block` are the forms; nothing else asks which one a schedule has.
Those whose steps also mask are in `jdlm.schedules.remasking`.
"""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

__all__ = ["Law", "choose"]


@runtime_checkable
class Law(Protocol):
    """Distribution of the step sizes of a sequence; a pytree whose leaves are its arrays.

    ``length`` and ``num_steps`` are those of the schedule that holds the law.
    """

    def checked(self, length: int, num_steps: int) -> "Law":
        """This law with numpy arrays of the right dtypes; ValueError where it is not a probability distribution."""
        ...

    def draw(self, key: Shaped[PRNGKeyArray, ""], length: int) -> Int[Array, " num_steps"]:
        """One draw of the sizes, int32; works under ``jit`` and ``vmap``."""
        ...

    def invert(self, uniforms: Float[np.ndarray, "lanes any"], length: int) -> Int[np.ndarray, "lanes num_steps"]:
        """Sizes of many sequences on the host, from as many uniforms on [0, 1) each as there are steps."""
        ...

    def exposure(self, length: int) -> Float[np.ndarray, " length"]:
        """Expected size of the step taken from each revealed count."""
        ...

    def nfe_law(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Distribution of the number of steps that reveal something."""
        ...

    def mean_nfe(self, length: int) -> float | None:
        """Expected number of steps that reveal something, where it takes less than `nfe_law`; else None."""
        ...

    def leftover(self, length: int) -> float:
        """Probability that a mask is left after the last step."""
        ...

    def expected_revealed(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Expected revealed count after 0, 1, ... steps."""
        ...

    def overshoot(self, length: int, count: int) -> Float[np.ndarray, " overshoots"]:
        """Distribution ``[length - count + 1]`` of (first visited count >= ``count``) - ``count``."""
        ...

    def visits(self, length: int) -> Float[np.ndarray, " length_minus_1"]:
        """Probability that each of the counts 1..length-1 is visited."""
        ...

    def kernels(self, length: int) -> Iterator[tuple[float, list[Float[np.ndarray, "counts sizes"]]]]:
        """The law as a mixture of chains: weights, and of each the steps' matrices of P(size | revealed count)."""
        ...

    def export(self, length: int) -> dict[str, Any]:
        """The law as plain JSON data, see `jdlm.advice.export`."""
        ...

    def size_lists(self) -> tuple[Any, Any] | None:
        """Weights ``[lists]`` and sizes ``[lists, num_steps]`` where the law is a mixture of lists, else None."""
        ...


def choose(probabilities: Float[np.ndarray, "rows n"], uniforms: Float[np.ndarray, " lanes"]) -> np.ndarray:
    """Index ``[lanes]`` drawn from each row ``[lanes or 1, n]`` by inverting its distribution function."""
    cumulative = np.cumsum(probabilities, axis=1)
    # Divided by the last one, which is 1 up to rounding, so that nothing of probability 0 is drawn at the end.
    return (cumulative / cumulative[:, -1:] <= uniforms[:, None]).sum(axis=1)
