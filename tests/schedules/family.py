"""The registry of schedules: one line here puts a schedule through every common check of test_family.py."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jdlm import schedules
from jdlm.schedules import Schedule, Thinning, exponential_times, uniform_times


class Member(NamedTuple):
    """A schedule, built for any length and number of steps with length >= num_steps >= 2."""

    name: str
    build: Callable[[int, int], Schedule]
    complete: bool = True  # False: masks can be left over


def bumpy(length):
    """A measured curve: falling with noise that makes it rise in places."""
    return np.linspace(2.0, 0.5, length) + 0.2 * np.cos(5.0 * np.arange(length))


FAMILY = [
    Member("uniform", schedules.uniform),
    Member("cosine", schedules.cosine),
    Member("fixed", lambda n, k: schedules.fixed([n - k + 1, *[1] * (k - 1)])),
    Member("fixed-with-empty-steps", lambda n, k: schedules.fixed([0, 2, 0, n - 2, 0])),
    Member("first_hitting", lambda n, k: schedules.first_hitting(n)),
    Member("geometric-shrinking", lambda n, k: schedules.geometric(n, k, 0.5)),
    Member("geometric-growing", lambda n, k: schedules.geometric(n, k, 3.0)),
    Member("tc_equalizer", schedules.tc_equalizer),
    Member("minimax-tc", lambda n, k: schedules.minimax(n, k, "tc")),
    Member("minimax-dtc", lambda n, k: schedules.minimax(n, k, "dtc")),
    Member("minimax-both", lambda n, k: schedules.minimax(n, k, "both")),
    Member("best_fixed-tc", lambda n, k: schedules.best_fixed(n, k, "tc")),
    Member("best_fixed-dtc", lambda n, k: schedules.best_fixed(n, k, "dtc")),
    Member("best_fixed-both", lambda n, k: schedules.best_fixed(n, k, "both")),
    Member("random_phase-tc", lambda n, k: schedules.random_phase(n, k, "tc")),
    Member("random_phase-dtc", lambda n, k: schedules.random_phase(n, k, "dtc")),
    Member("random_cuts", schedules.random_cuts),
    Member("random_phase_equal", schedules.random_phase_equal),
    Member("optimal", lambda n, k: schedules.optimal(bumpy(n), k)),
    Member("ancestral-linear", lambda n, k: schedules.ancestral(n, uniform_times(k), "linear")),
    Member("ancestral-cosine", lambda n, k: schedules.ancestral(n, uniform_times(k, 0.9, 0.1), "cosine")),
    Member("euler-polynomial", lambda n, k: schedules.euler(n, uniform_times(k), "polynomial")),
    Member("euler-exponential", lambda n, k: schedules.euler(n, uniform_times(k, 2.0), "exponential")),
    Member("tau_leaping-linear", lambda n, k: schedules.tau_leaping(n, uniform_times(k), "linear")),
    Member("tau_leaping-cosine", lambda n, k: schedules.tau_leaping(n, uniform_times(k), "cosine")),
    Member("exponential", lambda n, k: schedules.ancestral(n, exponential_times(n, k - 1), "exponential")),
    Member("adaptive", lambda n, k: schedules.ancestral(n, schedules.adaptive_times(0.5, stop=0.2), "linear")),
    Member("chain", lambda n, k: Schedule("chain", n, k, Thinning(1 / np.arange(k, 0, -1.0)).dense(n))),
    Member("leftover", lambda n, k: schedules.tau_leaping(n, uniform_times(k), "linear", final_reveal=False), False),
]
