"""Words of presets and of the command line for schedules and planners, and the only place where they become values.

Some words take a number after a colon, as in ``geometric:0.5`` or ``threshold:0.9``; it is part of the name under which
the rows and figures know the schedule or planner. Nothing here imports JAX or numpy before something is built.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jdlm.planners import Planner
    from jdlm.schedules import Schedule


class Word(NamedTuple):
    """What a word stands for.

    Attributes:
      name: of the builder in ``jdlm.schedules`` or ``jdlm.planners``.
      arguments: fixed arguments of the builder, after length and number of steps.
      parameter: name of the number after the colon; None for a word that takes none.
      example: a sensible number.
    """

    name: str
    arguments: tuple[str, ...] = ()
    parameter: str | None = None
    example: str = ""


SCHEDULES = {
    "uniform": Word("uniform"),
    "cosine": Word("cosine"),
    "geometric": Word("geometric", parameter="ratio", example="0.5"),
    "tc_equalizer": Word("tc_equalizer"),
    "minimax_tc": Word("minimax", ("tc",)),
    "minimax_dtc": Word("minimax", ("dtc",)),
    "minimax_both": Word("minimax", ("both",)),
    "first_hitting": Word("first_hitting"),
}
ONE_TOKEN_A_STEP = ("first_hitting",)
PLANNERS = {
    "random": Word("random"),
    "left_to_right": Word("left_to_right"),
    "bisection": Word("bisection"),
    "confidence": Word("confidence"),
    "margin": Word("margin"),
    "entropy": Word("entropy"),
    "threshold": Word("threshold", parameter="tau", example="0.9"),
    "entropy_bounded": Word("entropy_bounded", parameter="gamma", example="0.1"),
    "entropy_sum": Word("entropy_sum", parameter="eta", example="0.5"),
}
SELF_SIZED_PLANNERS = ("threshold", "entropy_bounded", "entropy_sum")


def nearest(word: str, valid: Iterable[str], what: str = "known") -> str:
    """Half a sentence that names the valid word nearest to ``word``, and all of them where they are few."""
    import difflib  # only for errors, so that `--help` is instant

    valid = sorted(valid)
    close = difflib.get_close_matches(word, valid, n=1, cutoff=0.0)
    everything = f" ({what}: {', '.join(valid)})" if 0 < len(valid) <= 16 else ""
    return (f"the nearest valid one is {close[0]!r}" if close else "none is valid here") + everything


def check_num_steps(num_steps: int, length: int, name: str = "num_steps") -> None:
    """Raises a ValueError unless ``1 <= num_steps <= length``."""
    if not 1 <= num_steps <= length:
        problem = f"exceeds length={length}" if num_steps > length else "is less than 1"
        raise ValueError(f"{name}={num_steps} {problem}; use at most {length}" + (" and at least 1" * (num_steps < 1)))


def parse(text: str, words: Mapping[str, Word], what: str) -> tuple[Word, float | None]:
    """The word and its number.

    Args:
      text: as in a preset, ``cosine`` or ``geometric:0.5``.
      words: ``SCHEDULES`` or ``PLANNERS``.
      what: "schedule" or "planner", for messages.

    Raises:
      ValueError: an unknown word, or a number that is missing, not wanted or no number.
    """
    name, colon, number = text.partition(":")
    if name not in words:
        raise ValueError(f"unknown {what} {name!r}; {nearest(name, words)}")
    word = words[name]
    if word.parameter is None:
        if colon:
            raise ValueError(f"{what} {text!r} takes no number; write {name!r}")
        return word, None
    try:
        return word, float(number)
    except ValueError:
        raise ValueError(f"{what} {text!r} needs a number {word.parameter}, as in '{name}:{word.example}'") from None


def build_schedule(
    text: str,
    length: int,
    num_steps: int,
    *,
    cache: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> "Schedule":
    """The schedule that a preset's word names.

    Args:
      text: one of ``SCHEDULES``, with its number if it takes one.
      length: number of tokens.
      num_steps: number of steps K, at most ``length``; words that reveal one token a step do not read it.
      cache: folder where solved minimax laws are kept.
      progress: called with a line of text now and then while a law is solved.

    Raises:
      ValueError: an unknown word, or more steps than tokens.
    """
    word, number = parse(text, SCHEDULES, "schedule")
    if text not in ONE_TOKEN_A_STEP:
        check_num_steps(num_steps, length)
    from jdlm import schedules

    builder = getattr(schedules, word.name)
    if text in ONE_TOKEN_A_STEP:
        return builder(length)
    options = {"cache": cache, "progress": progress} if word.name == "minimax" else {}
    schedule = builder(length, num_steps, *word.arguments, *([] if number is None else [number]), **options)
    return dataclasses.replace(schedule, name=text)


def build_schedules(
    words: Iterable[str],
    length: int,
    num_steps: Iterable[int],
    *,
    cache: Path | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> "list[Schedule]":
    """Each word at each number of steps; one-token-a-step words once.

    ``progress`` is called with (schedules built, in all, what is being built).
    """
    num_steps = list(num_steps)
    pairs = [(w, k) for w in words for k in ([length] if w in ONE_TOKEN_A_STEP else num_steps)]
    built = []
    for word, count in pairs:

        def report(line: str, what: str = f"{word} K={count}") -> None:
            progress(len(built), len(pairs), f"{what}: {line}" if line else what)

        report("")
        built.append(build_schedule(word, length, count, cache=cache, progress=report))
    progress(len(pairs), len(pairs), "done")
    return built


def build_planner(text: str) -> "Planner":
    """The planner that a preset's word names.

    Raises:
      ValueError: an unknown word, or a number out of its range.
    """
    word, number = parse(text, PLANNERS, "planner")
    from jdlm import planners

    return getattr(planners, word.name)(*([] if number is None else [number]))
