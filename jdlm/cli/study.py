"""``sample.py study``: makes the rows of a study, draws its figures, and says what was found."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jdlm import files
from jdlm.cli import cache, drawing, interrupt, options, progress
from jdlm.config import nearest
from jdlm.config.settings import check_seed
from jdlm.errors import InputError
from jdlm.study import runs, studies

if TYPE_CHECKING:
    from jdlm.study.rows import Row
    from jdlm.study.studies.study import Study

__all__ = ["Options", "made", "main"]

Name = Annotated[
    str | None,
    tyro.conf.Positional,
    tyro.conf.DisallowNone,
    tyro.conf.arg(
        metavar="[NAME]", help=f"The study: {', '.join(studies.STUDIES)}.", help_behavior_hint="(default: list them)"
    ),
]


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions):
    """Answers a question about schedules: rows of numbers, figures of them, and what they show in at most ten lines.

    All of it is in a folder study-NAME. Without a name the studies are listed, with the time that each takes.
    """

    study: Name = None
    seed: int = 0
    """Seed of all random numbers."""
    quick: bool = False
    """Only the part of the rows that takes seconds."""
    name: str | None = None
    """Name of the folder; by default study-NAME, with a number if it is taken."""

    def __post_init__(self):
        check_seed(self.seed)


def main(arguments: list[str]) -> int:
    """Makes a study, or lists all of them."""
    given = options.parse(Options(), arguments, "study")
    word = given.study
    if word is None:
        if given != Options(runs_folder=given.runs_folder, debug=given.debug):
            option = next(
                word for word in arguments if word.startswith("--") and not word.startswith(("--runs", "--debug"))
            )
            raise InputError(f"{option} belongs to a study; name one of {', '.join(studies.STUDIES)}")
        print("\n".join(listing()))
        return 0
    if word not in studies.STUDIES:
        raise InputError(f"no study {word!r}; {nearest(word, studies.STUDIES, what='studies')}")
    runs.check_writable(given.runs_folder)
    cache.compiled_programs()
    with runs.draft(given.runs_folder, given.name or f"study-{word}", exact=given.name is not None) as draft:
        manifest = runs.study_manifest(word, options.command_line(), given.seed, given.quick)
        study = studies.load(word)
        table = made(study, given.seed, given.quick)
        folder = _write(draft, table, manifest)
    lines = study.conclude(table)
    files.write(folder / runs.SUMMARY, "".join(f"- {line}\n" for line in lines))
    print("\n".join(lines))
    print(f"wrote {folder / runs.ROWS} and {runs.SUMMARY}", flush=True)
    return drawing.draw(table, folder, runs.ROWS, study.figures)


def listing() -> list[str]:
    """The studies, a line each, with the time that they take."""
    width = max(map(len, studies.STUDIES), default=0) + 2
    lines = [f"{name:<{width}}{entry.minutes:>2} min  {entry.summary}" for name, entry in studies.STUDIES.items()]
    return [*lines, "(time at most, on 2 CPU cores; --quick takes seconds)"]


def made(study: "Study", seed: int, quick: bool) -> "list[Row]":
    """The rows of a study, with a progress bar; Ctrl-C stops between two parts."""
    table = []
    with progress.Progress(study.name) as bar, interrupt.gentle() as stop:

        def report(done: int, total: int, what: str) -> None:
            bar.update(done, total, what)
            stop.check()

        for row in study.measure(seed, quick, report):
            stop.check()
            table.append(row)
    return table


def _write(draft: runs.Draft, table: "list[Row]", manifest: dict[str, Any]) -> Path:
    """Writes rows and manifest into the draft; returns the folder, which has its name now."""
    from jdlm.study import rows

    with interrupt.gentle() as stop:  # a first Ctrl-C waits until it is clear what is written
        rows.write(draft.folder / runs.ROWS, table)
        runs.write_manifest(draft.folder, manifest | {"finished": runs.now()})
        folder = draft.publish()
        interrupt.remains(f"{folder / runs.ROWS} is written, the figures are not complete.")
        stop.check()
    return folder
