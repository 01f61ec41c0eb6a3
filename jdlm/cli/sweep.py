"""``sample.py sweep`` and ``sample.py figures``: rows and figures of a run."""

import dataclasses
import sys
from pathlib import Path

from jdlm import presets, runs
from jdlm.cli import cache, hosts, interrupt, options, progress
from jdlm.cli.resource import Resource, data_sha256, load_network, load_predictor, resolve
from jdlm.config import Config, SweepConfig, build_planner, build_schedules

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
        _sweep_into(resource.folder, dataclasses.replace(resource, config=config), mesh)
        return 0
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
        _sweep_into(None, Resource(name, config, None), mesh)
        return 0
    with runs.draft(given.runs_folder, name, exact=given.name is not None) as draft:
        runs.write_config(draft.folder, config)
        runs.write_manifest(
            draft.folder, runs.new_manifest(config, options.command_line(), data_sha256=data_sha256(target))
        )
        _sweep_into(draft.folder, Resource(name, config, None), mesh, draft)
    return 0


def figures_main(arguments: list[str]) -> int:
    """Draws the figures of a run again."""
    word, rest = options.split(arguments)
    root = Path(options.peek(rest, "--runs-folder") or options.RUNS_FOLDER)
    options.parse(options.FolderOptions(), rest, "sample.py figures", _FIGURES)
    resource = resolve(word, root)
    if resource.folder is None or not (resource.folder / runs.SWEEP).is_file():
        raise ValueError(f"{word or resource.folder} has no {runs.SWEEP} yet; make one with `python sample.py sweep`")
    files = _draw(resource.folder)
    print(f"drew {len(files)} files in {resource.folder / runs.FIGURES}")
    return 0


def _sweep_into(folder: Path | None, resource: Resource, mesh, draft: runs.Draft | None = None) -> None:
    """Writes ``sweep.csv``, the figures and the manifest's entry; the rows of an older sweep stay until the end.

    Processes other than the main one write nothing.
    """
    from jdlm import devices, evaluate, rows, sweeps

    config, started = resource.config, runs.now()
    sweep = config.sweep
    target = config.target.build()
    network = load_network(resource, target)
    predictors = {} if network is None else {"network": network}
    if network is None or evaluate.has_oracle(target):
        predictors = {"oracle": load_predictor(resource, target, oracle=True)} | predictors
    with progress.Progress("schedules", unit="schedule") as bar:
        schedules = build_schedules(
            sweep.schedules,
            target.length,
            sweep.num_steps,
            curve=_known_curve(target),
            cache=cache.schedules(),
            progress=bar.update,
        )
    sampling = {}
    with progress.Progress("sweep", unit="call") as bar, interrupt.gentle() as stop:

        def report(done: int, total: int, what: str) -> None:
            bar.update(done, total, what)
            stop.check()

        table = sweeps.sweep(
            target.on("test"),
            predictors,
            schedules,
            target_name=config.name,
            samples=sweep.samples,
            curve_samples=sweep.curve_samples,
            seed=sweep.seed,
            planners=[build_planner(word) for word in sweep.planners],
            batch_size=sweep.batch_size,
            identities=_identities(resource.folder, network is not None),
            on_samples=lambda name, results: sampling.update({name: _usage(results)}),
            mesh=mesh,
            progress=report,
        )
    if not devices.is_main():
        return
    rows.write(folder / runs.SWEEP, table)
    entry = {"command": options.command_line(), "started": started, "finished": runs.now()}
    entry |= {"options": dataclasses.asdict(sweep), "sampling": sampling, **runs.environment()}
    manifest = runs.read_manifest(folder) | {"sweep": entry}
    if draft is not None:
        manifest["finished"] = entry["finished"]
    runs.write_manifest(folder, manifest)
    if draft is not None:
        folder = draft.publish()
    _draw(folder)
    _print_table(table, config)
    print(f"wrote {folder / runs.SWEEP} and {folder / runs.FIGURES}")


def _usage(results) -> dict:
    """What the manifest says of the sampler's queue: shapes of its programs and how well its slots were used."""
    return {
        "programs": [layout._asdict() for layout in results.layouts],
        **results.usage._asdict(),
        "useful_share": round(results.usage.share, 4),
    }


def _identities(folder: Path | None, trained: bool) -> dict[str, str]:
    """What tells this run's network from another one of the same name."""
    if not trained:
        return {}
    from jdlm import checkpoints

    return {"network": checkpoints.sha256(folder / runs.CHECKPOINT)}


def _draw(folder: Path) -> list[Path]:
    from jdlm import figures, rows

    table = rows.read(folder / runs.SWEEP)
    if (folder / runs.METRICS).is_file():
        table += rows.read(folder / runs.METRICS)
    with progress.Progress("figures", unit="figure") as bar:
        return figures.draw(table, folder / runs.FIGURES, progress=bar.update)


def _known_curve(target):
    """What the word ``optimal`` is built on: a function that gives the exact entropy curve; None if there is none."""
    from jdlm.targets import Unavailable

    try:
        curve = target.entropy_curve()
    except Unavailable:
        return None
    return lambda: curve


def _print_table(table, config: Config) -> None:
    """KL along the path of each schedule, exact for the oracle, estimated for the network; the NELBO if not known."""
    known = any(row.metric == "path_kl_nats" for row in table)
    metric, method = ("path_kl_nats", "monte_carlo") if known else ("nelbo_nats", "identity")
    columns = {"oracle, exact": ("oracle", "identity"), "network": ("network", method)}

    def value(row, predictor: str, method: str) -> str:
        for other in table:
            same = (other.schedule, other.num_steps) == (row.schedule, row.num_steps) and other.planner == "random"
            if same and (other.metric, other.predictor, other.method) == (metric, predictor, method):
                error = "" if other.standard_error is None else f" ± {other.standard_error:.4f}"
                return f"{other.value:.4f}{error}"
        return "-"

    what = "KL(target || sampler) along the path" if known else "negative evidence lower bound"
    print(f"{what} on {config.name}, random positions, nats per sequence")
    print(f"{'schedule':<20}{'steps':>6}{'NFE':>8}" + "".join(f"{name:>20}" for name in columns))
    for row in [row for row in table if row.metric == "worst_case_tc"]:
        numbers = "".join(f"{value(row, *column):>20}" for column in columns.values())
        print(f"{row.schedule:<20}{row.num_steps:>6}{row.nfe:>8.2f}{numbers}")
