"""Planners: which masked positions a step of the sampler reveals.

A planner is a small frozen value with three members:

- ``priority(log_probs [length, vocab], masked [length]) -> [length]``: masked positions of the highest priority are
  revealed first; equal priorities are put in a uniformly random order by the sampler's key.
- ``needs_logits``: whether ``priority`` looks at ``log_probs``; if not, it is called with None.
- ``count``: None if the schedule says how many positions a step reveals, else ``(log_probs, masked) -> int``.
"""

import dataclasses
from typing import ClassVar, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


@runtime_checkable
class Planner(Protocol):
    """What the sampler asks of a planner; see the module's text. Planners are hashable and compared by value."""

    name: str
    needs_logits: bool
    count: None

    def priority(self, log_probs: Float[Array, "length vocab"] | None, masked: Bool[Array, " length"]) -> Array:
        """Priority ``[length]`` of each position; entries of revealed positions are ignored."""
        ...


@dataclasses.dataclass(frozen=True)
class _Random:
    name: ClassVar[str] = "random"
    needs_logits: ClassVar[bool] = False
    count: ClassVar[None] = None

    def priority(
        self, log_probs: Float[Array, "length vocab"] | None, masked: Bool[Array, " length"]
    ) -> Float[Array, " length"]:
        return jnp.zeros(masked.shape)


def random() -> Planner:
    """The planner that reveals uniformly random positions: constant priority, so ties alone decide.

    Every set of masked positions of the step's size is equally likely, as the identities of `jdlm.curves` assume.
    """
    return _Random()
