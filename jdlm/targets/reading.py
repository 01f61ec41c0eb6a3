"""Files behind targets: their bytes, their encoding, their digest, and where windows of them begin."""

import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from jdlm import files
from jdlm.errors import InputError, shown
from jdlm.targets import validation

__all__ = ["ENCODING", "MOST", "check_digest", "checked", "decoded", "digest", "lines", "piped", "read", "regions"]

MOST = 2**30
"""Largest size of a file in bytes."""
ENCODING = "utf-8"
_PERIOD = 10  # of ten regions of a text, the last but one is for validation and the last for testing
_REGION = 32  # windows' lengths in a region of a long text
_PACKED = (  # how packed files begin, and what shows their content
    (b"\x1f\x8b", "gzip", "zcat"),
    (b"BZh", "bzip2", "bzcat"),
    (b"\xfd7zXZ\0", "xz", "xzcat"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
    (b"PK\x03\x04", "zip", "unzip -p"),
)
_COMMON = [
    *("utf_16", "utf_16_le", "utf_16_be", "cp1252", "cp1251", "koi8_r", "gb18030", "big5", "cp932", "euc_kr", "euc_jp"),
    *("cp1250", "cp1253", "cp1255", "cp1256"),
]
_ALSO = {"cp1252": "cp1252 (like Latin-1)", "gb18030": "gb18030 (like GBK)", "cp932": "cp932 (like Shift JIS)"}
_PIPED: dict[str, bytes] = {}  # a pipe gives its content once


def read(path: str | Path) -> bytes:
    """The content of a regular file of at most `MOST` bytes, or of a pipe such as ``<(zcat FILE)``; ``~`` is expanded.

    Raises:
      ValueError: it cannot be read, or is packed.
    """
    try:
        content = _content(Path(path).expanduser())
    except InputError as error:
        raise InputError(f"path={str(Path(path).absolute())!r} cannot be read: {error}") from None
    except (OSError, ValueError, RuntimeError) as error:  # null bytes in a path; a user without a home
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"path={str(Path(path).absolute())!r} cannot be read: {reason}; give a text file") from error
    return content


def _content(path: Path) -> bytes:
    name = str(path)
    if name in _PIPED:
        return _PIPED[name]
    content = files.read(path, MOST, pipes=True)
    if files.is_pipe(path):
        _PIPED[name] = content
    return content


def piped() -> dict[str, bytes]:
    """What was read from pipes in this process: digest -> content."""
    return {digest(content): content for content in _PIPED.values()}


def check_packed(path: str | Path | None, content: bytes) -> None:
    """Raises a ValueError for a packed file, with the command that shows its content."""
    for magic, name, command in _PACKED:
        if content.startswith(magic):
            raise InputError(f"path={str(path)!r} is packed by {name}; unpack it, or give <({command} {path})")


def decoded(path: str | Path | None, content: bytes, encoding: str = ENCODING) -> str:
    """The text in a file, without a byte order mark, line ends as they are.

    Args:
      path: of the file, for messages.
      content: of the file.
      encoding: a name that Python knows.

    Raises:
      ValueError: the encoding is unknown or not the file's; the message says where, and what it may be.
    """
    check_packed(path, content)
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = content.count(b"\n", 0, start) + 1
        raise InputError(
            f"path={str(path)!r} is not {encoding.upper()}: line {line} holds the byte 0x{content[start]:02x}; "
            f"{_remedy(content)}"
        ) from None
    except (LookupError, TypeError, ValueError):
        raise InputError(
            f"encoding={shown(encoding)} is not known; use 'utf-8', 'cp1252' or another name of Python"
        ) from None
    text = text.removeprefix("\ufeff")
    if encoding == ENCODING and "\0" in text[:64]:
        raise InputError(f"path={str(path)!r} is not a text in UTF-8: it holds null characters; {_remedy(content)}")
    return text


def _remedy(content: bytes) -> str:
    """What to do about an encoding, with those that it may be."""
    from charset_normalizer import from_bytes  # for errors alone

    found = from_bytes(content[: 2**16], cp_isolation=_COMMON)
    names = list(dict.fromkeys(each.encoding for each in found))[:2]
    if not names and _looks_western(content[: 2**16]):
        names = ["cp1252"]
    if not names:
        return "if it is no text, say encoding = 'bytes'"
    perhaps = " or ".join(_ALSO.get(name, name) for name in names)
    return f"perhaps it is {perhaps}: say encoding = {names[0]!r} (--target.encoding), or convert it to UTF-8"


def _looks_western(content: bytes) -> bool:
    """Whether a content is printable in ASCII, but for a quarter of it at most."""
    odd = sum(byte > 126 or (byte < 32 and byte not in b"\t\n\r") for byte in content)
    return 4 * odd <= len(content) and b"\0" not in content


def lines(text: str) -> list[str]:
    """The lines of a text, ended by line feeds, carriage returns or both."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n") if text else []


def digest(content: bytes) -> str:
    """SHA-256 of a content, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def check_digest(what: str, found: str, wanted: str | None, remedy: str = "restore the file") -> None:
    """Raise a ValueError unless the digest is the wanted one, if any."""
    if wanted is not None and found != wanted.lower():
        raise InputError(
            f"{what} is another text than it was: its sha256 is {found[:16]}... instead of {wanted[:16]}...; "
            f"{remedy}, or make a new run with the new text"
        )


def checked(path: str | Path, sha256: str | None) -> tuple[bytes, str]:
    """The content of a file and its digest, which must be ``sha256`` if that is given; see `read`."""
    content = read(path)
    found = digest(content)
    check_digest(f"path={str(path)!r}", found, sha256)
    return content, found


def regions(size: int, length: int, what: str = "text", unit: str = "bytes") -> list[Int32[np.ndarray, " _"]]:
    """Where windows of a stream start, for training, validation and testing: those of regions, no two of which overlap.

    Of every ten regions the ninth is for validation and the tenth for testing; windows never cross into another one.

    Args:
      size: entries of the stream.
      length: of a window.
      what: the stream, for messages.
      unit: its entries, for messages.

    Raises:
      ValueError: the stream is shorter than ten windows.
    """
    if size < _PERIOD * length:
        raise InputError(f"the {what} has {size} {unit}, too few for length={length}; give at least {_PERIOD * length}")
    region = min(_REGION * length, size // _PERIOD)
    validation.check_numbers(f"a {what} of {size} {unit}", size)
    numbers = np.arange(size // region)
    windows = numbers[:, None] * region + np.arange(region - length + 1)
    turn = numbers % _PERIOD
    groups = [windows[turn < _PERIOD - 2], windows[turn == _PERIOD - 2], windows[turn == _PERIOD - 1]]
    return [group.ravel().astype(np.int32) for group in groups]
