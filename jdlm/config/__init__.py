"""Configuration: a preset as frozen values, and the one place where its words become values.

What each word means is said in the lists of ``jdlm.schedules``, ``jdlm.planners`` and ``jdlm.targets``. Reading and
writing TOML is in ``jdlm.config.presets``. Nothing here imports JAX or numpy before something is built.
"""

from typing import TYPE_CHECKING, Any

from jdlm.config.preset import Config, SweepConfig
from jdlm.config.words import (
    ONE_TOKEN_A_STEP,
    PLANNERS,
    SCHEDULES,
    SELF_SIZED_PLANNERS,
    build_planner,
    build_schedule,
    build_schedules,
    check_num_steps,
    nearest,
    takes_more_steps,
)
from jdlm.targets import KINDS as TARGETS
from jdlm.targets import TargetConfig

if TYPE_CHECKING:
    from jdlm.targets import Target

__all__ = [
    "ONE_TOKEN_A_STEP",
    "PLANNERS",
    "SCHEDULES",
    "SELF_SIZED_PLANNERS",
    "TARGETS",
    "Config",
    "SweepConfig",
    "TargetConfig",
    "build_planner",
    "build_schedule",
    "build_schedules",
    "build_target",
    "check_num_steps",
    "nearest",
    "takes_more_steps",
]


def build_target(config: TargetConfig) -> "Target":
    """The target that ``config`` describes; ValueError where its numbers are not a valid distribution."""
    return config.build()


def __getattr__(name: str) -> Any:
    """The class of a kind of target, as ``jdlm.config.MarkovConfig``; its home is ``jdlm.targets``."""
    for kind in TARGETS.values():
        if kind.__name__ == name:
            return kind
    raise AttributeError(f"module 'jdlm.config' has no attribute {name!r}")
