"""Targets as a preset writes them: one frozen class per kind.

The word ``kind`` is the name of the builder in ``jdlm.targets``, and the fields are its arguments (except where a class
says otherwise). JAX and numpy are imported only when a target is built.
"""

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Union

if TYPE_CHECKING:
    from jdlm.targets import Target

__all__ = [
    "TARGETS", "BlocksConfig", "Floats", "HiddenMarkovConfig", "LinearCodeConfig", "MarkovConfig", "Matrix",
    "MixtureConfig", "ParityConfig", "PermutationConfig", "ProductConfig", "ReedSolomonConfig", "RepetitionConfig",
    "StickyMarkovConfig", "TableConfig", "TargetConfig", "TextConfig", "build_target",
]  # fmt: skip

Floats = tuple[float, ...]
Matrix = tuple[tuple[float, ...], ...]


class _Kind:
    """What all kinds share."""

    kind: ClassVar[str]

    def record(self) -> dict[str, Any]:
        """What tells targets apart, as JSON values: the word of the kind and all fields, in nested targets too."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        nested = {name: value.record() for name, value in values.items() if isinstance(value, _Kind)}
        return {"kind": self.kind, **values, **nested}

    def anchored(self, folder: Path) -> "TargetConfig":
        """The same with relative paths taken from ``folder``."""
        return self

    def pinned(self) -> "TargetConfig":
        """The same law from any folder and at any time: paths are absolute, the content of files is said.

        Raises:
          ValueError: a file that is missing, or is not the one that was said.
        """
        return self

    def build(self) -> "Target":
        """The target that this configuration describes."""
        import numpy as np

        from jdlm import targets

        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            if isinstance(value, tuple) and len({len(row) for row in value if isinstance(row, tuple)}) > 1:
                raise ValueError(f"{name} has rows of different lengths; give as many numbers in each")
        arrays = {name: np.array(value) for name, value in values.items() if isinstance(value, tuple)}
        return getattr(targets, self.kind)(**(values | arrays))


@dataclass(frozen=True)
class ProductConfig(_Kind):
    """Independent tokens."""

    kind: ClassVar[str] = "product"
    marginals: Matrix
    """Law of the token at each position: one list of probabilities a position."""

    @property
    def length(self) -> int:
        """Number of tokens in a sequence."""
        return len(self.marginals)


@dataclass(frozen=True)
class MixtureConfig(_Kind):
    """Exchangeable mixture: one hidden component per sequence, then independent tokens given it."""

    kind: ClassVar[str] = "mixture"
    length: int
    """Number of tokens in a sequence."""
    weights: Floats
    """Probability of each component."""
    marginals: Matrix
    """Law of one token under each component: one list of probabilities a component."""


@dataclass(frozen=True)
class ReedSolomonConfig(_Kind):
    """Uniform distribution over the codewords of a Reed-Solomon code: any ``dimension`` tokens determine the others."""

    kind: ClassVar[str] = "reed_solomon"
    length: int
    """Number of tokens in a sequence; at most prime."""
    dimension: int
    """Number of free tokens; no multiple of the step sizes, else equal steps have no error at all."""
    prime: int
    """Size of the field, which is the size of the vocabulary."""


@dataclass(frozen=True)
class LinearCodeConfig(_Kind):
    """Uniform distribution over the codewords of a linear code."""

    kind: ClassVar[str] = "linear_code"
    generator: tuple[tuple[int, ...], ...]
    """Rows of the generator matrix, whole numbers from 0 to prime - 1."""
    prime: int
    """Size of the field, which is the size of the vocabulary."""

    @property
    def length(self) -> int:
        """Number of tokens in a sequence."""
        return len(self.generator[0]) if self.generator else 0


@dataclass(frozen=True)
class RepetitionConfig(_Kind):
    """One uniform token, repeated."""

    kind: ClassVar[str] = "repetition"
    length: int
    """Number of tokens in a sequence."""
    vocab: int
    """Number of token values."""


@dataclass(frozen=True)
class ParityConfig(_Kind):
    """Uniform bits with an even number of ones."""

    kind: ClassVar[str] = "parity"
    length: int
    """Number of tokens in a sequence."""


@dataclass(frozen=True)
class MarkovConfig(_Kind):
    """Markov chain from any initial distribution."""

    kind: ClassVar[str] = "markov"
    length: int
    """Number of tokens in a sequence."""
    initial: Floats
    """Law of the first token."""
    transition: Matrix
    """Law of the next token after each token: one list of probabilities a token."""


@dataclass(frozen=True)
class StickyMarkovConfig(_Kind):
    """Stationary Markov chain that keeps its token with one probability and else moves to any other."""

    kind: ClassVar[str] = "sticky_markov"
    length: int
    """Number of tokens in a sequence."""
    vocab: int
    """Number of token values."""
    stay: float
    """Probability that a token equals the one before."""


@dataclass(frozen=True)
class HiddenMarkovConfig(_Kind):
    """Hidden Markov model; its entropy curve is not known exactly."""

    kind: ClassVar[str] = "hidden_markov"
    length: int
    """Number of tokens in a sequence."""
    initial: Floats
    """Law of the first state."""
    transition: Matrix
    """Law of the next state after each state: one list of probabilities a state."""
    emission: Matrix
    """Law of the token in each state: one list of probabilities a state."""


@dataclass(frozen=True)
class PermutationConfig(_Kind):
    """Uniformly random permutation of 0, ..., length - 1."""

    kind: ClassVar[str] = "permutation"
    length: int
    """Number of tokens in a sequence, which is the size of the vocabulary."""


@dataclass(frozen=True)
class TableConfig(_Kind):
    """Any law, by the probability of each sequence."""

    kind: ClassVar[str] = "table"
    length: int
    """Number of tokens in a sequence."""
    vocab: int
    """Number of token values."""
    probabilities: Floats
    """vocab**length probabilities, the last token running fastest."""

    def __post_init__(self):
        if min(self.vocab, self.length) < 1:
            raise ValueError(f"vocab={self.vocab} and length={self.length}; use at least 1 for both")
        size = self.vocab**self.length if self.length * math.log2(self.vocab) < 64 else None
        if len(self.probabilities) != size:
            raise ValueError(
                f"{len(self.probabilities)} probabilities for vocab={self.vocab} and length={self.length}; "
                f"give {self.vocab}**{self.length}{'' if size is None else f' = {size}'} of them"
            )

    def build(self) -> "Target":
        """The target that this configuration describes."""
        import numpy as np

        from jdlm import targets

        return targets.table(np.array(self.probabilities).reshape([self.vocab] * self.length))


@dataclass(frozen=True)
class TextConfig(_Kind):
    """Windows of a file's bytes; it can be sampled, but its distribution is not known."""

    kind: ClassVar[str] = "text"
    length: int
    """Number of bytes in a window."""
    path: str | None = None
    """The file, from the preset's own folder if relative; by default the English help texts that CPython ships."""
    sha256: str | None = None
    """Digest that the text must have, in a run that of the text it was made with; any by default."""

    def anchored(self, folder: Path) -> "TargetConfig":
        """The same with a relative path taken from ``folder``."""
        return self if self.path is None else replace(self, path=str(folder.absolute() / self.path))

    def pinned(self) -> "TargetConfig":
        """The same with an absolute path and the digest of the text there."""
        return replace(self.anchored(Path.cwd()), sha256=self.build().sha256)


@dataclass(frozen=True)
class BlocksConfig(_Kind):
    """Independent copies of another target, one after the other."""

    kind: ClassVar[str] = "blocks"
    copies: int
    """Number of copies."""
    of: "TargetConfig"
    """The target of one copy."""

    @property
    def length(self) -> int:
        """Number of tokens in a sequence."""
        return self.copies * self.of.length

    def anchored(self, folder: Path) -> "TargetConfig":
        """The same with relative paths taken from ``folder``."""
        return replace(self, of=self.of.anchored(folder))

    def pinned(self) -> "TargetConfig":
        """The same with absolute paths and the content of files said."""
        return replace(self, of=self.of.pinned())

    def build(self) -> "Target":
        """The target that this configuration describes."""
        from jdlm import targets

        return targets.blocks(self.of.build(), self.copies)


TargetConfig = Union[  # noqa: UP007 (a name of a type that is used before it is made)
    ProductConfig,
    MixtureConfig,
    ReedSolomonConfig,
    LinearCodeConfig,
    RepetitionConfig,
    ParityConfig,
    MarkovConfig,
    StickyMarkovConfig,
    HiddenMarkovConfig,
    PermutationConfig,
    TableConfig,
    TextConfig,
    BlocksConfig,
]
TARGETS = {kind.kind: kind for kind in TargetConfig.__args__}


def build_target(config: TargetConfig) -> "Target":
    """The target that ``config`` describes; ValueError where its numbers are not a valid distribution."""
    return config.build()
