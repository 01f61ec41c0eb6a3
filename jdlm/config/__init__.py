"""Configuration: a preset as frozen values, and the one place where its words become values.

Reading and writing TOML is in ``jdlm.config.presets``. Nothing here imports JAX or numpy before something is built.
"""

from jdlm.config.preset import Config, SweepConfig
from jdlm.config.targets import (
    TARGETS,
    BlocksConfig,
    HiddenMarkovConfig,
    LinearCodeConfig,
    MarkovConfig,
    MixtureConfig,
    ParityConfig,
    PermutationConfig,
    ProductConfig,
    ReedSolomonConfig,
    RepetitionConfig,
    StickyMarkovConfig,
    TableConfig,
    TargetConfig,
    TextConfig,
    build_target,
)
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

__all__ = [
    "ONE_TOKEN_A_STEP",
    "PLANNERS",
    "SCHEDULES",
    "SELF_SIZED_PLANNERS",
    "TARGETS",
    "BlocksConfig",
    "Config",
    "HiddenMarkovConfig",
    "LinearCodeConfig",
    "MarkovConfig",
    "MixtureConfig",
    "ParityConfig",
    "PermutationConfig",
    "ProductConfig",
    "ReedSolomonConfig",
    "RepetitionConfig",
    "StickyMarkovConfig",
    "SweepConfig",
    "TableConfig",
    "TargetConfig",
    "TextConfig",
    "build_planner",
    "build_schedule",
    "build_schedules",
    "build_target",
    "check_num_steps",
    "nearest",
    "takes_more_steps",
]
