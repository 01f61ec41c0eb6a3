"""Given sequences: distributions that can only be sampled, with held-out splits."""

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key
from numpy.typing import ArrayLike

from jdlm import keys, pytrees
from jdlm.errors import InputError
from jdlm.targets import validation
from jdlm.targets.target import Leaf, Target

__all__ = ["SPLITS", "Data", "data"]

SPLITS = ("train", "validation", "test")
_MOST = 2**31 - 1


@pytrees.register
@dataclass(frozen=True, eq=False)
class Data(Target):
    """Windows of a stream of tokens, drawn uniformly from the starts that belong to the split; see `data`."""

    stream: Leaf  # [any] tokens
    starts: Leaf  # [windows] where one may start: those of the training split first, then validation, then test
    counts: tuple[int, int, int] = field(metadata={"static": True})  # windows of each split
    split: str = field(metadata={"static": True})
    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One sequence of the split, each equally likely; int32 ``[length]``."""
        keys.check(key)
        place = SPLITS.index(self.split)
        chosen = sum(self.counts[:place]) + jax.random.randint(key, (), 0, self.counts[place], jnp.int32)
        start = jnp.asarray(self.starts)[chosen]
        return jax.lax.dynamic_slice(jnp.asarray(self.stream), (start,), (self.length,)).astype(jnp.int32)

    def on(self, split: str) -> "Data":
        """The same target on another split.

        Args:
          split: "train", "validation" or "test".

        Returns:
          A target that shares the data of this one and draws from that split.

        Raises:
          ValueError: the split is empty, or none of the three.
        """
        if split not in SPLITS:
            raise InputError(f"split={split!r} is not known; use one of {', '.join(SPLITS)}")
        if not self.counts[SPLITS.index(split)]:
            raise InputError(f"split={split!r} is empty; build the target with a positive held_out")
        return replace(self, split=split)


def data(tokens: ArrayLike, vocab: int | None = None, held_out: float = 0.1) -> Data:
    """A user's sequences as a target that can only be sampled; on the training split unless `Data.on` says otherwise.

    The rows are taken for independent observations and dealt to the splits at random, by a fixed seed. Equal rows may
    fall on both sides, and rows that overlap (windows of one text) would leak: build those with `text`.

    Args:
      tokens: integers ``[count, length]`` from 0 to vocab-1.
      vocab: number of values; by default one more than the largest token.
      held_out: share of the sequences in the validation split, and again in the test split, rounded up; below 0.5.

    Returns:
      The target; ``on("validation")`` and ``on("test")`` give the held-out sequences.

    Raises:
      ValueError: tokens that are not integers ``[count, length]`` below vocab, or too few for the splits; a vocabulary
        whose mask id int32 cannot hold.
    """
    tokens = validation.array("tokens", tokens)
    if tokens.ndim != 2 or not tokens.size or not np.issubdtype(tokens.dtype, np.integer):
        raise InputError(f"tokens is {tokens.dtype}{list(tokens.shape)}; give integers [count, length]")
    largest = int(tokens.max())
    vocab = min(largest + 1, _MOST) if vocab is None else validation.integer("vocab", vocab, 1, _MOST)
    if tokens.min() < 0 or largest >= vocab:
        row, place = np.argwhere((tokens < 0) | (tokens >= vocab))[0]
        raise InputError(f"tokens[{row}, {place}] holds {tokens[row, place]}; use 0 to {vocab - 1}")
    if tokens.size > _MOST:
        raise InputError(f"tokens has {tokens.size} entries, more than int32 can count; give at most {_MOST}")
    held_out = validation.real("held_out", held_out)
    if not 0 <= held_out < 0.5:
        raise InputError(f"held_out={held_out} is out of range; use at least 0 and less than 0.5")
    count, length = tokens.shape
    apart = int(np.ceil(held_out * count))
    if count <= 2 * apart:
        raise InputError(f"tokens has {count} sequences, too few to hold out {apart} twice; give more or held_out=0")
    counts = (count - 2 * apart, apart, apart)
    starts = length * np.random.default_rng(0).permutation(count)
    return Data(tokens.astype(np.int32).ravel(), starts.astype(np.int32), counts, "train", length, vocab)
