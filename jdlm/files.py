"""Atomic writes: readers see the old file or the complete new one, also after a crash."""

import os
from pathlib import Path

__all__ = ["write"]


def write(path: str | Path, content: str | bytes) -> None:
    """Write a file in one move.

    The content goes to a hidden file beside it, reaches the disk, and then takes the name. On any error the hidden
    file is removed and the old file stays.

    Args:
      path: the file, in a folder that exists. A link is replaced, not followed.
      content: bytes, or text that is written in UTF-8 with its line breaks as they are.

    Raises:
      OSError: the folder cannot be written.
      UnicodeEncodeError: the text holds half of a surrogate pair.
    """
    path = Path(path)
    content = content.encode("utf-8") if isinstance(content, str) else content
    # Random, because processes of two machines that share the folder may have the same number.
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.partial")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
