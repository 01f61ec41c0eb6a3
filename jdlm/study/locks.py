"""One writer: a run folder is locked by the command that writes into it, until that ends or dies.

The lock is the kernel's, on the file ``.lock`` in the folder, which says who holds it.
"""

import contextlib
import datetime
import glob
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from jdlm import files
from jdlm.errors import InputError

__all__ = ["Lock", "holder", "lock"]

NAME = ".lock"


class Lock:
    """A lock that this process holds, see `lock`.

    Attributes:
      path: its file, which may have moved with its folder.
    """

    def __init__(self, path: Path):
        """Take the lock.

        Raises:
          InputError: another process has it.
        """
        self.path = path
        descriptor = files.acquire(path)
        if descriptor is None:
            raise InputError(f"{_what(path)} is in use by {holder(path)}; wait for its end, or stop it")
        self._descriptor = descriptor
        since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        text = {"pid": os.getpid(), "host": socket.gethostname(), "command": " ".join(sys.argv)[:200], "since": since}
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(text).encode())

    def release(self) -> None:
        """Give the lock back; its file goes with it."""
        with contextlib.suppress(OSError):  # the folder may be gone, or be written by others alone
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run folder; what dead ones left unfinished in it is removed.

    Raises:
      InputError: another process writes there; the message says which.
      OSError: the folder cannot be written.
    """
    held = Lock(folder / NAME)
    try:
        files.clean(folder.parent, f".{glob.escape(folder.name)}{NAME}")  # of the one that made it
        for place in (folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())):
            files.clean(place)
        yield
    finally:
        held.release()


def holder(path: Path) -> str:
    """Who holds a lock, as far as its file says."""
    try:
        who = json.loads(path.read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['host']} since {who['since']} ({who['command']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _what(path: Path) -> Path:
    """What a lock is for: its folder, or the name that is being taken."""
    return path.parent if path.name == NAME else path.with_name(path.name.removesuffix(NAME).removeprefix("."))
