"""``sample.py report``: one file of HTML with what a run or a study found, which opens without network."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm import files
from jdlm.cli import failures, figures, interrupt, memory, options
from jdlm.cli.resource import find_run, resolve
from jdlm.errors import InputError
from jdlm.study import places, runs

if TYPE_CHECKING:
    from jdlm.study.pages import Facts
    from jdlm.study.rows import Row

__all__ = ["FILE", "Options", "main", "write"]

FILE = "report.html"
_WATCHED = ("uniform", "cosine", "minimax_both", "first_hitting")  # of a report, where the sweep has them
_DRAWS = 6


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions):
    """Writes what a run or a study found as one file, report.html: facts, figures, tables, and samples to watch.

    The file needs no network and opens from disk. Every sweep and study writes it at its end.
    """

    run: options.Run = None
    sweep_name: str | None = None
    """Name of the sweep, where the run has several; by default the one in the run's own folder."""


def main(arguments: list[str]) -> int:
    """Writes the report of a run or a study, and says where it is."""
    given = options.parse(Options(), arguments, "report")
    folder = find_run(given.run, given.runs_folder, "which has no rows; name a run or a study")
    if folder is None:
        raise InputError(f"no run under {given.runs_folder} yet; make one with `python sample.py tiny`")
    if (folder / runs.ROWS).is_file():
        if given.sweep_name is not None:
            raise InputError(
                f"--sweep-name {given.sweep_name!r} is that of a run, and {folder} is a study; leave it out"
            )
        runs.check_writable(folder)
        return write(folder, None)
    place = places.find(folder, given.sweep_name)
    runs.check_writable(place.folder)
    with runs.lock(folder):
        return write(folder, place)


def write(folder: Path, place: places.Place | None) -> int:
    """Writes the report of a sweep, or of a study; returns 1 if that failed, of which one line tells, else 0."""
    path = (folder if place is None else place.folder) / FILE
    rows = [folder / runs.ROWS] if place is None else [place.path, place.run / runs.METRICS]
    interrupt.remains(f"{path} is not written, all else is. Write it with: {_again(folder, place)}")
    try:
        memory.check(memory.of_rows(rows), f"the report of {folder}; use a machine with more")
        page = _of_study(folder) if place is None else _of_sweep(place)
        files.write(path, page)
    except Exception as error:
        return failures.told(error, f"{path} is not written")
    print(f"wrote {path}; open it in a browser", flush=True)
    return 0


def _again(folder: Path, place: places.Place | None) -> str:
    name = "" if place is None or not place.name else f" --sweep-name {shlex.quote(place.name)}"
    return f"python sample.py report {shlex.quote(str(folder))}{name}"


def _drawn(folder: Path) -> dict[str, str]:
    """The figures in a folder, by name."""
    from jdlm.study.pages.report import TITLES

    order = list(TITLES)
    paths = sorted((folder / runs.FIGURES).glob("*.svg"))
    paths.sort(key=lambda path: order.index(path.stem) if path.stem in order else len(order))
    return {path.stem: files.read(path, 2**22).decode("utf-8") for path in paths}


def _machine(manifest: dict[str, Any]) -> dict[str, str]:
    """What a manifest says of the time, the machine and the versions."""
    versions, device = manifest.get("versions") or {}, manifest.get("device") or {}
    found = {
        "started": str(manifest.get("started") or "unknown"),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "device": f"{device.get('count')} x {device.get('kind')}, {manifest.get('platform')}",
    }
    return found | ({"git commit": str(manifest["git_commit"])} if manifest.get("git_commit") else {})


def _seeds(seeds: object) -> str:
    pairs = seeds.items() if isinstance(seeds, dict) else []
    return ", ".join(f"{name} {value}" for name, value in pairs)


def _of_study(folder: Path) -> str:
    from jdlm.study import pages, rows

    manifest, table = runs.read_manifest(folder), rows.read(folder / runs.ROWS)
    summary = files.read(folder / runs.SUMMARY, 2**20).decode("utf-8") if (folder / runs.SUMMARY).is_file() else ""
    facts = pages.Facts(
        title=f"Study {manifest.get('name')}",
        facts={"kind": "study" + (", its quick part" if manifest.get("quick") else ""),
               "seeds": _seeds(manifest.get("seeds"))} | _machine(manifest),
        commands=[_repeated(manifest.get("command"))],
        conclusions=[line.removeprefix("- ") for line in summary.splitlines() if line.strip()],
    )  # fmt: skip
    return pages.report(table, facts, _drawn(folder))


def _repeated(command: object) -> str:
    return options.shell_line([str(word) for word in command] if isinstance(command, list) else [])


def _of_sweep(place: places.Place) -> str:
    from jdlm.study import pages

    table = places.read(place)
    if (place.run / runs.METRICS).is_file():
        table += figures.training_rows(place.run)
    return pages.report(table, _facts(place, table), _drawn(place.folder), _scene(place, table))


def _facts(place: places.Place, table: "list[Row]") -> "Facts":
    """What was run, in words."""
    from jdlm.study import pages

    config, manifest = runs.read_config(place.run), runs.read_manifest(place.run)
    target = config.target
    fields = ", ".join(f"{name} {value}" for name, value in target.record().items() if name != "kind")
    found = {"run": place.run.name, "target": f"{config.name}: {target.kind}, {_cut(fields)}"}
    if config.network is not None and config.training is not None:
        network, training = config.network, config.training
        found["network"] = f"{network.kind}, width {network.width}, depth {network.depth}, {network.heads} heads"
        found["training"] = (
            f"{manifest.get('steps_done')} of {training.steps} steps, batches of {training.batch_size}, "
            f"learning rate {training.learning_rate:g}, labels {training.labels}"
        )
    sweep = places.settings(place, config.sweep)
    found["sweep"] = f"{sweep.samples} sequences a cell, {sweep.curve_samples} for each revealed count of the curves"
    found |= {"filters": words} if (words := options.filters(sweep).draw().words) else {}
    found["seeds"] = _seeds((manifest.get("seeds") or {}) | {"sweep": sweep.seed})
    made = options.shell_line(_naming(places.command(place), place.run))
    commands = [_repeated(manifest.get("command")), made, _again(place.run, place)]
    commands = list(dict.fromkeys(filter(None, commands)))  # a sweep that made the run is there once
    return pages.Facts(f"{place.run.name}: schedules on {config.name}", found | _machine(manifest), commands)


def _naming(command: list[str], run: Path) -> list[str]:
    """The command of a sweep with the run that it was of, where it took the newest one."""
    program, *words = command or ["sample.py"]
    words = words[1:] if words[:1] == ["sweep"] else words
    is_named = bool(words) and not words[0].startswith("-")
    return [program, "sweep", *words] if is_named else [program, "sweep", str(run), *words]


def _cut(words: str) -> str:
    return words if len(words) <= 300 else words[:300] + " ..."


def _scene(place: places.Place, table: "list[Row]") -> dict[str, Any] | None:
    """Samples of the run to watch, under some schedules of its sweep; None where there is no room or no predictor."""
    from jdlm.cli import watch
    from jdlm.study.pages import LONGEST

    resource = resolve(str(place.run), place.run.parent)
    if resource.config.target.length > LONGEST:
        return None
    words = list(dict.fromkeys(row.schedule for row in table if row.schedule))
    words = [word for word in _WATCHED if word in words] or [word for word in words if word != "speculative"][:4]
    counts = sorted({row.num_steps for row in table if row.num_steps and row.schedule in words})
    if not words or not counts:
        return None
    steps = counts[len(counts) // 2 - (len(counts) > 1)]
    filters = options.filters(places.settings(place, resource.config.sweep))
    steps = min(steps, resource.config.target.length)
    try:
        return watch.scene_of(resource, words, steps, draws=_DRAWS, filters=filters)
    except InputError as error:
        print(f"note: the report has no samples to watch: {error}", file=sys.stderr)
        return None
