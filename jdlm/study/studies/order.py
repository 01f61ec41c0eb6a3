"""Does it pay to choose the positions by looking at the predictor?

All planners at equal numbers of predictor calls on small targets whose output distributions are enumerated, planners
that count by themselves at the calls that they need, and a law on which confidence is worse than chance. The share of
impossible sequences is also measured on tokens that are really sampled.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jdlm import curves, measure, planners, schedules, targets
from jdlm.measure import exact
from jdlm.measure.state_space import StateSpace
from jdlm.planners import Planner
from jdlm.predictor import oracle
from jdlm.sampling import draw_sizes, sample_all
from jdlm.sampling.request import Request
from jdlm.schedules import Schedule
from jdlm.study.cells import Origin
from jdlm.study.figures import order as figures
from jdlm.study.rows import Row
from jdlm.study.studies import order_words
from jdlm.study.studies.study import Counted, Report, Study, shape
from jdlm.targets import Target, graphs
from jdlm.targets.markov import Markov

__all__ = ["STUDY"]

STEPS = (2, 3, 4)
SIZED = (
    planners.random(),
    planners.left_to_right(),
    planners.bisection(),
    planners.confidence(),
    planners.margin(),
    planners.entropy(),
)
COUNTING = (
    *(planners.threshold(tau) for tau in (0.4, 0.6, 0.8)),
    *(planners.entropy_bounded(gamma) for gamma in (0.5, 1.0, 2.0)),
    *(planners.entropy_sum(eta) for eta in (0.5, 1.0, 2.0)),
)
QUICK = ("confident_copies", "replace_random")
QUICK_PLANNERS = (planners.random(), planners.confidence(), planners.entropy_sum(1.0))
SAMPLED = ("walk_on_a_cycle", "confident_copies", "replace_random")
SAMPLED_STEPS = 3
SAMPLED_PLANNERS = (planners.random(), planners.bisection(), planners.confidence(), planners.entropy_sum(1.0))
SAMPLES = 20_000
_RANDOM = "random"
_ROUNDING = 1e-9  # nats
_HAMMING = ((1, 0, 0, 0, 0, 1, 1), (0, 1, 0, 0, 1, 0, 1), (0, 0, 1, 0, 1, 1, 0), (0, 0, 0, 1, 1, 1, 1))


def confident_copies() -> Target:
    """Three copies of a bit that is 0 with probability 0.7, then three fair bits that depend on nothing.

    Built so that confidence is worse than chance: the copies are what a predictor is most certain of, and they are all
    that depend on each other, so the planner reveals them in one step, while random positions mix both kinds.
    """
    fair = [0.5, 0.5]
    return targets.mixture([0.7, 0.3], [[[1.0, 0.0]] * 3 + [fair] * 3, [[0.0, 1.0]] * 3 + [fair] * 3])


CASES: dict[str, Callable[[], Target]] = {
    "confident_copies": confident_copies,
    "replace_random": lambda: targets.replace_random(6, 3),
    "copy": lambda: targets.copy(6, 3),
    "shuffle": lambda: targets.shuffle([0, 0, 1, 1, 2, 2]),
    "permutation": lambda: targets.permutation(5),
    "two_strings": lambda: targets.walk(8, graphs.path(2)),
    "walk_on_a_path": lambda: targets.walk(6, graphs.path(6)),
    "walk_on_a_cycle": lambda: targets.walk(6, graphs.cycle(6)),
    "walk_on_a_grid": lambda: targets.walk(6, graphs.grid(2, 3)),
    "walk_on_a_random_graph": lambda: targets.walk(6, graphs.random_regular(6, 3, 0)),
    "sticky_markov": lambda: targets.sticky_markov(8, 2, 0.8),
    "mixture": lambda: targets.mixture([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], 8),
    "hamming_code": lambda: targets.linear_code(_HAMMING, 2),
    "reed_solomon_code": lambda: targets.reed_solomon(5, 2, 5),
}


def rows(seed: int, quick: bool, report: Report) -> Iterator[Row]:
    """All rows; the quick ones are two targets, three planners and no sampled token."""
    names = QUICK if quick else tuple(CASES)
    chosen = QUICK_PLANNERS if quick else (*SIZED, *COUNTING)
    sampled = () if quick else SAMPLED
    total = len(names) * (1 + len(chosen)) + len(sampled)
    begin = Counted(report, total)
    made: list[Row] = []
    for name in names:
        origin, target = Origin(name, seed), CASES[name]()
        begin(name)
        law = exact.target_law(target)
        yield from shape(origin, target)
        curve, method = _curve(target, law)
        yield origin.row("entropy_nats", curves.entropy(curve), method)
        yield origin.row("total_correlation_nats", curves.total_correlation(curve), method)
        yield origin.row("dual_total_correlation_nats", curves.dual_total_correlation(curve), method)
        for planner in chosen:
            make = functools.partial(_planned, origin, target, law, planner, curve)
            mine = begin.part(f"{name}, {planner.name}", make)
            yield from mine
            made += [row for row in mine if row.metric == "output_kl_nats" and row.schedule]
    if not quick:
        yield from _compared(seed, made)
    for name in sampled:
        yield from begin.part(f"{name}, sampled", lambda name=name: _sampled(Origin(name, seed), CASES[name]()))
    report(total, total, "done")


def _curve(target: Target, law: np.ndarray) -> tuple[np.ndarray, str]:
    """The entropy curve, in closed form or by enumeration where there is none, and which of the two."""
    if target.has("entropy_curve"):
        return target.entropy_curve(), "identity"
    return targets.table(law).entropy_curve(), "exact"


def _of(origin: Origin, planner: Planner, schedule: Schedule | None) -> Origin:
    return dataclasses.replace(origin, predictor="oracle", planner=planner, schedule=schedule)


def _planned(origin: Origin, target: Target, law: np.ndarray, planner: Planner, curve: np.ndarray) -> Iterator[Row]:
    """One planner: at equal sizes, the random one at the best list of sizes too; once where it counts by itself."""
    space = StateSpace(oracle(target), planner)
    sized: list[Schedule | None] = [schedules.uniform(target.length, num_steps) for num_steps in STEPS]
    if planner.name == _RANDOM:
        sized += [schedules.optimal(curve, num_steps) for num_steps in STEPS]
    for schedule in sized if planner.count is None else [None]:
        mine = _of(origin, planner, schedule)
        out = exact.output_law_of(space, schedule)
        calls = float(out.nfe @ np.arange(len(out.nfe)))
        both = exact.path_kl_of(space, schedule, law)
        yield mine.row("path_kl_nats", both.path, "exact", nfe=calls)
        yield mine.row("output_kl_nats", both.output, "exact", nfe=calls)
        yield mine.row("output_tv", exact.total_variation(law, out.law), "exact", nfe=calls)
        yield mine.row("outside_support_share", float(out.law[law == 0.0].sum()), "exact", nfe=calls)
        if isinstance(target, Markov):
            yield mine.row("kernel_tv", _kernel_tv(target, out.law), "exact", nfe=calls)


def _kernel_tv(target: Markov, law: np.ndarray) -> float:
    """Total variation between the chain's moves and those in the output, at a token of the chain, mean over tokens."""
    pairs = sum(
        law.sum(axis=tuple(i for i in range(law.ndim) if i not in (place, place + 1))) for place in range(law.ndim - 1)
    )
    moves = np.asarray(pairs) / np.sum(pairs, axis=1, keepdims=True)
    apart = np.abs(moves - np.exp(target.log_powers[1])).sum(axis=1) / 2.0
    return float(np.exp(target.log_marginals[0]) @ apart)


def _compared(seed: int, made: Sequence[Row]) -> Iterator[Row]:
    """In how many pairs of target and number of steps one output KL is lower or higher than another.

    Each planner against random positions, at equal sizes; and random positions at the best list of sizes against the
    best planner that looks at the predictor, at equal sizes.
    """
    values = {(row.planner, row.schedule == "uniform", row.target, row.num_steps): row.value for row in made}
    pairs = list(dict.fromkeys((row.target, row.num_steps) for row in made))

    def counted(planner: Planner, what: str, gains: list[float]) -> Iterator[Row]:
        origin = Origin("all", seed, predictor="oracle", planner=planner)
        yield origin.row(f"{what}_compared_count", float(len(gains)), "exact")
        yield origin.row(f"{what}_lower_count", float(sum(gain < -_ROUNDING for gain in gains)), "exact")
        yield origin.row(f"{what}_higher_count", float(sum(gain > _ROUNDING for gain in gains)), "exact")

    for planner in SIZED[1:]:
        gains = [values[planner.name, True, *pair] - values[_RANDOM, True, *pair] for pair in pairs]
        yield from counted(planner, "than_random", gains)
    looking = [planner.name for planner in SIZED if planner.needs_logits]
    gains = [values[_RANDOM, False, *pair] - min(values[name, True, *pair] for name in looking) for pair in pairs]
    yield from counted(SIZED[0], "best_sizes_than_looking", gains)


def _sampled(origin: Origin, target: Target) -> Iterator[Row]:
    """Share of impossible sequences among sampled ones, and how far from the exact one in its standard errors."""
    law = exact.target_law(target)
    equal = schedules.uniform(target.length, SAMPLED_STEPS)
    cells = [_of(origin, planner, equal if planner.count is None else None) for planner in SAMPLED_PLANNERS]
    requests = []
    for cell, planner in zip(cells, SAMPLED_PLANNERS, strict=True):
        sizes = None if cell.schedule is None else draw_sizes(cell.key("sizes"), cell.schedule, SAMPLES)
        requests.append(Request(cell.key("tokens"), planner, sizes, indices=np.arange(SAMPLES)))
    results = sample_all(oracle(target), requests)
    for cell, planner, (tokens, info) in zip(cells, SAMPLED_PLANNERS, results.parts, strict=True):
        out = exact.output_law_of(StateSpace(oracle(target), planner), cell.schedule)
        share = float(out.law[law == 0.0].sum())
        sampled, calls = measure.outside_support_share(tokens, target), measure.mean(info.nfe)
        yield cell.row("outside_support_share", sampled, "monte_carlo", nfe=calls.value)
        apart = (sampled.value - share) / math.sqrt(share * (1.0 - share) / SAMPLES)
        yield cell.row(
            "outside_support_deviation", measure.Estimate(apart, 1.0, SAMPLES), "monte_carlo", nfe=calls.value
        )


STUDY = Study("order", rows, figures.FIGURES, order_words.conclude)
