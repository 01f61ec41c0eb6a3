"""Sequences of a user, or of a file: laws that can only be sampled, with held-out splits."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key
from numpy.typing import ArrayLike

from jdlm.targets import validation
from jdlm.targets.target import Leaf, Target

Split = Literal["train", "validation", "test"]
SPLITS = ("train", "validation", "test")
_TEXT_PERIOD = 10  # of ten regions of a text, the last but one is for validation and the last for testing
_TEXT_REGION = 32  # windows' lengths in a region of a long text


@dataclass(frozen=True, eq=False)
class _Windows(Target):
    """Windows of a stream of tokens, drawn uniformly from the starts that belong to the split."""

    stream: Leaf  # [any] tokens
    starts: Leaf  # [windows] where one may start: those of train first, then validation, then test
    counts: tuple[int, int, int] = field(metadata={"static": True})  # windows of each split
    split: Split = field(metadata={"static": True})
    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One sequence of the split, each equally likely; int32 ``[length]``."""
        place = SPLITS.index(self.split)
        first = sum(self.counts[:place])
        start = jnp.asarray(self.starts)[first + jax.random.randint(key, (), 0, self.counts[place], jnp.int32)]
        return jax.lax.dynamic_slice(jnp.asarray(self.stream), (start,), (self.length,)).astype(jnp.int32)

    def on(self, split: Split) -> "_Windows":
        """The same target on another split.

        Args:
          split: "train", "validation" or "test".

        Returns:
          A target that shares the data of this one and draws from that split.

        Raises:
          ValueError: the split has no sequences, or is none of the three.
        """
        if split not in SPLITS:
            raise ValueError(f"split={split!r} is not known; use one of {', '.join(SPLITS)}")
        if not self.counts[SPLITS.index(split)]:
            raise ValueError(f"split={split!r} is empty; build the target with a positive held_out")
        return replace(self, split=split)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Data(_Windows):
    """Given sequences, with held-out splits; see `data`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Text(_Windows):
    """Windows of a file's bytes, over the alphabet of those that occur in it; see `text`."""

    alphabet: bytes = field(metadata={"static": True})
    sha256: str = field(metadata={"static": True})

    def encode(self, text: str, mask: str | None = None) -> Int[np.ndarray, " bytes"]:
        """Tokens of a string, one for each byte of its UTF-8 form.

        Args:
          text: the string.
          mask: a character that stands for the mask token, if any.

        Returns:
          int32 tokens; the mask id where the mask character stood.

        Raises:
          ValueError: a character that the file does not contain.

        >>> text().encode("To b?", mask="?")[-1] == text().vocab_size
        np.True_
        """
        tokens = []
        for character in text:
            if character == mask:
                tokens.append(self.vocab_size)
                continue
            for byte in character.encode():
                if byte not in self.alphabet:
                    raise ValueError(f"character {character!r} does not occur in the text that the target is made of")
                tokens.append(self.alphabet.index(byte))
        return np.array(tokens, np.int32)

    def decode(self, tokens: Int[ArrayLike, " length"], mask: str = "\N{WHITE SQUARE}") -> str:
        """The string of a sequence of tokens, the inverse of `encode`.

        Args:
          tokens: ``[any]`` tokens.
          mask: what to write for the mask token.

        Returns:
          The string; bytes that form no UTF-8 character become a replacement character.
        """
        letters = [bytes([byte]) for byte in self.alphabet] + [mask.encode()]
        return b"".join(letters[token] for token in np.asarray(tokens)).decode(errors="replace")


def data(tokens: ArrayLike, vocab: int | None = None, held_out: float = 0.1) -> Data:
    """A user's sequences as a target that can only be sampled; on the training split unless `Data.on` says otherwise.

    Rows are assigned to the splits at random by a fixed seed, as independent observations: equal rows may fall on both
    sides. Make windows that overlap part of one row's neighbours with `text`, or hold them out yourself.

    Args:
      tokens: integers ``[count, length]`` from 0 to vocab-1.
      vocab: number of values; by default one more than the largest token.
      held_out: share of the sequences in the validation split, and again in the test split, rounded up; below 0.5.

    Returns:
      The target; ``on("validation")`` and ``on("test")`` give the held-out ones.

    Raises:
      ValueError: tokens that are no integers ``[count, length]`` below vocab, or too few for the splits.
    """
    tokens = np.array(tokens)
    if tokens.ndim != 2 or not tokens.size or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"tokens is {tokens.dtype}{list(tokens.shape)}; give integers [count, length]")
    vocab = int(tokens.max()) + 1 if vocab is None else validation.integer("vocab", vocab)
    if tokens.min() < 0 or tokens.max() >= vocab:
        wrong = tokens[(tokens < 0) | (tokens >= vocab)][0]
        raise ValueError(f"tokens holds {wrong}; use 0 to {vocab - 1}")
    if not 0 <= held_out < 0.5:
        raise ValueError(f"held_out={held_out} is out of range; use at least 0 and less than 0.5")
    count, length = tokens.shape
    apart = int(np.ceil(held_out * count))
    if count <= 2 * apart:
        raise ValueError(f"tokens has {count} sequences, too few to hold {apart} out twice; give more or held_out=0")
    starts = length * np.random.default_rng(0).permutation(count)
    return Data(
        tokens.astype(np.int32).ravel(),
        starts.astype(np.int32),
        (count - 2 * apart, apart, apart),
        "train",
        length,
        vocab,
    )


def text(path: str | Path | None = None, length: int = 64) -> Text:
    """Windows of a file's bytes, as a target that can only be sampled; its alphabet is the bytes that occur.

    The file is cut into regions of equal length. Of every ten the ninth is for validation and the tenth for testing,
    the rest for training; windows start anywhere but never cross into another region, so no byte is in two splits.

    Args:
      path: the file; by default the English help texts that CPython ships as ``pydoc_data.topics``, which change with
        its version, so record ``sha256`` beside results.
      length: number of bytes in a window.

    Returns:
      The target; ``on("validation")`` and ``on("test")`` give the held-out regions.

    Raises:
      ValueError: the file is missing or shorter than ten windows.
    """
    length = validation.integer("length", length)
    content = _help_texts() if path is None else _read(Path(path))
    if len(content) < _TEXT_PERIOD * length:
        raise ValueError(
            f"the text has {len(content)} bytes; give at least {_TEXT_PERIOD * length}, or a length of at most "
            f"{len(content) // _TEXT_PERIOD}"
        )
    size = min(_TEXT_REGION * length, len(content) // _TEXT_PERIOD)
    regions = np.arange(len(content) // size)
    windows = regions[:, None] * size + np.arange(size - length + 1)
    turn = regions % _TEXT_PERIOD
    groups = [windows[turn < _TEXT_PERIOD - 2], windows[turn == _TEXT_PERIOD - 2], windows[turn == _TEXT_PERIOD - 1]]
    starts = np.concatenate([group.ravel() for group in groups]).astype(np.int32)
    alphabet = bytes(sorted(set(content)))
    stream = np.searchsorted(np.frombuffer(alphabet, np.uint8), np.frombuffer(content, np.uint8)).astype(np.uint8)
    counts = tuple(group.size for group in groups)
    return Text(stream, starts, counts, "train", length, len(alphabet), alphabet, hashlib.sha256(content).hexdigest())


def _help_texts() -> bytes:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise ValueError("this Python has no pydoc_data.topics; give the path of a text file") from error
    return "\n\n".join(topics[name] for name in sorted(topics)).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"path={str(path)!r} cannot be read ({error.strerror}); give the path of a text file"
        ) from error
