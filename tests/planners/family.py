"""The registry of planners: one line here puts a planner through every common check of test_family.py."""

from collections.abc import Callable
from typing import NamedTuple

from jdlm import planners
from jdlm.planners import Planner


class Member(NamedTuple):
    """A planner by its name, whether it knows its order from the start, and whether it counts by itself."""

    name: str
    build: Callable[[], Planner]
    fixed_order: bool = False
    self_sized: bool = False


FAMILY = [
    Member("random", planners.random, fixed_order=True),
    Member("left_to_right", planners.left_to_right, fixed_order=True),
    Member("bisection", planners.bisection, fixed_order=True),
    Member("confidence", planners.confidence),
    Member("margin", planners.margin),
    Member("entropy", planners.entropy),
    Member("threshold(0.6)", lambda: planners.threshold(0.6), self_sized=True),
    Member("entropy_bounded(0.5)", lambda: planners.entropy_bounded(0.5), self_sized=True),
    Member("entropy_sum(0.8)", lambda: planners.entropy_sum(0.8), self_sized=True),
    Member("blocks(random, 2)", lambda: planners.blocks(planners.random(), 2), fixed_order=True),
    Member("blocks(confidence, 3)", lambda: planners.blocks(planners.confidence(), 3)),
    Member("blocks(threshold(0.6), 2)", lambda: planners.blocks(planners.threshold(0.6), 2), self_sized=True),
    Member("blocks(entropy_sum(0.8), 3)", lambda: planners.blocks(planners.entropy_sum(0.8), 3), self_sized=True),
]
