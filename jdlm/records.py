"""Records: small JSON files that say what was made, read strictly and under a hash of their own.

A record is an object whose last key is ``record_sha256``: the digest of everything else in it, whatever its layout. So
a record that was edited, or in which a bit has changed, is told from one that was written.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, TypeGuard

from jdlm import files
from jdlm.errors import InputError, shown

__all__ = ["MOST", "check_keys", "difference", "digest", "is_count", "is_sha256", "read", "seal", "write"]

MOST = 2**26
"""Largest size of a record in bytes."""
_SEAL = "record_sha256"


def digest(values: Any) -> str:
    """The sha256 of JSON values, 64 hexadecimal digits; the order of an object's keys does not count.

    >>> digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    True
    """
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def seal(record: dict[str, Any]) -> dict[str, Any]:
    """``record`` with its digest, in place of an older one."""
    content = {key: value for key, value in record.items() if key != _SEAL}
    return content | {_SEAL: digest(content)}


def write(path: Path, record: dict[str, Any]) -> None:
    """Write a record, sealed, in one move."""
    files.write(path, json.dumps(seal(record), indent=1) + "\n")


def read(path: Path) -> tuple[dict[str, Any], bool]:
    """The record in a file without its seal, and whether it had one: older versions wrote none.

    Raises:
      InputError: not a regular file of at most `MOST` bytes, not JSON, a key that stands twice, a number that is not
        finite, another value than an object, or a seal that is broken; the message does not name the file.
      OSError: there is none, or it cannot be read.
    """
    try:
        text = files.read(path, MOST).decode("utf-8-sig")
        record = json.loads(text, object_pairs_hook=_unique, parse_constant=_infinite, parse_float=_finite)
    except RecursionError:
        raise InputError("it is nested too deep") from None
    except (ValueError, OverflowError) as error:
        raise InputError(str(error)) from None
    if not isinstance(record, dict):
        raise InputError(f"it is {type(record).__name__}, not an object")
    sealed = record.pop(_SEAL, None)
    if sealed is not None and sealed != digest(record):
        raise InputError("it was changed after it was written: its record_sha256 is not that of its content")
    return record, sealed is not None


def difference(recorded: Any, wanted: Any, where: str = "") -> str | None:
    """The first field in which two JSON values differ, as text that says from what to what; None if in none.

    Args:
      recorded: as it is in a record.
      wanted: as it is now; tuples are lists.
      where: what both are, before the names of their fields.

    >>> difference({"target": {"stay": 0.8}}, {"target": {"stay": 0.9}})
    'target.stay was 0.8 and is 0.9'
    """
    if isinstance(recorded, dict) and isinstance(wanted, dict):
        names = [*recorded, *(name for name in wanted if name not in recorded)]
        prefix = f"{where}." if where else ""
        found = (difference(recorded.get(name), wanted.get(name), prefix + name) for name in names)
        return next(filter(None, found), None)
    if digest(recorded) == digest(wanted):
        return None
    return f"{where} was {shown(recorded)} and is {shown(wanted)}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return record


def _infinite(word: str) -> float:
    raise ValueError(f"it holds {word}, not a finite number")


def _finite(word: str) -> float:
    value = float(word)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"it holds {word[:20]}, which is too large")
    return value


def check_keys(record: dict[str, Any], required: set[str], optional: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """Raise an InputError unless a record has all required keys, and no others than the optional ones."""
    for name in sorted(required - record.keys()):
        raise InputError(f"it lacks {name!r}")
    for name in sorted(record.keys() - required - optional):
        raise InputError(f"it has an unknown key {name!r}")


def is_count(value: Any, most: int = 2**31 - 1) -> TypeGuard[int]:
    """Whether a value is a whole number from 0 to ``most``; True and 3.0 are not."""
    return type(value) is int and 0 <= value <= most


def is_sha256(value: Any) -> TypeGuard[str]:
    """Whether a value is 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
