"""Files: written in one move, read within bounds, and locked by one process at a time.

Readers see the old file or the complete new one, also after a crash. What a process leaves that dies while it writes is
removed by the next one that writes there: a file in the making is locked, and the kernel releases a lock at the end of
its process.
"""

import contextlib
import glob
import itertools
import os
import stat
import time
from pathlib import Path

from jdlm.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: no locks, so nothing that others left is touched
    fcntl = None

__all__ = ["acquire", "clean", "is_pipe", "read", "write"]

_SUFFIX = ".partial"
_MOMENT = 0.02  # seconds
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


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
    clean(path.parent, f".{glob.escape(path.name)}.*{_SUFFIX}")
    while True:
        # Random, because processes of two machines that share the folder may have the same number.
        temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}{_SUFFIX}")
        try:
            with temporary.open("xb") as file:
                if _lock(file.fileno()) is False or not _is_at(file.fileno(), temporary):
                    continue  # another process took it for a dead one's, in the moment between
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                os.replace(temporary, path)
            return
        finally:
            temporary.unlink(missing_ok=True)


def clean(folder: Path, pattern: str = f".*{_SUFFIX}") -> None:
    """Remove the files in the making of processes that are dead.

    Args:
      folder: where they lie; one that does not exist has none.
      pattern: of their names, as in `glob`.
    """
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if stat.S_ISREG(path.lstat().st_mode):
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    if _lock(descriptor):
                        path.unlink()
                finally:
                    os.close(descriptor)


def read(path: str | Path, most: int, pipes: bool = False) -> bytes:
    """The content of a regular file, which is neither waited for nor read without end.

    Args:
      path: the file; links are followed.
      most: largest size in bytes.
      pipes: a pipe that this process was given, as by ``<(zcat FILE)``, is read, too, until its writer ends.

    Raises:
      InputError: it is a folder, another pipe or a device, or is larger than that.
      OSError: it is not there, or cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    found = os.fstat(descriptor)
    if pipes and is_pipe(path):
        os.set_blocking(descriptor, True)
    elif not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "a device")
        raise InputError(f"{path} is {kind}; give a regular file")
    with open(descriptor, "rb") as file:
        if found.st_size <= most:
            content = file.read(most + 1)
            if len(content) <= most:
                return content
    raise InputError(f"{path} has {max(found.st_size, most + 1)} bytes; at most {most} are read")


def is_pipe(path: str | Path) -> bool:
    """Whether ``path`` is a pipe that this process was given, whose writer is at work; not one that has a name."""
    given = str(path).startswith(("/dev/fd/", "/proc/self/fd/")) or str(path) == "/dev/stdin"
    return given and stat.S_ISFIFO(os.stat(path).st_mode)


def acquire(path: Path) -> int | None:  # type: ignore[return] (the loop has no end)
    """Lock the file at ``path``, which is made where there is none.

    Returns:
      A descriptor that holds the lock until it is closed, or its process ends; None if another process has it. A file
      system without locks gives a descriptor that keeps nobody out.

    Raises:
      OSError: the folder cannot be written.
    """
    for attempt in itertools.count():
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        locked = _lock(descriptor)
        if locked is not False and _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # where its holder removed it in the moment between, it keeps nobody out
        if locked is False and attempt:
            return None
        time.sleep(_MOMENT)  # one that looks for files of the dead holds each for an instant


def _lock(descriptor: int) -> bool | None:
    """Lock an open file; False if another process has it locked, None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether ``path`` is still the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
