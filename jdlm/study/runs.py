"""Run folders: everything about one run in one place, readable without jdlm.

    config.toml     the resolved configuration, every default spelled out
    manifest.json   versions, git commit, device, seeds, precision, times, the command; it makes a folder a run
    metrics.csv     rows of the training
    checkpoint/     the trained network
    seeds/          runs of the other seeds, where the training has several
    data/           what a pipe gave, by its digest; other data stay where they are
    sweep.csv       rows of the last sweep
    figures/        what was drawn from sweep.csv, as PNG and SVG

The folder of a study has ``manifest.json``, ``rows.csv``, ``figures/`` and ``summary.md``, and is no run.

A new run is a hidden draft until there is something valid in it; then it takes its name in one move.
"""

import contextlib
import dataclasses
from pathlib import Path

from jdlm import files, records
from jdlm.config import Config, nearest, presets
from jdlm.errors import InputError
from jdlm.study.drafts import Draft, check_writable, draft, writable
from jdlm.study.locks import lock
from jdlm.study.manifests import (
    MANIFEST,
    environment,
    git_commit,
    new_manifest,
    now,
    read_manifest,
    study_manifest,
    write_manifest,
)

__all__ = [
    "CHECKPOINT",
    "CONFIG",
    "DATA",
    "FIGURES",
    "MANIFEST",
    "METRICS",
    "ROWS",
    "SUMMARY",
    "SWEEP",
    "Draft",
    "check_writable",
    "draft",
    "environment",
    "find",
    "git_commit",
    "lock",
    "missing",
    "new_manifest",
    "newest",
    "now",
    "read_config",
    "read_manifest",
    "study_manifest",
    "writable",
    "write_config",
    "write_manifest",
]

CONFIG, METRICS, SWEEP = "config.toml", "metrics.csv", "sweep.csv"
CHECKPOINT, FIGURES = "checkpoint", "figures"
ROWS, SUMMARY, DATA = "rows.csv", "summary.md", "data"


def find(name: str, root: str | Path) -> Path | None:
    """The run of that name under ``root``, or in the folder of that path; None if neither has a manifest."""
    for folder in (Path(name), Path(root) / name):
        if (folder / MANIFEST).is_file():
            return folder
    return None


def newest(root: str | Path) -> Path | None:
    """The run under ``root`` that was started last, by its manifest; None if there is none. Studies are no runs."""
    started = {}
    for path in sorted(Path(root).glob(f"[!.]*/{MANIFEST}")):
        with contextlib.suppress(ValueError):
            manifest = read_manifest(path.parent)
            if manifest.get("kind") != "study":
                started[path.parent] = manifest.get("started") or ""
    return max(started, key=lambda folder: started[folder], default=None)


def missing(name: str, root: str | Path) -> ValueError:
    """The error for a name that is neither a run nor a preset, with the nearest name that is."""
    known = [path.parent.name for path in Path(root).glob(f"[!.]*/{MANIFEST}")]
    return InputError(
        f"no run {name!r} under {str(root)!r} and no preset of that name; "
        + nearest(name, {*known, *presets.names()}, what="runs and presets")
    )


def write_config(folder: Path, config: Config) -> None:
    """Writes ``config.toml``."""
    files.write(folder / CONFIG, presets.dump(config))


def read_config(folder: Path) -> Config:
    """The resolved configuration of a run; a relative path, as older versions wrote it, starts in the current folder.

    Raises:
      ValueError: it is missing or damaged, or is not what the manifest says the run was made with.
    """
    if (folder / ROWS).is_file():
        raise InputError(f"{folder} holds a study, which is no run; its numbers are in {folder / ROWS}")
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} has no {CONFIG}; it is not a whole run folder")
    config = presets.read(folder / CONFIG, Path.cwd())
    config = dataclasses.replace(config, target=config.target.kept(folder / DATA))
    recorded = read_manifest(folder).get("settings") if (folder / MANIFEST).is_file() else None
    found = None if recorded is None else records.difference(recorded, config.record())
    if found is not None:
        raise InputError(f"{folder / CONFIG} is not that of the run: {found}; restore it, or make a new run of it")
    return config
