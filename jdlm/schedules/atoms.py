"""A distribution of step sizes: a finite mixture of size lists."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from jdlm.errors import InputError
from jdlm.schedules.checks import INT32, check_probabilities
from jdlm.schedules.law import choose

__all__ = ["Atoms"]


class Atoms(NamedTuple):
    """A finite mixture of size lists.

    The members are those of `jdlm.schedules.law.Law`.

    Attributes:
      weights: ``[atoms]`` float64 probabilities.
      sizes: ``[atoms, num_steps]`` int32, tokens revealed in each step; zeros are steps that ask the predictor nothing.
    """

    weights: Any
    sizes: Any

    def checked(self, length: int, num_steps: int) -> "Atoms":
        """This mixture as float64 and int32; ValueError where shapes, sizes or weights are wrong."""
        weights, sizes = np.asarray(self.weights, dtype=np.float64), np.asarray(self.sizes)
        if sizes.ndim != 2 or sizes.shape[1] != num_steps or weights.shape != sizes.shape[:1]:
            raise InputError(
                f"weights {weights.shape} and sizes {sizes.shape} do not fit; use [A] and [A, {num_steps}]"
            )
        if not np.issubdtype(sizes.dtype, np.integer):
            raise InputError(f"sizes are {sizes.dtype}; a step reveals a whole number of tokens, use integers")
        if sizes.size and sizes.min() < 0:
            raise InputError(f"a step of size {sizes.min()} is impossible; use sizes of at least 0")
        if sizes.size and sizes.max() > INT32:
            raise InputError(f"a step of size {sizes.max()} exceeds {INT32}, the largest int32; use smaller sizes")
        if sizes.size and sizes.sum(axis=1, dtype=np.int64).max() > length:
            raise InputError(f"sizes sum to {sizes.sum(axis=1).max()}; they must sum to the length {length}")
        check_probabilities(weights, "weights")
        return Atoms(weights, sizes.astype(np.int32))

    def draw(self, key: Shaped[PRNGKeyArray, ""], length: int) -> Int[Array, " num_steps"]:
        """One draw of the sizes, unbiased down to float32 probabilities of about 1e-38."""
        atom = jax.random.categorical(key, jnp.log(jnp.asarray(self.weights)), mode="high")
        return jnp.asarray(self.sizes, dtype=jnp.int32)[atom]

    def invert(self, uniforms: Float[np.ndarray, "lanes any"], length: int) -> Int[np.ndarray, "lanes num_steps"]:
        """Sizes of many sequences on the host: the first uniform of each draws its list."""
        return self.sizes[choose(self.weights[None, :], uniforms[:, 0])]

    def exposure(self, length: int) -> Float[np.ndarray, " length"]:
        """Expected size of the step taken from each revealed count."""
        before = np.cumsum(self.sizes, axis=1) - self.sizes
        mass = self.weights[:, None] * self.sizes
        return np.bincount(before.ravel(), weights=mass.ravel(), minlength=length + 1)[:length]

    def nfe_law(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Distribution of the number of steps that reveal something."""
        calls = np.count_nonzero(self.sizes, axis=1)
        return np.bincount(calls, weights=self.weights, minlength=self.sizes.shape[1] + 1)

    def mean_nfe(self, length: int) -> None:
        """None: the mean of `nfe_law` is as good."""
        return None

    def leftover(self, length: int) -> float:
        """Probability that a mask is left after the last step."""
        return float(self.weights[self.sizes.sum(axis=1) < length].sum())

    def expected_revealed(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Expected revealed count after 0, 1, ... steps."""
        return np.concatenate([[0.0], np.cumsum(self.weights @ self.sizes)])

    def overshoot(self, length: int, count: int) -> Float[np.ndarray, " overshoots"]:
        """Distribution of (first visited count >= ``count``) - ``count``; mass that stays below is missing."""
        visited = np.concatenate([np.zeros((len(self.sizes), 1), np.int64), np.cumsum(self.sizes, axis=1)], axis=1)
        first = np.where(visited >= count, visited, length + 1).min(axis=1)
        return np.bincount(first - count, weights=self.weights, minlength=length - count + 2)[: length - count + 1]

    def visits(self, length: int) -> Float[np.ndarray, " length_minus_1"]:
        """Probability that each of the counts 1..length-1 is visited."""
        visited = np.cumsum(self.sizes, axis=1)
        visited[self.sizes == 0] = 0  # an empty step visits nothing new
        return np.bincount(visited.ravel(), np.repeat(self.weights, visited.shape[1]), length + 1)[1:length]

    def kernels(self, length: int) -> Iterator[tuple[float, list[Float[np.ndarray, "counts sizes"]]]]:
        """The lists one by one, without their empty steps but the last: matrices with the step's size certain."""
        counts = np.arange(length + 1)
        for weight, sizes in zip(self.weights, self.sizes, strict=True):
            kept = [*(size for size in sizes[:-1] if size), *sizes[-1:]]
            yield float(weight), [np.tile(counts == size, (length + 1, 1)).astype(float) for size in kept]

    def export(self, length: int) -> dict[str, Any]:
        """``tokens_per_step`` of a single list, else ``atoms`` with their weights; empty steps are left out."""
        lists = [[int(size) for size in sizes if size] for sizes in self.sizes]
        if len(lists) == 1:
            return {"tokens_per_step": lists[0]}
        pairs = zip(self.weights, lists, strict=True)
        return {"atoms": [{"weight": float(weight), "tokens_per_step": sizes} for weight, sizes in pairs]}

    def size_lists(self) -> tuple[Float[np.ndarray, " atoms"], Int[np.ndarray, "atoms steps"]]:
        """The weights and the sizes."""
        return self.weights, self.sizes
