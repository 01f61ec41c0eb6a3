"""A distribution of step sizes: a Markov chain on the number of revealed tokens."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from jdlm.errors import InputError
from jdlm.schedules.checks import check_probabilities
from jdlm.schedules.law import choose

__all__ = ["Chain"]


class Chain(NamedTuple):
    """A Markov chain on the number of revealed tokens, started at 0.

    The members are those of `jdlm.schedules.law.Law`.

    Attributes:
      steps: ``[num_steps, length + 1, length + 1]`` float64; ``steps[t, n, m]`` is the probability that step ``t``
        (from 0) moves from ``n`` to ``m`` revealed tokens. Rows sum to 1 and nothing moves down.
    """

    steps: Any

    def checked(self, length: int, num_steps: int) -> "Chain":
        """This chain in float64; ValueError where shapes, rows or directions are wrong."""
        steps = np.asarray(self.steps, dtype=np.float64)
        if steps.shape != (num_steps, length + 1, length + 1):
            raise InputError(f"kernels have shape {steps.shape}; use [{num_steps}, {length + 1}, {length + 1}]")
        if np.any(np.tril(steps, -1)):
            raise InputError(
                "a kernel masks revealed tokens again (an entry below its diagonal); use an upper triangle"
            )
        check_probabilities(steps, "kernel rows")
        return Chain(steps)

    def draw(self, key: Shaped[PRNGKeyArray, ""], length: int) -> Int[Array, " num_steps"]:
        """One draw of the sizes, unbiased down to float32 probabilities of about 1e-38."""

        def step(revealed, inputs):
            kernel, step_key = inputs
            following = jax.random.categorical(step_key, jnp.log(kernel[revealed]), mode="high").astype(jnp.int32)
            return following, following - revealed

        kernels = jnp.asarray(self.steps)
        return jax.lax.scan(step, jnp.int32(0), (kernels, jax.random.split(key, len(kernels))))[1]

    def invert(self, uniforms: Float[np.ndarray, "lanes any"], length: int) -> Int[np.ndarray, "lanes num_steps"]:
        """Sizes of many sequences on the host: one uniform per step."""
        counts = np.zeros((len(uniforms), len(self.steps) + 1), np.int32)
        for step, kernel in enumerate(self.steps):
            counts[:, step + 1] = choose(kernel[counts[:, step]], uniforms[:, step])
        return np.diff(counts, axis=1)

    def exposure(self, length: int) -> Float[np.ndarray, " length"]:
        """Expected size of the step taken from each revealed count."""
        counts = np.arange(length + 1, dtype=np.float64)
        exposure = np.zeros(length + 1)
        for kernel, revealed in zip(self.steps, self._revealed(), strict=False):
            exposure += revealed * np.maximum(kernel @ counts - counts, 0.0)
        return exposure[:length]

    def nfe_law(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Distribution of the number of steps that reveal something."""
        joint = np.zeros((len(self.steps) + 1, length + 1))
        joint[0, 0] = 1.0
        for step, kernel in enumerate(self.steps):
            stay = np.diagonal(kernel)
            moved = joint[: step + 1] @ (kernel - np.diag(stay))
            joint *= stay[None, :]
            joint[1 : step + 2] += moved
        return joint.sum(axis=1)

    def mean_nfe(self, length: int) -> None:
        """None: the mean of `nfe_law` is as good."""
        return None

    def leftover(self, length: int) -> float:
        """Probability that a mask is left after the last step."""
        return float(self._revealed()[-1][:length].sum())

    def expected_revealed(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Expected revealed count after 0, 1, ... steps."""
        return np.array(self._revealed()) @ np.arange(length + 1)

    def overshoot(self, length: int, count: int) -> Float[np.ndarray, " overshoots"]:
        """Distribution of (first visited count >= ``count``) - ``count``; mass that stays below is missing."""
        below = np.eye(1, length + 1)[0]
        law = below[count:].copy()
        for kernel in self.steps:
            moved = below[:count] @ kernel[:count]
            law += moved[count:]
            below = moved
        return law

    def visits(self, length: int) -> Float[np.ndarray, " length_minus_1"]:
        """Probability that each of the counts 1..length-1 is visited: moves into it, for nothing moves back."""
        entered = np.zeros(length + 1)
        for kernel, revealed in zip(self.steps, self._revealed(), strict=False):
            entered += revealed @ kernel - revealed * np.diagonal(kernel)
        return entered[1:length]

    def kernels(self, length: int) -> Iterator[tuple[float, list[Float[np.ndarray, "counts sizes"]]]]:
        """One chain of weight 1, its steps as P(size | revealed count)."""
        counts = np.arange(length + 1)
        after = counts[:, None] + counts[None, :]
        following, possible = np.minimum(after, length), after <= length
        yield 1.0, [np.where(possible, np.take_along_axis(kernel, following, axis=1), 0.0) for kernel in self.steps]

    def export(self, length: int) -> dict[str, Any]:
        """``chain[t][n][s]`` is P(step t reveals s | n revealed), empty where n cannot occur; no zeros at the ends."""
        steps = []
        for kernel, occurs in zip(self.steps, self._revealed(), strict=False):
            steps.append(
                [np.trim_zeros(kernel[n, n:], "b").tolist() if occurs[n] > 0.0 else [] for n in range(length + 1)]
            )
        return {"num_steps": len(steps), "chain": steps}

    def size_lists(self) -> None:
        """None: a chain is not a mixture of lists."""
        return None

    def _revealed(self) -> list[np.ndarray]:
        """Distribution ``[length + 1]`` of the revealed count after 0, 1, ... steps."""
        laws = [np.eye(1, self.steps.shape[1])[0]]
        for kernel in self.steps:
            laws.append(laws[-1] @ kernel)
        return laws
