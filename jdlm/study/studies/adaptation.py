"""Do random sizes adapt to a dependence that nobody told them of?

On an MDS code all dependence sits at one place, so codes of all dimensions are all places, and every target is a
mixture of them. Exact at any length: path KL by the identity, output KL and the share of samples inside the code by
`jdlm.curves.mds_output_kl`. The share is checked by tokens that are really sampled. Then targets with a smooth curve.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jdlm import curves, measure, planners, schedules, targets
from jdlm.measure import exact
from jdlm.measure.state_space import StateSpace
from jdlm.predictor import oracle
from jdlm.sampling import draw_sizes, sample_all
from jdlm.sampling.request import Request
from jdlm.schedules import Schedule
from jdlm.study import parts, slopes
from jdlm.study.cells import Origin
from jdlm.study.figures.adaptation import FIGURES
from jdlm.study.rows import Row
from jdlm.study.studies import adaptation_words
from jdlm.study.studies.study import Counted, Report, Study, shape
from jdlm.targets import Target

__all__ = ["BUILDERS", "CODES", "STUDY", "built", "glance", "of_codes"]


class Codes(NamedTuple):
    """Codes of one length, and where they are looked at.

    Attributes:
      length: number of tokens.
      num_steps: numbers of steps.
      all_at: the one of them at which all dimensions are measured.
      dimensions: those measured at every number of steps; odd, for equal sizes have no error at multiples of theirs.
    """

    length: int
    num_steps: tuple[int, ...]
    all_at: int
    dimensions: tuple[int, int, int]


CODES = (Codes(64, (4, 8, 16, 32), 8, (5, 29, 59)), Codes(128, (8, 16, 32, 64), 16, (5, 61, 123)))
GLANCE = (32, 8)
SAMPLED = 2048  # sequences for each point
SAMPLED_DIMENSIONS = (13, 3, 29)  # of codes of the length at one glance; the first in the quick part
SAMPLED_SCHEDULES = ("random_cuts", "random_phase_equal", "tc_equalizer", "minimax_both", "thinning_uniform")
SMALL = (8, 4)  # length and steps of the smooth targets whose output is enumerated
_RANDOM = planners.random()


def _adaptive(length: int, num_steps: int) -> Schedule | None:
    """Thinning with steps ``kappa * min(1, tau)``, the smallest ``kappa`` that needs at most ``num_steps``.

    From ``log(2 * length)`` on, where half a token is expected to be revealed, until half a token is expected to be
    masked; then what is left is revealed. None where no kappa below 1 has so few steps.
    """
    start, stop = np.log(2 * length), -np.log1p(-0.5 / length)

    def steps(kappa: float) -> int:
        return len(schedules.adaptive_times(kappa, start, stop))  # one more than there are steps: the final reveal

    few, enough = 0.01, 0.999
    if steps(enough) > num_steps:
        return None
    for _ in range(40):
        middle = (few + enough) / 2.0
        few, enough = (few, middle) if steps(middle) <= num_steps else (middle, enough)
    times = schedules.adaptive_times(enough, start, stop)
    return schedules.ancestral(length, times, "exponential")


def _thinning(length: int, num_steps: int) -> Schedule:
    return schedules.ancestral(length, schedules.uniform_times(num_steps), "linear")


BUILDERS: dict[str, Callable[[int, int], Schedule | None]] = {
    "uniform": schedules.uniform,
    "cosine": schedules.cosine,
    "best_fixed_both": lambda length, num_steps: schedules.best_fixed(length, num_steps, "both"),
    "tc_equalizer": schedules.tc_equalizer,
    "minimax_tc": lambda length, num_steps: schedules.minimax(length, num_steps, "tc"),
    "minimax_dtc": lambda length, num_steps: schedules.minimax(length, num_steps, "dtc"),
    "minimax_both": lambda length, num_steps: schedules.minimax(length, num_steps, "both"),
    "random_phase_tc": lambda length, num_steps: schedules.random_phase(length, num_steps, "tc"),
    "random_phase_dtc": lambda length, num_steps: schedules.random_phase(length, num_steps, "dtc"),
    "random_phase_equal": schedules.random_phase_equal,
    "random_cuts": schedules.random_cuts,
    "thinning_uniform": _thinning,
    "thinning_adaptive": _adaptive,
}


def built(length: int, num_steps: int, names: Sequence[str] = tuple(BUILDERS)) -> Iterator[Schedule]:
    """The schedules of the study, under its names; those that exist at so few steps."""
    for name in names:
        schedule = BUILDERS[name](length, num_steps)
        if schedule is not None:
            yield dataclasses.replace(schedule, name=name)


def rows(seed: int, quick: bool, report: Report) -> Iterator[Row]:
    """All rows; the quick ones are the codes of one length, one sampled code and one smooth target."""
    codes = CODES[:1] if quick else CODES
    dimensions = SAMPLED_DIMENSIONS[:1] if quick else SAMPLED_DIMENSIONS
    smooth = dict(list(SMOOTH.items())[:1]) if quick else SMOOTH
    total = 1 + sum(len(some.num_steps) for some in codes) + len(dimensions) + len(smooth)
    begin = Counted(report, total)
    yield from begin.part("codes at one glance", lambda: glance(seed))
    for some in codes:
        yield from of_codes(seed, some, begin)
    for dimension in dimensions:
        make = functools.partial(_sampled, seed, dimension)
        yield from begin.part(f"samples of dimension {dimension}", make)
    for name, target in smooth.items():
        yield from begin.part(f"{name} by enumeration", functools.partial(_smooth, seed, name, target))
    report(total, total, "done")


def _origin(length: int, seed: int) -> Origin:
    return Origin(f"mds-{length}", seed)


def _of(origin: Origin, schedule: Schedule) -> Origin:
    return dataclasses.replace(origin, predictor="oracle", planner=_RANDOM, schedule=schedule)


def _code_shape(origin: Origin, length: int) -> Iterator[Row]:
    return shape(origin, targets.reed_solomon(length, 2, parts.smallest_prime(length)))


def glance(seed: int) -> Iterator[Row]:
    """Every place of the dependence, at one length and number of steps: the figure at the top of the README."""
    length, num_steps = GLANCE
    origin = _origin(length, seed)
    yield from _code_shape(origin, length)
    for schedule in built(length, num_steps):
        mine = _of(origin, schedule)
        for j, value in enumerate(schedule.exposure()):
            yield mine.row("exposure", value, "exact", index=j)
        yield from parts.of_codes(mine)


def of_codes(seed: int, codes: Codes, begin: Counted) -> Iterator[Row]:
    """All rows of the codes of one length; says what it begins with."""
    made = []
    for num_steps in codes.num_steps:
        make = functools.partial(_in_steps, seed, codes, num_steps)
        made += begin.part(f"codes of length {codes.length} in {num_steps} steps", make)
    yield from made
    yield from _exponents(seed, codes, made)


def _in_steps(seed: int, codes: Codes, num_steps: int) -> Iterator[Row]:
    """Both divergences over the dimensions, what they are in TC / K and DTC / K, and the worst of all dimensions."""
    length, prime = codes.length, parts.smallest_prime(codes.length)
    origin = _origin(length, seed)
    if num_steps == codes.num_steps[0]:
        yield from _code_shape(origin, length)
    everywhere = range(1, length)
    for schedule in built(length, num_steps):
        mine = _of(origin, schedule)
        path = np.log(prime) * curves.overshoot(schedule.exposure())
        output = np.array([curves.mds_output_kl(schedule.overshoot_law(k), prime) for k in everywhere])
        for k in everywhere if num_steps == codes.all_at else codes.dimensions:
            yield mine.row("path_kl_nats", path[k - 1], "identity", index=k)
            yield mine.row("output_kl_nats", output[k - 1], "exact", index=k)
        for k in codes.dimensions:
            tc, dtc = (length - k) * np.log(prime), k * np.log(prime)
            yield mine.row("path_kl_steps_over_tc", path[k - 1] * num_steps / tc, "identity", index=k)
            yield mine.row("path_kl_steps_over_dtc", path[k - 1] * num_steps / dtc, "identity", index=k)
        for weight in ("tc", "dtc", "both"):
            yield mine.row(f"worst_case_{weight}", curves.worst_case(schedule.exposure(), weight), "exact")
        for what, values in (("path", path), ("output", output)):
            yield mine.row(f"mean_{what}_kl_nats", values.mean(), "exact")
            yield mine.row(f"largest_{what}_kl_nats", values.max(), "exact")


def _exponents(seed: int, codes: Codes, made: Sequence[Row]) -> Iterator[Row]:
    """The power of K with which each divergence falls, at each dimension: -1 is TC / K or DTC / K."""
    for name in BUILDERS:
        origin = dataclasses.replace(_origin(codes.length, seed), predictor="oracle", planner=_RANDOM, name=name)
        for what in ("path", "output"):
            for k in codes.dimensions:
                mine = [
                    row
                    for row in made
                    if (row.schedule, row.metric, row.index) == (name, f"{what}_kl_nats", k) and row.value > 1e-9
                ]
                if len(mine) >= 3:
                    steps = [float(row.num_steps or 0) for row in mine]
                    slope = slopes.exponent(steps, [row.value for row in mine])
                    yield origin.row(f"{what}_kl_exponent", slope, "fit", index=k)


def _sampled(seed: int, dimension: int) -> Iterator[Row]:
    """Share of samples inside the code: its closed form, which has no free parameter, and as it is sampled."""
    length, num_steps = GLANCE
    prime = parts.smallest_prime(length)
    target = targets.reed_solomon(length, dimension, prime)
    plan = list(built(length, num_steps, SAMPLED_SCHEDULES))
    cells = [_of(_origin(length, seed), schedule) for schedule in plan]
    requests = [
        Request(
            cell.key(f"tokens {dimension}"),
            _RANDOM,
            draw_sizes(cell.key(f"sizes {dimension}"), schedule, SAMPLED),
        )
        for cell, schedule in zip(cells, plan, strict=True)
    ]
    results = sample_all(oracle(target), requests)
    for cell, schedule, (tokens, _) in zip(cells, plan, results.parts, strict=True):
        share = 1.0 - curves.mds_output_tv(schedule.overshoot_law(dimension), prime)
        yield cell.row("inside_code_share", share, "exact", index=dimension)
        inside = 1.0 - np.asarray(measure.log_prob(target, tokens) == -np.inf, np.float64)
        sampled = measure.mean(inside)
        yield cell.row("inside_code_share", sampled, "monte_carlo", index=dimension)
        apart = (sampled.value - share) / np.sqrt(share * (1.0 - share) / SAMPLED)
        yield cell.row("inside_code_deviation", measure.Estimate(apart, 1.0, SAMPLED), "monte_carlo", index=dimension)


SMOOTH = {
    "sticky_markov": targets.sticky_markov(SMALL[0], 2, 0.8),
    "mixture": targets.mixture([0.5, 0.5], [[0.8, 0.2], [0.2, 0.8]], SMALL[0]),
    "hidden_markov": targets.hidden_markov([0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]], [[0.9, 0.1], [0.1, 0.9]], SMALL[0]),
}


def _smooth(seed: int, name: str, target: Target) -> Iterator[Row]:
    """Both divergences of a target whose dependence is spread over all places, by enumeration."""
    origin = Origin(f"{name}-{target.length}", seed)
    law = exact.target_law(target)
    space = StateSpace(oracle(target), _RANDOM)
    curve = targets.table(law).entropy_curve()
    yield from shape(origin, target)
    yield origin.row("total_correlation_nats", curves.total_correlation(curve), "exact")
    yield origin.row("dual_total_correlation_nats", curves.dual_total_correlation(curve), "exact")
    for m, value in enumerate(curves.spectrum(curve), start=1):
        yield origin.row("spectrum_nats", value, "exact", index=m)
    for schedule in built(target.length, SMALL[1]):
        both = exact.path_kl_of(space, schedule, law)
        yield _of(origin, schedule).row("path_kl_nats", both.path, "exact")
        yield _of(origin, schedule).row("output_kl_nats", both.output, "exact")


STUDY = Study("adaptation", rows, FIGURES, adaptation_words.conclude)
