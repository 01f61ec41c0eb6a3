"""Words of presets and of the command line, as the lists of ``jdlm.schedules`` and ``jdlm.planners`` have them."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Word", "nearest"]


@dataclass(frozen=True, kw_only=True)
class Word:
    """What a word stands for, and what ``--help`` says of it.

    A schedule is ``builder(length, num_steps, *arguments)``, a planner ``builder(*arguments)``, with the value after
    the colon as the last argument. A builder of other arguments has a function beside it that takes these: ``call``.

    Attributes:
      builder: its file in the folder of the list, and its name, as in ``"fixed_sizes.uniform"``.
      help: what it does, in less than a line.
      arguments: fixed arguments of the builder.
      parameter: name of the value after the colon, as in ``geometric:0.5``; None for a word that takes none.
      example: a sensible value.
      choices: the values that there are; empty where it is a number.
      call: name of a function in the builder's file that is called in the builder's place.
      takes: keyword arguments among those of `jdlm.config.build_schedule` that are passed on.
      one_token_per_step: a schedule of as many steps as there are tokens; its builder takes no number of steps.
      more_steps: a schedule that may have more steps than there are tokens.
      self_sized: a planner that counts by itself, so that it takes no schedule.
    """

    builder: str
    help: str
    arguments: tuple[str, ...] = ()
    parameter: str | None = None
    example: str = ""
    choices: tuple[str, ...] = ()
    call: str | None = None
    takes: tuple[Literal["curve", "cache", "progress"], ...] = ()
    one_token_per_step: bool = False
    more_steps: bool = False
    self_sized: bool = False

    @property
    def name(self) -> str:
        """The name of the builder."""
        return self.builder.rpartition(".")[2]

    def function(self, package: str) -> Callable[..., Any]:
        """What makes the value; imports the builder's file.

        Args:
          package: full name of the package with the list.
        """
        module = importlib.import_module(f"{package}.{self.builder.rpartition('.')[0]}")
        return getattr(module, self.call or self.name)


def nearest(word: str, valid: Iterable[str], what: str = "known") -> str:
    """Half a sentence that names the valid word nearest to ``word``, and all of them where they are few.

    >>> nearest("uniforn", ["cosine", "uniform"]), nearest("x", ["cosine", "uniform"])
    ("the nearest valid one is 'uniform' (known: cosine, uniform)", 'use one of cosine, uniform')
    """
    import difflib  # only for errors, so that `--help` is instant

    valid = sorted(valid)
    if not valid:
        return "none is valid here"
    if close := difflib.get_close_matches(word, valid, n=1):
        everything = f" ({what}: {', '.join(valid)})" if len(valid) <= _FEW else ""
        return f"the nearest valid one is {close[0]!r}{everything}"
    if len(valid) <= 2 * _FEW:
        return f"use one of {', '.join(valid)}"
    return f"none of the {len(valid)} valid ones is similar"


_FEW = 16
