"""Manifests: what a run was made from and by, as a sealed record beside its files."""

import datetime
import os
import platform
from pathlib import Path
from typing import Any

import jdlm
from jdlm import records
from jdlm.config import Config
from jdlm.errors import InputError, shown

__all__ = [
    "MANIFEST",
    "environment",
    "git_commit",
    "new_manifest",
    "now",
    "read_manifest",
    "study_manifest",
    "write_manifest",
]

MANIFEST = "manifest.json"
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "safetensors", "matplotlib")
_SCHEMA = 1


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes ``manifest.json``, replacing an old one in one move."""
    records.write(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run.

    Raises:
      ValueError: it is missing, damaged, was changed after it was written, or is of a later version of jdlm.
    """
    path = folder / MANIFEST
    try:
        manifest, _ = records.read(path)
        schema = manifest.get("schema")
        if type(schema) is int and schema != _SCHEMA:
            raise InputError(f"schema {shown(schema)}; this version of jdlm reads {_SCHEMA}")
        _check(manifest)
    except (OSError, InputError) as error:
        raise InputError(f"{path} is missing or damaged ({error}); restore it, or make the run again") from None
    return manifest


def _check(manifest: dict[str, Any]) -> None:
    """Raise an InputError unless the fields that jdlm reads are of their types."""
    texts = ("name", "kind", "started", "finished")
    fields = [(name, str) for name in texts] + [("settings", dict), ("sweep", dict), ("sweeps", dict), ("seeds", dict)]
    if type(manifest.get("schema")) is not int:
        raise InputError(f"schema is {shown(manifest.get('schema'))}, not {_SCHEMA}")
    for name, kind in [*fields, ("resumed", list), ("command", list)]:
        if not isinstance(manifest.get(name), kind | None):
            raise InputError(f"{name} is {shown(manifest[name])}, not of type {kind.__name__}")
    steps = manifest.get("steps_done")
    if steps is not None and not records.is_count(steps):
        raise InputError(f"steps_done is {shown(steps)}, not a number of steps")
    for name, entry in (manifest.get("sweeps") or {}).items():
        if not name.isprintable() or not isinstance(entry, dict):
            raise InputError(f"sweeps holds {shown({name: entry})}, not a name and an object")


def new_manifest(config: Config, command: list[str], data_sha256: str | None = None) -> dict[str, Any]:
    """A manifest of a run that starts now on this machine: what is needed to repeat it.

    Args:
      config: the resolved configuration.
      command: the command line.
      data_sha256: digest of the data file, for targets that read one.
    """
    from jdlm.training import network

    training = config.training
    seeds: dict[str, Any] = {"sweep": config.sweep.seed}
    if training is not None:
        seeds["training"] = list(training.seeds) or training.seed
    return {
        "schema": _SCHEMA,
        "name": config.name,
        "kind": "oracle" if training is None else "training",
        "command": command,
        "started": now(),
        "finished": None,
        "steps_done": None if training is None else 0,
        "seeds": seeds,
        "precision": None if config.network is None else network.precision(config.network),
        "data_sha256": data_sha256,
        "settings": config.record(),
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
