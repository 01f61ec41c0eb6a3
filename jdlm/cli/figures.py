"""``sample.py figures``: draws the figures of a run again."""

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jdlm.cli import drawing, memory, options
from jdlm.cli.resource import resolve
from jdlm.config import Config
from jdlm.errors import InputError
from jdlm.study import members, places, runs

if TYPE_CHECKING:
    from jdlm.study.rows import Row

__all__ = ["Options", "again", "draw", "main", "training_rows"]


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions):
    """Draws the figures of a run again from its sweep.csv and metrics.csv."""

    run: options.Run = None
    sweep_name: str | None = None
    """Name of the sweep, where the run has several; by default the one in the run's own folder."""


def main(arguments: list[str]) -> int:
    """Draws the figures of a run again."""
    given = options.parse(Options(), arguments, "figures")
    resource = resolve(given.run, given.runs_folder)
    if resource.folder is None:
        raise InputError(f"{given.run!r} is a preset, which has no rows; name a run")
    place = places.find(resource.folder, given.sweep_name)
    need = memory.of_rows((place.path, place.run / runs.METRICS))
    memory.check(need, f"drawing {place.path}; use a machine with more")
    runs.check_writable(place.folder)
    with runs.lock(resource.folder):
        return draw(place)


def again(place: places.Place) -> str:
    """How to draw what an interruption left out."""
    name = f" --sweep-name {shlex.quote(place.name)}" if place.name else ""
    return f"Draw them with: python sample.py figures {shlex.quote(str(place.run))}{name}"


def draw(place: places.Place) -> int:
    """Draws what the rows of a run show; returns 1 if that failed, of which one line tells, else 0."""
    table = places.read(place)
    if (place.run / runs.METRICS).is_file():
        table += training_rows(place.run)
    return drawing.draw(table, place.folder, runs.SWEEP, again=again(place))


def training_rows(run: Path) -> "list[Row]":
    """Rows of the training of a run, up to its checkpoint; of several seeds those of each, and their means.

    Raises:
      ValueError: they, the checkpoint or its settings are not what was written.
    """
    from jdlm.study import over_seeds

    config = runs.read_config(run)
    found = members.find(run, config)
    if not found:
        return _rows_of(run, config)
    table = []
    for seed, folder in found.items():
        mine = _rows_of(folder, runs.read_config(folder))
        table += [dataclasses.replace(row, predictor=over_seeds.member(row.predictor, seed)) for row in mine]
    return table + over_seeds.means(table)


def _rows_of(run: Path, config: Config) -> "list[Row]":
    """Rows of one training."""
    from jdlm.study import metrics_file
    from jdlm.training import checkpoint as checkpoints

    folder = run / runs.CHECKPOINT
    checkpoints.check(folder, config.record())
    return metrics_file.read(run / runs.METRICS, checkpoints.beside(folder), checkpoints.step(folder))
