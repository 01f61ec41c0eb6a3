"""``sample.py figures``: draws the figures of a run again."""

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from jdlm.cli import interrupt, options, progress
from jdlm.cli.resource import resolve
from jdlm.study import runs

__all__ = ["Options", "draw", "main", "say_incomplete"]


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions):
    """Draws the figures of a run again from its sweep.csv and metrics.csv."""

    run: options.Run = None


def main(arguments: list[str]) -> int:
    """Draws the figures of a run again."""
    given = options.parse(Options(), arguments, "figures")
    resource = resolve(given.run, given.runs_folder)
    if resource.folder is None or not (resource.folder / runs.SWEEP).is_file():
        raise ValueError(
            f"{given.run or resource.folder} has no {runs.SWEEP} yet; make one with `python sample.py sweep`"
        )
    return draw(resource.folder)


def say_incomplete(folder: Path) -> None:
    """Says what an interruption leaves while figures are drawn."""
    interrupt.remains(
        f"{folder / runs.SWEEP} is written, the figures are not complete. "
        f"Draw them with: python sample.py figures {shlex.quote(str(folder))}"
    )


def draw(folder: Path) -> int:
    """Draws what the rows of a run show; returns 1 if that failed, of which one line tells, else 0."""
    from jdlm.study import rows

    table = rows.read(folder / runs.SWEEP)
    if (folder / runs.METRICS).is_file():
        table += rows.read(folder / runs.METRICS)
    # Notebooks name a backend that may not be there, and then matplotlib is not even imported. None is needed here.
    os.environ.pop("MPLBACKEND", None)
    say_incomplete(folder)
    try:
        with progress.Progress("figures", unit="figure") as bar, interrupt.gentle() as stop:

            def report(done: int, total: int, what: str) -> None:
                bar.update(done, total, what)
                stop.check()

            from jdlm.study import figures

            files = figures.draw(table, folder / runs.FIGURES, progress=report)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {reason}; {folder / runs.SWEEP} is whole", file=sys.stderr)
        return 1
    interrupt.remains(f"{folder / runs.SWEEP} and {folder / runs.FIGURES} are written")
    print(f"drew {len(files)} files in {folder / runs.FIGURES}")
    return 0
