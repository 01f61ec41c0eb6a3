"""Grids of times in the study ``low-dependence``: constant against geometric, why, and a check by tokens."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from jdlm import curves, measure, planners, schedules, targets
from jdlm.config.words import build_schedule
from jdlm.predictor import oracle
from jdlm.schedules import Schedule
from jdlm.study.cells import Origin
from jdlm.study.rows import Row
from jdlm.study.studies.low_dependence_targets import Case, described, flip, random_strings_curve, soft_parity

__all__ = ["grid_cases", "grids", "of_grids", "sampled"]

_LENGTH = 2000
_STEPS = (20, 30)
_START = 8.0
SAMPLES = 512
_SHOWN = ("grids:strings:80", "grids:flip", "grids:parity:8:1")  # place by place


def grid_cases() -> Mapping[str, Callable[[], Case]]:
    """Targets of 2000 bits: those of arXiv 2608.23554, and one whose dependence comes late."""
    length = _LENGTH
    found: dict[str, Callable[[], Case]] = {}
    for count in (80, 500, 5000):
        found[f"grids:strings:{count}"] = lambda k=count: Case(random_strings_curve(length, k), 2)
    found["grids:flip"] = lambda: Case(flip(length), 2)
    found["grids:parity:8:1"] = lambda: Case(soft_parity(length, 8, 1.0).entropy_curve(), 2)
    return found


def grids(length: int, num_steps: int) -> Iterator[Schedule]:
    """Exponential masking from time 8 in so many steps, constant or geometric ones, and lists for comparison.

    A geometric grid needs an end above 0, from where its last step goes down to 0: the ends are ours.
    """
    constant = schedules.uniform_times(num_steps, _START)
    yield dataclasses.replace(schedules.ancestral(length, constant, "exponential"), name="constant")
    for end in (0.1, 0.01, 0.001):
        times = np.append(np.geomspace(_START, end, num_steps), 0.0)
        yield dataclasses.replace(schedules.ancestral(length, times, "exponential"), name=f"geometric:{end:g}")
    for word in ("ancestral:exponential", "best_fixed_dtc", "best_fixed_both", "uniform"):
        yield build_schedule(word, length, num_steps)


def of_grids(seed: int, name: str, case: Case) -> Iterator[Row]:
    """Path KL of the grids, and why: where the dependence sits, and how far each grid oversteps that place."""
    length = len(case.curve)
    yield from described(Origin(name, seed), case)
    places = np.unique(np.geomspace(1, length - 1, 60).astype(int)) if name in _SHOWN else np.zeros(0, int)
    spectrum = np.maximum(curves.spectrum(case.curve), 0.0)
    below = np.cumsum(spectrum * np.arange(1, length)) / curves.dual_total_correlation(case.curve)
    for m in places.tolist():
        yield Origin(name, seed).row("dtc_share_up_to", float(below[m - 1]), "exact", index=m)
    for num_steps in _STEPS:
        for schedule in grids(length, num_steps):
            origin = Origin(name, seed, schedule=schedule)
            yield origin.row("path_kl_nats", curves.path_kl(schedule.exposure(), case.curve), "identity")
            if num_steps == _STEPS[0] and schedule.name in ("constant", "geometric:0.01") and len(places):
                overshoot = curves.overshoot(schedule.exposure())
                cost = np.cumsum(spectrum * overshoot)
                for m in places.tolist():
                    yield origin.row("overshoot_over_place", float(overshoot[m - 1] / m), "exact", index=m)
                    yield origin.row("path_kl_up_to_nats", float(cost[m - 1]), "identity", index=m)


def sampled(seed: int) -> Iterator[Row]:
    """Path KL of tokens that are forced through the sampler, against the identity: a chain, and strings of one draw."""
    length = 128
    bits = np.random.default_rng(0).integers(0, 2, (80, length))
    strings = targets.mixture(np.full(80, 1.0 / 80), np.eye(2)[bits])
    for name, target, curve in (
        (f"flip-{length}", targets.sticky_markov(length, 2, 1.0 - 2.0 / length), flip(length)),
        (f"strings:80-{length}", strings, random_strings_curve(length, 80)),
    ):
        for schedule in list(grids(length, _STEPS[0]))[:3:2]:
            origin = Origin(name, seed, predictor="oracle", planner=planners.random(), schedule=schedule)
            exact = curves.path_kl(schedule.exposure(), curve)
            found = measure.monte_carlo_path_kl(origin.key("path"), oracle(target), target, schedule, SAMPLES)
            yield origin.row("path_kl_nats", exact, "identity")
            yield origin.row("path_kl_nats", found, "monte_carlo")
            apart = measure.Estimate((found.value - exact) / found.standard_error, 1.0, SAMPLES)
            yield origin.row("path_kl_deviation", apart, "monte_carlo")
