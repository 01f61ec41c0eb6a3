"""``train.py``: trains the network of a preset, or continues an interrupted run."""

import dataclasses
import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from jdlm import records
from jdlm.cli import cache, data, events, hosts, memory, options, recorder, resource, resume
from jdlm.config import Config, SweepConfig, TargetConfig, presets
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.errors import InputError
from jdlm.study import runs

__all__ = ["main"]

_DEFAULT_PRESET = "mixture"
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
class NewRunOptions(options.FolderOptions, hosts.HostOptions):
    """What a new run is to be, besides its configuration."""

    name: str | None = None
    """Name of the run folder; by default the preset's, with a number if it is taken."""
    tensorboard: options.Flag = False
    """Write the metrics as events for TensorBoard, too, in the run's folder of that name."""


@dataclass(frozen=True, kw_only=True)
class Options(NewRunOptions):
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
    data: str | None = None
    """Your own file, in place of a preset: text, FASTA, or integers (npy, npz, csv, tsv); its preset is written."""
    target: TargetConfig
    network: NetworkConfig
    """The transformer."""
    training: TrainingConfig
    """The training run."""
    sweep: SweepConfig
    """What a later `sample.py` of this run compares."""


@dataclass(frozen=True, kw_only=True)
class RepeatOptions(NewRunOptions):
    """Repeats the training of a run in a new one, with the run's own options."""

    source: Annotated[str, tyro.conf.arg(name="from")]
    """The run that is repeated: to the same bits on the same machine, versions and number of devices."""


def main(arguments: list[str]) -> int:
    """Parses the options, trains, prints where the run is."""
    early = options.early(arguments)
    if early.resume is not None:
        return resume.main(arguments, early)
    if early.source is not None:
        return _repeat(arguments, early)
    config = presets.load(early.word or _DEFAULT_PRESET) if early.data is None else _of_data(early)
    if config.network is None or config.training is None:
        raise InputError(
            f"preset {config.name!r} has no [training]: it is for the oracle alone; run `python sample.py {early.word}`"
        )
    defaults = Options(target=config.target, network=config.network, training=config.training, sweep=config.sweep)
    given = options.parse(defaults, arguments)
    options.check_leading(early.word, given.preset)
    sections = {"target": given.target, "network": given.network, "training": given.training, "sweep": given.sweep}
    config = dataclasses.replace(config, **sections)
    if early.data is not None:
        data.say(config, early.data)
    return _train_new(config, given)


def _of_data(early: options.Early) -> Config:
    if early.word is not None:
        raise InputError(f"--data makes the preset; leave out {early.word!r}, or name a preset alone")
    return data.preset(early.data or "", early.encoding)


def _train_new(config: Config, given: NewRunOptions) -> int:
    """Trains a new run."""
    if given.tensorboard:
        events.check()
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
    if not recorder.writes():
        recorder.train(recorder.Listener(config), None, mesh)
        resume.others(None, config, mesh)
        return 0
    for note in getattr(target, "notes", ()):
        print(f"note: {note}", file=sys.stderr)
    with runs.draft(given.runs_folder, given.name or config.name, exact=given.name is not None) as draft:
        resource.record(draft.folder, config, target, mesh)
        if given.tensorboard:
            events.want(draft.folder)
        recorder.train(recorder.Recorder(draft, config), None, mesh)
        resume.others(draft.folder, config, mesh)
    return 0


def _repeat(arguments: list[str], early: options.Early) -> int:
    if early.word is not None:
        raise InputError(f"--from takes the run and no preset; leave out {early.word!r}")
    given = options.parse(RepeatOptions(source=""), arguments)
    folder = resource.run_of(given.source, given.runs_folder)
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
