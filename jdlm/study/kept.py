"""Parts of a sweep or a study that are kept as they are made, so that the same command goes on after an end.

A part is named by the digest of all that determines its numbers, and its file by that of its rows, too: a file that is
damaged is not used, and one of other settings is not found.
"""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from jdlm import files
from jdlm.errors import InputError
from jdlm.study import rows
from jdlm.study.rows import Row

__all__ = ["Kept"]


class Kept:
    """Rows of finished parts, as files of a folder.

    Attributes:
      folder: where they are; made by the first `put`.
      taken: number of parts that were found there.
    """

    def __init__(self, folder: Path):
        self.folder, self.taken = folder, 0

    def get(self, name: str) -> list[Row] | None:
        """The rows of a part; None if it is not kept, or damaged.

        Args:
          name: digest of all that determines the rows, hexadecimal digits.
        """
        for path in self.folder.glob(f"{name[:32]}-*.csv"):
            try:
                content = files.read(path, rows.MOST)
                if path.stem.endswith(hashlib.sha256(content).hexdigest()[:32]):
                    table = rows.parse(content, path)
                    self.taken += 1
                    return table
            except InputError:
                continue
        return None

    def put(self, name: str, table: Iterable[Row]) -> None:
        """Keep the rows of a part.

        Raises:
          OSError: the disk is full, or the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        content = rows.text(table).encode()
        files.write(self.folder / f"{name[:32]}-{hashlib.sha256(content).hexdigest()[:32]}.csv", content)

    def clear(self) -> None:
        """Forget all parts, whose rows are in the result."""
        shutil.rmtree(self.folder, ignore_errors=True)
