"""The rows of a run's sweeps and what the manifest says of them: whole, or refused.

The first sweep of a run has its rows in ``sweep.csv``; sweeps of other settings have folders of their own below
``sweeps``. The manifest has an entry of each with the number of its rows and their sha256, and the entry of the rows
that they replace: it is written first, so that at any moment one of the two belongs to the file.
"""

import contextlib
import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from jdlm import files, records
from jdlm.config import SweepConfig
from jdlm.errors import InputError
from jdlm.study import rows
from jdlm.study.drafts import check_name
from jdlm.study.manifests import MANIFEST, read_manifest, write_manifest
from jdlm.study.rows import Row

__all__ = [
    "CELLS",
    "FIGURES",
    "SWEEP",
    "Place",
    "begin",
    "choose",
    "command",
    "find",
    "names",
    "read",
    "settings",
    "write",
]

SWEEP, FIGURES, CELLS = "sweep.csv", "figures", "cells"
_SWEEPS, _SETTINGS = "sweeps", "settings.json"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the files of a sweep lie.

    Attributes:
      run: folder of the run.
      name: of the sweep; empty for the first one of a run, which lies in the run's own folder.
    """

    run: Path
    name: str = ""

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return self.run / _SWEEPS / self.name if self.name else self.run

    @property
    def path(self) -> Path:
        """Its rows."""
        return self.folder / SWEEP

    @property
    def cells(self) -> Path:
        """The folder of cells that are kept until the sweep is complete."""
        return self.folder / CELLS


def names(run: Path) -> list[str]:
    """Names of the complete sweeps of a run, the unnamed one first."""
    manifest = read_manifest(run)
    return ([""] if manifest.get("sweep") else []) + sorted(manifest.get("sweeps") or {})


def choose(run: Path, settings: SweepConfig, name: str | None) -> Place:
    """The place of a sweep: one that is free, or has a sweep of the same settings, finished or not.

    Args:
      run: folder of the run.
      settings: of the sweep.
      name: that the user wants; by default none if that is free, else ``sweep-2``, ``sweep-3``, ...

    Raises:
      InputError: the name is that of a sweep of other settings.
    """
    wanted = settings.record()
    if name is not None:
        check_name(name)
        place = Place(run, name)
        found = _settings(place)
        if found is not None and found != wanted:
            raise InputError(
                f"{place.folder} holds a sweep of other settings ({records.difference(found, wanted)} now); choose "
                "another --sweep-name"
            )
        return place
    place, number = Place(run), 2
    while _settings(place) not in (None, wanted):
        place, number = Place(run, f"sweep-{number}"), number + 1
    return place


def begin(place: Place, settings: SweepConfig) -> None:
    """Make the folder of the cells, which says whose they are."""
    place.cells.mkdir(parents=True, exist_ok=True)
    records.write(place.cells / _SETTINGS, settings.record())


def find(run: Path, name: str | None) -> Place:
    """The place of a sweep with rows.

    Raises:
      InputError: there is none of that name.
    """
    place = Place(run, name or "")
    if not place.path.is_file() or not (run / MANIFEST).is_file():
        which = f"sweep {name!r}" if name else SWEEP
        others = [other for other in names(run) if other] if (run / MANIFEST).is_file() else []
        remedy = f"; there are {', '.join(others)}" if others else "; make one with `python sample.py sweep`"
        raise InputError(f"{run} has no {which} yet{remedy}")
    return place


def write(place: Place, table: list[Row], entry: dict[str, Any], more: dict[str, Any] | None = None) -> None:
    """Write the rows of a sweep and its entry in the manifest; figures of the rows that it replaces are removed.

    Args:
      place: of the sweep.
      table: its rows.
      entry: what else the manifest is to say of it.
      more: other fields of the manifest that change with it.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    content = rows.text(table).encode()
    manifest = read_manifest(place.run)
    old = _entry(manifest, place) or {}
    entry = entry | {"rows": len(table), "sha256": hashlib.sha256(content).hexdigest()}
    found = _belonging(place, old) if place.path.is_file() else None
    if found is not None and found[0].get("sha256") != entry["sha256"]:
        entry["previous"] = {key: value for key, value in found[0].items() if key != "previous"}
    with contextlib.suppress(ImportError):  # without matplotlib there are none
        from jdlm.study import figures

        figures.remove(place.folder / FIGURES)
    if place.name:
        manifest["sweeps"] = (manifest.get("sweeps") or {}) | {place.name: entry}
    else:
        manifest["sweep"] = entry
    write_manifest(place.run, manifest | (more or {}))
    files.write(place.path, content)


def read(place: Place) -> list[Row]:
    """The rows of a sweep.

    Raises:
      InputError: they are not those of the manifest, see `rows.read` for other damage.
    """
    entry = _entry(read_manifest(place.run), place)
    found = None if entry is None else _belonging(place, entry)
    if found is None:
        raise InputError(
            f"{place.path} is not as it was written: the manifest says other rows; restore it, or make it again with "
            "`python sample.py sweep`"
        )
    entry, content = found
    table = rows.parse(content, place.path)
    if entry.get("rows") not in (None, len(table)):
        raise InputError(f"{place.path} has {len(table)} rows instead of {entry['rows']}; make it again")
    return table


def settings(place: Place, default: SweepConfig) -> SweepConfig:
    """What a complete sweep was made with; the default where the manifest, of an older version, does not say."""
    found = (_entry(read_manifest(place.run), place) or {}).get("options")
    if not isinstance(found, dict):
        return default
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return SweepConfig(**values)


def command(place: Place) -> list[str]:
    """The command line that made a complete sweep; empty where the manifest does not say."""
    return [str(word) for word in (_entry(read_manifest(place.run), place) or {}).get("command") or []]


def _entry(manifest: dict[str, Any], place: Place) -> dict[str, Any] | None:
    return (manifest.get("sweeps") or {}).get(place.name) if place.name else manifest.get("sweep")


def _belonging(place: Place, entry: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
    """The entry of the rows that are there (it, or the one that it replaces) and their content; None if neither's."""
    content = files.read(place.path, rows.MOST)
    found = hashlib.sha256(content).hexdigest()
    for each in (entry, entry.get("previous")):
        if isinstance(each, dict) and each.get("sha256", found) == found:  # older versions wrote none
            return each, content
    return None


def _settings(place: Place) -> Any:
    """Settings of the sweep at a place, finished or not; None if it is free."""
    if (place.cells / _SETTINGS).is_file():
        try:
            return records.read(place.cells / _SETTINGS)[0]
        except InputError:  # cells of nobody: they are named by what determines them, so nothing is lost
            return None
    entry = _entry(read_manifest(place.run), place)
    return None if entry is None or not place.path.is_file() else entry.get("options")
