"""Progress on stderr: a bar on a terminal, a line about every ten seconds in a log file."""

import sys
import time

_SECONDS_BETWEEN_LINES = 10.0
_GUESS = 50  # of the work one part must be done for a guess of the time left: before, it is mostly compiling
_silent = False


def silence() -> None:
    """Nothing is shown from now on, for processes that repeat what another one shows."""
    global _silent
    _silent = True


class Progress:
    """Shows how far a task is, with the time left.

    Args:
      what: name of the task.
      unit: what is counted, singular.
    """

    def __init__(self, what: str, unit: str = "part"):
        self._what, self._unit = what, unit
        self._bar = None
        self._start = self._last = time.monotonic()
        self._first_done = 0
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
        if sys.stderr.isatty():
            self._draw(done, total, note)
        else:
            self._print(done, total, note)

    def start(self, done: int, total: int) -> None:
        """Begins at ``done``, for a task that is continued: what was done before does not count for the speed."""
        self._first_done = done
        self._start = self._last = time.monotonic()
        if sys.stderr is None or _silent:
            return
        if sys.stderr.isatty():
            self._draw(done, total, "compiling")
        else:
            print(f"{self._what}: begins at {done} of {total}", file=sys.stderr, flush=True)

    def _draw(self, done: int, total: int, note: str) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                desc=self._what, total=total, initial=self._first_done, unit=self._unit, dynamic_ncols=True, leave=True
            )
        self._bar.total = total
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)
        self._bar.refresh()

    def _print(self, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        finished = done >= total
        if self._finished or (not finished and now - self._last < _SECONDS_BETWEEN_LINES):
            return
        self._last, self._finished = now, finished
        seconds = now - self._start
        if finished:
            timing = f"in {clock(seconds)}"
        elif (done - self._first_done) * _GUESS >= total - self._first_done:
            timing = f"about {clock(seconds * (total - done) / (done - self._first_done))} left"
        else:
            timing = "just begun"
        parts = [f"{self._what}: {100 * done // max(total, 1)} % ({done}/{total})", timing, *([note] if note else [])]
        print(", ".join(parts), file=sys.stderr, flush=True)


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
