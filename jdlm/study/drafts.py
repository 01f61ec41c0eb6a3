"""New run folders: hidden and locked while they are made, given their name in one move, removed if their maker dies."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from jdlm import files
from jdlm.errors import InputError
from jdlm.study import locks

__all__ = ["Draft", "check_name", "check_writable", "draft", "writable"]

_YOUNG = 60.0  # seconds in which a draft without a lock may be about to get one


class Draft:
    """A run folder in the making; ``folder`` is hidden until `publish` and the run's own after it."""

    def __init__(self, folder: Path, target: Path, exact: bool, published: bool = False):
        self.folder, self.published = folder, published
        self._target, self._exact = target, exact
        self._lock: locks.Lock | None = None

    def hold(self) -> None:
        """Lock the folder for this process."""
        self._lock = locks.Lock(self.folder / locks.NAME)

    def release(self) -> None:
        """Give the folder free."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def publish(self) -> Path:
        """Gives the folder its name, once; a number is added to a name that is taken meanwhile.

        Raises:
          ValueError: the name was asked for by the user and is taken.
        """
        number = 2
        target = self._target
        while not self.published:
            if target.exists() or not self._moved(target):
                if self._exact:
                    raise InputError(f"{target} exists; choose another --name")
                target = self._target.with_name(f"{self._target.name}-{number}")
                number += 1
        return self.folder

    def _moved(self, target: Path) -> bool:
        """Whether the folder could take the name, which another process may take at the same moment."""
        try:
            os.rename(self.folder, target)
        except OSError:
            if target.exists():
                return False
            raise
        self.folder, self.published = target, True
        if self._lock is not None:
            self._lock.path = target / locks.NAME
        return True


def writable(folder: Path) -> bool:
    """Whether ``folder`` is one that files can be made in; it is made if it does not exist."""
    return _obstacle(folder) is None


def check_writable(folder: Path) -> None:
    """Raises a ValueError unless files can be made in ``folder``, before a long task finds out at its end."""
    error = _obstacle(folder)
    if error is not None:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{folder} cannot be written: {reason}; choose another --runs-folder, or change this one")


def _obstacle(folder: Path) -> OSError | None:
    """Why no file can be made in ``folder``, which is made if it does not exist."""
    import tempfile  # not for `--help`, which is to be instant

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error


@contextlib.contextmanager
def draft(root: str | Path, name: str, *, exact: bool = False) -> Iterator[Draft]:
    """A new run folder under ``root``; removed again without a trace if it was not published.

    It is locked until the end, and so is the name, if ``exact``. Drafts of dead processes are removed first.

    Args:
      root: folder of the runs, made where it does not exist.
      name: name of the run; a number is added if it is taken, unless ``exact``.
      exact: a name that is taken is an error.

    Raises:
      ValueError: the name is taken, or being taken by another process, or is not a valid folder name; or the folder
        of the runs cannot be written.
    """
    root = Path(root)
    check_name(name)
    if exact and (root / name).exists():
        raise InputError(f"{root / name} exists; choose another --name")
    missing = [parent for parent in (root, *root.parents) if not parent.exists()]
    hidden = root / f".{name}.{os.getpid()}-{time.time_ns()}.partial"
    made, taken = Draft(hidden, root / name, exact), None
    try:
        check_writable(root)
        _clean(root)
        taken = locks.Lock(root / f".{name}{locks.NAME}") if exact else None
        if exact and (root / name).exists():  # taken while we waited for nothing but the lock
            raise InputError(f"{root / name} exists; choose another --name")
        hidden.mkdir()
        made.hold()
        yield made
    finally:
        if taken is not None:
            taken.release()
        made.release()
        if not made.published:
            shutil.rmtree(hidden, ignore_errors=True)
            for parent in missing:
                with contextlib.suppress(OSError):
                    parent.rmdir()


def check_name(name: str) -> None:
    """Raise an InputError unless ``name`` can be that of a folder, of a row and of a figure."""
    bad = not name.isprintable() or name.startswith((".", "-")) or Path(name).name != name
    if not name or bad or len(name.encode()) > 200:
        raise InputError(f"{name[:80]!r} cannot be the name of a run; use letters, digits, '-' and '_'")


def _clean(root: Path) -> None:
    """Remove drafts and locks of names whose processes are dead."""
    for folder in root.glob(".*.partial"):
        with contextlib.suppress(OSError):
            path = folder / locks.NAME
            if not path.exists() and time.time() - folder.lstat().st_mtime < _YOUNG:
                continue
            descriptor = files.acquire(path)
            if descriptor is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(descriptor)
    files.clean(root, f".*{locks.NAME}")
