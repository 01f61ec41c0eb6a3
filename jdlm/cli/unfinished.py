"""Runs and studies that were begun and not finished, with which the same command goes on."""

import contextlib
import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jdlm import records
from jdlm.config import Config
from jdlm.errors import InputError
from jdlm.study import runs

__all__ = ["found", "of_oracle", "studies"]


def of_oracle(root: Path, name: str, config: Config, *, exact: bool = False) -> list[Path]:
    """Runs of the oracle with these settings whose sweep was not finished.

    Args:
      root: folder of the runs.
      name: of the run, as it was wanted.
      config: the resolved configuration.
      exact: the name must be this one; by default it may have got a number.
    """
    return _open(root, name, {"kind": "oracle", "settings": config.record()}, exact)


def studies(root: Path, name: str, manifest: dict[str, Any], *, exact: bool = False) -> list[Path]:
    """Studies with the seed and the parts of a manifest that were not finished."""
    return _open(root, name, {field: manifest[field] for field in ("kind", "name", "seeds", "quick")}, exact)


def _open(root: Path, name: str, wanted: dict[str, Any], exact: bool) -> list[Path]:
    places = []
    for folder in [root / name] + ([] if exact else sorted(root.glob(f"{glob.escape(name)}-*"))):
        with contextlib.suppress(ValueError):
            manifest = runs.read_manifest(folder)
            same = all(records.difference(manifest.get(field), value) is None for field, value in wanted.items())
            if same and manifest.get("finished") is None:
                places.append(folder)
    return places


@contextlib.contextmanager
def found(folders: list[Path], *, exact: bool = False) -> Iterator[Path | None]:
    """The first of these folders that no other process writes into, locked; None if there is none.

    Args:
      folders: where to look.
      exact: raise the error of a folder that is in use, instead of taking the next one.
    """
    with contextlib.ExitStack() as stack:
        for folder in folders:
            try:
                stack.enter_context(runs.lock(folder))
            except InputError:
                if exact:
                    raise
                continue
            yield folder
            return
        yield None
