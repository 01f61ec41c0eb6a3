"""Figures of rows that are written already: drawing them can fail or be interrupted, which costs no row."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jdlm.cli import failures, interrupt, progress
from jdlm.study import runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jdlm.study.rows import Row

__all__ = ["draw"]


def draw(
    table: "list[Row]",
    folder: Path,
    file: str,
    makers: "Mapping[str, Callable[[list[Row]], Figure | None]] | None" = None,
    *,
    again: str = "",
) -> int:
    """Draws what some rows show; returns 1 if that failed, of which one line tells, else 0.

    Args:
      table: the rows.
      folder: their run's folder, which gets a folder of figures.
      file: name of the file in it that has the rows.
      makers: see `jdlm.study.figures.draw`.
      again: how to draw what an interruption left out.
    """
    # Notebooks name a backend that may not be there, and then matplotlib is not even imported. None is needed here.
    os.environ.pop("MPLBACKEND", None)
    interrupt.remains(f"{folder / file} is written, the figures are not complete. {again}".strip())
    try:
        with progress.Progress("figures", unit="figure") as bar, interrupt.gentle() as stop:

            def report(done: int, total: int, what: str) -> None:
                bar.update(done, total, what)
                stop.check()

            from jdlm.study import figures

            files = figures.draw(table, folder / runs.FIGURES, makers, progress=report)
    except Exception as error:
        return failures.told(error, f"{folder / file} is whole")
    interrupt.remains(f"{folder / file} and {folder / runs.FIGURES} are written")
    print(f"drew {len(files)} files in {folder / runs.FIGURES}")
    return 0
