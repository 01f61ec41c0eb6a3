"""Rows of the study ``discretization`` with wrong predictors, and those of tokens that are really sampled."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jdlm import curves, measure, planners, schedules, targets
from jdlm.measure import exact
from jdlm.measure.score_error import score_error
from jdlm.measure.step_matrices import StepMatrices
from jdlm.predictor import Predictor, oracle, perturbed
from jdlm.sampling import draw_sizes, sample_all
from jdlm.sampling.request import Request
from jdlm.schedules import Schedule
from jdlm.study.cells import Origin
from jdlm.study.rows import Row
from jdlm.study.studies.discretization_grids import thinned
from jdlm.study.studies.study import shape
from jdlm.targets import Target

__all__ = ["SCALES", "sampled", "tight", "wrong"]

SCALES = (0.1, 0.2, 0.4, 0.8, 1.6)
SEEDS = (0, 1, 2)  # of the perturbations; they belong to the predictor and not to the study
FLOOR = (0.4, 0)  # scale and seed of the predictor that is also sampled in many steps
FLOOR_STEPS = (4, 8, 16, 32, 64, 128, 256)
SAMPLES = 8192  # sequences for each sampled point
_RANDOM = planners.random()
_NAME, _TARGET = "sticky_markov-6-3", targets.sticky_markov(6, 3, 0.7)


def _name(scale: float, number: int) -> str:
    return f"perturbed:{scale:g}:{number}"


def _of(target: str, seed: int, predictor: str, schedule: Schedule) -> Origin:
    return Origin(target, seed, predictor=predictor, planner=_RANDOM, schedule=schedule)


class _Law:
    """The output laws of one predictor on a small target."""

    def __init__(self, target: Target, predictor: Predictor):
        self.target, self.law = target, exact.target_law(target)
        self._space = StepMatrices(predictor, _RANDOM)

    def output(self, schedule: Schedule) -> np.ndarray:
        return exact.output_law_of(self._space, schedule).law

    def tv(self, schedule: Schedule) -> float:
        return exact.total_variation(self.law, self.output(schedule))


def _bounds(origin: Origin, schedule: Schedule, target: Target, predictor: Predictor) -> Iterator[Row]:
    """The total variation of first hitting with a wrong predictor, and what bounds it."""
    error, mine = score_error(predictor, target), _Law(target, predictor)
    total, accumulated = float(error.kl.sum()), float(error.tv.sum())
    tv, bound = mine.tv(schedule), float(np.sqrt(total / 2.0))
    yield origin.row("score_error_nats", total, "exact")
    yield origin.row("output_kl_nats", exact.kl(mine.law, mine.output(schedule)), "exact")
    yield origin.row("output_tv", tv, "exact")
    yield origin.row("accumulated_tv", accumulated, "exact")
    yield origin.row("score_error_bound_tv", bound, "exact")
    yield origin.row("output_tv_over_accumulated_tv", tv / accumulated, "exact")
    yield origin.row("output_tv_over_score_error_bound", tv / bound, "exact")


def wrong(seed: int, scales: Sequence[float]) -> Iterator[Row]:
    """First hitting with perturbed oracles against its bounds; Euler with one of them, in more and more steps."""
    yield from shape(Origin(_NAME, seed), _TARGET)
    first_hitting = schedules.first_hitting(_TARGET.length)
    for scale in scales:
        for number in SEEDS:
            origin = _of(_NAME, seed, _name(scale, number), first_hitting)
            yield from _bounds(origin, first_hitting, _TARGET, perturbed(oracle(_TARGET), scale, number))
    mine = _Law(_TARGET, perturbed(oracle(_TARGET), *FLOOR))
    floor = mine.tv(first_hitting)
    for word in ("euler:linear", "euler:cosine"):
        for num_steps in FLOOR_STEPS:
            schedule = thinned(word, _TARGET.length, num_steps)
            origin, tv = _of(_NAME, seed, _name(*FLOOR), schedule), mine.tv(schedule)
            yield origin.row("output_tv", tv, "exact")
            yield origin.row("output_tv_beyond_first_hitting", tv - floor, "exact")


TIGHT = {
    "fair_bits-6": (
        targets.product(np.full((6, 2), 0.5)),
        "biased_bit:0.05",
        targets.product([[0.45, 0.55], *[[0.5, 0.5]] * 5]),
    ),
    "repetition-6": (
        targets.repetition(6, 2),
        "noisy_repetition:0.005",
        targets.mixture([0.5, 0.5], [[0.995, 0.005], [0.005, 0.995]], 6),
    ),
}
"""Laws on which a bound is nearly met, and those whose oracle stands for theirs: a bit that is biased, for fair ones;
bits through a noisy channel, for such that repeat, where each error leaves the code."""


def tight(seed: int) -> Iterator[Row]:
    """The bounds where they are nearly met."""
    for name, (target, predictor_name, other) in TIGHT.items():
        yield from shape(Origin(name, seed), target)
        first_hitting = schedules.first_hitting(target.length)
        origin = _of(name, seed, predictor_name, first_hitting)
        yield from _bounds(origin, first_hitting, target, oracle(other))


class _Point(NamedTuple):
    """A sampler whose total variation is measured on its own tokens."""

    target: Target
    predictor: Predictor
    origin: Origin
    exact_tv: float
    law: tuple[np.ndarray, np.ndarray] | None  # of target and output; None for a code, whose words are known


def sampled(seed: int, quick: bool) -> Iterator[Row]:
    """Total variations from sampled tokens: P(A) of the target, which is known, minus the share of samples in A.

    A is where the target has more mass than the output, so the expectation is the exact value.
    """
    points = [*_codes(seed, (16,) if quick else (16, 64)), *([] if quick else _smooth(seed)), *_perturbed(seed, quick)]
    for point in points:
        cell = point.origin
        sizes = draw_sizes(cell.key("sizes"), cell.schedule, SAMPLES)
        tokens, _ = sample_all(point.predictor, [Request(cell.key("tokens"), _RANDOM, sizes)]).parts[0]
        if point.law is None:
            share_of_target, inside = 1.0, measure.log_prob(point.target, tokens) > -np.inf
        else:
            law, output = point.law
            more = law > output
            share_of_target, inside = float(law[more].sum()), more[tuple(tokens.T)]
        found = measure.mean(inside.astype(np.float64))
        found = found._replace(value=share_of_target - found.value)
        # The error that the exact law says, for all samples of a share near 1 may be alike.
        share = share_of_target - point.exact_tv
        apart = (found.value - point.exact_tv) / np.sqrt(share * (1.0 - share) / SAMPLES)
        yield cell.row("sampled_tv", found, "monte_carlo")
        yield cell.row("sampled_tv_exact", point.exact_tv, "exact")
        yield cell.row("sampled_tv_deviation", measure.Estimate(apart, 1.0, SAMPLES), "monte_carlo")


def _codes(seed: int, lengths: Sequence[int]) -> Iterator[_Point]:
    for length in lengths:
        target = targets.parity(length)
        for word in ("euler:linear", "tau_leaping:linear", "euler:cosine"):
            schedule = thinned(word, length, 4 * length)
            tv = curves.mds_output_tv(schedule.overshoot_law(length - 1), 2)
            yield _Point(target, oracle(target), _of(f"parity-{length}", seed, "oracle", schedule), tv, None)


def _smooth(seed: int) -> Iterator[_Point]:
    target = targets.sticky_markov(8, 2, 0.8)
    mine = _Law(target, oracle(target))
    for word in ("euler:linear", "euler:cosine", "tau_leaping:exponential-constant"):
        schedule = thinned(word, 8, 8)
        law, output = mine.law, mine.output(schedule)
        origin = _of("sticky_markov-8", seed, "oracle", schedule)
        yield _Point(target, oracle(target), origin, exact.total_variation(law, output), (law, output))


def _perturbed(seed: int, quick: bool) -> Iterator[_Point]:
    first_hitting = schedules.first_hitting(_TARGET.length)
    for scale in SCALES[2:3] if quick else SCALES[2:]:
        predictor = perturbed(oracle(_TARGET), scale, SEEDS[0])
        mine = _Law(_TARGET, predictor)
        law, output = mine.law, mine.output(first_hitting)
        origin = _of(_NAME, seed, _name(scale, SEEDS[0]), first_hitting)
        yield _Point(_TARGET, predictor, origin, exact.total_variation(law, output), (law, output))
