"""The one place where words of presets and of the command line become schedules and planners.

The words are those of the lists in ``jdlm.schedules`` and ``jdlm.planners``; no word is named here. Some take a value
after a colon, as in ``geometric:0.5``, ``threshold:0.9`` or ``euler:cosine``; it is part of the name under which rows
and figures know the schedule. Nothing here imports JAX or numpy before something is built.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm import planners, schedules
from jdlm.errors import InputError
from jdlm.words import Word, nearest

if TYPE_CHECKING:
    from jdlm.planners import Planner
    from jdlm.schedules import Schedule

__all__ = [
    "MORE_STEPS",
    "ONE_TOKEN_A_STEP",
    "PLANNERS",
    "SAMPLERS",
    "SCHEDULES",
    "SELF_SIZED_PLANNERS",
    "Word",
    "build_planner",
    "build_schedule",
    "build_schedules",
    "check_num_steps",
    "listed",
    "nearest",
    "parse",
    "takes_more_steps",
]

SCHEDULES, PLANNERS = schedules.WORDS, planners.WORDS
SAMPLERS = {"speculative": "no schedule: drafts that are checked, exactly one token per step in law, in few rounds"}
"""Words beside the schedules of a sweep, with what they do; they have neither sizes nor a number of steps."""
MORE_STEPS = tuple(name for name, word in SCHEDULES.items() if word.more_steps)
ONE_TOKEN_A_STEP = tuple(name for name, word in SCHEDULES.items() if word.one_token_per_step)
SELF_SIZED_PLANNERS = tuple(name for name, word in PLANNERS.items() if word.self_sized)


def listed(words: Mapping[str, Word]) -> str:
    """All words as a preset writes them and what they stand for, one to a line, for help texts.

    >>> print(listed({"mine": Word(builder="file.mine", parameter="ratio", help="my own")}))
    - mine:RATIO: my own
    """
    values = {name: f":{word.parameter.upper()}" if word.parameter else "" for name, word in words.items()}
    return "\n".join(f"- {name}{values[name]}: {word.help}" for name, word in words.items())


def takes_more_steps(text: str) -> bool:
    """Whether a schedule's word may have more steps than tokens: thinning, where a step may reveal nothing."""
    return text.partition(":")[0] in MORE_STEPS


def check_num_steps(num_steps: int, length: int, name: str = "num_steps", schedule: str | None = None) -> None:
    """Raises a ValueError unless ``1 <= num_steps <= length``, or ``1 <= num_steps`` for the word of a thinning.

    Args:
      num_steps: number of steps.
      length: number of tokens.
      name: of the option, for the message.
      schedule: its word; None where every schedule is meant.
    """
    if num_steps < 1:
        raise InputError(f"{name}={num_steps} is less than 1; use at most {length} and at least 1")
    if num_steps > length and not takes_more_steps(schedule or ""):
        raise InputError(f"{name}={num_steps} exceeds length={length}; use at most {length}")


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
    if name in SAMPLERS and what == "schedule":
        raise InputError(f"{name!r} is a sampler without sizes, which only `sweep` and `tokens` take; name a schedule")
    if name not in words:
        raise InputError(f"unknown {what} {name!r}; {nearest(name, words)}")
    word = words[name]
    if word.parameter is None:
        if colon:
            raise InputError(f"{what} {text!r} takes nothing after the colon; write {name!r}")
        return word, []
    if word.choices:
        if value in word.choices:
            return word, [value]
        raise InputError(
            f"{what} {text!r} needs a {word.parameter} ({', '.join(word.choices)}), as in '{name}:{word.example}'"
        )
    try:
        return word, [float(value)]
    except ValueError:
        raise InputError(f"{what} {text!r} needs a number {word.parameter}, as in '{name}:{word.example}'") from None


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
        may have more steps than there are tokens (see `jdlm.schedules.thinning.from_word`).
      curve: gives the exact entropy curve ``[length]``; called only for a word that is made for one (``optimal``).
      cache: folder where solved minimax laws are kept.
      progress: called with a line of text now and then while a law is solved.

    Raises:
      ValueError: an unknown word, more steps than tokens, or a word that needs a curve without one or with one for
        another number of tokens.
    """
    word, value = parse(text, SCHEDULES, "schedule")
    if not word.one_token_per_step:
        check_num_steps(num_steps, length, schedule=text)
    if "curve" in word.takes and curve is None:
        raise InputError(f"schedule {text!r} is made for an exact entropy curve; for a measured one use `recommend`")
    given = {"curve": curve, "cache": cache, "progress": progress}
    sizes = (length,) if word.one_token_per_step else (length, num_steps)
    function = word.function(schedules.__name__)
    schedule = function(*sizes, *word.arguments, *value, **{name: given[name] for name in word.takes})
    return dataclasses.replace(schedule, name=text)


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
    return word.function(planners.__name__)(*word.arguments, *value)
