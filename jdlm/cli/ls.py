"""``sample.py ls``: what there is: runs, presets, schedules, planners and kinds of targets, a line each."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jdlm.cli import options
from jdlm.config import PLANNERS, SCHEDULES, TARGETS, nearest, presets
from jdlm.config.words import SAMPLERS
from jdlm.errors import InputError
from jdlm.study import members, places, runs

__all__ = ["Options", "main"]

What = Annotated[
    str | None,
    tyro.conf.Positional,
    tyro.conf.DisallowNone,
    tyro.conf.arg(
        metavar="[WHAT]",
        help="One of runs, presets, schedules, planners, targets.",
        help_behavior_hint="(default: all of them)",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions):
    """Lists runs and studies, presets, and the words of schedules, planners and kinds of targets, a line each."""

    what: What = None


def main(arguments: list[str]) -> int:
    """Prints the lists."""
    given = options.parse(Options(), arguments, "ls")
    lists: dict[str, Callable[[], dict[str, str]]] = {
        "runs": lambda: _runs(given.runs_folder),
        "presets": _presets,
        "schedules": _schedules,
        "planners": lambda: {_written(name, word.parameter): word.help for name, word in PLANNERS.items()},
        "targets": lambda: {kind: _first(inspect.getdoc(cls) or "") for kind, cls in TARGETS.items()},
    }
    if given.what is not None and given.what not in lists:
        raise InputError(f"there is no list of {given.what!r}; {nearest(given.what, lists, what='lists')}")
    wanted = lists if given.what is None else {given.what: lists[given.what]}
    for number, (title, entries) in enumerate(wanted.items()):
        if len(wanted) > 1:
            print(f"{chr(10) if number else ''}{title}")
        found = entries() or {"(none)": f"under {given.runs_folder} yet" if title == "runs" else ""}
        width = max(map(len, found)) + 2
        for name, line in found.items():
            print(f"{'  ' if len(wanted) > 1 else ''}{name:<{width}}{line}".rstrip())
    return 0


def _first(text: str) -> str:
    """The first sentence of a docstring, in one line."""
    return " ".join(text.split("\n\n")[0].split())


def _written(name: str, parameter: str | None) -> str:
    return f"{name}:{parameter.upper()}" if parameter else name


def _schedules() -> dict[str, str]:
    return {_written(name, word.parameter): word.help for name, word in SCHEDULES.items()} | SAMPLERS


def _presets() -> dict[str, str]:
    found = {}
    for name in presets.names():
        config = presets.load(name)
        trained = "" if config.training is None else f", trained in {config.training.steps} steps"
        found[name] = f"{config.target.kind}, length {config.target.length}{trained}"
    return found


def _runs(root: Path) -> dict[str, str]:
    """Runs and studies, the newest first; one that cannot be read says why."""
    found = []
    for path in root.glob(f"[!.]*/{runs.MANIFEST}"):
        folder = path.parent
        try:
            found.append((*_described(folder), folder.name))
        except (InputError, OSError) as error:
            found.append(("", f"cannot be read: {' '.join(str(error).split())[:120]}", folder.name))
    return {name: line for _, line, name in sorted(found, reverse=True)}


def _described(folder: Path) -> tuple[str, str]:
    """When a run was started, and what it is."""
    manifest = runs.read_manifest(folder)
    started = str(manifest.get("started") or "")
    if manifest.get("kind") == "study":
        parts = [f"study {manifest.get('name')}"]
    else:
        config = runs.read_config(folder)
        parts = [f"{config.target.kind}, length {config.target.length}"]
        if config.training is not None:
            parts.append(f"{manifest.get('steps_done', 0)} of {config.training.steps} steps")
            others = [members.folder(folder, seed).is_dir() for seed in members.configs(config)]
            parts += [f"{1 + sum(others)} of {1 + len(others)} seeds"] if others else []
        sweeps = len(places.names(folder))
        parts += [f"{sweeps} sweep{'s' * (sweeps != 1)}"] if sweeps else []
    if not manifest.get("finished"):
        parts.append("not finished")
    return started, ", ".join([*parts, started[:16].replace("T", " ")])
