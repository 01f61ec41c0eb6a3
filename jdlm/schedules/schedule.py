"""A schedule: the distribution of how many tokens each step reveals.

It has one of the forms of `jdlm.schedules.law`: a mixture of size lists (`Atoms`), a chain of revealed counts (`Chain`)
or the rates of thinning (`Thinning`), the same for each block (`Repeated`); or, where steps also mask tokens again, one
of `jdlm.schedules.remasking`. Everything else (drawn sizes, exposure, number of predictor calls, leftover masks) is
derived from it; a new schedule is a builder that makes such a form and nothing more.
"""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from jdlm import curves, keys
from jdlm.errors import InputError
from jdlm.schedules.checks import INT32, whole
from jdlm.schedules.law import Law
from jdlm.schedules.remasking.law import RemaskingLaw

if TYPE_CHECKING:
    from jdlm.planners import Planner

__all__ = ["Certificate", "Schedule"]


class Certificate(NamedTuple):
    """What is proved of an optimized schedule: both are worst-case constants ``eps`` (see ``curves.worst_case``).

    Attributes:
      value: the constant of the schedule itself.
      lower_bound: no value-independent schedule with as few steps has a smaller constant than this.
      weight: what the constants multiply, see ``curves.weights``: "tc", "dtc" or "both".
    """

    value: float
    lower_bound: float
    weight: curves.Weight


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
      remasker: planner that says which revealed positions are masked again, where it is part of the schedule; None
        where that is free (`jdlm.planners.random` then) or where nothing is masked again.

    Raises:
      ValueError: an invalid distribution: negative probabilities, sums other than 1, more tokens than ``length``; or a
        length that is not a whole number from 1 to 2**31 - 1.
    """

    name: str
    length: int
    num_steps: int
    _law: Law | RemaskingLaw
    certificate: Certificate | None = None
    remasker: "Planner | None" = None

    def __post_init__(self):
        object.__setattr__(self, "length", whole(self.length, "length"))
        object.__setattr__(self, "num_steps", whole(self.num_steps, "num_steps"))
        if self.length < 1:
            raise InputError(f"length={self.length} is not a sequence length; use at least 1")
        if self.length > INT32:
            raise InputError(f"length={self.length} exceeds {INT32}, the largest int32; use a shorter sequence")
        object.__setattr__(self, "_law", self._law.checked(self.length, self.num_steps))

    def law(self) -> Law | RemaskingLaw:
        """The law of the sizes in the form it was built, such as size lists, a chain of counts or rates of thinning."""
        return self._law

    @property
    def remasks(self) -> bool:
        """Whether a step may mask tokens again; such a schedule has no exposure, overshoot or visits."""
        return isinstance(self._law, RemaskingLaw)

    def sizes(self, key: Shaped[PRNGKeyArray, ""]) -> Int[Array, " num_steps"]:
        """One draw of the step sizes: int32 ``[num_steps]``, summing to ``length`` unless masks are left over.

        Works under ``jit`` and ``vmap``. The draw is unbiased down to float32 probabilities of about 1e-38.

        Args:
          key: a typed threefry key, ``jax.random.key``.

        Raises:
          ValueError: the key is another one.
        """
        keys.check(key)
        return self._law.draw(key, self.length)

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
            raise InputError(f"got {uniforms.shape[1]} uniforms per lane; {self.num_steps} steps need as many")
        return self._law.invert(uniforms, self.length)

    def steps_from(
        self, uniforms: Float[np.ndarray, "lanes any"], more: Float[np.ndarray, "lanes any"]
    ) -> tuple[Int[np.ndarray, "lanes steps"], Int[np.ndarray, "lanes steps"]]:
        """How many positions each step of many sequences reveals, and how many it masks again; see `sizes_from`.

        Args:
          uniforms: float64 ``[lanes, num_steps or more]``, as for `sizes_from`, of which the first number is made.
          more: float64 ``[lanes, num_steps or more]`` others, for the second.

        Returns:
          Two int32 ``[lanes, num_steps]``; the second is 0 unless the schedule `remasks`.

        Raises:
          ValueError: fewer uniforms than steps.
        """
        if not isinstance(self._law, RemaskingLaw):
            sizes = self.sizes_from(uniforms)
            return sizes, np.zeros_like(sizes)
        if min(uniforms.shape[1], more.shape[1]) < self.num_steps:
            raise InputError(
                f"got {uniforms.shape[1]} and {more.shape[1]} uniforms per lane; {self.num_steps} steps need as many"
            )
        return self._law.both(uniforms, more, self.length)

    def exposure(self) -> Float[np.ndarray, " length"]:
        """Exposure ``x[j]``: expected size of the step taken from ``j`` revealed tokens (0 if never visited).

        Exact, by the law, and computed once: the array is read-only. Sums to ``length`` minus the expected number of
        leftover masks.
        """
        return self._exposure

    def nfe_law(self) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Distribution of the number of predictor calls: entry ``k`` is P(``k`` steps reveal something); read-only."""
        return self._nfe_law

    @functools.cached_property
    def mean_nfe(self) -> float:
        """Expected number of predictor calls per sequence."""
        mean = self._law.mean_nfe(self.length)
        return float(self._nfe_law @ np.arange(len(self._nfe_law))) if mean is None else mean

    def expected_revealed(self) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Expected number of revealed tokens after 0, 1, ..., ``num_steps`` steps."""
        return self._law.expected_revealed(self.length)

    def overshoot_law(self, count: int) -> Float[np.ndarray, " overshoots"]:
        """Distribution of (first visited count >= ``count``) - ``count``, from the law in one pass.

        On an MDS code of dimension ``count`` it is all that the output distribution depends on, see
        `jdlm.curves.mds_output_kl`. Its mean is the overshoot of `jdlm.curves.overshoot`.

        Args:
          count: number of revealed tokens, 0 to ``length``.

        Returns:
          float64 ``[length - count + 1]``; sums to 1, less where masks can be left over.

        Raises:
          ValueError: ``count`` outside 0..length.

        >>> from jdlm import schedules
        >>> schedules.uniform(6, 3).overshoot_law(3).tolist()   # 4 is the first visited count of at least 3
        [0.0, 1.0, 0.0, 0.0]
        """
        count = whole(count, "count")
        if not 0 <= count <= self.length:
            raise InputError(f"count={count} is not a revealed count; use 0..{self.length}")
        return self._law.overshoot(self.length, count)

    def visits(self) -> Float[np.ndarray, " length_minus_1"]:
        """Probability that each of the counts 1..length-1 is visited: entry ``m - 1`` is P(m is visited)."""
        return self._law.visits(self.length)

    @functools.cached_property
    def leftover(self) -> float:
        """Probability that a mask is left after the last step; 0 for most schedules."""
        return self._law.leftover(self.length)

    @functools.cached_property
    def _exposure(self) -> np.ndarray:
        return _read_only(self._law.exposure(self.length))

    @functools.cached_property
    def _nfe_law(self) -> np.ndarray:
        return _read_only(self._law.nfe_law(self.length))


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _flatten(schedule: Schedule):
    return (schedule._law,), (schedule.length, schedule.num_steps, schedule.remasker)


def _unflatten(shape: tuple, children) -> Schedule:
    schedule = object.__new__(Schedule)  # leaves may be tracers, which cannot be checked
    length, num_steps, remasker = shape
    values = ("", length, num_steps, *children, None, remasker)
    for field, value in zip(("name", "length", "num_steps", "_law", "certificate", "remasker"), values, strict=True):
        object.__setattr__(schedule, field, value)
    return schedule


jax.tree_util.register_pytree_node(Schedule, _flatten, _unflatten)
