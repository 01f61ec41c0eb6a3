"""Tokens: sequences of integers from files of numpy, or of comma- or tab-separated values."""

import csv
import io
import re
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from jdlm.errors import InputError
from jdlm.targets import reading, validation
from jdlm.targets.sequences import Sequences, from_rows

__all__ = ["numbers", "tokens"]

_PAD = "PAD"
_ARRAY = "tokens"  # the name in an npz that holds several
_MOST = 2**20  # different integers
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")


def tokens(path: str | Path, length: int, fit: str = "exact", sha256: str | None = None) -> Sequences:
    """Sequences of integers from a file, as a target that can only be sampled. Whole sequences are held out.

    The vocabulary is the integers that occur, in increasing order; they are also how tokens are written.

    Args:
      path: a file .npy or .npz (integers ``[sequences, length]`` or one long sequence ``[any]``), .csv or .tsv (a
        sequence a line).
      length: number of tokens in a sequence of the target.
      fit: "exact" refuses sequences of other lengths, "pad" fills shorter ones up with a token ``PAD``, "windows" takes
        all windows of each sequence.
      sha256: digest that the file must have, 64 hexadecimal digits; any by default.

    Returns:
      The target; ``on("validation")`` and ``on("test")`` give the held-out sequences.

    Raises:
      ValueError: the file is missing, holds no integers (with the place), or has another digest; sequences that do not
        fit.
    """
    length = validation.length(length)
    content, digest = reading.checked(path, sha256)
    rows, notes = numbers(path, content)
    values, places = np.unique(np.concatenate(rows) if rows else np.zeros(0, np.int64), return_inverse=True)
    if len(values) > _MOST:
        raise InputError(f"path={str(path)!r} holds {len(values)} different integers; use at most {_MOST}")
    ends = np.cumsum([len(row) for row in rows])
    rows = np.split(places, ends[:-1]) if rows else []
    symbols = [str(value) for value in values.tolist()]
    return from_rows(
        rows, length, fit, symbols=symbols, pad=_PAD, unit="tokens", notes=notes, separator=" ", sha256=digest
    )


def numbers(path: str | Path, content: bytes) -> tuple[list[Int64[np.ndarray, " _"]], list[str]]:
    """The sequences of integers in a file's content, by the ending of its name, and notes on them.

    Raises:
      ValueError: another ending, or what is no integer, with its place.
    """
    ending = Path(path).suffix.lower()
    if ending in (".npy", ".npz"):
        return _rows(path, _array(path, content, ending)), []
    if ending in (".csv", ".tsv"):
        return _lines(path, reading.decoded(path, content, "utf-8"), "\t" if ending == ".tsv" else ",")
    raise InputError(f"path={str(path)!r} ends in {ending!r}; use a file .npy, .npz, .csv or .tsv")


def _array(path: str | Path, content: bytes, ending: str) -> np.ndarray:
    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        if ending == ".npy":
            if isinstance(loaded, np.ndarray):
                return loaded
            raise ValueError("it is an npz")
        names = list(loaded.files)
        if len(names) != 1 and _ARRAY not in names:
            raise InputError(f"path={str(path)!r} holds the arrays {', '.join(names[:8])}; name one of them {_ARRAY!r}")
        return loaded[_ARRAY if _ARRAY in names else names[0]]
    except InputError:
        raise
    except (ValueError, OSError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, MemoryError) as error:
        reason = " ".join(str(error).split())[:80]
        raise InputError(f"path={str(path)!r} is no array of numpy ({reason}); save one with numpy.save") from None


def _rows(path: str | Path, array: np.ndarray) -> list[Int64[np.ndarray, " _"]]:
    if array.ndim not in (1, 2) or not array.size or not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"path={str(path)!r} is {array.dtype}{list(array.shape)}; give integers [sequences, length] or [any]"
        )
    if array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"path={str(path)!r} holds {array.max()}; use integers below 2**63")
    array = array.astype(np.int64)
    return [array] if array.ndim == 1 else list(array)


def _lines(path: str | Path, text: str, separator: str) -> tuple[list[Int64[np.ndarray, " _"]], list[str]]:
    rows, notes = [], []
    for number, cells in enumerate(csv.reader(reading.lines(text), delimiter=separator), 1):
        while cells and not cells[-1].strip():  # how tables are ragged
            cells.pop()
        if not cells:
            continue
        if number == 1 and not any(_is_number(cell) for cell in cells):
            notes.append("the first line holds no number and is left out as a header")
            continue
        try:
            rows.append(np.array([_integer(cell) for cell in cells], np.int64))
        except ValueError:
            column = next(place for place, cell in enumerate(cells) if not _is_integer(cell))
            raise InputError(
                f"path={str(path)!r}: line {number}, column {column + 1} holds {cells[column].strip()[:40]!r}, which "
                "is no integer of 64 bits; give integers"
            ) from None
    return rows, notes


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _integer(cell: str) -> int:
    if _INTEGER.fullmatch(cell.strip()) is None or abs(int(cell)) >= 2**63:
        raise ValueError(cell)
    return int(cell)


def _is_integer(cell: str) -> bool:
    try:
        _integer(cell)
    except ValueError:
        return False
    return True
