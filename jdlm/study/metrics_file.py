"""The rows of a training, ``metrics.csv``: appended to as it goes on, and bound to the checkpoint that they belong to.

A checkpoint says how long the file was when it was saved, and the digest of that much. What was appended later, whole
or torn, belongs to no checkpoint and does not count.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jdlm import files, records
from jdlm.errors import InputError
from jdlm.study import rows
from jdlm.study.rows import Row

__all__ = ["MetricsFile", "read"]


class MetricsFile:
    """The file of a training that goes on.

    Attributes:
      path: where it lies.
    """

    def __init__(self, path: Path):
        """A file that is to be made, or replaced, by the first `append`."""
        self.path = path
        self._content = hashlib.sha256()
        self._size = 0

    def cut(self, beside: dict[str, Any], step: int) -> None:
        """Cut the file to what belongs to a checkpoint, as the start of what follows.

        Args:
          beside: what the checkpoint says of the file, by `mark`; empty if an older version saved it.
          step: of the checkpoint.

        Raises:
          InputError: it is missing, or was changed.
        """
        content = _belonging(self.path, beside, step)
        if not content:
            self.path.unlink(missing_ok=True)
        elif self.path.stat().st_size != len(content):
            files.write(self.path, content)
        self._content, self._size = hashlib.sha256(content), len(content)

    def append(self, table: Iterable[Row]) -> None:
        """Add rows, and wait until they are on the disk."""
        content = (rows.append if self._size else rows.write)(self.path, table)
        self._content.update(content)
        self._size += len(content)

    def mark(self) -> dict[str, Any]:
        """What a checkpoint of this moment says of the file."""
        return {"metrics": {"size": self._size, "sha256": self._content.hexdigest()}}


def read(path: Path, beside: dict[str, Any], step: int) -> list[Row]:
    """The rows that belong to a checkpoint; see `MetricsFile.cut` for the arguments and errors."""
    content = _belonging(path, beside, step)
    return rows.parse(content, path) if content else []


def _belonging(path: Path, beside: dict[str, Any], step: int) -> bytes:
    """As much of the file as belongs to a checkpoint."""
    mark = beside.get("metrics")
    try:
        content = files.read(path, rows.MOST)
    except FileNotFoundError:
        if mark is None:
            return b""
        raise InputError(f"{path} is missing; restore it, or train again with `python train.py`") from None
    if mark is None:
        return _up_to(path, content, step)
    if (
        not isinstance(mark, dict)
        or not records.is_count(mark.get("size"))
        or not records.is_sha256(mark.get("sha256"))
    ):
        raise InputError(f"the checkpoint beside {path} says {mark!r} of it, no size and sha256; train again")
    content = content[: mark["size"]]
    if len(content) < mark["size"] or hashlib.sha256(content).hexdigest() != mark["sha256"]:
        raise InputError(
            f"{path} is not as it was written: its first {mark['size']} bytes have another sha256 than the checkpoint "
            "says; restore it, or train again with `python train.py`"
        )
    return content


def _up_to(path: Path, content: bytes, step: int) -> bytes:
    """The rows up to a step, without a last line that is torn: all that can be told without a digest."""
    whole = content[: content.rfind(b"\n") + 1]
    table = rows.parse(whole, path) if whole else []
    if not table:
        return b""
    return rows.text(row for row in table if row.index is None or row.index <= step).encode()
