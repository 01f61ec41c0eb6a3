"""Cells: the settings behind each number of a sweep, with their name and their random keys.

Every key is made from the seed and the names of its own cell, so that adding a schedule to a sweep changes no other
number.
"""

import dataclasses
import hashlib

import jax
import numpy as np

from jdlm import keys, measure
from jdlm.errors import InputError
from jdlm.planners import Planner
from jdlm.schedules import Schedule
from jdlm.study import rows
from jdlm.study.rows import Row
from jdlm.targets import Target

__all__ = ["Origin", "content", "digest"]


@dataclasses.dataclass(frozen=True)
class Origin:
    """What the rows of one cell have in common.

    Attributes:
      target: name of the target.
      seed: of the sweep.
      target_identity: tells apart targets of one name, by `digest`.
      predictor: name of the predictor, ``""`` where none enters.
      identity: tells apart predictors of one name, such as the hash of a checkpoint.
      planner: which positions a step reveals; None where none enters.
      schedule: None where none enters, or where the planner counts by itself.
      name: of a schedule at all its numbers of steps, for a number that belongs to no single one, such as a fitted
        slope; in place of ``schedule``.
    """

    target: str
    seed: int
    target_identity: str = ""
    predictor: str = ""
    identity: str = ""
    planner: Planner | None = None
    schedule: Schedule | None = None
    name: str = ""

    def row(
        self,
        metric: str,
        value: float | measure.Estimate,
        method: str,
        index: int | None = None,
        nfe: float | None = None,
    ) -> Row:
        """One number of the cell as a row.

        Args:
          metric: what is measured.
          value: the number, or an estimate with its standard error and number of sequences.
          method: how it was computed, a word of `jdlm.study.rows.METHODS`.
          index: place on a curve; None for a scalar.
          nfe: expected number of predictor calls where no schedule says it.
        """
        standard_error = n = None
        if isinstance(value, measure.Estimate):
            value, standard_error, n = value
        return Row(
            cell=self.cell,
            target=self.target,
            predictor=self.predictor,
            schedule=self.schedule.name if self.schedule else self.name,
            planner=self.planner.name if self.planner else "",
            num_steps=self.schedule.num_steps if self.schedule else None,
            nfe=self.schedule.mean_nfe if self.schedule else nfe,
            metric=metric,
            index=index,
            value=float(value),
            standard_error=standard_error,
            n=n,
            method=method,
            seed=None if n is None else self.seed,
        )

    @property
    def words(self) -> str:
        """The cell as messages name it."""
        steps = f" with {self.schedule.num_steps} steps" if self.schedule else ""
        planner = f", planner {self.planner.name}" if self.planner else ""
        return f"{self.schedule.name if self.schedule else self.name or 'the cell'}{steps}{planner}, {self.predictor}"

    def scheduled(self) -> Schedule:
        """The schedule of a cell that must have one.

        Raises:
          ValueError: none enters.
        """
        if self.schedule is None:
            raise InputError(f"the cell of target {self.target!r} has no schedule; give one")
        return self.schedule

    def planned(self) -> Planner:
        """The planner of a cell that must have one.

        Raises:
          ValueError: none enters.
        """
        if self.planner is None:
            raise InputError(f"the cell of target {self.target!r} has no planner; give one")
        return self.planner

    @property
    def _settings(self) -> dict[str, str | int | None]:
        return {
            "target": self.target,
            "seed": self.seed,
            "predictor": self.predictor,
            "identity": self.identity,
            "planner": self.planner.name if self.planner else "",
            "schedule": self.schedule.name if self.schedule else self.name,
            "num_steps": self.schedule.num_steps if self.schedule else None,
        }

    @property
    def cell(self) -> str:
        """12 hexadecimal digits of all settings."""
        return rows.cell(**self._settings, target_identity=self.target_identity)

    def key(self, purpose: str) -> jax.Array:
        """The typed key of the cell for one purpose, such as ``"tokens"``; uses are told apart by 32 bits of a hash."""
        # Of names alone: the digest of a target may differ where another machine rounds its numbers differently.
        number = rows.cell(cell=rows.cell(**self._settings), purpose=purpose)[:8]
        return _folded(np.uint32(self.seed), np.uint32(int(number, 16)))


@jax.jit
def _folded(seed: jax.Array, number: jax.Array) -> jax.Array:
    return jax.random.fold_in(keys.key(seed), number)


def digest(target: Target) -> str:
    """12 hexadecimal digits of a target's kind and numbers, in float32: the last bits of a double do not count."""
    leaves, kind = jax.tree.flatten(target)
    content = hashlib.sha256(str(kind).encode())
    for leaf in map(np.asarray, leaves):
        leaf = leaf.astype(np.float32) if np.issubdtype(leaf.dtype, np.floating) else leaf
        content.update(f"{leaf.dtype}{leaf.shape}".encode() + leaf.tobytes())
    return content.hexdigest()[:12]


def content(schedule: Schedule) -> str:
    """64 hexadecimal digits of the very distribution of a schedule, to the last bit of each number."""
    leaves = jax.tree.leaves(schedule)
    found = hashlib.sha256(f"{type(schedule.law()).__name__} {schedule.length} {schedule.num_steps}".encode())
    for leaf in map(np.asarray, leaves):
        found.update(f"{leaf.dtype}{leaf.shape}".encode() + leaf.tobytes())
    return found.hexdigest()
