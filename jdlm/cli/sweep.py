"""``sample.py sweep``: rows and figures of a run."""

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm.cli import (
    cache,
    cells,
    failures,
    figures,
    hosts,
    interrupt,
    memory,
    options,
    progress,
    report,
    summary,
    unfinished,
)
from jdlm.cli.resource import Resource, load_network, load_predictor, record, resolve
from jdlm.config import SweepConfig, TargetConfig, build_planner, build_schedules, words
from jdlm.study import members, places, runs

if TYPE_CHECKING:
    from jdlm.predictor import Predictor
    from jdlm.schedules import Schedule
    from jdlm.study.rows import Row
    from jdlm.targets import Target

__all__ = ["Options", "PresetOptions", "main"]


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions, hosts.HostOptions):
    """Samples a trained run (or the oracle of a preset) under schedules side by side and draws the figures.

    The run or preset stands before the options. A preset makes a new run without training; its target has options of
    its own, which `sample.py sweep PRESET --help` lists. --temperature, --top-k and --nucleus are short for
    --sweep.temperature and so on: all numbers are then those of the filtered samplers. Cells are kept as they are made:
    after an interruption, a crash or a failed cell the same command goes on with what is missing.
    """

    run: options.RunOrPreset = None
    sweep: SweepConfig = field(default_factory=SweepConfig)
    """Schedules and sizes of the comparison."""
    sweep_name: str | None = None
    """Name of the sweep, in RUN/sweeps/NAME; by default the run's own folder, and sweep-2, ... for other settings."""
    fail_fast: options.Flag = False
    """Stop at the first cell that fails; by default its error is shown and the others go on."""


@dataclass(frozen=True, kw_only=True)
class PresetOptions(Options):
    """Samples the oracle of a preset under schedules side by side, in a new run, and draws the figures."""

    target: TargetConfig
    name: str | None = None
    """Name of the run folder; by default the preset's, with a number if it is taken."""


def main(arguments: list[str]) -> int:
    """Sweeps a run, or makes a new one from a preset."""
    arguments = options.lengthened(arguments, "sweep", ("temperature", "top-k", "nucleus"))
    early = options.early(arguments)
    try:
        resource = resolve(early.word, early.runs_folder, fresh=early.name is not None)
    except ValueError:
        if early.word is None and {"-h", "--help"} & {*arguments}:  # there is no run yet, of which it would tell
            options.parse(Options(), arguments, "sweep")
        raise
    config, folder = resource.config, resource.folder
    if folder is not None:
        given = options.parse(Options(sweep=config.sweep), arguments, "sweep")
        options.check_leading(early.word, given.run)
        resource = dataclasses.replace(resource, config=dataclasses.replace(config, sweep=given.sweep))
        places.choose(folder, given.sweep, given.sweep_name)  # a name that is taken is told at once
        cache.compiled_programs()
        mesh = hosts.connect(given, folder=folder)
        with hosts.locked(folder):
            return _sweep_into(folder, resource, mesh, given)
    given = options.parse(PresetOptions(target=config.target, sweep=config.sweep), arguments, "sweep")
    options.check_leading(early.word, given.run)
    return _sweep_preset(given, resource)


def _sweep_preset(given: PresetOptions, preset: Resource) -> int:
    """Sweeps the oracle of a preset in a new run, or goes on with one that was not finished."""
    if preset.config.training is not None:
        print(f"note: {preset.name} is not trained here, so the oracle alone is sampled", file=sys.stderr)
    target_config = given.target.pinned()
    config = dataclasses.replace(preset.config, target=target_config, sweep=given.sweep, network=None, training=None)
    name = given.name or config.name + ("-oracle" if preset.config.training is not None else "")
    cache.compiled_programs()
    mesh = hosts.connect(given)
    from jdlm import devices

    target = config.target.build()

    load_predictor(Resource(preset.name, config, None), target)
    resource = Resource(name, config, None)
    if not devices.is_main():
        return _sweep_into(None, resource, mesh, given)
    exact = given.name is not None
    with unfinished.found(unfinished.of_oracle(given.runs_folder, name, config, exact=exact), exact=exact) as folder:
        if folder is not None:
            print(f"note: going on with {folder}, which is not finished", file=sys.stderr)
            return _sweep_into(folder, resource, mesh, given)
    with runs.draft(given.runs_folder, name, exact=exact) as draft:
        record(draft.folder, config, target)
        return _sweep_into(draft.folder, resource, mesh, given, draft)


def _sweep_into(folder: Path | None, resource: Resource, mesh, given: Options, draft: runs.Draft | None = None) -> int:
    """Writes ``sweep.csv``, the manifest's entry and the figures; the rows of an older sweep stay until the end.

    Processes other than the main one write nothing. Returns the exit code: 1 if a cell failed or a figure could not be
    drawn, which costs neither the other rows nor the table that is printed of them.
    """
    from jdlm import devices
    from jdlm.study import over_seeds

    started = runs.now()
    if folder is None or not devices.is_main():
        interrupt.remains("process 0 says what is written")
        _measure(resource, mesh, None, given)
        return 0
    if draft is None:
        place = places.choose(folder, given.sweep, given.sweep_name)
    else:
        place = places.Place(folder, given.sweep_name or "")
    keeper = cells.Cells(place, given.sweep, draft)
    table, sampling, failed = _measure(resource, mesh, None if devices.on_many_hosts(mesh) else keeper, given)
    entry = {"command": options.command_line(), "started": started, "finished": None}
    entry |= {"options": given.sweep.record(), "sampling": sampling}
    entry |= {"kept": keeper.kept.taken} if keeper.kept.taken else {}
    place = _write(keeper, table, entry, failed.parts)
    print("\n".join(summary.lines(over_seeds.shown(table), resource.config.name)))
    print(f"wrote {place.path}", flush=True)
    code = figures.draw(place) | report.write(place.run, place)
    if failed.parts:
        failed.show()
    return 1 if failed.parts else code


def _measure(
    resource: Resource, mesh, keeper: "cells.Cells | None", given: Options
) -> tuple[list["Row"], dict[str, dict], failures.Failures]:
    """The rows of a sweep, by predictor how the sampler was used, and what failed."""
    from jdlm.study import over_seeds
    from jdlm.study import sweep as sweeps

    config, target = resource.config, resource.config.target.build()
    what = f"a sweep of {config.sweep.samples} sequences a cell, {config.sweep.curve_samples} a count and length"
    remedy = "use a smaller --sweep.samples, --sweep.curve-samples or --sweep.batch-size"
    memory.check(memory.of_sweep(config, target), f"{what} {target.length}; {remedy}")
    predictors, identities = _predictors(resource, target)
    schedules = _schedules(config.sweep, target)
    usages: dict[str, list] = {}
    failed = failures.Failures()

    with progress.Progress("sweep", unit="predictor call") as bar, interrupt.gentle() as stop:

        def report(done: int, total: int, what: str) -> None:
            bar.update(done, total, what)
            stop.check()

        table = sweeps.sweep(
            target.on("test"),
            predictors,
            schedules,
            target_name=config.name,
            n=config.sweep.samples,
            curve_n=config.sweep.curve_samples,
            seed=config.sweep.seed,
            planners=[build_planner(word) for word in config.sweep.planners],
            draw=options.filters(config.sweep).draw(),
            speculative="speculative" in config.sweep.schedules,
            batch_size=config.sweep.batch_size,
            identities=identities,
            on_samples=lambda name, results: usages.setdefault(name, []).append(results),
            on_error=None if given.fail_fast else failed,
            context=None if keeper is None else cells.context(config),
            keep=keeper,
            mesh=mesh,
            progress=report,
        )
    table += over_seeds.means(table)
    return table, {name: _usage(results) for name, results in usages.items()}, failed


def _predictors(resource: Resource, target: "Target") -> tuple[dict[str, "Predictor"], dict[str, str]]:
    """The oracle (where there is one) and the networks of a run, and what tells these from others of the name."""
    if resource.folder is None or resource.config.network is None:
        return {"oracle": load_predictor(resource, target, oracle=True)}, {}
    from jdlm.study import over_seeds
    from jdlm.training import checkpoint as checkpoints

    both = {"oracle": load_predictor(resource, target, oracle=True)} if target.has("conditionals") else {}
    folders = {"network": resource.folder}
    if others := members.find(resource.folder, resource.config):
        folders = {over_seeds.member("network", seed): folder for seed, folder in others.items()}
    for name, folder in folders.items():
        mine = load_network(Resource(name, runs.read_config(folder), folder), target)
        assert mine is not None  # as each is trained
        both[name] = mine
    return both, {name: checkpoints.sha256(folder / runs.CHECKPOINT) for name, folder in folders.items()}


def _schedules(sweep: SweepConfig, target: "Target") -> list["Schedule"]:
    with progress.Progress("schedules", unit="schedule") as bar:
        return build_schedules(
            [word for word in sweep.schedules if word not in words.SAMPLERS],
            target.length,
            sweep.num_steps,
            curve=_known_curve(target),
            cache=cache.schedules(),
            progress=bar.update,
        )


def _write(keeper: cells.Cells, table: list["Row"], entry: dict[str, Any], failed: list[str]) -> places.Place:
    """Writes the rows and the manifest's entry; returns where they are, in a run that has its name now."""
    with interrupt.gentle() as stop:  # a first Ctrl-C waits until it is clear what is written
        place = keeper.settle()
        interrupt.remains(f"{place.path} was being written: it holds the old rows, or all new ones")
        entry = entry | {"finished": runs.now(), **runs.environment()} | ({"failed": failed} if failed else {})
        manifest = runs.read_manifest(place.run)
        ends = not failed and manifest.get("kind") == "oracle" and manifest.get("finished") is None
        places.write(place, table, entry, {"finished": entry["finished"]} if ends else None)
        if not failed:
            keeper.kept.clear()
        interrupt.remains(f"{place.path} is written, the figures are not complete. {figures.again(place)}")
        stop.check()
    return place


def _usage(results: list) -> dict:
    """What the manifest says of the sampler's queues: shapes of its programs and how well its slots were used."""
    usage = type(results[0].usage)(*map(sum, zip(*(each.usage for each in results), strict=True)))
    programs = dict.fromkeys(layout for each in results for layout in each.layouts)
    return {
        "programs": [layout._asdict() for layout in programs],
        **usage._asdict(),
        "useful_share": round(usage.share, 4),
        "cache_bytes": max(each.cache_bytes for each in results),
    }


def _known_curve(target):
    """What the word ``optimal`` is built on: a function that gives the exact entropy curve; None if there is none."""
    if not target.has("entropy_curve"):
        return None
    curve = target.entropy_curve()
    return lambda: curve
