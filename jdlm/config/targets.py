"""Targets as a preset writes them: one frozen class a kind, which its word ``kind`` names."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Union

if TYPE_CHECKING:
    from jdlm.targets import Target

Floats = tuple[float, ...]
Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ProductConfig:
    """Independent tokens."""

    kind: ClassVar[str] = "product"
    marginals: Matrix
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
    weights: Floats
    """Probability of each component."""
    marginals: Matrix
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
class LinearCodeConfig:
    """Uniform law over the codewords of a linear code."""

    kind: ClassVar[str] = "linear_code"
    generator: tuple[tuple[int, ...], ...]
    """Rows of the generator matrix, whole numbers from 0 to prime - 1."""
    prime: int
    """Size of the field, which is the size of the vocabulary."""

    @property
    def length(self) -> int:
        """Number of tokens in a sequence."""
        return len(self.generator[0]) if self.generator else 0

    def build(self) -> "Target":
        """The target that this configuration describes."""
        import numpy as np

        from jdlm import targets

        return targets.linear_code(np.array(self.generator), self.prime)


@dataclass(frozen=True)
class RepetitionConfig:
    """One uniform token, repeated."""

    kind: ClassVar[str] = "repetition"
    length: int
    """Number of tokens in a sequence."""
    vocab_size: int
    """Number of token values."""

    def build(self) -> "Target":
        """The target that this configuration describes."""
        from jdlm import targets

        return targets.repetition(self.length, self.vocab_size)


@dataclass(frozen=True)
class ParityConfig:
    """Uniform bits with an even number of ones."""

    kind: ClassVar[str] = "parity"
    length: int
    """Number of tokens in a sequence."""

    def build(self) -> "Target":
        """The target that this configuration describes."""
        from jdlm import targets

        return targets.parity(self.length)


@dataclass(frozen=True)
class MarkovConfig:
    """Markov chain from any initial law."""

    kind: ClassVar[str] = "markov"
    length: int
    """Number of tokens in a sequence."""
    initial: Floats
    """Law of the first token."""
    transition: Matrix
    """Law of the next token after each token: one list of probabilities a token."""

    def build(self) -> "Target":
        """The target that this configuration describes."""
        import numpy as np

        from jdlm import targets

        return targets.markov(np.array(self.initial), np.array(self.transition), self.length)


@dataclass(frozen=True)
class StickyMarkovConfig:
    """Stationary Markov chain that keeps its token with one probability and else moves to any other."""

    kind: ClassVar[str] = "sticky_markov"
    length: int
    """Number of tokens in a sequence."""
    vocab_size: int
    """Number of token values."""
    stay: float
    """Probability that a token equals the one before."""

    def build(self) -> "Target":
        """The target that this configuration describes."""
        from jdlm import targets

        return targets.sticky_markov(self.length, self.vocab_size, self.stay)


@dataclass(frozen=True)
class PermutationConfig:
    """Uniformly random permutation of 0, ..., length - 1."""

    kind: ClassVar[str] = "permutation"
    length: int
    """Number of tokens in a sequence, which is the size of the vocabulary."""

    def build(self) -> "Target":
        """The target that this configuration describes."""
        from jdlm import targets

        return targets.permutation(self.length)


@dataclass(frozen=True)
class TableConfig:
    """Any law, by the probability of each sequence."""

    kind: ClassVar[str] = "table"
    length: int
    """Number of tokens in a sequence."""
    vocab_size: int
    """Number of token values."""
    probabilities: Floats
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


@dataclass(frozen=True)
class TextConfig:
    """Windows of a file's bytes; it can be sampled, but its law is not known."""

    kind: ClassVar[str] = "text"
    length: int
    """Number of bytes in a window."""
    path: str | None = None
    """The file; by default the English help texts that CPython ships."""

    def build(self) -> "Target":
        """The target that this configuration describes."""
        from jdlm import targets

        return targets.text(self.path, self.length)


@dataclass(frozen=True)
class BlocksConfig:
    """Independent copies of another target, one after the other."""

    kind: ClassVar[str] = "blocks"
    copies: int
    """Number of copies."""
    of: "TargetConfig"
    """The law of one copy."""

    @property
    def length(self) -> int:
        """Number of tokens in a sequence."""
        return self.copies * self.of.length

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
    PermutationConfig,
    TableConfig,
    TextConfig,
    BlocksConfig,
]
TARGETS = {kind.kind: kind for kind in TargetConfig.__args__}


def build_target(config: TargetConfig) -> "Target":
    """The target that ``config`` describes; ValueError where its numbers make no law."""
    return config.build()
