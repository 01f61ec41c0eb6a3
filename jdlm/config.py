"""Configuration: what a preset says, as frozen values, and the one place where its words become targets and schedules.

Reading and writing TOML is in ``jdlm.presets``. Nothing here imports JAX or numpy before something is built.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from jdlm.settings import NetworkConfig, TrainingConfig

if TYPE_CHECKING:
    from jdlm.schedules import Schedule
    from jdlm.targets import Target


@dataclass(frozen=True)
class ProductConfig:
    """Independent tokens."""

    kind: ClassVar[str] = "product"
    marginals: tuple[tuple[float, ...], ...]
    """Law of the token at each position: one list of probabilities a position."""

    @property
    def length(self) -> int:
        """Number of tokens in a sequence."""
        return len(self.marginals)

    def build(self) -> "Target":
        """The target that this configuration describes."""
        import numpy as np

        from jdlm import targets

        return targets.product(np.array(self.marginals))


@dataclass(frozen=True)
class MixtureConfig:
    """Exchangeable mixture: one hidden component a sequence, then independent tokens from its law."""

    kind: ClassVar[str] = "mixture"
    length: int
    """Number of tokens in a sequence."""
    weights: tuple[float, ...]
    """Probability of each component."""
    marginals: tuple[tuple[float, ...], ...]
    """Law of one token under each component: one list of probabilities a component."""

    def build(self) -> "Target":
        """The target that this configuration describes."""
        import numpy as np

        from jdlm import targets

        return targets.mixture(np.array(self.weights), np.array(self.marginals), length=self.length)


@dataclass(frozen=True)
class ReedSolomonConfig:
    """Uniform law over the codewords of a Reed-Solomon code: any ``dimension`` tokens determine the others."""

    kind: ClassVar[str] = "reed_solomon"
    length: int
    """Number of tokens in a sequence; at most prime."""
    dimension: int
    """Number of free tokens; no multiple of the step sizes, else equal steps have no error at all."""
    prime: int
    """Size of the field, which is the size of the vocabulary."""

    def build(self) -> "Target":
        """The target that this configuration describes."""
        from jdlm import targets

        return targets.reed_solomon(self.length, self.dimension, self.prime)


@dataclass(frozen=True)
class TableConfig:
    """Any law, by the probability of each sequence."""

    kind: ClassVar[str] = "table"
    length: int
    """Number of tokens in a sequence."""
    vocab_size: int
    """Number of token values."""
    probabilities: tuple[float, ...]
    """vocab_size**length probabilities, the last token running fastest."""

    def __post_init__(self):
        if len(self.probabilities) != self.vocab_size**self.length:
            raise ValueError(
                f"{len(self.probabilities)} probabilities for vocab_size={self.vocab_size} and length={self.length}; "
                f"give {self.vocab_size}**{self.length} = {self.vocab_size**self.length} of them"
            )

    def build(self) -> "Target":
        """The target that this configuration describes."""
        import numpy as np

        from jdlm import targets

        return targets.table(np.array(self.probabilities).reshape([self.vocab_size] * self.length))


TargetConfig = ProductConfig | MixtureConfig | ReedSolomonConfig | TableConfig
TARGETS = {kind.kind: kind for kind in TargetConfig.__args__}


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
    """Schedules to compare: uniform, cosine, tc_equalizer, minimax_tc, minimax_dtc, minimax_both, first_hitting."""
    num_steps: tuple[int, ...] = (2, 4, 8, 16)
    """Numbers of steps for each of them, at most the length (first_hitting always takes as many steps as tokens)."""
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
            if word not in SCHEDULES:
                raise ValueError(f"unknown schedule {word!r}; {nearest(word, SCHEDULES)}")
        for name in ("schedules", "num_steps"):
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
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed} is outside 0..2**32-1; use a number such as 0")


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
        for num_steps in self.sweep.num_steps:
            check_num_steps(num_steps, self.target.length, name="sweep.num_steps")


def check_num_steps(num_steps: int, length: int, name: str = "num_steps") -> None:
    """Raises a ValueError unless ``1 <= num_steps <= length``."""
    if not 1 <= num_steps <= length:
        problem = f"exceeds length={length}" if num_steps > length else "is less than 1"
        raise ValueError(f"{name}={num_steps} {problem}; use at most {length}" + (" and at least 1" * (num_steps < 1)))


def nearest(word: str, valid: Iterable[str], what: str = "known") -> str:
    """Half a sentence that names the valid word nearest to ``word``, and all of them where they are few."""
    import difflib  # only for errors, so that `--help` is instant

    valid = sorted(valid)
    close = difflib.get_close_matches(word, valid, n=1, cutoff=0.0)
    everything = f" ({what}: {', '.join(valid)})" if 0 < len(valid) <= 16 else ""
    return (f"the nearest valid one is {close[0]!r}" if close else "none is valid here") + everything


def _minimax(weight: str) -> Callable[..., "Schedule"]:
    def build(length: int, num_steps: int, **options) -> "Schedule":
        from jdlm import schedules

        return schedules.minimax(length, num_steps, weight, **options)

    return build


def _plain(name: str) -> Callable[..., "Schedule"]:
    def build(length: int, num_steps: int, **options) -> "Schedule":
        from jdlm import schedules

        return getattr(schedules, name)(length, num_steps)

    return build


def _first_hitting(length: int, num_steps: int, **options) -> "Schedule":
    from jdlm import schedules

    return schedules.first_hitting(length)


SCHEDULES: dict[str, Callable[..., "Schedule"]] = {
    "uniform": _plain("uniform"),
    "cosine": _plain("cosine"),
    "tc_equalizer": _plain("tc_equalizer"),
    "minimax_tc": _minimax("tc"),
    "minimax_dtc": _minimax("dtc"),
    "minimax_both": _minimax("both"),
    "first_hitting": _first_hitting,
}
ONE_TOKEN_A_STEP = ("first_hitting",)


def build_target(config: TargetConfig) -> "Target":
    """The target that ``config`` describes; ValueError where its numbers make no law."""
    return config.build()


def build_schedule(word: str, length: int, num_steps: int, *, cache: Path | None = None) -> "Schedule":
    """The schedule that a preset's word names.

    Args:
      word: one of ``SCHEDULES``.
      length: number of tokens.
      num_steps: number of steps K, at most ``length``; words that reveal one token a step do not read it.
      cache: folder where solved minimax laws are kept.

    Raises:
      ValueError: an unknown word, or more steps than tokens.
    """
    if word not in SCHEDULES:
        raise ValueError(f"unknown schedule {word!r}; {nearest(word, SCHEDULES)}")
    if word not in ONE_TOKEN_A_STEP:
        check_num_steps(num_steps, length)
    return SCHEDULES[word](length, num_steps, **({"cache": cache} if cache is not None else {}))


def build_schedules(
    sweep: SweepConfig,
    length: int,
    *,
    cache: Path | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> "list[Schedule]":
    """All schedules of a sweep: each word at each number of steps, one-token-a-step words once.

    ``progress`` is called with (schedules built, in all, the next one).
    """
    pairs = [(w, k) for w in sweep.schedules for k in ([length] if w in ONE_TOKEN_A_STEP else sweep.num_steps)]
    schedules = []
    for word, num_steps in pairs:
        progress(len(schedules), len(pairs), f"{word} K={num_steps}")
        schedules.append(build_schedule(word, length, num_steps, cache=cache))
    progress(len(pairs), len(pairs), "done")
    return schedules
