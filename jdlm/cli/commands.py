"""The commands of ``sample.py``, in one table.

To add a command, write a file with a frozen dataclass ``Options``, all of whose fields have defaults (its docstring
and those of the fields are the help), and a function ``main(arguments: list[str]) -> int`` that begins with
``given = options.parse(Options(), arguments, "NAME")``; then add a line here. Nothing may import JAX before that parse.
"""

import importlib
from types import ModuleType
from typing import Annotated, Any, NamedTuple, Union

import tyro

from jdlm.cli import options


class Command(NamedTuple):
    """A command: the word that calls it, what it does in one line, and the module that does it."""

    name: str
    help: str
    module: str

    def load(self) -> ModuleType:
        """Import the command's module."""
        return importlib.import_module(self.module)


COMMANDS = (
    Command("sweep", "Compare schedules on a run or preset: rows and figures.", "jdlm.cli.sweep"),
    Command("tokens", "Print samples of a run or preset; fill in known tokens.", "jdlm.cli.tokens"),
    Command("recommend", "Recommend a schedule and a number of steps.", "jdlm.cli.recommend"),
    Command("study", "Answer a question about schedules, or list them all.", "jdlm.cli.study"),
    Command("verify", "Make the committed results of the studies again and compare.", "jdlm.cli.verify"),
    Command("report", "Write what a run or a study found as one page.", "jdlm.cli.report"),
    Command("watch", "Show samples unmask under schedules side by side.", "jdlm.cli.watch"),
    Command("table", "Print the table of a sweep as markdown, LaTeX or CSV.", "jdlm.cli.table"),
    Command("ls", "List runs, presets, schedules, planners and targets.", "jdlm.cli.ls"),
    Command("figures", "Draw the figures of a run again.", "jdlm.cli.figures"),
    Command("manifest", "Print what was recorded of a run or a study.", "jdlm.cli.manifest"),
    Command("doctor", "Check the installation and a run.", "jdlm.cli.doctor"),
)
DEFAULT = COMMANDS[0]
_DESCRIPTION = (
    f"Samples a trained run, or the oracle of a preset. Without a command it is `{DEFAULT.name}`; each command lists "
    "its options with --help. A run or preset with the name of a command needs the command before it, as in "
    f"`{DEFAULT.name} {COMMANDS[1].name}`. --version prints the version, --tyro-print-completion SHELL a script that "
    "completes commands and options (bash, zsh or fish)."
)


def run(arguments: list[str]) -> int:
    """Run the command that ``arguments`` begin with, or the default one; return its exit code."""
    if arguments[:1] in (["--help"], ["-h"]) or options.is_completion(arguments):
        overview(arguments)
    for command in COMMANDS:
        if arguments[:1] == [command.name]:
            return command.load().main(arguments[1:])
    return DEFAULT.load().main(arguments)


def overview(arguments: list[str]) -> None:
    """Let tyro print the list of commands, or the completion of all of them; it then ends the program."""
    kinds = [
        Annotated[
            command.load().Options,
            tyro.conf.subcommand(command.name, description=command.help, is_default=command is DEFAULT),
        ]
        for command in COMMANDS
    ]
    union: Any = Union[tuple(kinds)]  # noqa: UP007 (of as many types as the table has)
    tyro.cli(union, args=arguments, prog=options.program(), description=_DESCRIPTION)
