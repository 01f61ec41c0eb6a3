"""``sample.py study``: makes the rows of a study, draws its figures, and says what was found."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jdlm import files, records
from jdlm.cli import cache, drawing, failures, interrupt, memory, options, progress, report, unfinished
from jdlm.config import nearest
from jdlm.config.settings import check_seed
from jdlm.errors import InputError
from jdlm.study import places, runs, studies
from jdlm.study.kept import Kept

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
    fail_fast: options.Flag = False
    """Stop at the first part that fails; by default the others are made, too."""

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
    memory.check(memory.of_study(word, given.quick), f"the study {word}; use --quick, or a larger machine")
    runs.check_writable(given.runs_folder)
    cache.compiled_programs()
    name, exact = given.name or f"study-{word}", given.name is not None
    manifest = runs.study_manifest(word, options.command_line(), given.seed, given.quick)
    with unfinished.found(unfinished.studies(given.runs_folder, name, manifest, exact=exact), exact=exact) as folder:
        if folder is not None:
            print(f"note: going on with {folder}, which is not finished", file=sys.stderr)
            return _make(given, runs.Draft(folder, folder, exact=True, published=True), runs.read_manifest(folder))
    with runs.draft(given.runs_folder, name, exact=exact) as draft:
        return _make(given, draft, manifest)


def _make(given: Options, draft: runs.Draft, manifest: dict[str, Any]) -> int:
    """Makes the rows of a study, its summary and its figures, in a folder that is locked."""
    study = studies.load(manifest["name"])
    parts = _Parts(draft, manifest)
    failed = None if given.fail_fast else failures.Failures()
    table = made(study, given.seed, given.quick, parts, failed)
    if failed is not None and failed.parts:
        failed.show()
        return 1
    folder = _write(parts, table)
    lines = study.conclude(table)
    files.write(folder / runs.SUMMARY, "".join(f"- {line}\n" for line in lines))
    print("\n".join(lines))
    print(f"wrote {folder / runs.ROWS} and {runs.SUMMARY}", flush=True)
    return drawing.draw(table, folder, runs.ROWS, study.figures) | report.write(folder, None)


def listing() -> list[str]:
    """The studies, a line each, with the time that they take."""
    width = max(map(len, studies.STUDIES), default=0) + 2
    lines = [f"{name:<{width}}{entry.minutes:>2} min  {entry.summary}" for name, entry in studies.STUDIES.items()]
    return [*lines, "(time at most, on 2 CPU cores; --quick takes seconds)"]


class _Parts:
    """Keeps the parts of a study as they are made; with the first one its folder takes its name."""

    def __init__(self, draft: runs.Draft, manifest: dict[str, Any]):
        self.draft, self.manifest = draft, manifest
        self._kept = Kept(draft.folder / places.CELLS)
        current = {name: manifest[name] for name in ("name", "seeds", "quick")} | runs.environment()
        self._context = json.loads(json.dumps(current))

    def part(self, name: str, make: "Callable[[], Iterable[Row]]") -> "list[Row]":
        """The rows of a part, kept or made now."""
        digest = records.digest([self._context, name])
        table = self._kept.get(digest)
        if table is None:
            table = list(make())
            self.settle()
            self._kept.put(digest, table)
            interrupt.remains(f"what is done by now is kept. Continue with: {options.again()}")
        return table

    def settle(self) -> Path:
        """Give the folder its name, if it has none yet; return it."""
        if not self.draft.published:
            runs.write_manifest(self.draft.folder, self.manifest)
            self._kept.folder = self.draft.publish() / places.CELLS
        return self.draft.folder

    def clear(self) -> None:
        """Forget the parts, whose rows are in the result."""
        self._kept.clear()


class _Reporter:
    """What a study is given: reports progress, stops after Ctrl-C, and keeps parts where it is told to."""

    def __init__(
        self,
        bar: progress.Progress,
        stop: interrupt.Stop,
        parts: _Parts | None,
        failed: failures.Failures | None,
    ):
        self._bar, self._stop, self._parts, self._failed = bar, stop, parts, failed

    def __call__(self, done: int, total: int, what: str) -> None:
        self._bar.update(done, total, what)
        self._stop.check()

    def keep(self, name: str, make: "Callable[[], Iterable[Row]]") -> "list[Row]":
        """The rows of a part, none if it failed and the others go on; Ctrl-C stops between two of them."""
        if self._parts is None:
            return list(self._heard(make()))
        try:
            return self._parts.part(name, lambda: self._heard(make()))
        except Exception as error:
            if self._failed is None or isinstance(error, OSError):  # what cannot be written can't be kept either
                raise
            self._failed(name, error)
            return []

    def _heard(self, table: "Iterable[Row]") -> "Iterator[Row]":
        for row in table:
            self._stop.check()
            yield row


def made(
    study: "Study", seed: int, quick: bool, parts: _Parts | None = None, failed: failures.Failures | None = None
) -> "list[Row]":
    """The rows of a study, with a progress bar; Ctrl-C stops between two parts.

    Args:
      study: what is made.
      seed: of all random numbers.
      quick: only the rows that take seconds.
      parts: keeps the parts.
      failed: is told of the parts that fail, whose rows are left out; without it the first failure is raised.
    """
    table = []
    with progress.Progress(study.name) as bar, interrupt.gentle() as stop:
        try:
            for row in study.measure(seed, quick, _Reporter(bar, stop, parts, failed)):
                stop.check()
                table.append(row)
        except Exception:
            if failed is None or not failed.parts:  # else it is made from rows that a part that failed has not made
                raise
    return table


def _write(parts: _Parts, table: "list[Row]") -> Path:
    """Writes rows and manifest; returns the folder, which has its name now."""
    from jdlm.study import rows

    with interrupt.gentle() as stop:  # a first Ctrl-C waits until it is clear what is written
        rows.write(parts.draft.folder / runs.ROWS, table)
        runs.write_manifest(parts.draft.folder, parts.manifest | {"finished": runs.now()})
        folder = parts.draft.publish()
        parts.clear()
        interrupt.remains(f"{folder / runs.ROWS} is written, the figures are not complete.")
        stop.check()
    return folder
