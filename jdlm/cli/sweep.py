"""``sample.py sweep`` and ``sample.py figures``: rows and figures of a run."""

import dataclasses
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm.cli import cache, hosts, interrupt, options, progress, summary
from jdlm.cli.resource import Resource, data_sha256, load_network, load_predictor, resolve
from jdlm.config import SweepConfig, build_planner, build_schedules, presets
from jdlm.study import runs

if TYPE_CHECKING:
    from jdlm.predictor import Predictor
    from jdlm.schedules import Schedule
    from jdlm.study.rows import Row
    from jdlm.targets import Target

__all__ = ["figures_main", "main"]

_DESCRIPTION = (
    "Samples a trained run (or the oracle of a preset) under schedules side by side and draws the figures. "
    "Usage: sample.py [COMMAND] [RUN or PRESET] [OPTIONS]. COMMAND is sweep (this one, the default), tokens (prints "
    "samples), recommend (which schedule to use), figures (draws again from sweep.csv) or doctor (checks installation "
    "and run); each explains itself with --help. RUN is a folder or its name under the runs folder, by default the "
    "newest run. PRESET is one of {presets}, or the path of a TOML file; it makes a new run without training, and its "
    "target has options of its own."
)
_FIGURES = "Draws the figures of a run again from its sweep.csv and metrics.csv. RUN is by default the newest run."


def main(arguments: list[str]) -> int:
    """Sweeps a run, or makes a new one from a preset."""
    word, rest = options.split(arguments)
    root = Path(options.peek(rest, "--runs-folder") or options.RUNS_FOLDER)
    program = "sample.py sweep" + (f" {word}" if word else "")
    description = _DESCRIPTION.format(presets=", ".join(presets.names()))
    try:
        resource = resolve(word, root, fresh=options.peek(rest, "--name") is not None)
    except ValueError:
        if word is None and ("--help" in rest or "-h" in rest):
            options.parse(options.SweepRunOptions(SweepConfig()), rest, "sample.py", description)
        raise
    config = resource.config
    if resource.folder is not None:
        given = options.parse(options.SweepRunOptions(config.sweep), rest, program, description)
        config = dataclasses.replace(config, sweep=given.sweep)
        cache.compiled_programs()
        mesh = hosts.connect(given, folder=resource.folder)
        return _sweep_into(resource.folder, dataclasses.replace(resource, config=config), mesh)
    given = options.parse(options.SweepPresetOptions(config.target, config.sweep), rest, program, description)
    if config.training is not None:
        print(f"note: {word} is not trained here, so the oracle alone is sampled", file=sys.stderr)
    config = dataclasses.replace(config, target=given.target, sweep=given.sweep, network=None, training=None)
    name = given.name or config.name + ("-oracle" if resource.config.training is not None else "")
    cache.compiled_programs()
    mesh = hosts.connect(given)
    from jdlm import devices

    target = config.target.build()

    load_predictor(Resource(word, config, None), target)
    if not devices.is_main():
        return _sweep_into(None, Resource(name, config, None), mesh)
    with runs.draft(given.runs_folder, name, exact=given.name is not None) as draft:
        runs.write_config(draft.folder, config)
        runs.write_manifest(
            draft.folder, runs.new_manifest(config, options.command_line(), data_sha256=data_sha256(target))
        )
        return _sweep_into(draft.folder, Resource(name, config, None), mesh, draft)


def figures_main(arguments: list[str]) -> int:
    """Draws the figures of a run again."""
    word, rest = options.split(arguments)
    root = Path(options.peek(rest, "--runs-folder") or options.RUNS_FOLDER)
    options.parse(options.FolderOptions(), rest, "sample.py figures", _FIGURES)
    resource = resolve(word, root)
    if resource.folder is None or not (resource.folder / runs.SWEEP).is_file():
        raise ValueError(f"{word or resource.folder} has no {runs.SWEEP} yet; make one with `python sample.py sweep`")
    return _draw(resource.folder)


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
    if not devices.is_main():
        return 0
    sweep = dataclasses.asdict(resource.config.sweep)
    entry = {"command": options.command_line(), "started": started, "finished": None}
    entry |= {"options": sweep, "sampling": sampling}
    folder = _write(folder, table, entry, draft)
    print("\n".join(summary.lines(table, resource.config.name)))
    print(f"wrote {folder / runs.SWEEP}", flush=True)
    return _draw(folder)


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
            samples=config.sweep.samples,
            curve_samples=config.sweep.curve_samples,
            seed=config.sweep.seed,
            planners=[build_planner(word) for word in config.sweep.planners],
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
    if network is None:
        return {"oracle": load_predictor(resource, target, oracle=True)}, {}
    from jdlm.training import checkpoint as checkpoints

    both = {"oracle": load_predictor(resource, target, oracle=True)} if target.has("conditionals") else {}
    return both | {"network": network}, {"network": checkpoints.sha256(resource.folder / runs.CHECKPOINT)}


def _schedules(sweep: SweepConfig, target: "Target") -> list["Schedule"]:
    with progress.Progress("schedules", unit="schedule") as bar:
        return build_schedules(
            sweep.schedules,
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
        _say_incomplete(folder)
        stop.check()
    return folder


def _usage(results) -> dict:
    """What the manifest says of the sampler's queue: shapes of its programs and how well its slots were used."""
    return {
        "programs": [layout._asdict() for layout in results.layouts],
        **results.usage._asdict(),
        "useful_share": round(results.usage.share, 4),
    }


def _say_incomplete(folder: Path) -> None:
    """Says what an interruption leaves while figures are drawn."""
    interrupt.remains(
        f"{folder / runs.SWEEP} is written, the figures are not complete. "
        f"Draw them with: python sample.py figures {shlex.quote(str(folder))}"
    )


def _draw(folder: Path) -> int:
    """Draws what the rows of a run show; returns 1 if that failed, of which one line tells, else 0."""
    from jdlm.study import rows

    table = rows.read(folder / runs.SWEEP)
    if (folder / runs.METRICS).is_file():
        table += rows.read(folder / runs.METRICS)
    # Notebooks name a backend that may not be there, and then matplotlib is not even imported. None is needed here.
    os.environ.pop("MPLBACKEND", None)
    _say_incomplete(folder)
    try:
        with progress.Progress("figures", unit="figure") as bar, interrupt.gentle() as stop:

            def report(done: int, total: int, what: str) -> None:
                bar.update(done, total, what)
                stop.check()

            from jdlm.study import figures

            files = figures.draw(table, folder / runs.FIGURES, progress=report)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {reason}; {folder / runs.SWEEP} is whole", file=sys.stderr)
        return 1
    interrupt.remains(f"{folder / runs.SWEEP} and {folder / runs.FIGURES} are written")
    print(f"drew {len(files)} files in {folder / runs.FIGURES}")
    return 0


def _known_curve(target):
    """What the word ``optimal`` is built on: a function that gives the exact entropy curve; None if there is none."""
    if not target.has("entropy_curve"):
        return None
    curve = target.entropy_curve()
    return lambda: curve
