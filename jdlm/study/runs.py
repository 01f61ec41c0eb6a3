"""Run folders: everything about one run in one place, readable without jdlm.

    config.toml     the resolved configuration, every default spelled out
    manifest.json   versions, git commit, device, seeds, precision, times, the command; it makes a folder a run
    metrics.csv     rows of the training
    checkpoint/     the trained network
    sweep.csv       rows of the last sweep
    figures/        what was drawn from sweep.csv, as PNG and SVG

The folder of a study has ``manifest.json``, ``rows.csv``, ``figures/`` and ``summary.md``, and is no run.

A new run is a hidden draft until there is something valid in it; then it takes its name in one move.
"""

import contextlib
import datetime
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jdlm
from jdlm import files
from jdlm.config import Config, nearest, presets

__all__ = [
    "CHECKPOINT",
    "CONFIG",
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

CONFIG, MANIFEST, METRICS, SWEEP = "config.toml", "manifest.json", "metrics.csv", "sweep.csv"
CHECKPOINT, FIGURES = "checkpoint", "figures"
ROWS, SUMMARY = "rows.csv", "summary.md"
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "safetensors", "matplotlib")
_SCHEMA = 1


class Draft:
    """A run folder in the making; ``folder`` is hidden until `publish` and the run's own after it."""

    def __init__(self, folder: Path, target: Path, exact: bool, published: bool = False):
        self.folder, self.published = folder, published
        self._target, self._exact = target, exact

    def publish(self) -> Path:
        """Gives the folder its name, once; a number is added to a name that is taken meanwhile.

        Raises:
          ValueError: the name was asked for by the user and is taken.
        """
        number = 2
        target = self._target
        while not self.published:
            if target.exists():
                if self._exact:
                    raise ValueError(f"{target} exists; choose another --name")
                target = self._target.with_name(f"{self._target.name}-{number}")
                number += 1
                continue
            os.rename(self.folder, target)
            self.folder, self.published = target, True
        return self.folder


@contextlib.contextmanager
def draft(root: str | Path, name: str, *, exact: bool = False) -> Iterator[Draft]:
    """A new run folder under ``root``; removed again without a trace if it was not published.

    Args:
      root: folder of the runs, made where it does not exist.
      name: name of the run; a number is added if it is taken, unless ``exact``.
      exact: a name that is taken is an error.

    Raises:
      ValueError: the name is taken or is not a valid folder name.
      OSError: the folder cannot be written.
    """
    root = Path(root)
    if not name or name.startswith((".", "-")) or Path(name).name != name:
        raise ValueError(f"{name!r} cannot be the name of a run; use letters, digits, '-' and '_'")
    if exact and (root / name).exists():
        raise ValueError(f"{root / name} exists; choose another --name")
    missing = [parent for parent in (root, *root.parents) if not parent.exists()]
    root.mkdir(parents=True, exist_ok=True)
    hidden = root / f".{name}.{os.getpid()}-{time.time_ns()}.partial"
    made = Draft(hidden, root / name, exact)
    try:
        hidden.mkdir()
        yield made
    finally:
        if not made.published:
            shutil.rmtree(hidden, ignore_errors=True)
            for parent in missing:
                with contextlib.suppress(OSError):
                    parent.rmdir()


def writable(folder: Path) -> bool:
    """Whether ``folder`` is one that files can be made in; it is made if it does not exist."""
    import tempfile  # here and below: not for `--help`, which is to be instant

    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    return False


def check_writable(folder: Path) -> None:
    """Raises a ValueError unless files can be made in ``folder``, before a long task finds out at its end."""
    if not writable(folder):
        raise ValueError(f"{folder} cannot be written; change its permissions, or choose another --runs-folder")


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
    return ValueError(
        f"no run {name!r} under {str(root)!r} and no preset of that name; "
        + nearest(name, {*known, *presets.names()}, what="runs and presets")
    )


def write_config(folder: Path, config: Config) -> None:
    """Writes ``config.toml``."""
    files.write(folder / CONFIG, presets.dump(config))


def read_config(folder: Path) -> Config:
    """The resolved configuration of a run; a relative path, as older versions wrote it, starts in the current folder.

    Raises:
      ValueError: it is missing or damaged.
    """
    if (folder / ROWS).is_file():
        raise ValueError(f"{folder} holds a study, which is no run; its numbers are in {folder / ROWS}")
    if not (folder / CONFIG).is_file():
        raise ValueError(f"{folder} has no {CONFIG}; it is not a whole run folder")
    return presets.read(folder / CONFIG, Path.cwd())


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes ``manifest.json``, replacing an old one in one move."""
    files.write(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run.

    Raises:
      ValueError: it is missing, damaged, or of a later version of jdlm.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8-sig"))
        schema = manifest["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / MANIFEST} is missing or damaged ({type(error).__name__}: {error})") from None
    if schema != _SCHEMA:
        raise ValueError(f"{folder / MANIFEST} has schema {schema}; this version of jdlm reads {_SCHEMA}")
    return manifest


def new_manifest(config: Config, command: list[str], data_sha256: str | None = None) -> dict[str, Any]:
    """A manifest of a run that starts now on this machine: what is needed to repeat it.

    Args:
      config: the resolved configuration.
      command: the command line.
      data_sha256: digest of the data file, for targets that read one.
    """
    from jdlm.training import network

    training = config.training
    return {
        "schema": _SCHEMA,
        "name": config.name,
        "kind": "oracle" if training is None else "training",
        "command": command,
        "started": now(),
        "finished": None,
        "steps_done": None if training is None else 0,
        "seeds": {"sweep": config.sweep.seed} | ({} if training is None else {"training": training.seed}),
        "precision": None if config.network is None else network.precision(config.network),
        "data_sha256": data_sha256,
        **environment(),
    }


def study_manifest(name: str, command: list[str], seed: int, quick: bool) -> dict[str, Any]:
    """A manifest of a study that starts now on this machine.

    Args:
      name: of the study.
      command: the command line.
      seed: of its random numbers.
      quick: whether only the rows that take seconds are made.
    """
    return {
        "schema": _SCHEMA,
        "name": name,
        "kind": "study",
        "command": command,
        "started": now(),
        "finished": None,
        "seeds": {"study": seed},
        "quick": quick,
        **environment(),
    }


def environment() -> dict[str, Any]:
    """Versions, git commit, machine and device of this process; starts JAX."""
    import importlib.metadata

    import jax

    device = jax.devices()[0]
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "versions": {"jdlm": jdlm.__version__, "python": platform.python_version()} | versions,
        "git_commit": git_commit(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()},
        "cpu_count": os.cpu_count(),
    }


def git_commit() -> str | None:
    """The commit of the checkout that jdlm runs from, with ``-dirty`` if files differ; None outside of one."""
    import subprocess

    package = Path(__file__).resolve().parent.parent
    git = ["git", "-C", str(package.parent)]
    try:
        options = {"capture_output": True, "text": True, "check": True, "timeout": 10}
        # An installed copy may lie inside somebody else's repository.
        subprocess.run([*git, "ls-files", "--error-unmatch", "jdlm/__init__.py"], **options)
        commit = subprocess.run([*git, "rev-parse", "HEAD"], **options).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], **options).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("-dirty" if changed else "")


def now() -> str:
    """The time in UTC, ISO 8601 with microseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
