"""Where a command writes its result: standard output, a file in one move, or through a link, a pipe or a device."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from jdlm import files
from jdlm.errors import InputError

__all__ = ["beside", "check", "encoding", "is_standard", "write"]


def check(path: Path | None, option: str) -> None:
    """Raises a ValueError unless :func:`write` can write ``path``, the value of ``option``; before anything slow."""
    if path is None or is_standard(path):
        return
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; name a file in it")
    real = Path(os.path.realpath(path))
    if real.is_symlink():
        raise InputError(f"{option} {path} is a link that leads back to itself; name a file")
    if not real.exists() and not real.parent.is_dir():
        raise InputError(f"the folder of {option} {path} does not exist; make it first")
    if not os.access(real if _is_written_through(path) else real.parent, os.W_OK):
        raise InputError(f"{option} {path} cannot be written; change its permissions, or choose another file")


def is_standard(path: Path | None) -> bool:
    """Whether ``path`` is this process's standard output: not given, ``-``, or a name of the same file or device."""
    if path is None or str(path) == "-":
        return True
    try:
        return os.path.samestat(os.stat(path), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError, AttributeError):  # no such file, or a stream that is none of the system's
        return False


@contextlib.contextmanager
def beside(path: Path | None) -> Iterator[None]:
    """Inside, what is printed goes to stderr where ``path`` is standard output, which is to hold the result alone."""
    with contextlib.redirect_stdout(sys.stderr) if path and is_standard(path) else contextlib.nullcontext():
        yield


def encoding(path: Path | None) -> str:
    """The encoding in which :func:`write` writes to ``path``."""
    return getattr(sys.stdout, "encoding", None) or "utf-8" if is_standard(path) else "utf-8"


def write(path: Path | None, text: str) -> None:
    """Writes ``text``, which ends in a line break, to standard output or to a file.

    A regular file appears, or is replaced, in one move; a link stays and what it points to is written. Pipes, devices
    and files in a folder that cannot be written are written through.
    """
    if path is None or is_standard(path):
        print(text, end="")
    elif _is_written_through(path):
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    else:
        files.write(Path(os.path.realpath(path)), text)


def _is_written_through(path: Path) -> bool:
    if not path.exists():
        return False
    # Names of open files (/dev/fd/3) look like links to regular ones, but whoever opened them waits at the old one.
    return (
        not path.is_file()
        or path.absolute().parts[1:2] in (("dev",), ("proc",))
        or not os.access(os.path.dirname(os.path.realpath(path)), os.W_OK)
    )
