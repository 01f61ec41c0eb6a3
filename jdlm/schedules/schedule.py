"""A schedule: the law of how many tokens each step reveals.

The law has one of two forms, :class:`Atoms` or :class:`Chain`. Everything else (drawn sizes, exposure, number of
predictor calls, leftover masks) is derived from it here, once for all schedules; a new schedule is a builder that makes
one of the two and nothing more.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from jdlm import keys


class Atoms(NamedTuple):
    """A finite mixture of size lists.

    Attributes:
      weights: ``[atoms]`` float64 probabilities.
      sizes: ``[atoms, num_steps]`` int32, tokens revealed in each step; zeros are steps that ask the predictor nothing.
    """

    weights: Any
    sizes: Any


class Chain(NamedTuple):
    """A Markov chain on the number of revealed tokens, started at 0.

    Attributes:
      kernels: ``[num_steps, length + 1, length + 1]`` float64; ``kernels[t, n, m]`` is the probability that step ``t``
        (from 0) moves from ``n`` to ``m`` revealed tokens. Rows sum to 1 and nothing moves down.
    """

    kernels: Any

    def transition(self, step: int) -> Float[np.ndarray, "counts counts"]:
        """Transition matrix ``[length + 1, length + 1]`` of ``step`` (from 0); ``transition[n, m]`` from n to m."""
        return self.kernels[step]


class Certificate(NamedTuple):
    """What is proved of an optimized schedule: both are worst-case constants ``eps`` (see ``curves.worst_case``).

    Attributes:
      value: the constant of the schedule itself.
      lower_bound: no value-independent schedule with as few steps has a smaller constant than this.
    """

    value: float
    lower_bound: float


@dataclass(frozen=True, eq=False)
class Schedule:
    """The law of the step sizes of a sampler, independent of the token values.

    A pytree whose leaves are the arrays of the law, so a schedule passed to a jitted function does not compile again
    for another of equal shapes. ``name`` and ``certificate`` are labels for people: they stay with the object, and a
    copy rebuilt by a JAX transformation has none.

    Attributes:
      name: what it is called in rows and figures.
      length: number of tokens of a sequence.
      num_steps: number of steps, empty ones included.
      certificate: guarantee that came with an optimized schedule, else None.

    Raises:
      ValueError: the law is not one: negative probabilities, sums other than 1, more tokens than ``length``.
    """

    name: str
    length: int
    num_steps: int
    _law: Atoms | Chain
    certificate: Certificate | None = None

    def __post_init__(self):
        if self.length < 1:
            raise ValueError(f"length={self.length} is not a sequence length; use at least 1")
        law = _checked_atoms if isinstance(self._law, Atoms) else _checked_chain
        object.__setattr__(self, "_law", law(self._law, self.length, self.num_steps))

    def law(self) -> Atoms | Chain:
        """The law of the sizes in the form it was built: a mixture of size lists or a chain of revealed counts."""
        return self._law

    def sizes(self, key: Shaped[PRNGKeyArray, ""]) -> Int[Array, " num_steps"]:
        """One draw of the step sizes: int32 ``[num_steps]``, summing to ``length`` unless masks are left over.

        Works under ``jit`` and ``vmap``. The draw is unbiased down to float32 probabilities of about 1e-38.

        Args:
          key: a typed threefry key, ``jax.random.key``.

        Raises:
          ValueError: the key is another one.
        """
        keys.check(key)
        if isinstance(self._law, Atoms):
            log_weights = jnp.log(jnp.asarray(self._law.weights))
            atom = jax.random.categorical(key, log_weights, mode="high")
            return jnp.asarray(self._law.sizes, dtype=jnp.int32)[atom]

        def step(revealed, inputs):
            kernel, step_key = inputs
            following = jax.random.categorical(step_key, jnp.log(kernel[revealed]), mode="high").astype(jnp.int32)
            return following, following - revealed

        kernels = jnp.asarray(self._law.kernels)
        return jax.lax.scan(step, jnp.int32(0), (kernels, jax.random.split(key, self.num_steps)))[1]

    def sizes_from(self, uniforms: Float[np.ndarray, "lanes any"]) -> Int[np.ndarray, "lanes steps"]:
        """Step sizes of many sequences at once, on the host: the same law as `sizes`, with nothing to compile.

        Args:
          uniforms: float64 ``[lanes, num_steps or more]``, independent and uniform on [0, 1).

        Returns:
          int32 ``[lanes, num_steps]``.

        Raises:
          ValueError: fewer uniforms than steps.
        """
        if uniforms.shape[1] < self.num_steps:
            raise ValueError(f"{uniforms.shape[1]} uniforms a lane do not do for {self.num_steps} steps; give as many")
        if isinstance(self._law, Atoms):
            return self._law.sizes[_choose(self._law.weights[None, :], uniforms[:, 0])]
        counts = np.zeros((len(uniforms), self.num_steps + 1), np.int32)
        for step, kernel in enumerate(self._law.kernels):
            counts[:, step + 1] = _choose(kernel[counts[:, step]], uniforms[:, step])
        return np.diff(counts, axis=1)

    def exposure(self) -> Float[np.ndarray, " length"]:
        """Exposure ``x[j]``: expected size of the step taken from ``j`` revealed tokens (0 if never visited).

        Exact, by the law. Sums to ``length`` minus the expected number of leftover masks.
        """
        if isinstance(self._law, Atoms):
            weights, sizes = self._law
            before = np.cumsum(sizes, axis=1) - sizes
            mass = weights[:, None] * sizes
            return np.bincount(before.ravel(), weights=mass.ravel(), minlength=self.length + 1)[: self.length]
        counts = np.arange(self.length + 1, dtype=np.float64)
        exposure = np.zeros(self.length + 1)
        revealed = np.eye(1, self.length + 1)[0]
        for kernel in self._law.kernels:
            exposure += revealed * np.maximum(kernel @ counts - counts, 0.0)
            revealed = revealed @ kernel
        return exposure[: self.length]

    def nfe_law(self) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Law of the number of predictor calls: entry ``k`` is the probability that ``k`` steps reveal something."""
        if isinstance(self._law, Atoms):
            calls = np.count_nonzero(self._law.sizes, axis=1)
            return np.bincount(calls, weights=self._law.weights, minlength=self.num_steps + 1)
        joint = np.zeros((self.num_steps + 1, self.length + 1))
        joint[0, 0] = 1.0
        for step, kernel in enumerate(self._law.kernels):
            stay = np.diagonal(kernel)
            moved = joint[: step + 1] @ (kernel - np.diag(stay))
            joint *= stay[None, :]
            joint[1 : step + 2] += moved
        return joint.sum(axis=1)

    @property
    def leftover(self) -> float:
        """Probability that a mask is left after the last step; 0 for most schedules."""
        if isinstance(self._law, Atoms):
            return float(self._law.weights[self._law.sizes.sum(axis=1) < self.length].sum())
        revealed = np.eye(1, self.length + 1)[0]
        for kernel in self._law.kernels:
            revealed = revealed @ kernel
        return float(revealed[:-1].sum())


def _choose(probabilities: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Index ``[lanes]`` drawn from each row ``[lanes or 1, n]`` by inverting its distribution function."""
    cumulative = np.cumsum(probabilities, axis=1)
    # Divided by the last one, which is 1 up to rounding, so that nothing of probability 0 is drawn at the end.
    return (cumulative / cumulative[:, -1:] <= uniforms[:, None]).sum(axis=1)


def check_steps(length: int, num_steps: int) -> None:
    """Refuses a number of steps that cannot each reveal a token of ``length``.

    Raises:
      ValueError: ``length < 1``, ``num_steps < 1`` or ``num_steps > length``.
    """
    if length < 1:
        raise ValueError(f"length={length} is not a sequence length; use at least 1")
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps} reveals nothing; use at least 1")
    if num_steps > length:
        raise ValueError(f"num_steps={num_steps} exceeds length={length}; use at most {length}")


def _checked_atoms(law: Atoms, length: int, num_steps: int) -> Atoms:
    weights, sizes = np.asarray(law.weights, dtype=np.float64), np.asarray(law.sizes)
    if sizes.ndim != 2 or sizes.shape[1] != num_steps or weights.shape != sizes.shape[:1]:
        raise ValueError(f"weights {weights.shape} and sizes {sizes.shape} do not fit; use [A] and [A, {num_steps}]")
    if not np.issubdtype(sizes.dtype, np.integer):
        raise ValueError(f"sizes are {sizes.dtype}; a step reveals a whole number of tokens, use integers")
    if sizes.size and sizes.min() < 0:
        raise ValueError(f"a step of size {sizes.min()} is impossible; use sizes of at least 0")
    if sizes.size and sizes.sum(axis=1).max() > length:
        raise ValueError(f"sizes sum to {sizes.sum(axis=1).max()}; they must sum to the length {length}")
    _check_probabilities(weights, "weights")
    return Atoms(weights, sizes.astype(np.int32))


def _checked_chain(law: Chain, length: int, num_steps: int) -> Chain:
    kernels = np.asarray(law.kernels, dtype=np.float64)
    if kernels.shape != (num_steps, length + 1, length + 1):
        raise ValueError(f"kernels have shape {kernels.shape}; use [{num_steps}, {length + 1}, {length + 1}]")
    if np.any(np.tril(kernels, -1)):
        raise ValueError("a kernel masks revealed tokens again (an entry below its diagonal); use an upper triangle")
    _check_probabilities(kernels, "kernel rows")
    return Chain(kernels)


def _check_probabilities(probabilities: np.ndarray, what: str) -> None:
    if not np.all(probabilities >= 0.0):
        raise ValueError(f"{what} hold {probabilities.min():g}; probabilities are at least 0")
    sums = probabilities.sum(axis=-1)
    if not np.allclose(sums, 1.0, rtol=0.0, atol=1e-9):
        raise ValueError(f"{what} sum to {sums.flat[np.argmax(np.abs(sums - 1.0))]:.9g}; probabilities sum to 1")


def _flatten(schedule: Schedule):
    return (schedule._law,), (schedule.length, schedule.num_steps)


def _unflatten(shape: tuple[int, int], children) -> Schedule:
    schedule = object.__new__(Schedule)  # leaves may be tracers, which cannot be checked
    values = ("", *shape, *children, None)
    for field, value in zip(("name", "length", "num_steps", "_law", "certificate"), values, strict=True):
        object.__setattr__(schedule, field, value)
    return schedule


jax.tree_util.register_pytree_node(Schedule, _flatten, _unflatten)
