"""The discretizations of the study ``discretization``: rules, masking schedules, grids of times, and how many steps."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from jdlm import planners, schedules
from jdlm.schedules import Schedule
from jdlm.schedules.thinning import Masking
from jdlm.study import goals, slopes
from jdlm.study.cells import Origin
from jdlm.study.rows import Row

__all__ = [
    "CODE_WORDS",
    "DISCRETIZATIONS",
    "GOALS",
    "SHORT_WORDS",
    "exponent",
    "of",
    "opened",
    "thinned",
    "until",
]

GOALS = (0.1, 0.01)
"""Total variations that are to be reached."""
_MASKS_AT_END = 0.05  # expected, where a geometric grid stops and the last step reveals the rest


def _equal(length: int, num_steps: int) -> np.ndarray:
    return schedules.uniform_times(num_steps)


def _constant(length: int, num_steps: int) -> np.ndarray:
    """Equal steps for exponential masking, from where half a token is expected to be unmasked."""
    return schedules.uniform_times(num_steps, np.log(2 * length))


def _geometric(length: int, num_steps: int) -> np.ndarray:
    return np.geomspace(np.log(2 * length), -np.log1p(-_MASKS_AT_END / length), num_steps + 1)


class Discretization(NamedTuple):
    """A rule for the reveal probability of a step, a masking schedule, and its times ``(length, steps) -> times``."""

    build: Callable[..., Schedule]
    masking: Masking
    times: Callable[[int, int], np.ndarray] = _equal


DISCRETIZATIONS = {
    "euler:linear": Discretization(schedules.euler, "linear"),  # the same as ancestral:linear
    "tau_leaping:linear": Discretization(schedules.tau_leaping, "linear"),
    "ancestral:cosine": Discretization(schedules.ancestral, "cosine"),
    "euler:cosine": Discretization(schedules.euler, "cosine"),
    "tau_leaping:cosine": Discretization(schedules.tau_leaping, "cosine"),
    "ancestral:exponential-constant": Discretization(schedules.ancestral, "exponential", _constant),
    "euler:exponential-constant": Discretization(schedules.euler, "exponential", _constant),
    "tau_leaping:exponential-constant": Discretization(schedules.tau_leaping, "exponential", _constant),
    "euler:polynomial": Discretization(schedules.euler, "polynomial"),
    "euler:exponential-geometric": Discretization(schedules.euler, "exponential", _geometric),
}
SHORT_WORDS = tuple(DISCRETIZATIONS)[:8]
"""All rules on the three masking schedules where they differ."""
CODE_WORDS = (
    "euler:linear",
    "tau_leaping:linear",
    "euler:cosine",
    "euler:exponential-constant",
    "euler:polynomial",
    "euler:exponential-geometric",
)
"""Every grid by the rule of Euler, and tau-leaping once."""


def thinned(word: str, length: int, num_steps: int) -> Schedule:
    """A discretization in so many steps, the last of which reveals what is left, under its name in this study."""
    build, masking, times = DISCRETIZATIONS[word]
    schedule = build(length, times(length, num_steps), masking)
    if schedule.num_steps > num_steps:  # a last step was added
        schedule = build(length, times(length, num_steps - 1), masking)
    return dataclasses.replace(schedule, name=word)


def opened(word: str, length: int, num_steps: int) -> Schedule:
    """The same without a last step that reveals what is left."""
    build, masking, times = DISCRETIZATIONS[word]
    schedule = build(length, times(length, num_steps), masking, final_reveal=False)
    return dataclasses.replace(schedule, name=f"{word}-open")


def of(target: str, seed: int, schedule: Schedule | None = None, name: str = "") -> Origin:
    """The oracle's sampler of a target, with a schedule or with all of one name."""
    return Origin(target, seed, predictor="oracle", planner=planners.random(), schedule=schedule, name=name)


def exponent(origin: Origin, metric: str, x: Iterable[float | int], y: Iterable[float]) -> Row:
    """A fitted power as a row."""
    return origin.row(metric, slopes.exponent([float(value) for value in x], list(y)), "fit")


def until(origin: Origin, length: int, tv: Callable[[Schedule], float], goal: float) -> Iterator[Row]:
    """Steps of a discretization, and expected calls, until its total variation is at most a goal."""
    distance = functools.cache(lambda steps: tv(thinned(origin.name, length, steps)))
    steps = goals.steps_until(distance, goal, 4 * length)
    calls = thinned(origin.name, length, steps).mean_nfe
    yield origin.row(f"steps_until_tv_{goal:g}", float(steps), "exact", nfe=calls)
    yield origin.row(f"calls_until_tv_{goal:g}", calls, "exact", nfe=calls)
