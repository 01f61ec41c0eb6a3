"""What a preset holds: a target, a network and its training if it has them, and a sweep."""

from dataclasses import dataclass, field

from jdlm.config import words
from jdlm.config.settings import NetworkConfig, TrainingConfig, check_seed
from jdlm.config.targets import TargetConfig

__all__ = ["Config", "SweepConfig"]


@dataclass(frozen=True)
class SweepConfig:
    """Which schedules are compared, at which numbers of steps, and with how many sequences."""

    schedules: tuple[str, ...] = (
        "uniform",
        "cosine",
        "tc_equalizer",
        "minimax_tc",
        "minimax_dtc",
        "minimax_both",
        "first_hitting",
    )
    """Schedules to compare: uniform, cosine, geometric:RATIO, best_fixed_tc, best_fixed_dtc, best_fixed_both,
    random_phase_tc, random_phase_dtc, random_phase_equal, random_cuts, tc_equalizer, minimax_tc, minimax_dtc,
    minimax_both, ancestral:MASKING, euler:MASKING, tau_leaping:MASKING (linear, cosine, polynomial, exponential),
    optimal (for the known curve), first_hitting."""
    num_steps: tuple[int, ...] = (2, 4, 8, 16)
    """Numbers of steps for each of them, at most the length, but for ancestral, euler and tau_leaping, which may take
    more steps than there are tokens (first_hitting always takes as many)."""
    planners: tuple[str, ...] = ("random",)
    """Which positions a step reveals: random, left_to_right, bisection, confidence, margin, entropy; and with sizes of
    their own threshold:TAU, entropy_bounded:GAMMA, entropy_sum:ETA."""
    samples: int = 2048
    """Sequences sampled for each schedule and number of steps."""
    curve_samples: int = 256
    """Sequences for each revealed count behind the curves of a network."""
    seed: int = 0
    """Seed of all random numbers of the sweep."""
    batch_size: int | None = None
    """Sequences handled at once; None chooses a size from the shapes."""

    def __post_init__(self):
        for word in self.schedules:
            words.parse(word, words.SCHEDULES, "schedule")
        for word in self.planners:
            words.parse(word, words.PLANNERS, "planner")
        for name in ("schedules", "num_steps", "planners"):
            values = getattr(self, name)
            if not values:
                raise ValueError(f"{name} is empty; give at least one")
            twice = [value for i, value in enumerate(values) if value in values[:i]]
            if twice:
                raise ValueError(f"{name} holds {twice[0]!r} twice; give each once")
        if min(self.num_steps) < 1:
            raise ValueError(f"num_steps={min(self.num_steps)} is less than 1; use at least 1")
        for name in ("samples", "curve_samples"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}={getattr(self, name)} gives no standard error; use at least 2")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} is less than 1; use at least 1, or leave it out")
        check_seed(self.seed)


@dataclass(frozen=True)
class Config:
    """A preset, or the resolved configuration of a run; no training means that the oracle alone is sampled."""

    name: str
    target: TargetConfig
    network: NetworkConfig | None = None
    training: TrainingConfig | None = None
    sweep: SweepConfig = field(default_factory=SweepConfig)

    def __post_init__(self):
        if (self.network is None) != (self.training is None):
            missing = "network" if self.network is None else "training"
            raise ValueError(f"preset {self.name!r} lacks [{missing}]; give both [network] and [training], or neither")
        length, most = self.target.length, max(self.sweep.num_steps)
        if length < 1:
            raise ValueError(f"the target has length {length}; use at least 1")
        thinning = [word for word in self.sweep.schedules if words.takes_more_steps(word)]
        short = [word for word in self.sweep.schedules if word not in (*words.ONE_TOKEN_A_STEP, *thinning)]
        if most > length and (short or not thinning):
            besides = f", or leave out {', '.join(short)}: only {', '.join(thinning)} can take more" if thinning else ""
            raise ValueError(f"sweep.num_steps={most} exceeds length={length}; use at most {length}{besides}")
