"""What the commands' options share, and their parsing by tyro.

An option with a dot is a field of the configuration (``--training.steps``), one without belongs to the command. Why the
run or preset is looked at before the options are parsed: docs/decisions/command-line.md.
"""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import tyro

from jdlm.config import SweepConfig, presets
from jdlm.config.settings import check_draw
from jdlm.errors import InputError

if TYPE_CHECKING:
    from jdlm.sampling import Draw

T = TypeVar("T")
RUNS_FOLDER = Path("runs")
_RUN = "folder of a run, or its name under the runs folder"
_NEWEST = "(default: the newest run)"
Flag = tyro.conf.FlagCreatePairsOff[bool]
"""An option that is given or not, without a word for not giving it."""
Run = Annotated[
    str | None,
    tyro.conf.Positional,
    tyro.conf.DisallowNone,
    tyro.conf.arg(metavar="[RUN]", help=f"The {_RUN}.", help_behavior_hint=_NEWEST),
]
RunOrPreset = Annotated[
    str | None,
    tyro.conf.Positional,
    tyro.conf.DisallowNone,
    tyro.conf.arg(
        metavar="[RUN|PRESET]",
        help=f"The {_RUN}; or a preset: {', '.join(presets.names())}, or the path of a TOML file.",
        help_behavior_hint=_NEWEST,
    ),
]


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """The options of all commands."""

    runs_folder: Path = RUNS_FOLDER
    """Folder that holds the runs."""
    debug: Flag = False
    """Show the traceback of an error."""


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """How a token is drawn from what the predictor says."""

    temperature: float = 1.0
    """Logits are divided by it before a token is drawn."""
    top_k: int | None = None
    """Draw from the so many most likely tokens only; 1 takes the most likely one."""
    nucleus: float | None = None
    """Draw from the fewest most likely tokens whose probability reaches this."""

    def check(self) -> None:
        """Raise an InputError for values out of their range, before JAX is started."""
        check_draw(self.temperature, self.top_k, self.nucleus)

    def draw(self) -> "Draw":
        """What the sampler takes."""
        from jdlm.sampling import Draw

        return Draw(temperature=self.temperature, top_k=self.top_k, nucleus=self.nucleus)


def filters(sweep: SweepConfig) -> DrawOptions:
    """Those of a sweep."""
    return DrawOptions(temperature=sweep.temperature, top_k=sweep.top_k, nucleus=sweep.nucleus)


class Early(NamedTuple):
    """What must be known before the options can be parsed, because their defaults depend on it."""

    word: str | None
    runs_folder: Path
    name: str | None
    resume: str | None
    source: str | None = None
    data: str | None = None
    encoding: str | None = None


@dataclass(frozen=True)
class _Early(FolderOptions):
    name: str | None = None
    resume: str | None = None
    source: Annotated[str | None, tyro.conf.arg(name="from")] = None
    data: str | None = None
    encoding: Annotated[str | None, tyro.conf.arg(name="target.encoding")] = None


def early(arguments: list[str]) -> Early:
    """Look at the leading word (a run or a preset; None if an option comes first) and at the options of `Early`."""
    if is_completion(arguments):
        return Early(None, RUNS_FOLDER, None, None)
    given, rest = tyro.cli(_Early, args=arguments, prog=program(), add_help=False, return_unknown_args=True)
    word = rest[0] if rest and not rest[0].startswith("-") else None
    return Early(word, given.runs_folder, given.name, given.resume, given.source, given.data, given.encoding)


def parse(defaults: T, arguments: list[str], command: str = "") -> T:
    """Return ``defaults`` with the options in ``arguments``.

    Args:
      defaults: a dataclass; its docstring and those of its fields are the help.
      arguments: of the command, without its name.
      command: its name; empty for a program without commands.

    Raises:
      SystemExit: tyro has printed the help (code 0), or what is wrong with the arguments (code 2).
    """
    prog = f"{program()} {command}".strip()
    return tyro.cli(type(defaults), default=defaults, args=arguments, prog=prog, config=(tyro.conf.AvoidSubcommands,))


def check_leading(word: str | None, parsed: str | None) -> None:
    """Raise a ValueError if tyro took another word for the run or preset than :func:`early`, which chose defaults."""
    if word != parsed:
        raise InputError(f"{parsed!r} follows an option; name the run or preset before the options")


def lengthened(arguments: list[str], section: str, names: tuple[str, ...]) -> list[str]:
    """``arguments`` with ``--SECTION.NAME`` in the place of ``--NAME`` for each of these names.

    >>> lengthened(["tiny", "--top_k", "3", "--nucleus=0.5"], "sweep", ("top-k", "nucleus"))
    ['tiny', '--sweep.top-k', '3', '--sweep.nucleus=0.5']
    """
    long = {f"--{name}": f"--{section}.{name}" for name in names}

    def spelled(argument: str) -> str:
        name, sign, value = argument.partition("=")
        name = name.replace("_", "-")
        return long[name] + sign + value if name in long else argument

    return [spelled(argument) for argument in arguments]


def is_completion(arguments: list[str]) -> bool:
    """Whether tyro is asked for a script that completes commands and options in a shell."""
    return bool(arguments) and arguments[0].startswith("--tyro-")


def program() -> str:
    """The name of this program as it was called."""
    return Path(sys.argv[0]).name


def command_line() -> list[str]:
    """The command of this process as it can be repeated: the program's name and its arguments."""
    return [program(), *sys.argv[1:]]


def again() -> str:
    """The command of this process as one line for a shell."""
    return shell_line(command_line())


def shell_line(command: list[str]) -> str:
    """A command as one line for a shell, scripts with the interpreter before them; nothing for no words."""
    words = [shlex.quote(word) for word in command]
    return " ".join((["python"] if words and words[0].endswith(".py") else []) + words)


def is_debugging() -> bool:
    """Whether the traceback of an error is wanted."""
    return "--debug" in sys.argv or sys.flags.dev_mode
