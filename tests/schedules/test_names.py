"""Names: two schedules with different laws never share a name and a number of steps."""

import dataclasses

import numpy as np
import pytest

from jdlm import config, schedules
from jdlm.schedules import Atoms, adaptive_times, exponential_times, uniform_times
from jdlm.study.figures import style
from tests.schedules.family import FAMILY

LENGTH = 8
GRIDS = {
    "even": lambda k: uniform_times(k),
    "late": lambda k: uniform_times(k, 0.9, 0.1),
    "later": lambda k: uniform_times(k, 0.9, 0.2),
    "adaptive": lambda k: adaptive_times(1.0 / (k + 1)),
}
RATIOS = (0.25, 0.5, 0.5000001, 2.0, 3.0)
CURVES = (np.linspace(2.0, 1.0, LENGTH), np.linspace(2.0, 0.0, LENGTH) ** 2, np.sqrt(np.linspace(3.0, 0.0, LENGTH)))


def every():
    for k in range(2, 6):
        yield from (member.build(LENGTH, k) for member in FAMILY)
        yield from (schedules.geometric(LENGTH, k, ratio) for ratio in RATIOS)
        yield from (schedules.optimal(curve, k) for curve in CURVES)
        for method in (schedules.ancestral, schedules.euler, schedules.tau_leaping):
            for masking in ("linear", "cosine", "polynomial", "exponential"):
                for times in GRIDS.values():
                    yield from (method(LENGTH, times(k), masking, final_reveal=end) for end in (True, False))
                yield method(LENGTH, exponential_times(LENGTH, k) / exponential_times(LENGTH, k)[0], masking)
    yield schedules.minimax(LENGTH, 3, "both", tolerance=0.3)
    yield from (schedules.fixed(sizes) for sizes in ([4, 4], [5, 3], [2, 2, 2, 2], [2, 2, 1, 3]))
    yield from (schedules.fixed([size, *[1] * (64 - size), 0, 0]) for size in (2, 3, 4))


def law_of(schedule):
    law = schedule.law()
    if not isinstance(law, Atoms):
        return np.round(law[0], 9).tobytes()  # kernels or rates
    order = np.lexsort(law.sizes.T)
    return np.round(law.weights[order], 9).tobytes() + law.sizes[order].tobytes()


def test_different_laws_have_different_names():
    laws = {}
    for schedule in every():
        laws.setdefault((schedule.name, schedule.length, schedule.num_steps), set()).add(law_of(schedule))
    assert len(laws) > 250
    assert not [key for key, found in laws.items() if len(found) > 1]


@pytest.mark.parametrize(
    ("schedule", "name"),
    [
        (schedules.geometric(8, 3, 0.5), "geometric:0.5"),
        (schedules.geometric(8, 3, 3.0), "geometric:3"),
        (schedules.geometric(8, 3, 0.5000001), "geometric:0.5000001"),
        (schedules.euler(8, uniform_times(3), "cosine"), "euler:cosine"),
        (schedules.ancestral(8, exponential_times(8, 3), "exponential"), "ancestral:exponential"),
        (schedules.tau_leaping(8, uniform_times(3), "linear", final_reveal=False), "tau_leaping:linear:leftover"),
        (schedules.ancestral(8, uniform_times(3), "linear", final_reveal=False), "ancestral:linear"),
        (schedules.euler(8, uniform_times(3, 0.9), "linear"), "euler:linear:ae3a632b"),
        (schedules.fixed([4, 2, 2]), "fixed:4-2-2"),
        (schedules.fixed([4, 2, 2], "mine"), "mine"),
        (schedules.fixed([3] + [1] * 61), "fixed:3-1-1-1-1-1-...-fcfd5c91"),
        (schedules.optimal([1.0, 1.0, 0.5, 0.5], 2), "optimal:2-2"),
        (schedules.minimax(8, 3, "both"), "minimax_both"),
        (schedules.minimax(8, 3, "both", tolerance=1e-2), "minimax_both:0.01"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_names_stay(schedule, name):
    """They are part of the cells of a sweep's rows, on every machine; figures make a title of them."""
    assert schedule.name == name
    assert style.title(name)
    assert dataclasses.replace(schedule, name="other").name == "other"


@pytest.mark.parametrize("word", ["geometric:0.5", "euler:cosine", "ancestral:exponential", "tau_leaping:linear"])
def test_the_name_of_the_builder_is_the_word_of_a_preset(word):
    name, _, value = word.partition(":")
    built = config.build_schedule(word, LENGTH, 5)
    if name == "geometric":
        again = schedules.geometric(LENGTH, 5, float(value))
    else:
        times = exponential_times(LENGTH, 4) if value == "exponential" else uniform_times(4)
        again = getattr(schedules, name)(LENGTH, times, value)
    assert again.name == built.name == word and law_of(again) == law_of(built)
