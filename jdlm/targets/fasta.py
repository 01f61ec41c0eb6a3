"""FASTA: sequences of letters of DNA, RNA or proteins, without headers and line breaks."""

from pathlib import Path

import numpy as np

from jdlm.errors import InputError, shown
from jdlm.targets import reading, validation
from jdlm.targets.sequences import Sequences, from_rows

__all__ = ["LETTERS", "fasta", "records"]

LETTERS = {
    "dna": "ACGTRYSWKMBDHVN-",
    "rna": "ACGURYSWKMBDHVN-",
    "protein": "ACDEFGHIKLMNPQRSTVWYBJOUXZ*-",
}
"""Letters of each kind of sequence (IUPAC), those of ambiguous places included."""
_PAD = "."


def fasta(
    path: str | Path,
    length: int,
    letters: str = "auto",
    fit: str = "exact",
    sha256: str | None = None,
) -> Sequences:
    """Sequences of a FASTA file, as a target that can only be sampled. Whole sequences are held out.

    Args:
      path: the file. Lower-case letters count as upper-case ones.
      length: number of letters in a sequence of the target.
      letters: "dna", "rna" or "protein"; "auto" takes the first of them that has all letters of the file.
      fit: "exact" refuses sequences of other lengths, "pad" fills shorter ones up with ``.``, "windows" takes all
        windows of each sequence.
      sha256: digest that the file must have, 64 hexadecimal digits; any by default.

    Returns:
      The target, over the letters that occur; ``on("validation")`` and ``on("test")`` give the held-out sequences.

    Raises:
      ValueError: the file is missing, no FASTA, or has another digest; a letter that is none, with its place; sequences
        that do not fit.
    """
    length = validation.length(length)
    content, digest = reading.checked(path, sha256)
    found, notes = records(path, content)
    occurring = sorted(set("".join(text for text, _ in found)))
    kind = _kind(path, letters, occurring, found)
    symbols = [letter for letter in LETTERS[kind] if letter in occurring]
    places = np.zeros(128, np.int64)
    for token, symbol in enumerate(symbols):
        places[ord(symbol)] = token
    rows = [places[np.frombuffer(text.encode(), np.uint8)] for text, _ in found]
    return from_rows(
        rows, length, fit, symbols=symbols, pad=_PAD, unit="letters", notes=notes, separator="", sha256=digest
    )


def records(path: str | Path, content: bytes) -> tuple[list[tuple[str, list[tuple[int, str]]]], list[str]]:
    """The sequences of a FASTA file in capitals, each with its lines and their numbers; and notes on them.

    Raises:
      ValueError: the file does not begin with a header.
    """
    found: list[list[tuple[int, str]]] = []
    lower = 0
    for number, line in enumerate(reading.lines(reading.decoded(path, content)), 1):
        line = line.strip()
        if line.startswith(">"):
            found.append([])
        elif line and not line.startswith(";"):
            if not found:
                raise InputError(
                    f"path={str(path)!r} is no FASTA: line {number} comes before a header, which begins with '>'"
                )
            lower += line != line.upper()
            found[-1].append((number, "".join(line.upper().split())))
    joined = [("".join(text for _, text in lines), lines) for lines in found]
    empty = sum(not text for text, _ in joined)
    notes = [f"{empty} headers without a sequence are left out"] if empty else []
    notes += [f"lower-case letters on {lower} lines count as upper-case ones"] if lower else []
    return [each for each in joined if each[0]], notes


def _kind(path: str | Path, letters: str, occurring: list[str], found: list) -> str:
    """The kind of the sequences, whose letters are all known."""
    if letters not in (*LETTERS, "auto"):
        raise InputError(f"letters={shown(letters)} is unknown; use one of {', '.join(LETTERS)}, auto")
    for kind in LETTERS if letters == "auto" else [letters]:
        if set(occurring) <= set(LETTERS[kind]):
            return kind
    known = set("".join(LETTERS.values())) if letters == "auto" else set(LETTERS[letters])
    for lines in (lines for _, lines in found):
        for number, line in lines:
            for column, letter in enumerate(line, 1):
                if letter not in known:
                    what = "no letter of DNA, RNA or proteins" if letters == "auto" else f"no letter of {letters}"
                    raise InputError(
                        f"path={str(path)!r}: line {number}, column {column} holds {letter!r}, {what}; mend the file"
                    )
    raise InputError(f"path={str(path)!r} mixes letters of DNA, RNA and proteins; split the file")
