"""``sample.py manifest``: prints what was recorded of a run or a study."""

import json
from dataclasses import dataclass

from jdlm.cli import options
from jdlm.cli.resource import resolve
from jdlm.errors import InputError
from jdlm.study import runs

__all__ = ["Options", "main"]


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions):
    """Prints what was recorded of a run or a study, as JSON.

    Settings, versions, device, seeds, command, times, digest of the data, and of each sweep its rows and their digest.
    It is refused if it was changed, or if config.toml is not that of the run. `train.py --from RUN` repeats a training.
    """

    run: options.Run = None


def main(arguments: list[str]) -> int:
    """Prints the manifest."""
    given = options.parse(Options(), arguments, "manifest")
    folder = runs.newest(given.runs_folder) if given.run is None else runs.find(given.run, given.runs_folder)
    if folder is None:
        resolve(given.run, given.runs_folder)  # says what is wrong with a word that is neither
        raise InputError(f"{given.run!r} is a preset, of which nothing is recorded; name a run")
    manifest = runs.read_manifest(folder)
    if manifest.get("kind") != "study":
        runs.read_config(folder)
    print(json.dumps(manifest, indent=2))
    return 0
