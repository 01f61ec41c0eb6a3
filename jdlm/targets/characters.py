"""Characters: windows of a text, one token for each character in place of each byte."""

from pathlib import Path

import numpy as np

from jdlm.errors import InputError, shown
from jdlm.targets import reading, validation
from jdlm.targets.sequences import Sequences, from_stream

__all__ = ["characters"]

_MOST = 2**16  # different characters


def characters(
    path: str | Path,
    length: int = 64,
    alphabet: str | None = None,
    encoding: str = reading.ENCODING,
    sha256: str | None = None,
) -> Sequences:
    """Windows of a text's characters, as a target that can only be sampled; parts are held out as by `text`.

    Args:
      path: the file.
      length: number of characters in a window.
      alphabet: the characters that may occur, each once and in the order of their tokens; by default those that do, in
        the order of Unicode.
      encoding: of the file.
      sha256: digest that the file must have, 64 hexadecimal digits; any by default.

    Returns:
      The target; ``on("validation")`` and ``on("test")`` give the held-out parts.

    Raises:
      ValueError: the file is missing, too short, in another encoding, has another digest, or holds a character that is
        not in the alphabet, with its place.
    """
    length = validation.length(length)
    content, digest = reading.checked(path, sha256)
    text = reading.decoded(path, content, encoding)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    occurring = np.unique(points)
    if alphabet is None:
        known = occurring
    else:
        if not alphabet or len(set(alphabet)) != len(alphabet):
            raise InputError(f"alphabet={shown(alphabet)} is empty or holds a character twice; give each once")
        known = np.array([ord(character) for character in alphabet], np.uint32)
        _check_known(path, text, points, known)
    if len(known) > _MOST:
        raise InputError(f"path={str(path)!r} holds {len(known)} different characters; use kind = 'text', its bytes")
    order = np.argsort(known)
    stream = order[np.searchsorted(known[order], points)]
    symbols = [chr(point) for point in known]
    return from_stream(stream, length, symbols=symbols, unit="characters", separator="", sha256=digest)


def _check_known(path: str | Path, text: str, points: np.ndarray, known: np.ndarray) -> None:
    """Raise a ValueError with the place of the first character that is not known."""
    unknown = ~np.isin(points, known)
    if unknown.any():
        place = int(np.argmax(unknown))
        line, column = text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
        raise InputError(
            f"path={str(path)!r}: line {line}, column {column} holds {text[place]!r}, which is not in the alphabet; "
            "add it, or leave alphabet out"
        )
