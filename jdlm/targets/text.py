"""Text: windows of a file's bytes."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from jdlm import pytrees
from jdlm.errors import InputError
from jdlm.targets import reading, validation
from jdlm.targets.data import Data

__all__ = ["Text", "text"]

_BYTES = "bytes"  # in place of an encoding


@pytrees.register
@dataclass(frozen=True, eq=False)
class Text(Data):
    """Windows of a file's bytes, over the alphabet of those that occur in it; see `text`."""

    alphabet: bytes = field(metadata={"static": True})
    sha256: str = field(metadata={"static": True})

    def encode(self, string: str, mask: str | None = None) -> Int[np.ndarray, " bytes"]:
        """Tokens of a string, one for each byte of its UTF-8 form.

        Args:
          string: what to encode.
          mask: a character that stands for the mask token, if any.

        Returns:
          int32 tokens, with the mask id where the mask character stood.

        Raises:
          ValueError: a character that the text does not contain.
        """
        tokens = []
        for character in string:
            if character == mask:
                tokens.append(self.vocab_size)
                continue
            for byte in character.encode():
                if byte not in self.alphabet:
                    raise InputError(f"character {character!r} does not occur in the text; use characters that do")
                tokens.append(self.alphabet.index(byte))
        return np.array(tokens, np.int32)

    def decode(self, tokens: ArrayLike, mask: str = "\N{WHITE SQUARE}") -> str:
        """The string of a sequence of tokens, the inverse of `encode`.

        Args:
          tokens: integers ``[any]`` from 0 to the mask id.
          mask: what to write for the mask token.

        Returns:
          The string; bytes that form no UTF-8 character become a replacement character.
        """
        letters = [bytes([byte]) for byte in self.alphabet] + [mask.encode()]
        return b"".join(letters[token] for token in np.asarray(tokens)).decode(errors="replace")


def text(
    path: str | Path | None = None, length: int = 64, sha256: str | None = None, encoding: str = reading.ENCODING
) -> Text:
    """Windows of a file's bytes, as a target that can only be sampled; its alphabet is the bytes that occur.

    The file is cut into regions of equal length. Of every ten the ninth is for validation and the tenth for testing,
    the rest for training; windows start anywhere but never cross into another region, so no byte is in two splits.

    Args:
      path: the file; by default the English help texts that CPython ships as ``pydoc_data.topics``, which change with
        its version, so record ``sha256`` beside results.
      length: number of bytes in a window.
      sha256: digest that the content must have, 64 hexadecimal digits; any by default.
      encoding: of the file, whose text is taken in UTF-8; "bytes" takes any file as it is.

    Returns:
      The target; ``on("validation")`` and ``on("test")`` give the held-out regions.

    Raises:
      ValueError: the file is missing, shorter than ten windows, in another encoding, or has another digest.

    >>> target = text(length=8)
    >>> target.decode(target.encode("if ?lse:", mask="?"), mask="?")
    'if ?lse:'
    """
    length = validation.length(length)
    if path is None:
        content = _help_texts()
        digest, what = reading.digest(content), "the help text of this version of Python"
        reading.check_digest(what, digest, sha256, "use the version that it comes from")
    else:
        content, digest = reading.checked(path, sha256)
    if encoding != _BYTES:
        content = reading.decoded(path, content, encoding).encode("utf-8", "surrogatepass")
    groups = reading.regions(len(content), length)
    starts = np.concatenate(groups)
    alphabet = bytes(sorted(set(content)))
    stream = np.searchsorted(np.frombuffer(alphabet, np.uint8), np.frombuffer(content, np.uint8)).astype(np.uint8)
    counts = groups[0].size, groups[1].size, groups[2].size
    return Text(stream, starts, counts, "train", length, len(alphabet), alphabet, digest)


def _help_texts() -> bytes:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise InputError("this Python has no pydoc_data.topics; give the path of a text file") from error
    return "\n\n".join(topics[name] for name in sorted(topics)).encode()
