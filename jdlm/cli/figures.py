"""``sample.py figures``: draws the figures of a run again."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from jdlm.cli import drawing, options
from jdlm.cli.resource import resolve
from jdlm.study import runs

__all__ = ["Options", "again", "draw", "main"]


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


def again(folder: Path) -> str:
    """How to draw what an interruption left out."""
    return f"Draw them with: python sample.py figures {shlex.quote(str(folder))}"


def draw(folder: Path) -> int:
    """Draws what the rows of a run show; returns 1 if that failed, of which one line tells, else 0."""
    from jdlm.study import rows

    table = rows.read(folder / runs.SWEEP)
    if (folder / runs.METRICS).is_file():
        table += rows.read(folder / runs.METRICS)
    return drawing.draw(table, folder, runs.SWEEP, again=again(folder))
