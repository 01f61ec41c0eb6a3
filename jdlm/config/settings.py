"""Settings of a network and its training run: plain validated values, without JAX or numpy.

``jdlm.config`` puts them into presets and on the command line; ``jdlm.network`` and ``jdlm.training`` read them.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from jdlm.errors import InputError, shown

__all__ = ["NetworkConfig", "TrainingConfig", "check_count", "check_draw", "check_seed"]


@dataclass(frozen=True)
class NetworkConfig:
    """Kind, shape and precision of the transformer; length and vocabulary come from the target."""

    width: int = 64
    """Width of the residual stream; a multiple of heads."""
    depth: int = 2
    """Number of blocks (attention and MLP)."""
    heads: int = 4
    """Attention heads in each block."""
    mlp_ratio: int = 4
    """Width of the MLP's hidden layer over the width of the residual stream."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the matrix products, 'auto' by the platform; parameters, softmax, logits and loss stay float32."""
    attention: Literal["auto", "recompute", "library"] = "auto"
    """How attention is computed: 'recompute' (fast on CPU), 'library' (JAX's own), 'auto' by the platform."""
    kind: Literal["bidirectional", "causal"] = "bidirectional"
    """'bidirectional', or 'causal': sees each token in the context of those revealed before it, which is kept."""

    def record(self) -> dict[str, int | str]:
        """What tells networks apart: all fields but ``attention``, which changes nothing but rounding.

        The kind of a bidirectional network is left out, as it was before there was another one.
        """
        left_out = {"attention"} | ({"kind"} if self.kind == "bidirectional" else set())
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    def __post_init__(self):
        if self.kind not in ("bidirectional", "causal"):
            raise InputError(f"kind={self.kind!r} is unknown; use 'bidirectional' or 'causal'")
        for name in ("width", "depth", "heads", "mlp_ratio"):
            _require_at_least(name, getattr(self, name), 1)
        if self.width % self.heads:
            raise InputError(
                f"width={self.width} is not a multiple of heads={self.heads}; "
                f"use width={math.ceil(self.width / self.heads) * self.heads}"
            )
        if self.dtype not in ("auto", "float32", "bfloat16"):
            raise InputError(f"dtype={self.dtype!r} is unknown; use 'auto', 'float32' or 'bfloat16'")
        if self.attention not in ("auto", "recompute", "library"):
            raise InputError(f"attention={self.attention!r} is unknown; use 'auto', 'recompute' or 'library'")


@dataclass(frozen=True)
class TrainingConfig:
    """Loss, optimizer and measurements of one training run; it names every random number of the run."""

    steps: int = 1000
    """Optimizer steps of the entire run; the learning rate decays to zero over them."""
    batch_size: int = 64
    """Sequences in each step; their revealed counts are spread evenly over 0..length-1."""
    learning_rate: float = 3e-3
    """Peak learning rate of AdamW, reached after the warm-up."""
    warmup_steps: int = 50
    """Steps of linear warm-up before the cosine decay; fewer than steps."""
    weight_decay: float = 0.01
    """Decoupled weight decay, on matrices alone (embeddings included, biases and scales not)."""
    clip_norm: float = 1.0
    """Global norm to which gradients are clipped."""
    ema_decay: float = 0.99
    """Decay of the running mean of the parameters, which is evaluated and sampled; 0 keeps the last parameters."""
    labels: Literal["sampled", "oracle"] = "sampled"
    """Train on the tokens that were masked, or on the target's exact conditionals (far less variance)."""
    chunk_steps: int = 50
    """Steps in one compiled call; metrics are recorded and checkpoints written after each."""
    evaluation_draws: int = 8
    """Fixed sequences for each revealed count on which the learning error is measured after each chunk."""
    seed: int = 0
    """Seed of the parameters, the training data and the evaluation draws."""
    seeds: tuple[int, ...] = ()
    """Seeds of several trainings in one run, in place of seed: figures then show their mean, with its error."""

    def record(self) -> dict[str, Any]:
        """What tells trainings apart, as JSON values; no seeds are left out, as in older runs."""
        values = asdict(self) | {"seeds": list(self.seeds)}
        return values if self.seeds else {name: value for name, value in values.items() if name != "seeds"}

    def __post_init__(self):
        for seed in self.seeds:
            check_seed(seed)
        twice = [seed for place, seed in enumerate(self.seeds) if seed in self.seeds[:place]]
        if twice:
            raise InputError(f"seeds holds {twice[0]} twice; give each once")
        if self.seeds:
            object.__setattr__(self, "seed", self.seeds[0])
            object.__setattr__(self, "seeds", self.seeds if len(self.seeds) > 1 else ())
        for name in ("steps", "batch_size", "chunk_steps"):
            _require_at_least(name, getattr(self, name), 1)
        _require_at_least("evaluation_draws", self.evaluation_draws, 2)
        _require_at_least("warmup_steps", self.warmup_steps, 0)
        if self.warmup_steps >= self.steps:
            raise InputError(
                f"warmup_steps={self.warmup_steps} is not less than steps={self.steps}; use at most {self.steps - 1}"
            )
        for name in ("learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name}={getattr(self, name)} is not a positive number; use a value such as 1e-3")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"weight_decay={self.weight_decay} is negative or not finite; use 0 to turn it off")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"ema_decay={self.ema_decay} is outside [0, 1); use 0 to turn averaging off")
        if self.labels not in ("sampled", "oracle"):
            raise InputError(f"labels={self.labels!r} is unknown; use 'sampled' or 'oracle'")
        check_seed(self.seed)


def _require_at_least(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}={value!r} is not a whole number of at least {least}; use {name}={least} or more")


def check_count(name: str, value: int) -> None:
    """Raises an InputError unless ``value`` is from 1 to what int32 holds."""
    if not 1 <= value < 2**31:
        raise InputError(f"{name}={shown(value)} is out of range; use at least 1 and at most {2**31 - 1}")


def check_draw(temperature: float, top_k: int | None, nucleus: float | None) -> None:
    """Raises an InputError unless they make a `jdlm.sampling.Draw`."""
    if not 0.0 < temperature < math.inf:
        raise InputError(f"temperature={temperature} is not a positive number; for the most likely token use top_k=1")
    if not 2.0**-126 <= temperature <= 2.0**126:
        raise InputError(f"temperature={temperature} is beyond what float32 can divide by; use one nearer to 1")
    if top_k is not None:
        check_count("top_k", top_k)
    if nucleus is not None and not 0.0 < nucleus <= 1.0:
        raise InputError(f"nucleus={nucleus} is not a probability above 0; use at most 1")


def check_seed(seed: int) -> None:
    """Raises a ValueError unless ``seed`` fits the words that keys are made of."""
    if not 0 <= seed < 2**32:
        raise InputError(f"seed={shown(seed)} is outside 0..2**32-1; use a number such as 0")
