"""The options of each command, and their parsing: typed by the dataclasses they fill, every error one line.

An option with a dot is a field of the configuration (``--training.steps``), one without belongs to the command.
"""

import contextlib
import dataclasses
import io
import re
import sys
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tyro

from jdlm.cli.hosts import HostOptions
from jdlm.config import SweepConfig, TargetConfig, nearest
from jdlm.config.settings import NetworkConfig, TrainingConfig, check_seed

Options = TypeVar("Options")
RUNS_FOLDER = Path("runs")


@dataclass(frozen=True)
class TrainOptions(HostOptions):
    """Options of ``train.py``."""

    target: TargetConfig
    network: NetworkConfig
    """The transformer."""
    training: TrainingConfig
    """The training run."""
    sweep: SweepConfig
    """What a later `sample.py` of this run compares."""
    name: str | None = None
    """Name of the run folder; by default the preset's, with a number if it is taken."""
    runs_folder: Path = RUNS_FOLDER
    """Folder that holds the runs."""


@dataclass(frozen=True)
class ResumeOptions(HostOptions):
    """Options of ``train.py --resume RUN``: none that would change the run."""

    resume: str
    """The interrupted run that is continued, on as many devices bit for bit as if it had not stopped."""
    runs_folder: Path = RUNS_FOLDER
    """Folder that holds the runs."""


@dataclass(frozen=True)
class SweepRunOptions(HostOptions):
    """Options of ``sample.py sweep RUN``."""

    sweep: SweepConfig
    """Schedules and sizes of the comparison."""
    runs_folder: Path = RUNS_FOLDER
    """Folder that holds the runs."""


@dataclass(frozen=True)
class SweepPresetOptions(HostOptions):
    """Options of ``sample.py sweep PRESET``, which makes a new run of the oracle alone."""

    target: TargetConfig
    sweep: SweepConfig
    """Schedules and sizes of the comparison."""
    name: str | None = None
    """Name of the run folder; by default the preset's, with a number if it is taken."""
    runs_folder: Path = RUNS_FOLDER
    """Folder that holds the runs."""


@dataclass(frozen=True)
class TokensOptions:
    """Options of ``sample.py tokens``."""

    count: int = 8
    """Number of sequences."""
    schedule: str | None = None
    """Word of the schedule, by default first_hitting, which reveals one token per step."""
    planner: str = "random"
    """Word of the planner, which chooses the positions of each step; threshold:TAU and its like need no schedule."""
    num_steps: int | None = None
    """Number of steps, for every schedule but first_hitting."""
    given: str | None = None
    """Tokens that are known: ids between spaces or commas, or a text with the escapes above; _ for each to be drawn."""
    mask: str = "_"
    """What stands for a token to be drawn in --given, one character; escaped where a printed text holds it."""
    oracle: bool = False
    """Sample with the target's exact conditionals instead of the trained network."""
    seed: int = 0
    """Seed of all random numbers."""
    batch_size: int | None = None
    """Sequences handled at once; None chooses a size from the shapes."""
    output: Path | None = None
    """File for the tokens, one sequence per line; - or nothing prints them."""
    runs_folder: Path = RUNS_FOLDER
    """Folder that holds the runs."""

    def __post_init__(self):
        if self.count < 1:
            raise ValueError(f"count={self.count} is less than 1; use at least 1")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} is less than 1; use at least 1, or leave it out")
        check_seed(self.seed)


@dataclass(frozen=True)
class FolderOptions:
    """Options of the commands that only read a run."""

    runs_folder: Path = RUNS_FOLDER
    """Folder that holds the runs."""


def command_line() -> list[str]:
    """The command of this process as it can be repeated: the program's name and its arguments."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def split(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The leading word that is not an option (None if there is none), and the rest."""
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], arguments[1:]
    return None, arguments


def peek(arguments: list[str], option: str) -> str | None:
    """The value of an option that must be known before the others can be parsed; None if it is not given."""
    for i, argument in enumerate(arguments):
        name, equals, _value = argument.replace("_", "-").partition("=")
        if name == option:
            if equals:
                return argument.partition("=")[2]
            return arguments[i + 1] if i + 1 < len(arguments) else None
    return None


def parse(defaults: Options, arguments: list[str], program: str, description: str) -> Options:
    """``defaults`` with the options in ``arguments``; prints the help and exits where it is asked for.

    Raises:
      ValueError: an unknown or inapplicable option, or a value that does not fit; one line.
    """
    valid = set(_names(defaults))
    arguments = _attached(arguments, valid, _texts(defaults))
    for argument in arguments:
        name = argument.partition("=")[0].replace("_", "-")
        if argument.startswith("--") and name not in valid and name != "--help":
            raise ValueError(f"unknown or inapplicable option {name}; {nearest(name, valid)} (see {program} --help)")
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            return tyro.cli(
                type(defaults),
                default=defaults,
                args=arguments,
                prog=program,
                description=description,
                config=(tyro.conf.AvoidSubcommands,),
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise ValueError(f"{_one_line(messages.getvalue())} (see {program} --help)") from None


def _texts(defaults: Any) -> set[str]:
    """Names of the options whose value is one text or path, which may begin with a hyphen."""
    hints = typing.get_type_hints(type(defaults))
    texts = (str, str | None, Path, Path | None)
    return {"--" + name.replace("_", "-") for name, hint in hints.items() if hint in texts}


def _attached(arguments: list[str], valid: set[str], texts: set[str]) -> list[str]:
    """``arguments`` with ``--given -CGT`` as ``--given=-CGT``: a gap at the beginning of a value makes it no option."""
    result: list[str] = []
    for argument in arguments:
        is_option = argument.partition("=")[0].replace("_", "-") in valid | {"--help", "-h"}
        if result and result[-1].replace("_", "-") in texts and argument.startswith("-") and not is_option:
            result[-1] += "=" + argument
        else:
            result.append(argument)
    return result


def _names(value: Any, prefix: str = "--") -> list[str]:
    """All option names of a dataclass, as tyro forms them."""
    names = []
    for field in dataclasses.fields(value):
        name, entry = prefix + field.name.replace("_", "-"), getattr(value, field.name)
        if dataclasses.is_dataclass(entry):
            names += _names(entry, name + ".")
        elif isinstance(entry, tuple) and entry and isinstance(entry[0], tuple):
            names += [f"{name}.{i}" for i in range(len(entry))]
        elif isinstance(entry, bool):
            names += [name, f"{prefix}no-{field.name.replace('_', '-')}"]
        else:
            names.append(name)
    return names


def _one_line(box: str) -> str:
    """The message in tyro's box (drawn with lines, or in ASCII): what stands between its title and the first rule."""
    lines = [line.strip("│ ").strip() for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    blocks = [""]
    for line in lines:
        if len(line) > 2 and not line.strip("─-"):
            blocks.append("")
        else:
            blocks[-1] = f"{blocks[-1]} {line}".strip()
    message = blocks[:1] if "╭" in box else blocks[1:2]  # in ASCII the title is a block of its own
    text = "".join(message) or "the options could not be read"
    text = re.sub(r"^Error parsing (\w+Options: |(?=\S+: ))", "", text)
    text = re.sub(r"invalid literal for int\(\) with base 10: (.+)", r"\1 is not a whole number", text)
    text = re.sub(r"could not convert string to float: (.+)", r"\1 is not a number", text)
    return re.sub(r"^Unrecognized options: (.+)", r"unexpected argument: \1", text)
