"""``sample.py manifest``: prints what was recorded of a run or a study."""

import json
from dataclasses import dataclass

from jdlm.cli import options
from jdlm.cli.resource import find_run, resolve
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
    folder = find_run(given.run, given.runs_folder, "of which nothing is recorded; name a run")
    if folder is None:
        resolve(None, given.runs_folder)  # says how to make one
        return 2
    manifest = runs.read_manifest(folder)
    if manifest.get("kind") != "study":
        runs.read_config(folder)
    print(json.dumps(manifest, indent=2))
    return 0
