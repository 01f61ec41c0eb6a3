"""What a preset holds: a target, a network and its training if it has them, and a sweep."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Annotated, Any

from typing_extensions import Doc

from jdlm.config import words
from jdlm.config.settings import NetworkConfig, TrainingConfig, check_draw, check_seed
from jdlm.errors import InputError, shown
from jdlm.targets import TargetConfig

__all__ = ["Config", "SweepConfig"]

_LARGEST = 2**31 - 1


def _join(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


# What `--help` says of the fields whose words come from the lists of schedules and planners.
_CHOICES = {word.parameter: ", ".join(word.choices) for word in words.SCHEDULES.values() if word.choices}
_VALUES = "".join(f"; {parameter.upper()}: {choices}" for parameter, choices in _CHOICES.items() if parameter)
_SAMPLERS = "\n".join(f"- {name}: {what}" for name, what in words.SAMPLERS.items())
_SCHEDULES = f"Schedules to compare{_VALUES}\n{words.listed(words.SCHEDULES)}\n{_SAMPLERS}"
_PLANNERS = (
    f"Which positions a step reveals; {_join(words.SELF_SIZED_PLANNERS)} also say how many:\n"
    f"{words.listed(words.PLANNERS)}"
)
_NUM_STEPS = (
    f"Numbers of steps for each of them, at most the length, but for {_join(words.MORE_STEPS)}, which may take more "
    f"steps than there are tokens; {_join(words.ONE_TOKEN_A_STEP)}: always as many."
)


@dataclass(frozen=True)
class SweepConfig:
    """Which schedules are compared, at which numbers of steps, and with how many sequences."""

    schedules: Annotated[tuple[str, ...], Doc(_SCHEDULES)] = (
        "uniform",
        "cosine",
        "tc_equalizer",
        "minimax_tc",
        "minimax_dtc",
        "minimax_both",
        "first_hitting",
    )
    """Schedules to compare."""
    num_steps: Annotated[tuple[int, ...], Doc(_NUM_STEPS)] = (2, 4, 8, 16)
    """Numbers of steps for each of them."""
    planners: Annotated[tuple[str, ...], Doc(_PLANNERS)] = ("random",)
    """Which positions a step reveals."""
    temperature: float = 1.0
    """Logits are divided by it before a token is drawn; with the next two, the predictors are sampled filtered."""
    top_k: int | None = None
    """Draw from the so many most likely tokens only; 1 takes the most likely one."""
    nucleus: float | None = None
    """Draw from the fewest most likely tokens whose probability reaches this."""
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
            if word not in words.SAMPLERS:
                words.parse(word, words.SCHEDULES, "schedule")
        for word in self.planners:
            words.parse(word, words.PLANNERS, "planner")
        for name in ("schedules", "num_steps", "planners"):
            values = getattr(self, name)
            if not values:
                raise InputError(f"{name} is empty; give at least one")
            twice = [value for i, value in enumerate(values) if value in values[:i]]
            if twice:
                raise InputError(f"{name} holds {twice[0]!r} twice; give each once")
        if min(self.num_steps) < 1:
            raise InputError(f"num_steps={min(self.num_steps)} is less than 1; use at least 1")
        for name in ("samples", "curve_samples"):
            if getattr(self, name) < 2:
                raise InputError(f"{name}={getattr(self, name)} gives no standard error; use at least 2")
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"batch_size={self.batch_size} is less than 1; use at least 1, or leave it out")
        check_draw(self.temperature, self.top_k, self.nucleus)
        check_seed(self.seed)

    def record(self) -> dict[str, Any]:
        """What tells sweeps apart, as JSON values; filters that change nothing are left out, as in older runs."""
        plain = {"temperature": 1.0, "top_k": None, "nucleus": None}
        values = {name: value for name, value in asdict(self).items() if name not in plain or value != plain[name]}
        return json.loads(json.dumps(values))


@dataclass(frozen=True)
class Config:
    """A preset, or the resolved configuration of a run; no training means that the oracle alone is sampled."""

    name: str
    target: TargetConfig
    network: NetworkConfig | None = None
    training: TrainingConfig | None = None
    sweep: SweepConfig = field(default_factory=SweepConfig)

    def record(self) -> dict[str, Any]:
        """What tells configurations apart, section by section, as JSON values."""
        training = None if self.training is None else self.training.record()
        network = None if self.network is None else self.network.record()
        sections = {
            "target": self.target.record(),
            "network": network,
            "training": training,
            "sweep": self.sweep.record(),
        }
        values = {"name": self.name} | {title: values for title, values in sections.items() if values is not None}
        return json.loads(json.dumps(values))

    def __post_init__(self):
        if (self.network is None) != (self.training is None):
            missing = "network" if self.network is None else "training"
            raise InputError(f"preset {self.name!r} lacks [{missing}]; give both [network] and [training], or neither")
        _check_sizes(self)
        length, most = self.target.length, max(self.sweep.num_steps)
        if length < 1:
            raise InputError(f"the target has length {length}; use at least 1")
        if not self.name.isprintable() or not self.name.strip() or len(self.name) > 200:
            raise InputError(
                f"name={self.name[:60]!r} is no name for rows and figures; use at most 200 letters or digits"
            )
        thinning = [word for word in self.sweep.schedules if words.takes_more_steps(word)]
        free = (*words.ONE_TOKEN_A_STEP, *words.SAMPLERS, *thinning)
        short = [word for word in self.sweep.schedules if word not in free]
        if most > length and (short or not thinning):
            besides = f", or leave out {', '.join(short)}: only {', '.join(thinning)} can take more" if thinning else ""
            raise InputError(f"sweep.num_steps={most} exceeds length={length}; use at most {length}{besides}")


def _check_sizes(value: Any, where: str = "") -> None:
    """Raise an InputError for a number beyond int32 in a configuration, which no array of JAX could count."""
    for each in fields(value):
        entry, name = getattr(value, each.name), f"{where}{each.name}"
        if is_dataclass(entry):
            _check_sizes(entry, f"{name}.")
        numbers = entry if isinstance(entry, tuple) else (entry,)
        for number in numbers:
            if isinstance(number, int) and abs(number) > _LARGEST and each.name != "seed":
                raise InputError(f"{name}={shown(number)} is too large; use at most {_LARGEST}")
