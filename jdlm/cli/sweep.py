"""``sample.py sweep``: rows and figures of a run."""

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm.cli import cache, figures, hosts, interrupt, options, progress, summary
from jdlm.cli.resource import Resource, load_network, load_predictor, record, resolve
from jdlm.config import SweepConfig, TargetConfig, build_planner, build_schedules, words
from jdlm.study import runs

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
    its own, which `sample.py sweep PRESET --help` lists.
    """

    run: options.RunOrPreset = None
    sweep: SweepConfig = field(default_factory=SweepConfig)
    """Schedules and sizes of the comparison."""


@dataclass(frozen=True, kw_only=True)
class PresetOptions(Options):
    """Samples the oracle of a preset under schedules side by side, in a new run, and draws the figures."""

    target: TargetConfig
    name: str | None = None
    """Name of the run folder; by default the preset's, with a number if it is taken."""


def main(arguments: list[str]) -> int:
    """Sweeps a run, or makes a new one from a preset."""
    early = options.early(arguments)
    try:
        resource = resolve(early.word, early.runs_folder, fresh=early.name is not None)
    except ValueError:
        if early.word is None and {"-h", "--help"} & {*arguments}:  # there is no run yet, of which it would tell
            options.parse(Options(), arguments, "sweep")
        raise
    config = resource.config
    if resource.folder is not None:
        given = options.parse(Options(sweep=config.sweep), arguments, "sweep")
        options.check_leading(early.word, given.run)
        resource = dataclasses.replace(resource, config=dataclasses.replace(config, sweep=given.sweep))
        cache.compiled_programs()
        mesh = hosts.connect(given, folder=resource.folder)
        return _sweep_into(resource.folder, resource, mesh)
    given = options.parse(PresetOptions(target=config.target, sweep=config.sweep), arguments, "sweep")
    options.check_leading(early.word, given.run)
    return _sweep_preset(given, resource)


def _sweep_preset(given: PresetOptions, preset: Resource) -> int:
    """Sweeps the oracle of a preset in a new run."""
    if preset.config.training is not None:
        print(f"note: {preset.name} is not trained here, so the oracle alone is sampled", file=sys.stderr)
    config = dataclasses.replace(preset.config, target=given.target, sweep=given.sweep, network=None, training=None)
    name = given.name or config.name + ("-oracle" if preset.config.training is not None else "")
    cache.compiled_programs()
    mesh = hosts.connect(given)
    from jdlm import devices

    target = config.target.build()

    load_predictor(Resource(preset.name, config, None), target)
    if not devices.is_main():
        return _sweep_into(None, Resource(name, config, None), mesh)
    with runs.draft(given.runs_folder, name, exact=given.name is not None) as draft:
        record(draft.folder, config, target)
        return _sweep_into(draft.folder, Resource(name, config, None), mesh, draft)


def _sweep_into(folder: Path | None, resource: Resource, mesh, draft: runs.Draft | None = None) -> int:
    """Writes ``sweep.csv``, the manifest's entry and the figures; the rows of an older sweep stay until the end.

    Processes other than the main one write nothing. Returns the exit code: 1 if a figure could not be drawn, which
    costs neither the rows nor the table that is printed of them.
    """
    from jdlm import devices

    started = runs.now()
    if not devices.is_main():
        interrupt.remains("process 0 says what is written")
    table, sampling = _measure(resource, mesh)
    if folder is None or not devices.is_main():
        return 0
    sweep = dataclasses.asdict(resource.config.sweep)
    entry = {"command": options.command_line(), "started": started, "finished": None}
    entry |= {"options": sweep, "sampling": sampling}
    folder = _write(folder, table, entry, draft)
    print("\n".join(summary.lines(table, resource.config.name)))
    print(f"wrote {folder / runs.SWEEP}", flush=True)
    return figures.draw(folder)


def _measure(resource: Resource, mesh) -> tuple[list["Row"], dict[str, dict]]:
    """The rows of a sweep, and by predictor how the sampler was used."""
    from jdlm.study import sweep as sweeps

    config, target = resource.config, resource.config.target.build()
    predictors, identities = _predictors(resource, target)
    schedules = _schedules(config.sweep, target)
    sampling = {}
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
            speculative="speculative" in config.sweep.schedules,
            batch_size=config.sweep.batch_size,
            identities=identities,
            on_samples=lambda name, results: sampling.update({name: _usage(results)}),
            mesh=mesh,
            progress=report,
        )
    return table, sampling


def _predictors(resource: Resource, target: "Target") -> tuple[dict[str, "Predictor"], dict[str, str]]:
    """The oracle (where there is one) and the network of a run, and what tells this network from others of the name."""

    network = load_network(resource, target)
    if network is None or resource.folder is None:
        return {"oracle": load_predictor(resource, target, oracle=True)}, {}
    from jdlm.training import checkpoint as checkpoints

    both = {"oracle": load_predictor(resource, target, oracle=True)} if target.has("conditionals") else {}
    return both | {"network": network}, {"network": checkpoints.sha256(resource.folder / runs.CHECKPOINT)}


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


def _write(folder: Path, table: list["Row"], entry: dict[str, Any], draft: runs.Draft | None) -> Path:
    """Writes the rows and the manifest's entry; returns the folder, which has its name now if it was a draft."""
    from jdlm.study import rows

    with interrupt.gentle() as stop:  # a first Ctrl-C waits until it is clear what is written
        if draft is None:
            interrupt.remains(f"{folder / runs.SWEEP} was being written: it holds the old rows, or all new ones")
        rows.write(folder / runs.SWEEP, table)
        entry = entry | {"finished": runs.now(), **runs.environment()}
        manifest = runs.read_manifest(folder) | {"sweep": entry}
        if draft is not None:
            manifest["finished"] = entry["finished"]
        runs.write_manifest(folder, manifest)
        if draft is not None:
            folder = draft.publish()
        interrupt.remains(f"{folder / runs.SWEEP} is written, the figures are not complete. {figures.again(folder)}")
        stop.check()
    return folder


def _usage(results) -> dict:
    """What the manifest says of the sampler's queue: shapes of its programs and how well its slots were used."""
    return {
        "programs": [layout._asdict() for layout in results.layouts],
        **results.usage._asdict(),
        "useful_share": round(results.usage.share, 4),
        "cache_bytes": results.cache_bytes,
    }


def _known_curve(target):
    """What the word ``optimal`` is built on: a function that gives the exact entropy curve; None if there is none."""
    if not target.has("entropy_curve"):
        return None
    curve = target.entropy_curve()
    return lambda: curve
