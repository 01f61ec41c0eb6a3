"""``train.py --resume``: continues an interrupted run, or a finished one beyond its end."""

import dataclasses
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from jdlm.cli import cache, events, figures, hosts, options, recorder, resource
from jdlm.config import Config
from jdlm.errors import InputError
from jdlm.study import members, numbers, runs

__all__ = ["Options", "main", "others"]


@dataclass(frozen=True)
class More:
    """A new end of the training."""

    steps: int | None = None
    """Steps of the entire training, more than are done; by default those that were planned."""


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions, hosts.HostOptions):
    """Continues an interrupted run, with the run's own options; or goes on beyond its planned end, in a new run.

    With another --training.steps the new run begins with the network, the optimizer and the metrics of the old one,
    which stays as it is; from there the learning rate is that of a training of so many steps.
    """

    resume: str
    """The interrupted run that is continued, on as many devices bit for bit as if it had not stopped."""
    training: More = field(default_factory=More)
    name: str | None = None
    """Name of the new run, with --training.steps; by default that of the run's preset, with a number if it is taken."""


def main(arguments: list[str], early: options.Early) -> int:
    """Continues a run."""
    if early.word is not None:
        raise InputError(f"--resume takes the run and no preset; leave out {early.word!r}")
    given = options.parse(Options(resume=""), arguments)
    folder = resource.run_of(given.resume, given.runs_folder)
    config = runs.read_config(folder)
    if config.network is None or config.training is None:
        raise InputError(f"{folder} is a run of the oracle alone; there is no training to continue")
    steps = given.training.steps
    beyond = steps is not None and steps != config.training.steps
    if given.name is not None and not beyond:
        raise InputError(f"--name {given.name!r} is for a new run, with --training.steps; leave it out")
    cache.compiled_programs()
    mesh = hosts.connect(given, config.training.batch_size, None if beyond else folder)
    if beyond:
        return _beyond(folder, config, given, mesh)
    with hosts.locked(folder):
        _go_on(folder, config, mesh)
        others(folder, config, mesh)
    return 0


def _beyond(folder: Path, old: Config, given: Options, mesh) -> int:
    """Goes on from a run to another end, in a new run."""
    assert old.training is not None and given.training.steps is not None  # as it is trained
    config = dataclasses.replace(old, training=dataclasses.replace(old.training, steps=given.training.steps))
    if not recorder.writes():
        _extend(folder, old, config, None, mesh)
        others(None, config, mesh, folder)
        return 0
    with runs.draft(given.runs_folder, given.name or config.name, exact=given.name is not None) as draft:
        _extend(folder, old, config, draft, mesh)
        others(draft.folder, config, mesh, folder)
    return 0


def _extend(folder: Path, old: Config, config: Config, draft: runs.Draft | None, mesh, run: Path | None = None) -> None:
    """Goes on from one training to another end, in a draft; one that nothing is written into where there is none."""
    from jdlm.training import checkpoint as checkpoints

    assert old.network is not None and old.training is not None and config.training is not None  # as it is trained
    place, target = folder / runs.CHECKPOINT, old.target.build()
    state = checkpoints.load(place, old.network, target, old.training, settings=old.record())
    step, steps = int(state.step), config.training.steps
    if steps <= step:
        raise InputError(f"--training.steps {steps} are done: {folder} is at step {step}; give more than {step}")
    if draft is None:
        recorder.train(recorder.Listener(config, step=step), state, mesh)
        return
    resource.record(draft.folder, config, target, mesh)
    events.follow(draft.folder, folder)
    origin = {"run": str(folder), "step": step, "checkpoint_sha256": checkpoints.sha256(place)}
    runs.write_manifest(draft.folder, runs.read_manifest(draft.folder) | {"continues": origin})
    shutil.copyfile(folder / runs.METRICS, draft.folder / runs.METRICS)
    writer = recorder.Recorder(draft, config, run)
    writer.begin(state, step, checkpoints.beside(place))
    recorder.train(writer, state, mesh)


def _go_on(folder: Path, config: Config, mesh, run: Path | None = None) -> None:
    """Continues a training that no other process writes into."""
    from jdlm.training import checkpoint as checkpoints

    assert config.network is not None and config.training is not None  # as it is trained
    place, target = folder / runs.CHECKPOINT, config.target.build()
    state = checkpoints.load(place, config.network, target, config.training, settings=config.record())
    is_done = int(state.step) == config.training.steps  # for each process: none may wait for another at the next step
    if not recorder.writes():
        if not is_done:
            recorder.train(recorder.Listener(config, step=int(state.step)), state, mesh)
        return
    writer = recorder.Recorder(runs.Draft(folder, folder, exact=True, published=True), config, run)
    writer.go_on(int(state.step), checkpoints.beside(place))
    manifest = runs.read_manifest(folder)
    manifest["steps_done"] = int(state.step)
    if is_done:
        if manifest.get("finished") is None:  # it ended between its last checkpoint and its last word
            runs.write_manifest(folder, manifest | {"finished": runs.now()})
        print(f"{folder} is trained: all {config.training.steps} steps are done")
        return
    manifest["resumed"] = [*(manifest.get("resumed") or []), {"step": int(state.step), "time": runs.now()}]
    runs.write_manifest(folder, manifest)
    recorder.train(writer, state, mesh)


def others(run: Path | None, config: Config, mesh, origin: Path | None = None) -> None:
    """Trains the other seeds of a run whose own training is done, or continues them; says what all give together.

    Args:
      run: its folder; None for a process that writes nothing, while the run is new.
      config: of the run.
      mesh: of the devices.
      origin: the run that it goes on from, if there is one.
    """
    mine = members.configs(config)
    if run is not None and origin is None and mine:
        continued = runs.read_manifest(run).get("continues")
        origin = Path(continued["run"]) if continued else None
    for seed, each in mine.items():
        folder = None if run is None else members.folder(run, seed)
        if folder is not None and (folder / runs.MANIFEST).is_file():
            _go_on(folder, each, mesh, run)
        else:
            _other(run, seed, each, mesh, None if origin is None else members.folder(origin, seed))
    if run is not None and mine and recorder.writes():
        _say(run, config)


def _other(run: Path | None, seed: int, config: Config, mesh, origin: Path | None) -> None:
    """Trains another seed of a run from its beginning, or from where another run ended."""
    old = None if origin is None else runs.read_config(origin)
    if run is None or not recorder.writes():
        if origin is not None and old is not None:
            _extend(origin, old, config, None, mesh)
        else:
            recorder.train(recorder.Listener(config), None, mesh)
        return
    place = members.folder(run, seed)
    with runs.draft(place.parent, place.name, exact=True) as draft:
        if origin is not None and old is not None:
            _extend(origin, old, config, draft, mesh, run)
            return
        resource.record(draft.folder, config, config.target.build(), mesh)
        events.follow(draft.folder, run)
        recorder.train(recorder.Recorder(draft, config, run), None, mesh)


def _say(run: Path, config: Config) -> None:
    """Says what the networks of all seeds are together."""
    from jdlm.study import over_seeds

    assert config.training is not None  # as it is trained
    table = [row for row in over_seeds.shown(figures.training_rows(run)) if row.metric == "learning_error_nats"]
    if table:
        last = max(table, key=lambda row: row.index or 0)
        found = numbers.written(last.value, last.standard_error)
        print(f"learning error {found} nats per sequence, {last.predictor}")
    seeds = ", ".join(map(str, config.training.seeds))
    print(f"trained {run} with seeds {seeds}; compare schedules with: python sample.py {run}")
