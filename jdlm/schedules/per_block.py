"""Schedules of semi-autoregressive sampling: a schedule of a block, once for each block."""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from jdlm import pytrees
from jdlm.errors import InputError, check_type
from jdlm.schedules.checks import LONGEST, whole
from jdlm.schedules.schedule import Schedule

__all__ = ["Repeated", "per_block"]

_MOST = 2**16
"""Largest number of chains, the base's to the power of the blocks, that are listed one by one."""


def per_block(schedule: Schedule, blocks: int) -> Schedule:
    """A schedule for each block in turn, drawn anew for each; with `jdlm.planners.blocks` no step leaves its block.

    Its exposure is that of `schedule`, repeated. It is the expected size of the steps from each count, but the identity
    of `jdlm.curves` does not hold for blocks, whose positions are not uniformly random.

    Args:
      schedule: of one block; it leaves no mask and masks nothing again.
      blocks: number of blocks, at least 1; the length is that of ``schedule`` times this.

    Raises:
      ValueError: no block, or a schedule that leaves masks or masks tokens again.

    >>> from jdlm import schedules
    >>> per_block(schedules.uniform(4, 2), 2).exposure().tolist()
    [2.0, 0.0, 2.0, 0.0, 2.0, 0.0, 2.0, 0.0]
    """
    check_type("schedule", schedule, Schedule, "build one with jdlm.schedules")
    blocks = whole(blocks, "blocks")
    if blocks < 1 or blocks * schedule.length > LONGEST or blocks * schedule.num_steps > LONGEST:
        raise InputError(f"blocks={blocks} of {schedule.length} tokens; use at least 1 and at most {LONGEST} tokens")
    if schedule.remasks:
        raise InputError(
            f"schedule {schedule.name} masks tokens again, which blocks do not take; use one that does not"
        )
    if schedule.leftover > 0.0:
        raise InputError(f"schedule {schedule.name} leaves masks in a block; build it with final_reveal=True")
    name = f"{schedule.name}*{blocks}"
    law = Repeated(schedule.law(), schedule.length, schedule.num_steps, blocks)
    return Schedule(name, blocks * schedule.length, blocks * schedule.num_steps, law)


@pytrees.register
@dataclasses.dataclass(frozen=True, eq=False)
class Repeated:
    """The law of one block's sizes, independently for each block.

    The members are those of `jdlm.schedules.law.Law`.

    Attributes:
      base: the law of a block.
      block: its length.
      steps: its number of steps.
      blocks: how many there are.
    """

    base: Any
    block: int = dataclasses.field(metadata={"static": True})
    steps: int = dataclasses.field(metadata={"static": True})
    blocks: int = dataclasses.field(metadata={"static": True})

    def checked(self, length: int, num_steps: int) -> "Repeated":
        """This law with its base checked; ValueError where blocks and steps do not make up all."""
        block, steps, blocks = self.block, self.steps, self.blocks
        if (block * blocks, steps * blocks) != (length, num_steps):
            raise InputError(f"{blocks} blocks of {block} tokens in {steps} steps are not {length} in {num_steps}")
        return Repeated(self.base.checked(block, steps), block, steps, blocks)

    def draw(self, key: Shaped[PRNGKeyArray, ""], length: int) -> Int[Array, " num_steps"]:
        """One draw of the sizes of all blocks."""
        keys = jax.random.split(key, self.blocks)
        return jnp.concatenate([self.base.draw(keys[number], self.block) for number in range(self.blocks)])

    def invert(self, uniforms: Float[np.ndarray, "lanes any"], length: int) -> Int[np.ndarray, "lanes num_steps"]:
        """Sizes of many sequences on the host: as many uniforms for each block as it has steps."""
        cut = [uniforms[:, number * self.steps : (number + 1) * self.steps] for number in range(self.blocks)]
        return np.concatenate([self.base.invert(mine, self.block) for mine in cut], axis=1)

    def exposure(self, length: int) -> Float[np.ndarray, " length"]:
        """Expected size of the step taken from each revealed count: that of a block, repeated."""
        return np.tile(self.base.exposure(self.block), self.blocks)

    def nfe_law(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Distribution of the number of steps that reveal something: a sum of independent ones."""
        law, one = np.ones(1), self.base.nfe_law(self.block)
        for _ in range(self.blocks):
            law = np.convolve(law, one)
        return law

    def mean_nfe(self, length: int) -> float | None:
        """Expected number of steps that reveal something, where the base knows it without its law."""
        mean = self.base.mean_nfe(self.block)
        return None if mean is None else mean * self.blocks

    def leftover(self, length: int) -> float:
        """Probability that a mask is left: 0, for no block leaves one."""
        return 0.0

    def expected_revealed(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Expected revealed count after 0, 1, ... steps."""
        one = self.base.expected_revealed(self.block)
        return np.concatenate([one[:1], *(one[1:] + number * self.block for number in range(self.blocks))])

    def overshoot(self, length: int, count: int) -> Float[np.ndarray, " overshoots"]:
        """Distribution ``[length - count + 1]`` of (first visited count >= ``count``) - ``count``."""
        law = np.zeros(length - count + 1)
        within = count % self.block
        mine = self.base.overshoot(self.block, within) if within else np.ones(1)
        law[: len(mine)] = mine[: len(law)]
        return law

    def visits(self, length: int) -> Float[np.ndarray, " length_minus_1"]:
        """Probability that each of the counts 1..length-1 is visited; the ends of blocks surely are."""
        return np.tile(np.append(self.base.visits(self.block), 1.0), self.blocks)[: length - 1]

    def kernels(self, length: int) -> Iterator[tuple[float, list[Float[np.ndarray, "counts sizes"]]]]:
        """One chain for each choice of the base's chains for all blocks."""
        chains = list(self.base.kernels(self.block))
        if len(chains) ** self.blocks > _MOST:
            raise InputError(
                f"{len(chains)} lists for each of {self.blocks} blocks make {len(chains) ** self.blocks:.3g} chains; "
                f"exact laws take at most {_MOST}: use a list, a chain or fewer blocks"
            )
        for choice in itertools.product(chains, repeat=self.blocks):
            steps = [self._moved(kernel, number, length) for number, (_, mine) in enumerate(choice) for kernel in mine]
            yield math.prod(weight for weight, _ in choice), steps

    def _moved(self, kernel: np.ndarray, number: int, length: int) -> np.ndarray:
        """A block's kernel at the counts of that block; elsewhere nothing is revealed."""
        moved = np.tile(np.eye(1, length + 1), (length + 1, 1))
        first = number * self.block
        moved[first : first + self.block + 1] = 0.0
        moved[first : first + self.block + 1, : self.block + 1] = kernel
        return moved

    def export(self, length: int) -> dict[str, Any]:
        """The base's law, and how often it is repeated."""
        return {"blocks": self.blocks, "of_each_block": self.base.export(self.block)}

    def size_lists(self) -> tuple[Any, Any] | None:
        """A single list, repeated; None where there is more than one."""
        lists = self.base.size_lists()
        if lists is None or len(lists[0]) > 1:
            return None
        return lists[0], np.tile(lists[1], (1, self.blocks))
