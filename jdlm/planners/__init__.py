"""Planners: which masked positions a step of the sampler reveals; one builder each, one interface for all (`Planner`).

This is the list of the folder: the public names, and the words of presets with their help. It imports no file before
one of its names is used, so that ``--help`` needs no JAX. `docs/extending.md` says how to add a planner.

A planner of your own is such a value, too; any other object is refused.

>>> import jax.numpy as jnp
>>> from jdlm.planners import Planner
>>> def rightmost(log_probs, masked):
...     return jnp.arange(len(masked)).astype(float)
>>> Planner(name="right_to_left", priority=rightmost, needs_logits=False).name
'right_to_left'
"""

from typing import TYPE_CHECKING

from jdlm import lazy
from jdlm.words import Word

if TYPE_CHECKING:
    from jdlm.planners.blocks import blocks
    from jdlm.planners.by_logits import confidence, entropy, margin
    from jdlm.planners.fixed_order import bisection, bisection_depth, left_to_right, random
    from jdlm.planners.planner import (
        GRID,
        TIE,
        Planner,
        check,
        check_masks,
        check_reveals,
        fixed_priority,
        has_fixed_order,
        rounded,
    )
    from jdlm.planners.remasking import confidence_weighted, informed, low_confidence
    from jdlm.planners.self_sized import entropy_bounded, entropy_sum, threshold

__all__ = [
    "GRID",
    "TIE",
    "WORDS",
    "Planner",
    "bisection",
    "bisection_depth",
    "blocks",
    "check",
    "check_masks",
    "check_reveals",
    "confidence",
    "confidence_weighted",
    "entropy",
    "entropy_bounded",
    "entropy_sum",
    "fixed_priority",
    "has_fixed_order",
    "informed",
    "left_to_right",
    "low_confidence",
    "margin",
    "random",
    "rounded",
    "threshold",
]

WORDS = {
    "random": Word(builder="fixed_order.random", help="uniformly random ones"),
    "left_to_right": Word(builder="fixed_order.left_to_right", help="the leftmost ones"),
    "bisection": Word(builder="fixed_order.bisection", help="the middle, then the middles of both halves, and so on"),
    "confidence": Word(builder="by_logits.confidence", help="those with the most probable token"),
    "margin": Word(builder="by_logits.margin", help="those whose two most probable tokens differ most"),
    "entropy": Word(builder="by_logits.entropy", help="those with the lowest entropy"),
    "threshold": Word(
        builder="self_sized.threshold",
        parameter="tau",
        example="0.9",
        self_sized=True,
        help="all with a token more probable than TAU",
    ),
    "entropy_bounded": Word(
        builder="self_sized.entropy_bounded",
        parameter="gamma",
        example="0.1",
        self_sized=True,
        help="the lowest entropies, while all but the last add up to at most GAMMA nats",
    ),
    "entropy_sum": Word(
        builder="self_sized.entropy_sum",
        parameter="eta",
        example="0.5",
        self_sized=True,
        help="random ones, until their entropies exceed ETA nats",
    ),
    "blocks": Word(
        builder="blocks.blocks",
        call="from_word",
        arguments=("random",),
        parameter="length",
        example="8",
        help="random ones of the leftmost block of LENGTH positions that has masks",
    ),
    "blocks_confidence": Word(
        builder="blocks.blocks",
        call="from_word",
        arguments=("confidence",),
        parameter="length",
        example="8",
        help="in that block those with the most probable token",
    ),
}
"""Word of a preset -> what it stands for."""

lazy.attach(
    __name__,
    [
        *(word.builder for word in WORDS.values()),
        "blocks.blocks",
        "fixed_order.bisection_depth",
        "planner.GRID",
        "planner.Planner",
        "planner.TIE",
        "planner.check",
        "planner.check_masks",
        "planner.check_reveals",
        "planner.fixed_priority",
        "planner.has_fixed_order",
        "planner.rounded",
        "remasking.confidence_weighted",
        "remasking.informed",
        "remasking.low_confidence",
    ],
)
