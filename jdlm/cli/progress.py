"""Progress on stderr: a bar on a terminal, a line about every ten seconds in a log file."""

import sys
import time

_SECONDS_BETWEEN_LINES = 10.0
_silent = False


def silence() -> None:
    """Nothing is shown from now on, for processes that repeat what another one shows."""
    global _silent
    _silent = True


class Progress:
    """Shows how far a task is, with the time left.

    The time left is a guess from the speed of the present part of the task, without its first piece, which holds the
    compilation. A part begins with :meth:`start`, and wherever another note comes before anything more is done.

    Args:
      what: name of the task.
      unit: what is counted, singular, as a user would say it.
    """

    def __init__(self, what: str, unit: str = "part"):
        self._what, self._unit = what, unit
        self._bar = None
        self._start = self._last = time.monotonic()
        self._done, self._note = 0, ""
        self._compiled: tuple[int, float] | None = None  # what was done, and when, once the part's first piece was
        self._finished = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, done: int, total: int, note: str = "") -> None:
        """Says that ``done`` of ``total`` are done; ``note`` is shown beside it."""
        if sys.stderr is None or _silent:
            return
        now = time.monotonic()
        left = self._left(now, done, total, note)
        if sys.stderr.isatty():
            self._draw(done, total, left, note)
        else:
            self._print(now, done, total, left, note)

    def start(self, done: int, total: int) -> None:
        """Begins at ``done``, for a task that is continued: what was done before does not count for the speed."""
        self._done, self._compiled = done, None
        self._start = self._last = time.monotonic()
        if sys.stderr is None or _silent:
            return
        if sys.stderr.isatty():
            self._draw(done, total, "", "compiling")
        else:
            print(f"{self._what}: begins at {done:,} of {total:,}", file=sys.stderr, flush=True)

    def _left(self, now: float, done: int, total: int, note: str) -> str:
        """The time left, once something can be said of it."""
        begins = done <= self._done and note != self._note
        advanced = done > self._done
        self._done, self._note = done, note
        if begins:
            self._compiled = None
        elif advanced and self._compiled is None:
            self._compiled = done, now
        if self._compiled is None or done <= self._compiled[0]:
            return ""
        before, then = self._compiled
        return f"about {clock((now - then) * (total - done) / (done - before))} left"

    def _count(self, done: int, total: int) -> str:
        return f"{done:,}/{total:,} {self._unit}{'s' * (total != 1)}"

    def _draw(self, done: int, total: int, left: str, note: str) -> None:
        text = ", ".join(filter(None, [self._count(done, total), left if done < total else "", note]))
        text = text.replace("{", "{{").replace("}", "}}")
        shape = "{desc}: {percentage:3.0f} %|{bar}| " + text  # tqdm's own guess would count the compilation
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(desc=self._what, total=total, initial=done, dynamic_ncols=True, bar_format=shape)
        self._bar.total, self._bar.bar_format = total, shape
        self._bar.update(done - self._bar.n)
        self._bar.refresh()

    def _print(self, now: float, done: int, total: int, left: str, note: str) -> None:
        finished = done >= total
        if self._finished or (not finished and now - self._last < _SECONDS_BETWEEN_LINES):
            return
        self._last, self._finished = now, finished
        timing = f"in {clock(now - self._start)}" if finished else left or "just begun"
        share = f"{100 * done // max(total, 1)} % ({self._count(done, total)})"
        print(", ".join(filter(None, [f"{self._what}: {share}", timing, note])), file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """A duration for people.

    >>> clock(7.2), clock(125.0), clock(7320.0)
    ('7 s', '2 min 05 s', '2 h 02 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
