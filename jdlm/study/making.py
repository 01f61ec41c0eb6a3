"""How the parts of a sweep or a study are made: looked up where they are kept, and kept as they are made.

A failure costs its own part: it is told at once, and the others go on.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar, runtime_checkable

from jdlm import records
from jdlm.study.rows import Row

__all__ = ["Keeper", "Maker", "Tally", "once"]

T = TypeVar("T")


@runtime_checkable
class Keeper(Protocol):
    """Where parts are kept, such as `jdlm.study.kept.Kept`."""

    def get(self, name: str) -> list[Row] | None:
        """The rows of a part that is kept."""
        ...

    def put(self, name: str, table: Iterable[Row]) -> None:
        """Keep the rows of a part."""
        ...


class Maker:
    """Collects rows part by part, in the order of the calls.

    Attributes:
      made: the rows by now.
      failures: (what, error) of each part that failed.
    """

    def __init__(
        self,
        context: Any = None,
        keep: Keeper | None = None,
        on_row: Callable[[list[Row]], None] | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
    ):
        """A collector without rows.

        Args:
          context: JSON values that all parts depend on.
          keep: where finished parts are kept; nowhere if None.
          on_row: called with the rows of each part.
          on_error: called with what failed and why; if None the error is raised.
        """
        self.made: list[Row] = []
        self.failures: list[tuple[str, Exception]] = []
        self._context, self._keep, self._on_row, self._on_error = context, keep, on_row, on_error

    def quick(self, rows: Iterable[Row]) -> None:
        """Add a part that takes no time, and is not worth keeping."""
        self._emit(list(rows))

    def part(self, what: str, settings: Any, make: Callable[[], Iterable[Row]]) -> None:
        """Add a part: kept, or made now.

        Args:
          what: in words, should it fail.
          settings: JSON values that tell it from all other parts.
          make: gives its rows.
        """
        name = self._name(settings)
        table = None if self._keep is None else self._keep.get(name)
        if table is None:
            try:
                table = list(make())
            except Exception as error:
                self.fail(what, error)
                return
            if self._keep is not None:
                self._keep.put(name, table)
        self._emit(table)

    def fail(self, what: str, error: Exception) -> None:
        """Set a part apart that failed."""
        if self._on_error is None:
            raise error
        self.failures.append((what, error))
        self._on_error(what, error)

    def _name(self, settings: Any) -> str:
        return records.digest([self._context, settings])

    def _emit(self, table: list[Row]) -> None:
        self.made.extend(table)
        if self._on_row is not None:
            self._on_row(table)


class Tally:
    """Predictor calls done and in all, reported as a sweep goes on."""

    def __init__(self, total: int, progress: Callable[[int, int, str], None] | None):
        self.done, self._total, self._progress = 0, total, progress

    def say(self, what: str, more: int = 0) -> None:
        """Report what is going on, ``more`` calls beyond those counted."""
        if self._progress is not None:
            self._progress(self.done + more, self._total, what)

    def reach(self, done: int) -> None:
        """Count as done what was kept, and needed no call."""
        self.done = max(self.done, done)

    @contextlib.contextmanager
    def during(self, what: str, calls: int) -> Iterator[Callable[[int], None] | None]:
        """Report when work of about ``calls`` begins and ends; yield a callback for reports in between."""
        self.say(what)
        yield self._progress and (lambda steps: self.say(what, min(steps, calls)))
        self.done += calls
        self.say(what)


def once(make: Callable[[], T]) -> Callable[[], T]:
    """``make``, called when its value is wanted for the first time, and then no more; an error is raised each time."""
    failed: list[Exception] = []

    @functools.cache
    def value() -> T:
        if failed:
            raise failed[0]
        try:
            return make()
        except Exception as error:
            failed.append(error)
            raise

    return value
