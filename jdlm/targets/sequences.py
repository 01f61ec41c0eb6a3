"""Sequences of symbols from a file: dealt to splits whole, cut or padded to one length, in their own alphabet."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from jdlm import pytrees
from jdlm.errors import InputError, shown
from jdlm.targets import reading
from jdlm.targets.data import Data

__all__ = ["FITS", "Rows", "Sequences", "from_rows", "from_stream"]

FITS = ("exact", "pad", "windows")
_HELD_OUT = 0.1  # share of the sequences that are for validation, and again for testing
Rows = Sequence[Int[np.ndarray, " _"]]
"""Sequences of any lengths, as numbers of symbols from 0 on."""


@pytrees.register
@dataclass(frozen=True, eq=False)
class Sequences(Data):
    """Sequences, or windows of them, over the symbols that occur in a file.

    Attributes:
      symbols: how each token is written; the last one may stand for padding.
      separator: what is written between two tokens, a space or nothing.
      sha256: digest of the file.
      notes: what was done to the file's sequences, in words; one line each.
    """

    symbols: tuple[str, ...] = field(metadata={"static": True})
    separator: str = field(metadata={"static": True})
    sha256: str = field(metadata={"static": True})
    notes: tuple[str, ...] = field(metadata={"static": True})

    def encode(self, string: str, mask: str | None = None) -> Int[np.ndarray, " symbols"]:
        """Tokens of a string of symbols, each with a space before the next one where the separator is a space.

        Args:
          string: what to encode.
          mask: what stands for the mask token, if anything.

        Returns:
          int32 tokens, with the mask id where the mask stood.

        Raises:
          ValueError: a symbol that does not occur in the file, with its place.
        """
        return np.array(self.tokens(string.split() if self.separator else list(string), mask), np.int32)

    def tokens(self, symbols: Sequence[str | None], mask: str | None = None) -> list[int]:
        """Tokens of symbols; the mask id for None and for ``mask``.

        Raises:
          ValueError: a symbol that does not occur in the file, with its place.
        """
        known = {symbol: token for token, symbol in enumerate(self.symbols)}
        found = []
        for place, symbol in enumerate(symbols):
            if symbol is None or symbol == mask:
                found.append(self.vocab_size)
            elif symbol in known:
                found.append(known[symbol])
            else:
                raise InputError(
                    f"{shown(symbol)} at place {place + 1} does not occur in the file; use {_listed(self.symbols)}"
                )
        return found

    def decode(self, tokens: ArrayLike, mask: str = "\N{WHITE SQUARE}") -> str:
        """The string of a sequence of tokens, the inverse of `encode`.

        Args:
          tokens: integers ``[any]`` from 0 to the mask id.
          mask: what to write for the mask token.
        """
        symbols = (*self.symbols, mask)
        return self.separator.join(symbols[token] for token in np.asarray(tokens))


def _listed(symbols: Sequence[str]) -> str:
    """Some symbols, for a message."""
    few = " ".join(symbols[:40])
    return few if len(symbols) <= 40 else f"{few} ... ({len(symbols)} symbols)"


def from_rows(
    rows: Rows,
    length: int,
    fit: str,
    *,
    symbols: Sequence[str],
    pad: str,
    unit: str,
    notes: Sequence[str] = (),
    **facts: Any,
) -> Sequences:
    """A target of sequences. Equal ones go to the same split, so that none is on two sides.

    Args:
      rows: the sequences.
      length: number of tokens of the target.
      fit: "exact" refuses sequences of other lengths, "pad" fills shorter ones up with a token of its own, "windows"
        takes each window of each sequence, but of no two.
      symbols: how tokens are written.
      pad: how the token for padding is written.
      unit: what a token is, for messages.
      notes: what was done before.
      facts: the other fields of `Sequences`.

    Raises:
      ValueError: there are no sequences, they do not fit, or there are too few different ones to hold some out.
    """
    if fit not in FITS:
        raise InputError(f"fit={shown(fit)} is unknown; use one of {', '.join(FITS)}")
    if not rows:
        raise InputError("the file holds no sequence; give one with at least three")
    notes = list(notes)
    sizes = np.array([len(row) for row in rows])
    _check_sizes(sizes, length, fit, unit)
    if fit == "windows" and (short := int(np.sum(sizes < length))):
        notes.append(f"{short} of {len(rows)} sequences are shorter than {length} {unit} and are left out")
        rows = [row for row in rows if len(row) >= length]
    if fit == "pad" and sizes.min() < length:
        short = int(np.sum(sizes < length))
        notes.append(f"{short} of {len(rows)} sequences are padded to {length} {unit} with {pad!r}")
        rows = [np.concatenate([row, np.full(length - len(row), len(symbols))]) for row in rows]
        symbols = [*symbols, pad]
    groups, repeats = _groups(rows)
    if repeats:
        notes.append(f"{repeats} of {len(rows)} sequences repeat another one; equal ones are in the same split")
    if len(groups) < 3:
        if fit == "windows":
            notes.append("too few sequences to hold whole ones out: every ninth and tenth part of them is")
            return from_stream(rows[groups[0][0]], length, symbols=symbols, unit=unit, notes=notes, **facts)
        raise InputError(
            f"the file holds {len(groups)} different sequence{'s' * (len(groups) != 1)}, too few to hold one out for "
            "validation and one for testing; give at least 3, or fit = 'windows' with a smaller length"
        )
    order = np.random.default_rng(0).permutation(len(groups))
    apart = int(np.ceil(_HELD_OUT * len(groups)))
    parts = np.split(order, [len(groups) - 2 * apart, len(groups) - apart])
    starts = np.cumsum([0, *(len(row) for row in rows)])
    found = []
    for part in parts:
        chosen = [number for group in part for number in groups[group]]
        found.append([starts[number] + np.arange(len(rows[number]) - length + 1) for number in chosen])
    groups_of_starts = [np.concatenate(each).astype(np.int32) for each in found]
    return _made(np.concatenate(rows), groups_of_starts, length, symbols, notes, **facts)


def _check_sizes(sizes: Int[np.ndarray, " rows"], length: int, fit: str, unit: str) -> None:
    """Raise a ValueError unless sequences of these sizes fit."""
    shortest, longest = int(sizes.min()), int(sizes.max())
    if shortest < 1:
        raise InputError(f"sequence {int(np.argmin(sizes)) + 1} is empty; leave it out")
    if sizes.sum() > 2**31 - 1:
        raise InputError(f"the file holds {sizes.sum()} {unit}; use at most {2**31 - 1}")
    if fit == "exact" and (shortest, longest) != (length, length):
        number = int(np.argmax(sizes != length))
        lengths = f"from {shortest} to {longest}" if shortest != longest else f"of {shortest}"
        remedy = f"length = {shortest}" if shortest == longest else "fit = 'pad' or fit = 'windows'"
        raise InputError(
            f"sequence {number + 1} has {sizes[number]} {unit}, not length={length} (all are {lengths}); use {remedy}"
        )
    if fit == "pad" and longest > length:
        raise InputError(
            f"sequence {int(np.argmax(sizes)) + 1} has {longest} {unit}, more than length={length}; "
            f"use length = {longest}, or fit = 'windows'"
        )
    if fit == "windows" and longest < length:
        raise InputError(f"the longest sequence has {longest} {unit}, fewer than length={length}; use a smaller length")


def _groups(rows: Rows) -> tuple[list[list[int]], int]:
    """Numbers of equal sequences, in the order of the first of each, and how many repeat another one."""
    groups: dict[bytes, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(np.asarray(row, np.int64).tobytes(), []).append(number)
    return list(groups.values()), len(rows) - len(groups)


def from_stream(
    stream: Int[np.ndarray, " _"],
    length: int,
    *,
    symbols: Sequence[str],
    unit: str,
    notes: Sequence[str] = (),
    **facts: Any,
) -> Sequences:
    """Windows of one long sequence, whose parts are held out as those of a text; see `from_rows`."""
    return _made(stream, reading.regions(len(stream), length, "sequence", unit), length, symbols, notes, **facts)


def _made(stream, groups, length: int, symbols: Sequence[str], notes: Sequence[str], **facts: Any) -> Sequences:
    counts = groups[0].size, groups[1].size, groups[2].size
    kind = np.min_scalar_type(len(symbols))
    return Sequences(
        stream.astype(kind), np.concatenate(groups), counts, "train", length, len(symbols), tuple(symbols),
        notes=tuple(notes), **facts,
    )  # fmt: skip
