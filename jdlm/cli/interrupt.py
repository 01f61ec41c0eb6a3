"""Ctrl-C, and SIGTERM, which is what clusters send before they kill: long tasks stop at their next safe place.

All else stops at once, as everything does at the second signal.

Python throws KeyboardInterrupt wherever it happens to be. In the middle of a compilation that can crash JAX at the
exit, and in a callback of the garbage collector it is lost. So inside :func:`gentle` nothing is thrown, and an
interrupt that was lost before is remembered. Code that writes files says with :func:`remains` what is on disk by then.
"""

import contextlib
import os
import signal
from collections.abc import Iterator

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
"""Exit codes after Ctrl-C and after SIGTERM."""
_NOTHING = "nothing was written"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether the user has asked to stop, and what is there if he has."""

    def __init__(self):
        self.requested = self.gentle = False
        self.remains = _NOTHING
        self.signal: int = signal.SIGINT

    def check(self) -> None:
        """Raises KeyboardInterrupt if the user has asked to stop."""
        if self.requested:
            raise KeyboardInterrupt


_stop = Stop()


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Inside, both signals are handled as this module says; to be put around a whole command."""
    _stop.requested = _stop.gentle = False
    _stop.remains, _stop.signal = _NOTHING, signal.SIGINT
    try:
        before = [signal.signal(number, _handle) for number in _SIGNALS]
    except ValueError:  # not in the main thread, where no signal arrives
        yield
        return
    try:
        yield
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def remains(what: str) -> None:
    """From now on an interruption says ``what``: which files are there, and how to go on."""
    _stop.remains = what


def message() -> str:
    """What the user is told after an interruption."""
    return f"{'terminated' if _stop.signal == signal.SIGTERM else 'interrupted'}; {_stop.remains}"


def exit_code() -> int:
    """The exit code after the signal that came: 130 or 143."""
    return 128 + _stop.signal


@contextlib.contextmanager
def gentle() -> Iterator[Stop]:
    """Inside, the first signal throws nothing; the task is to call ``check`` wherever it can stop safely."""
    _stop.check()
    _stop.gentle = True
    try:
        yield _stop
    finally:
        _stop.gentle = False


def _handle(number, frame) -> None:
    first, _stop.requested, _stop.signal = not _stop.requested, True, number
    if not (first and _stop.gentle):
        raise KeyboardInterrupt
    # Not print: the signal may have come in the middle of one.
    with contextlib.suppress(OSError):
        again = b"press Ctrl-C again" if number == signal.SIGINT else b"send the signal again"
        os.write(2, b"\nstopping at the next safe place; " + again + b" to stop at once\n")
