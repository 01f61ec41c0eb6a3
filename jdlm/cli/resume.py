"""``train.py --resume``: continues an interrupted run, or a finished one beyond its end."""

import dataclasses
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from jdlm.cli import cache, hosts, options, recorder, resource
from jdlm.config import Config
from jdlm.errors import InputError
from jdlm.study import runs

__all__ = ["Options", "main"]


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
        more = dataclasses.replace(config.training, steps=steps)
        return _extend(folder, config, dataclasses.replace(config, training=more), given, mesh)
    with hosts.locked(folder):
        return _go_on(folder, config, mesh)


def _extend(folder: Path, old: Config, config: Config, given: Options, mesh) -> int:
    """Goes on from a run to another end, in a new run."""
    from jdlm.training import checkpoint as checkpoints

    assert old.network is not None and old.training is not None and config.training is not None  # as it is trained
    place, target = folder / runs.CHECKPOINT, old.target.build()
    state = checkpoints.load(place, old.network, target, old.training, settings=old.record())
    step, steps = int(state.step), config.training.steps
    if steps <= step:
        raise InputError(f"--training.steps {steps} are done: {folder} is at step {step}; give more than {step}")
    if not recorder.writes():
        recorder.train(recorder.Listener(config, step=step), state, mesh)
        return 0
    with runs.draft(given.runs_folder, given.name or config.name, exact=given.name is not None) as draft:
        resource.record(draft.folder, config, target, mesh)
        origin = {"run": str(folder), "step": step, "checkpoint_sha256": checkpoints.sha256(place)}
        runs.write_manifest(draft.folder, runs.read_manifest(draft.folder) | {"continues": origin})
        shutil.copyfile(folder / runs.METRICS, draft.folder / runs.METRICS)
        writer = recorder.Recorder(draft, config)
        writer.begin(state, step, checkpoints.beside(place))
        recorder.train(writer, state, mesh)
    return 0


def _go_on(folder: Path, config: Config, mesh) -> int:
    """Continues a run that no other process writes into."""
    from jdlm.training import checkpoint as checkpoints

    assert config.network is not None and config.training is not None  # as it is trained
    place, target = folder / runs.CHECKPOINT, config.target.build()
    state = checkpoints.load(place, config.network, target, config.training, settings=config.record())
    is_done = int(state.step) == config.training.steps  # for each process: none may wait for another at the next step
    if not recorder.writes():
        if is_done:
            return 0
        recorder.train(recorder.Listener(config, step=int(state.step)), state, mesh)
        return 0
    writer = recorder.Recorder(runs.Draft(folder, folder, exact=True, published=True), config)
    writer.go_on(int(state.step), checkpoints.beside(place))
    manifest = runs.read_manifest(folder)
    manifest["steps_done"] = int(state.step)
    if is_done:
        if manifest.get("finished") is None:  # it ended between its last checkpoint and its last word
            runs.write_manifest(folder, manifest | {"finished": runs.now()})
        print(f"{folder} is trained: all {config.training.steps} steps are done")
        return 0
    manifest["resumed"] = [*(manifest.get("resumed") or []), {"step": int(state.step), "time": runs.now()}]
    runs.write_manifest(folder, manifest)
    recorder.train(writer, state, mesh)
    return 0
