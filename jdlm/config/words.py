"""Words of presets and of the command line for schedules and planners, and the only place where they become values.

Some words take a value after a colon, as in ``geometric:0.5``, ``threshold:0.9`` or ``euler:cosine``; it is part of the
name under which rows and figures know the schedule. Nothing here imports JAX or numpy before something is built.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jdlm.planners import Planner
    from jdlm.schedules import Schedule

__all__ = [
    "ONE_TOKEN_A_STEP",
    "PLANNERS",
    "SCHEDULES",
    "SELF_SIZED_PLANNERS",
    "THINNING",
    "Word",
    "build_planner",
    "build_schedule",
    "build_schedules",
    "check_num_steps",
    "nearest",
    "parse",
    "takes_more_steps",
]


class Word(NamedTuple):
    """What a word stands for.

    Attributes:
      name: of the builder in ``jdlm.schedules`` or ``jdlm.planners``.
      arguments: fixed arguments of the builder, after length and number of steps.
      parameter: name of the value after the colon; None for a word that takes none.
      example: a sensible value.
      choices: the values that there are; empty where it is a number.
    """

    name: str
    arguments: tuple[str, ...] = ()
    parameter: str | None = None
    example: str = ""
    choices: tuple[str, ...] = ()


def _thinning(name: str) -> Word:
    return Word(name, parameter="masking", example="linear", choices=("linear", "cosine", "polynomial", "exponential"))


SCHEDULES = {
    "uniform": Word("uniform"),
    "cosine": Word("cosine"),
    "geometric": Word("geometric", parameter="ratio", example="0.5"),
    "best_fixed_tc": Word("best_fixed", ("tc",)),
    "best_fixed_dtc": Word("best_fixed", ("dtc",)),
    "best_fixed_both": Word("best_fixed", ("both",)),
    "random_phase_tc": Word("random_phase", ("tc",)),
    "random_phase_dtc": Word("random_phase", ("dtc",)),
    "random_phase_equal": Word("random_phase_equal"),
    "random_cuts": Word("random_cuts"),
    "tc_equalizer": Word("tc_equalizer"),
    "minimax_tc": Word("minimax", ("tc",)),
    "minimax_dtc": Word("minimax", ("dtc",)),
    "minimax_both": Word("minimax", ("both",)),
    "ancestral": _thinning("ancestral"),
    "euler": _thinning("euler"),
    "tau_leaping": _thinning("tau_leaping"),
    "optimal": Word("optimal"),
    "first_hitting": Word("first_hitting"),
}
ONE_TOKEN_A_STEP = ("first_hitting",)
THINNING = ("ancestral", "euler", "tau_leaping")
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


def takes_more_steps(text: str) -> bool:
    """Whether a schedule's word may have more steps than tokens: thinning, where a step may reveal nothing."""
    return text.partition(":")[0] in THINNING


def check_num_steps(num_steps: int, length: int, name: str = "num_steps", schedule: str | None = None) -> None:
    """Raises a ValueError unless ``1 <= num_steps <= length``, or ``1 <= num_steps`` for the word of a thinning.

    Args:
      num_steps: number of steps.
      length: number of tokens.
      name: of the option, for the message.
      schedule: its word; None where every schedule is meant.
    """
    if num_steps < 1:
        raise ValueError(f"{name}={num_steps} is less than 1; use at most {length} and at least 1")
    if num_steps > length and not takes_more_steps(schedule or ""):
        raise ValueError(f"{name}={num_steps} exceeds length={length}; use at most {length}")


def parse(text: str, words: Mapping[str, Word], what: str) -> tuple[Word, list[float | str]]:
    """The word and its value, as a list of at most one.

    Args:
      text: as in a preset, ``cosine`` or ``geometric:0.5``.
      words: ``SCHEDULES`` or ``PLANNERS``.
      what: "schedule" or "planner", for messages.

    Raises:
      ValueError: an unknown word, or a value that is missing, not wanted or none of those there are.
    """
    name, colon, value = text.partition(":")
    if name not in words:
        raise ValueError(f"unknown {what} {name!r}; {nearest(name, words)}")
    word = words[name]
    if word.parameter is None:
        if colon:
            raise ValueError(f"{what} {text!r} takes nothing after the colon; write {name!r}")
        return word, []
    if word.choices:
        if value in word.choices:
            return word, [value]
        raise ValueError(
            f"{what} {text!r} needs a {word.parameter} ({', '.join(word.choices)}), as in '{name}:{word.example}'"
        )
    try:
        return word, [float(value)]
    except ValueError:
        raise ValueError(f"{what} {text!r} needs a number {word.parameter}, as in '{name}:{word.example}'") from None


def build_schedule(
    text: str,
    length: int,
    num_steps: int,
    *,
    curve: Callable[[], Any] | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> "Schedule":
    """The schedule that a preset's word names, under the name of the word.

    Args:
      text: one of ``SCHEDULES``, with its value if it takes one.
      length: number of tokens.
      num_steps: number of steps K, at most ``length``; words that reveal one token per step do not read it. Thinning
        may have more steps than there are tokens. It takes equally spaced times from 1 to 0 (``exponential`` masking:
        ``exponential_times``), so many that a final step, which reveals what is left, is among the K.
      curve: gives the entropy curve ``[length]`` that ``optimal`` is made for; called only for that word.
      cache: folder where solved minimax laws are kept.
      progress: called with a line of text now and then while a law is solved.

    Raises:
      ValueError: an unknown word, more steps than tokens, or ``optimal`` without a curve or with one for another
        number of tokens.
    """
    word, value = parse(text, SCHEDULES, "schedule")
    if text not in ONE_TOKEN_A_STEP:
        check_num_steps(num_steps, length, schedule=text)
    from jdlm import schedules

    builder = getattr(schedules, word.name)
    if text in ONE_TOKEN_A_STEP:
        schedule = builder(length)
    elif word.name == "optimal":
        if curve is None:
            raise ValueError(
                "schedule 'optimal' is made for an exact entropy curve; for a measured one use `recommend`"
            )
        values = curve()
        if len(values) != length:
            raise ValueError(
                f"schedule 'optimal' is made for the curve of all {len(values)} tokens, not for {length} where others "
                "are given, whose curve is another one; use a schedule such as uniform or minimax_both"
            )
        schedule = builder(values, num_steps)
    elif word.choices:
        schedule = _thinned(builder, text, length, num_steps, *value)
    else:
        options = {"cache": cache, "progress": progress} if word.name == "minimax" else {}
        schedule = builder(length, num_steps, *word.arguments, *value, **options)
    return dataclasses.replace(schedule, name=text)


def _thinned(builder: "Callable[..., Schedule]", text: str, length: int, num_steps: int, masking: str) -> "Schedule":
    from jdlm import schedules

    exponential = masking == "exponential"
    for count in range(num_steps, max(num_steps - 2, 0), -1):  # one less where a final reveal is added
        times = schedules.exponential_times(length, count) if exponential else schedules.uniform_times(count)
        schedule = builder(length, times, masking)
        if schedule.num_steps <= num_steps:
            return schedule
    raise ValueError(f"schedule {text!r} needs at least 2 steps, the last of which reveals what is left")


def build_schedules(
    words: Iterable[str],
    length: int,
    num_steps: Iterable[int],
    *,
    curve: Callable[[], Any] | None = None,
    cache: Path | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> "list[Schedule]":
    """Each word at each number of steps; one-token-a-step words once.

    ``progress`` is called with (schedules built, in all, what is being built); the others as in `build_schedule`.
    """
    num_steps = list(num_steps)
    pairs = [(w, k) for w in words for k in ([length] if w in ONE_TOKEN_A_STEP else num_steps)]
    built = []
    for word, count in pairs:

        def report(line: str, what: str = f"{word} K={count}") -> None:
            progress(len(built), len(pairs), f"{what}: {line}" if line else what)

        report("")
        built.append(build_schedule(word, length, count, curve=curve, cache=cache, progress=report))
    progress(len(pairs), len(pairs), "done")
    return built


def build_planner(text: str) -> "Planner":
    """The planner that a preset's word names.

    Raises:
      ValueError: an unknown word, or a number out of its range.
    """
    word, value = parse(text, PLANNERS, "planner")
    from jdlm import planners

    return getattr(planners, word.name)(*value)
