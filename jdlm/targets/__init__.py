"""Targets, distributions over sequences for a model to learn: builders, and the interface that they share.

This is the list of the folder: the public names, and what a preset says of each kind of target, with its help. It
imports no other file before one of its names is used, so that ``--help`` needs no JAX. `docs/extending.md` says how to
add a target.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jdlm import lazy
from jdlm.targets.config import (
    BlocksConfig,
    CharactersConfig,
    FastaConfig,
    FileConfig,
    Floats,
    Matrix,
    TableConfig,
    TargetConfig,
    TextConfig,
    TokensConfig,
)

if TYPE_CHECKING:
    from jdlm.targets.blocks import blocks
    from jdlm.targets.characters import characters
    from jdlm.targets.copies import copy, replace_random
    from jdlm.targets.data import data
    from jdlm.targets.fasta import fasta
    from jdlm.targets.hidden_markov import hidden_markov
    from jdlm.targets.linear_code import linear_code
    from jdlm.targets.markov import markov, sticky_markov
    from jdlm.targets.mds import parity, reed_solomon, repetition
    from jdlm.targets.mixture import mixture
    from jdlm.targets.permutation import permutation
    from jdlm.targets.product import product
    from jdlm.targets.shuffle import shuffle
    from jdlm.targets.table import table
    from jdlm.targets.target import Target, Unavailable
    from jdlm.targets.text import text
    from jdlm.targets.tokens import tokens
    from jdlm.targets.walk import walk

__all__ = [
    "KINDS",
    "BlocksConfig",
    "CharactersConfig",
    "CopyConfig",
    "FastaConfig",
    "FileConfig",
    "HiddenMarkovConfig",
    "LinearCodeConfig",
    "MarkovConfig",
    "MixtureConfig",
    "ParityConfig",
    "PermutationConfig",
    "ProductConfig",
    "ReedSolomonConfig",
    "RepetitionConfig",
    "ReplaceRandomConfig",
    "ShuffleConfig",
    "StickyMarkovConfig",
    "TableConfig",
    "Target",
    "TargetConfig",
    "TextConfig",
    "TokensConfig",
    "Unavailable",
    "WalkConfig",
    "blocks",
    "characters",
    "copy",
    "data",
    "fasta",
    "hidden_markov",
    "linear_code",
    "markov",
    "mixture",
    "parity",
    "permutation",
    "product",
    "reed_solomon",
    "repetition",
    "replace_random",
    "shuffle",
    "sticky_markov",
    "table",
    "text",
    "tokens",
    "walk",
]


@dataclass(frozen=True)
class ProductConfig(TargetConfig, builder="product.product"):
    """Independent tokens."""

    marginals: Matrix
    """Law of the token at each position: one list of probabilities a position."""

    @property
    def length(self) -> int:
        """Number of tokens in a sequence."""
        return len(self.marginals)


@dataclass(frozen=True)
class MixtureConfig(TargetConfig, builder="mixture.mixture"):
    """Exchangeable mixture: one hidden component per sequence, then independent tokens given it."""

    length: int
    """Number of tokens in a sequence."""
    weights: Floats
    """Probability of each component."""
    marginals: Matrix
    """Law of one token under each component: one list of probabilities a component."""


@dataclass(frozen=True)
class ReedSolomonConfig(TargetConfig, builder="mds.reed_solomon"):
    """Uniform distribution over the codewords of a Reed-Solomon code: any ``dimension`` tokens determine the others."""

    length: int
    """Number of tokens in a sequence; at most prime."""
    dimension: int
    """Number of free tokens; no multiple of the step sizes, else equal steps have no error at all."""
    prime: int
    """Size of the field, which is the size of the vocabulary."""


@dataclass(frozen=True)
class LinearCodeConfig(TargetConfig, builder="linear_code.linear_code"):
    """Uniform distribution over the codewords of a linear code."""

    generator: tuple[tuple[int, ...], ...]
    """Rows of the generator matrix, whole numbers from 0 to prime - 1."""
    prime: int
    """Size of the field, which is the size of the vocabulary."""

    @property
    def length(self) -> int:
        """Number of tokens in a sequence."""
        return len(self.generator[0]) if self.generator else 0


@dataclass(frozen=True)
class RepetitionConfig(TargetConfig, builder="mds.repetition"):
    """One uniform token, repeated."""

    length: int
    """Number of tokens in a sequence."""
    vocab: int
    """Number of token values."""


@dataclass(frozen=True)
class ParityConfig(TargetConfig, builder="mds.parity"):
    """Uniform bits with an even number of ones."""

    length: int
    """Number of tokens in a sequence."""


@dataclass(frozen=True)
class MarkovConfig(TargetConfig, builder="markov.markov"):
    """Markov chain from any initial distribution."""

    length: int
    """Number of tokens in a sequence."""
    initial: Floats
    """Law of the first token."""
    transition: Matrix
    """Law of the next token after each token: one list of probabilities a token."""


@dataclass(frozen=True)
class StickyMarkovConfig(TargetConfig, builder="markov.sticky_markov"):
    """Stationary Markov chain that keeps its token with one probability and else moves to any other."""

    length: int
    """Number of tokens in a sequence."""
    vocab: int
    """Number of token values."""
    stay: float
    """Probability that a token equals the one before."""


@dataclass(frozen=True)
class HiddenMarkovConfig(TargetConfig, builder="hidden_markov.hidden_markov"):
    """Hidden Markov model; its entropy curve is not known exactly."""

    length: int
    """Number of tokens in a sequence."""
    initial: Floats
    """Law of the first state."""
    transition: Matrix
    """Law of the next state after each state: one list of probabilities a state."""
    emission: Matrix
    """Law of the token in each state: one list of probabilities a state."""


@dataclass(frozen=True)
class PermutationConfig(TargetConfig, builder="permutation.permutation"):
    """Uniformly random permutation of 0, ..., length - 1."""

    length: int
    """Number of tokens in a sequence, which is the size of the vocabulary."""


@dataclass(frozen=True)
class WalkConfig(TargetConfig, builder="walk.walk"):
    """Stationary random walk on a graph: each token is a vertex, uniform among the neighbours of the one before."""

    length: int
    """Number of tokens in a sequence."""
    adjacency: tuple[tuple[int, ...], ...]
    """Rows of a symmetric matrix, 1 where two vertices are joined and 0 elsewhere."""


@dataclass(frozen=True)
class CopyConfig(TargetConfig, builder="copies.copy"):
    """Uniformly random string, then the same string again."""

    length: int
    """Number of tokens in a sequence, an even number: string and copy together."""
    vocab: int
    """Number of token values."""


@dataclass(frozen=True)
class ReplaceRandomConfig(TargetConfig, builder="copies.replace_random"):
    """Uniformly random string, then the same with one token replaced."""

    length: int
    """Number of tokens in a sequence, an even number: string and copy together."""
    vocab: int
    """Number of token values."""


@dataclass(frozen=True)
class ShuffleConfig(TargetConfig, builder="shuffle.shuffle"):
    """Given tokens in a uniformly random order."""

    tokens: tuple[int, ...]
    """The tokens, from 0 on."""
    vocab: int | None = None
    """Number of token values; the largest token plus 1 by default."""

    @property
    def length(self) -> int:
        """Number of tokens in a sequence."""
        return len(self.tokens)


KINDS = {kind.kind: kind for kind in TargetConfig.kinds()}
"""Word of a preset -> the class of its section, for all classes above."""

lazy.attach(
    __name__,
    [
        *(kind.builder for kind in KINDS.values()),
        "copies.copy",
        "copies.replace_random",
        "data.data",
        "shuffle.shuffle",
        "target.Target",
        "target.Unavailable",
        "walk.walk",
    ],
)
