"""Ctrl-C: long tasks stop at their next safe place; all else stops at once, as everything does the second time.

Python throws KeyboardInterrupt wherever it happens to be. In the middle of a compilation that can crash JAX at the
exit, and in a callback of the garbage collector it is lost. So inside :func:`gentle` nothing is thrown, and an
interrupt that was lost before is remembered. Code that writes files says with :func:`remains` what is on disk by then.
"""

import contextlib
import os
import signal
from collections.abc import Iterator

_NOTHING = "nothing was written"


class Stop:
    """Whether the user has asked to stop, and what is there if he has."""

    def __init__(self):
        self.requested = self.gentle = False
        self.remains = _NOTHING

    def check(self) -> None:
        """Raises KeyboardInterrupt if the user has asked to stop."""
        if self.requested:
            raise KeyboardInterrupt


_stop = Stop()


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Inside, Ctrl-C is handled as this module says; to be put around a whole command."""
    _stop.requested = _stop.gentle = False
    _stop.remains = _NOTHING
    try:
        before = signal.signal(signal.SIGINT, _handle)
    except ValueError:  # not in the main thread, where no signal arrives
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def remains(what: str) -> None:
    """From now on an interruption says ``what``: which files are there, and how to go on."""
    _stop.remains = what


def message() -> str:
    """What the user is told after an interruption."""
    return f"interrupted; {_stop.remains}"


@contextlib.contextmanager
def gentle() -> Iterator[Stop]:
    """Inside, the first Ctrl-C throws nothing; the task is to call ``check`` wherever it can stop safely."""
    _stop.check()
    _stop.gentle = True
    try:
        yield _stop
    finally:
        _stop.gentle = False


def _handle(number, frame) -> None:
    first, _stop.requested = not _stop.requested, True
    if not (first and _stop.gentle):
        raise KeyboardInterrupt
    # Not print: the signal may have come in the middle of one.
    with contextlib.suppress(OSError):
        os.write(2, b"\nstopping at the next safe place; press Ctrl-C again to stop at once\n")
