"""Planners: which masked positions a step of the sampler reveals; one builder each, one interface for all (`Planner`).

A planner of your own is such a value, too; any other object is refused.

>>> import jax.numpy as jnp
>>> def rightmost(log_probs, masked):
...     return jnp.arange(len(masked)).astype(float)
>>> Planner(name="right_to_left", priority=rightmost, needs_logits=False).name
'right_to_left'
"""

from jdlm.planners.by_logits import confidence, entropy, margin
from jdlm.planners.fixed_order import bisection, bisection_depth, left_to_right, random
from jdlm.planners.planner import GRID, TIE, Planner, check, fixed_priority, has_fixed_order, rounded
from jdlm.planners.self_sized import entropy_bounded, entropy_sum, threshold

__all__ = [
    "GRID",
    "TIE",
    "Planner",
    "bisection",
    "bisection_depth",
    "check",
    "confidence",
    "entropy",
    "entropy_bounded",
    "entropy_sum",
    "fixed_priority",
    "has_fixed_order",
    "left_to_right",
    "margin",
    "random",
    "rounded",
    "threshold",
]
