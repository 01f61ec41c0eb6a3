"""``train.py``: trains the network of a preset, or continues an interrupted run."""

import dataclasses
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from jdlm import records
from jdlm.cli import cache, hosts, interrupt, memory, options, progress
from jdlm.cli.resource import record
from jdlm.config import Config, SweepConfig, TargetConfig, presets
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.errors import InputError
from jdlm.study import metrics_file, runs

__all__ = ["main"]

_DEFAULT_PRESET = "mixture"
_SECONDS_BETWEEN_CHECKPOINTS = 5.0
_Preset = Annotated[
    str | None,
    tyro.conf.Positional,
    tyro.conf.DisallowNone,
    tyro.conf.arg(
        metavar="[PRESET]",
        help=f"One of {', '.join(presets.names())}, or the path of a TOML file.",
        help_behavior_hint=f"(default: {_DEFAULT_PRESET})",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions, hosts.HostOptions):
    """Trains a mask predictor on a distribution that is known exactly.

    Writes a run folder: configuration, manifest, metrics and checkpoint. The preset stands before the options.
    Alone, --version prints the version, and --tyro-print-completion SHELL a script that completes options (bash, zsh,
    or fish).
    """

    preset: _Preset = None
    resume: str | None = None
    """An interrupted run to continue, in place of a preset; --resume RUN --help lists the options that it takes."""
    source: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """A run to repeat in a new one, in place of a preset: to the same bits on the same machine and versions."""
    target: TargetConfig
    network: NetworkConfig
    """The transformer."""
    training: TrainingConfig
    """The training run."""
    sweep: SweepConfig
    """What a later `sample.py` of this run compares."""
    name: str | None = None
    """Name of the run folder; by default the preset's, with a number if it is taken."""


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(options.FolderOptions, hosts.HostOptions):
    """Continues an interrupted run, with the run's own options."""

    resume: str
    """The interrupted run that is continued, on as many devices bit for bit as if it had not stopped."""


@dataclass(frozen=True, kw_only=True)
class RepeatOptions(options.FolderOptions, hosts.HostOptions):
    """Repeats the training of a run in a new one, with the run's own options."""

    source: Annotated[str, tyro.conf.arg(name="from")]
    """The run that is repeated: to the same bits on the same machine, versions and number of devices."""
    name: str | None = None
    """Name of the new run; by default that of the run's preset, with a number if it is taken."""


def main(arguments: list[str]) -> int:
    """Parses the options, trains, prints where the run is."""
    early = options.early(arguments)
    if early.resume is not None:
        return _resume(arguments, early)
    if early.source is not None:
        return _repeat(arguments, early)
    config = presets.load(early.word or _DEFAULT_PRESET)
    if config.network is None or config.training is None:
        raise InputError(
            f"preset {config.name!r} has no [training]: it is for the oracle alone; run `python sample.py {early.word}`"
        )
    defaults = Options(target=config.target, network=config.network, training=config.training, sweep=config.sweep)
    given = options.parse(defaults, arguments)
    options.check_leading(early.word, given.preset)
    sections = {"target": given.target, "network": given.network, "training": given.training, "sweep": given.sweep}
    return _train_new(dataclasses.replace(config, **sections), given)


def _train_new(config: Config, given: "Options | RepeatOptions") -> int:
    """Trains a new run."""
    assert config.network is not None and config.training is not None  # as it is trained
    cache.compiled_programs()
    size = config.training.batch_size
    mesh = hosts.connect(given, size)
    from jdlm.training import network

    # Said in the run's files, so that it is the same network on any other platform.
    precise = dataclasses.replace(config.network, dtype=network.precision(config.network))
    config = dataclasses.replace(config, network=precise)
    config = dataclasses.replace(config, target=config.target.pinned())
    target = config.target.build()  # an invalid distribution is refused before anything is written
    what = f"a network of width {precise.width} and depth {precise.depth} with batches of "
    what += f"{size} sequences of length {target.length}; use smaller sizes"
    memory.check(memory.of_training(config, target), what)
    if not _writes():
        _train(_Listener(config), None, mesh)
        return 0
    with runs.draft(given.runs_folder, given.name or config.name, exact=given.name is not None) as draft:
        record(draft.folder, config, target, mesh)
        _train(_Recorder(draft, config), None, mesh)
    return 0


def _repeat(arguments: list[str], early: options.Early) -> int:
    if early.word is not None:
        raise InputError(f"--from takes the run and no preset; leave out {early.word!r}")
    given = options.parse(RepeatOptions(source=""), arguments)
    folder = _found(given.source, given.runs_folder)
    config, manifest = runs.read_config(folder), runs.read_manifest(folder)
    if config.training is None:
        raise InputError(f"{folder} is a run of the oracle alone; there is no training to repeat")
    if given.devices is None and records.is_count(manifest.get("training_devices")):
        given = dataclasses.replace(given, devices=manifest["training_devices"])
    code = _train_new(config, given)
    here = runs.environment()
    other = [records.difference(manifest.get(name), here[name], name) for name in ("versions", "platform", "device")]
    if any(other):
        print(f"note: the bits may differ from those of {folder}: {next(filter(None, other))}", file=sys.stderr)
    return code


def _found(word: str, root: Path) -> Path:
    folder = runs.find(word, root)
    if folder is None:
        raise runs.missing(word, root)
    return folder


def _resume(arguments: list[str], early: options.Early) -> int:
    if early.word is not None:
        raise InputError(f"--resume takes the run and no preset; leave out {early.word!r}")
    given = options.parse(ResumeOptions(resume=""), arguments)
    folder = _found(given.resume, given.runs_folder)
    config = runs.read_config(folder)
    if config.network is None or config.training is None:
        raise InputError(f"{folder} is a run of the oracle alone; there is no training to continue")
    cache.compiled_programs()
    mesh = hosts.connect(given, config.training.batch_size, folder)
    with hosts.locked(folder):
        return _go_on(folder, config, mesh)


def _go_on(folder: Path, config: Config, mesh) -> int:
    """Continues a run that no other process writes into."""
    from jdlm.training import checkpoint as checkpoints

    assert config.network is not None and config.training is not None  # as it is trained
    place, target = folder / runs.CHECKPOINT, config.target.build()
    state = checkpoints.load(place, config.network, target, config.training, settings=config.record())
    is_done = int(state.step) == config.training.steps  # for each process: none may wait for another at the next step
    if not _writes():
        if is_done:
            return 0
        _train(_Listener(config, step=int(state.step)), state, mesh)
        return 0
    recorder = _Recorder(runs.Draft(folder, folder, exact=True, published=True), config)
    recorder.go_on(int(state.step), checkpoints.beside(place))
    manifest = runs.read_manifest(folder)
    manifest["steps_done"] = int(state.step)
    if is_done:
        if manifest.get("finished") is None:  # it ended between its last checkpoint and its last word
            runs.write_manifest(folder, manifest | {"finished": runs.now()})
        print(f"{folder} is trained: all {config.training.steps} steps are done")
        return 0
    manifest["resumed"] = [*(manifest.get("resumed") or []), {"step": int(state.step), "time": runs.now()}]
    runs.write_manifest(folder, manifest)
    _train(recorder, state, mesh)
    return 0


def _writes() -> bool:
    from jdlm import devices

    return devices.is_main()


class _Listener:
    """Takes in what a training says and writes nothing: one process of a run does the writing."""

    def __init__(self, config: Config, step: int = 0):
        assert config.network is not None and config.training is not None  # as it is trained
        self.config, self.network, self.training = config, config.network, config.training
        self.step, self.folder = step, Path()
        self.last: Any = None

    def record(self, state, chunk) -> None:
        """Takes in a chunk."""
        self.last = chunk

    def save(self, state) -> None:
        """Does nothing."""


class _Recorder(_Listener):
    """Writes metrics, checkpoint and manifest as the training goes on; a run can be continued from each of them.

    Metrics are written before the checkpoint, which has their digest; what comes after it is dropped on resuming.
    """

    def __init__(self, draft: runs.Draft, config: Config):
        super().__init__(config)
        self._draft, self._rows, self._saved = draft, [], float("-inf")
        self.folder = draft.folder  # hidden before the first checkpoint
        self._metrics = metrics_file.MetricsFile(self.folder / runs.METRICS)

    def record(self, state, chunk) -> None:
        """Takes in a chunk, and writes it unless the last writing was a moment ago."""
        from jdlm.study import metrics

        self._rows += metrics.metric_rows(
            chunk, cell=metrics.cell(self.config), target=self.config.name, seed=self.training.seed
        )
        self.last = chunk
        finished = chunk.step == self.training.steps
        if finished or time.monotonic() - self._saved >= _SECONDS_BETWEEN_CHECKPOINTS:
            self.save(state)

    def save(self, state) -> None:
        """Writes all that was taken in, if it is not written yet; the run appears under its name the first time."""
        from jdlm.training import checkpoint as checkpoints

        step = self.last.step
        if step == self.step:
            return
        self._metrics.append(self._rows)
        self._rows = []
        settings, beside = self.config.record(), self._metrics.mark()
        checkpoints.save(self.folder / runs.CHECKPOINT, state, self.network, settings=settings, beside=beside)
        finished = {"finished": runs.now()} if step == self.training.steps else {}
        runs.write_manifest(self.folder, runs.read_manifest(self.folder) | {"steps_done": step} | finished)
        self.step, self._saved = step, time.monotonic()
        self.folder = self._draft.publish()
        self._metrics.path = self.folder / runs.METRICS
        self._say()

    def _say(self) -> None:
        """Says what an interruption leaves."""
        steps = self.training.steps
        saved = f"step {self.step} of {steps} is saved. Continue with: python train.py --resume"
        whole = f"{self.folder} is trained: all {steps} steps are saved"
        interrupt.remains(whole if self.step == steps else f"{saved} {shlex.quote(str(self.folder))}")

    def go_on(self, step: int, beside: dict[str, Any]) -> None:
        """Starts from a checkpoint; metrics that do not belong to it are dropped."""
        self.step = step
        self._say()
        self._metrics.cut(beside, step)


def _train(recorder: _Listener, state, mesh) -> None:
    from jdlm import training

    config, steps = recorder.config, recorder.training.steps
    if not _writes():
        interrupt.remains("process 0 says what is saved")
    with progress.Progress(f"training {config.name}", unit="step") as bar, interrupt.gentle() as stop:
        bar.start(recorder.step, steps)

        def on_chunk(state, chunk) -> None:
            recorder.record(state, chunk)
            error = chunk.learning_error
            note = f"loss {chunk.loss.value:.3f} nats, "
            note += f"learning error {error.value:.4f} nats, " if error is not None else ""
            bar.update(chunk.step, steps, note + f"{chunk.steps_per_second:.0f} steps/s")
            if stop.requested and chunk.step < steps:
                recorder.save(state)
                stop.check()

        training.train(
            recorder.network, config.target.build(), recorder.training, state=state, mesh=mesh, on_chunk=on_chunk
        )
    error = recorder.last.learning_error
    if error is not None:
        print(f"learning error {error.value:.4f} ± {error.standard_error:.4f} nats per sequence after {steps} steps")
    print(f"trained {recorder.folder}; compare schedules with: python sample.py {recorder.folder}")
