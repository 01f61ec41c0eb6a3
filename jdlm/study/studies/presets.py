"""What do the schedules of two presets cost, exactly?

The numbers that a first run shows, without a network: the default preset, and the preset of thinning, whose steps may
make no predictor call. The path KL is an identity of exposure and entropy curve; teacher-forced tokens and the calls of
the sampler agree with it.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jdlm import curves, measure, planners
from jdlm.config import presets, words
from jdlm.predictor import oracle
from jdlm.sampling import draw_sizes, sample_all
from jdlm.sampling.request import Request
from jdlm.schedules import Schedule
from jdlm.study import parts
from jdlm.study.cells import Origin
from jdlm.study.figures.presets import FIGURES
from jdlm.study.rows import Row
from jdlm.study.studies import presets_words
from jdlm.study.studies.study import Report, Study, kept, shape
from jdlm.targets import Target

__all__ = ["CASES", "STUDY"]


class Case(NamedTuple):
    """A preset and what is asked of it.

    Attributes:
      preset: its word.
      more: schedules beside those of the preset, each with its number of steps.
    """

    preset: str
    more: tuple[tuple[str, int], ...] = ()


CASES = (Case("mixture", (("optimal", 8), ("optimal", 10))), Case("thinning"))
_RANDOM = planners.random()
_ROUNDING = 1e-6  # below which an estimate differs from its exact value by the rounding of float32


def rows(seed: int, quick: bool, report: Report) -> Iterator[Row]:
    """All rows; the quick ones are those without random numbers."""
    for done, case in enumerate(CASES):
        report(done, len(CASES), f"preset {case.preset}")
        yield from kept(report, case.preset, functools.partial(_of_case, seed, quick, case))
    report(len(CASES), len(CASES), "done")


def _of_case(seed: int, quick: bool, case: Case) -> Iterator[Row]:
    config = presets.load(case.preset)
    target = config.target.build()
    curve = target.entropy_curve()
    origin = Origin(case.preset, seed)
    yield from shape(origin, target)
    yield from (row for row in parts.of_target(origin, curve) if row.index is None)
    plan = _plan(case, target, curve)
    for schedule in plan:
        cell = _of(origin, schedule)
        yield cell.row("path_kl_nats", curves.path_kl(schedule.exposure(), curve), "identity")
        yield from (row for row in parts.of_schedule(cell, curve) if row.index is None)
        yield cell.row("calls", schedule.mean_nfe, "exact")
    if not quick:
        yield from _sampled(origin, target, curve, plan, config.sweep.samples)


def _plan(case: Case, target: Target, curve: np.ndarray) -> list[Schedule]:
    sweep = presets.load(case.preset).sweep
    made = words.build_schedules(sweep.schedules, target.length, sweep.num_steps)
    more = [words.build_schedule(w, target.length, steps, curve=lambda: curve) for w, steps in case.more]
    return [*made, *more]


def _of(origin: Origin, schedule: Schedule) -> Origin:
    return dataclasses.replace(origin, predictor="oracle", planner=_RANDOM, schedule=schedule)


def _sampled(origin: Origin, target: Target, curve: np.ndarray, plan: list[Schedule], n: int) -> Iterator[Row]:
    """The path KL of teacher-forced tokens, and the calls of sizes that are drawn and used."""
    cells = [_of(origin, schedule) for schedule in plan]
    pairs = list(zip(cells, plan, strict=True))
    forced = [measure.path_request(cell.key("path"), target, schedule, n) for cell, schedule in pairs]
    free = [
        Request(cell.key("tokens"), _RANDOM, draw_sizes(cell.key("sizes"), schedule, n)) for cell, schedule in pairs
    ]
    results = sample_all(oracle(target), [*forced, *free])
    for number, cell in enumerate(cells):
        kl = measure.path_kl_estimate(forced[number], results.parts[number][1], target)
        yield cell.row("path_kl_nats", kl, "monte_carlo")
        calls = measure.mean(np.asarray(results.parts[number + len(cells)][1].nfe, np.float64))
        yield cell.row("calls", calls, "monte_carlo")
        known = curves.path_kl(cell.scheduled().exposure(), curve), cell.scheduled().mean_nfe
        for metric, estimate, exact in zip(("path_kl", "calls"), (kl, calls), known, strict=True):
            if estimate.standard_error > _ROUNDING:
                apart = (estimate.value - exact) / estimate.standard_error
                yield cell.row(f"{metric}_deviation", measure.Estimate(apart, 1.0, n), "monte_carlo")


STUDY = Study("presets", rows, FIGURES, presets_words.conclude)
