"""Is a call better spent on correcting than on a smaller step, and what of ReMDM's gain is remasking?

Exact output laws of samplers that mask tokens again, at equal predictor calls: Gibbs rounds in many places and of many
sizes, and ReMDM's kinds over eta; without a filter, with nucleus filtering, and with an argmax in the last step. Of the
kind "conf", which has no exact law here, and of networks there are estimates with their errors. Beside KL and TV stands
what papers report, the mean surprise of the target at sampled sequences, whose exponential is a perplexity.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from jdlm import curves, exact, measure, planners, schedules, targets
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.measure.score_error import score_error
from jdlm.measure.state_space import OutputLaw
from jdlm.measure.step_matrices import StepMatrices
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import Request, draw_steps, sample_all
from jdlm.study.cells import Origin
from jdlm.study.figures.correctors import FIGURES
from jdlm.study.rows import Row
from jdlm.study.studies import correctors_cases as cases
from jdlm.study.studies.correctors_words import conclude
from jdlm.study.studies.study import Counted, Report, Study, kept, shape
from jdlm.targets import Target
from jdlm.training import network, train

__all__ = ["STUDY", "at_equal_calls"]

LAWS = 200  # random laws of three bits
SAMPLES = 2**15
SEEDS = 3
NETWORK = NetworkConfig(width=32, depth=1, heads=2)
TRAINING = TrainingConfig(steps=600, batch_size=64, chunk_steps=600, evaluation_draws=2, labels="sampled")
SAMPLED = ("chain", "mixture")
_RANDOM = planners.random()


def rows(seed: int, quick: bool, report: Report) -> Iterator[Row]:
    """All rows; the quick ones are the random laws and the exact ones of a target."""
    names = list(cases.TARGETS)[: 1 if quick else None]
    begin = Counted(report, 1 + 3 * len(names))
    yield from begin.part("random laws of three bits", lambda: _bits(seed))
    for name in names:
        target = cases.TARGETS[name]()
        origin, law = Origin(f"{name}-{target.length}", seed), exact.target_law(target)
        begin(f"{name}, exact")
        yield from shape(origin, target)
        curve = targets.table(law).entropy_curve()
        yield origin.row("entropy_nats", exact.entropy(law), "exact")
        yield origin.row("total_correlation_nats", curves.total_correlation(curve), "exact")
        yield origin.row("dual_total_correlation_nats", curves.dual_total_correlation(curve), "exact")
        for who, predictor in cases.predictors(target).items():
            make = functools.partial(_exact, origin, who, predictor, law, curve)
            yield from kept(report, f"{name}, exact, {who}", make)
        begin(f"{name}, sampled")
        if name in SAMPLED and not quick:
            yield from kept(report, f"{name}, sampled", functools.partial(_sampled, origin, target, law))
        if not quick:
            yield from begin.part(f"{name}, networks", functools.partial(_networks, origin, target, law))
    report(1 + 3 * len(names), 1 + 3 * len(names), "done")


def _bits(seed: int) -> Iterator[Row]:
    """On random laws of three bits, with 5 equal times and the oracle: how often does remasking raise the KL?"""
    origin = Origin("bits-3", seed, predictor="oracle", planner=_RANDOM)
    times = schedules.uniform_times(5)
    plan = [schedules.ancestral(3, times, "linear")]
    plan += [schedules.remdm(3, times, eta=eta) for eta in cases.ETAS]
    values = []
    for number in range(LAWS):
        law = cases.bits(number)
        space = StepMatrices(oracle(targets.table(law)), _RANDOM)
        values.append([exact.kl(law, exact.output_law_of(space, schedule).law) for schedule in plan])
    found = np.array(values)
    for place, schedule in enumerate(plan):
        mine = dataclasses.replace(origin, schedule=schedule)
        yield mine.row("mean_output_kl_nats", float(found[:, place].mean()), "exact")
        if place:
            raised = found[:, place] > found[:, 0] + 1e-12
            yield mine.row("raised_share", float(raised.mean()), "exact")


def _exact(origin: Origin, who: str, predictor: Predictor, law: np.ndarray, curve: np.ndarray) -> Iterator[Row]:
    """Every schedule without a filter, and those of the comparison of filters with each of them."""
    plain = list(cases.plain(curve))
    corrected = [schedule for budget in cases.BUDGETS for schedule in cases.gibbs(budget)]
    corrected += [schedule for budget in cases.BUDGETS[1:4] for schedule in cases.placed(budget)]
    unique = {schedule.name + str(schedule.num_steps): schedule for schedule in corrected}
    few = [*plain, *cases.gibbs(6), *cases.remdm(("cap",))]
    for word, draw in cases.DRAWS.items():
        space = StepMatrices(predictor, _RANDOM, draw)
        plan = few if word else [*plain, *unique.values(), *cases.remdm()]
        name = f"{who}, {word}" if word else who
        cells = [dataclasses.replace(origin, predictor=name, planner=_RANDOM, schedule=mine) for mine in plan]
        shown = {(schedule.name, schedule.num_steps) for schedule in few}
        made = [
            list(_law_rows(cell, exact.output_law_of(space, cell.schedule), law, (mine.name, mine.num_steps) in shown))
            for cell, mine in zip(cells, plan, strict=True)
        ]
        for part in made:
            yield from part
        yield from _compared(dataclasses.replace(origin, predictor=name, planner=_RANDOM), cells, made)
        if not word:
            yield from _rounds_or_steps(cells, made)


def _law_rows(cell: Origin, out: OutputLaw, law: np.ndarray, more: bool) -> Iterator[Row]:
    yield cell.row("output_kl_nats", exact.kl(law, out.law), "exact")
    yield cell.row("output_tv", exact.total_variation(law, out.law), "exact")
    if more:
        yield cell.row("surprise_nats", float(-np.sum(out.law * np.log(law))), "exact")
        yield cell.row("output_entropy_nats", exact.entropy(out.law), "exact")


def _rounds_or_steps(cells: Sequence[Origin], made: Sequence[Sequence[Row]]) -> Iterator[Row]:
    """At each budget of calls: the least KL of any placement of Gibbs rounds, less those of steps alone."""
    kl = {
        (cell.scheduled().name, cell.scheduled().num_steps): mine[0].value
        for cell, mine in zip(cells, made, strict=True)
    }
    for cell in cells:
        schedule = cell.scheduled()
        if schedule.name != "uniform" or schedule.num_steps not in cases.BUDGETS:
            continue
        budget = schedule.num_steps
        rounds = [
            mine[0].value
            for other, mine in zip(cells, made, strict=True)
            if "+gibbs" in other.scheduled().name and abs(other.scheduled().mean_nfe - budget) < 1e-9
        ]
        for word, name in (("equal_sizes", "uniform"), ("best_list", "optimal")):
            yield cell.row(f"best_rounds_minus_{word}_nats", min(rounds) - kl[name, budget], "exact")


def _compared(origin: Origin, cells: Sequence[Origin], made: Sequence[Sequence[Row]]) -> Iterator[Row]:
    """Of each remasking schedule, its KL over that of plain thinning at as many calls, where there is such."""
    ratios = []
    points = [
        (cell.scheduled().mean_nfe, mine[0].value)
        for cell, mine in zip(cells, made, strict=True)
        if cell.scheduled().name.startswith("ancestral")
    ]
    for cell, mine in zip(cells, made, strict=True):
        if cell.scheduled().name.startswith("remdm"):
            plain = at_equal_calls(points, cell.scheduled().mean_nfe)
            if plain is not None:
                ratios.append(mine[0].value / plain)
                yield cell.row("kl_over_thinning_ratio", ratios[-1], "exact")
    if len(origin.predictor.split()) == 1:
        yield origin.row("remdm_compared_count", float(len(ratios)), "exact")
        yield origin.row("remdm_lower_count", float(sum(ratio < 1.0 - 1e-9 for ratio in ratios)), "exact")
        yield origin.row("remdm_least_ratio", min(ratios), "exact")


def at_equal_calls(points: Sequence[tuple[float, float]], calls: float) -> float | None:
    """The KL at a number of calls, linear in its logarithm between points ``(calls, KL)``; None beyond them."""
    ordered = sorted(points)
    where, values = np.array([x for x, _ in ordered]), np.log([y for _, y in ordered])
    return float(np.exp(np.interp(calls, where, values))) if where[0] <= calls <= where[-1] else None


def _sampled(origin: Origin, target: Target, law: np.ndarray) -> Iterator[Row]:
    """Tokens that are really sampled: of the kind "conf", and of one schedule of each other builder as a check."""
    check = [schedules.remdm(cases.LENGTH, schedules.uniform_times(6), "linear", kind, 0.3) for kind in cases.KINDS] + [
        next(cases.gibbs(6)),
        next(cases.placed(6)),
    ]
    conf = list(cases.remdm(("conf",), cases.ETAS[1:], (4, 6, 8, 12)))
    for who, predictor in cases.predictors(target).items():
        cells = [dataclasses.replace(origin, predictor=who, planner=_RANDOM, schedule=mine) for mine in conf + check]
        requests = [
            Request(cell.key("tokens"), _RANDOM, draw_steps(cell.key("steps"), cell.schedule, SAMPLES))
            for cell in cells
        ]
        space = StepMatrices(predictor, _RANDOM)
        points = [
            (s.mean_nfe, exact.kl(law, exact.output_law_of(space, s).law))
            for s in (schedules.ancestral(cases.LENGTH, schedules.uniform_times(k), "linear") for k in cases.TIMES)
        ]
        parts = sample_all(predictor, requests).parts
        for number, (cell, (tokens, info)) in enumerate(zip(cells, parts, strict=True)):
            surprise = -np.log(law[tuple(tokens.T)])
            yield cell.row("measured_nfe", measure.mean(info.nfe), "monte_carlo")
            yield cell.row("changed_tokens", measure.mean(info.changed), "monte_carlo")
            if number < len(conf):
                kl = _kl_of_counts(law, tokens)
                yield cell.row("output_kl_nats", kl, "monte_carlo")
                yield cell.row("surprise_nats", measure.mean(surprise), "monte_carlo")
                plain = at_equal_calls(points, cell.scheduled().mean_nfe)
                if plain is not None:
                    ratio = measure.Estimate(kl.value / plain, kl.standard_error / plain, kl.n)
                    yield cell.row("kl_over_thinning_ratio", ratio, "monte_carlo")
                continue
            out = exact.output_law_of(space, cell.schedule).law
            mean = float(-np.sum(out * np.log(law)))
            spread = math.sqrt(float(np.sum(out * np.log(law) ** 2)) - mean**2)
            apart = (surprise.mean() - mean) / (spread / math.sqrt(SAMPLES))
            yield cell.row("surprise_deviation", measure.Estimate(float(apart), 1.0, SAMPLES), "monte_carlo")


def _kl_of_counts(law: np.ndarray, tokens: np.ndarray) -> measure.Estimate:
    """KL from a law to that behind sampled tokens, with the bias of its first order taken off."""
    n = len(tokens)
    share = np.bincount(np.ravel_multi_index(tuple(tokens.T), law.shape), minlength=law.size) / n
    if np.any(share == 0.0):
        return measure.Estimate(math.inf, math.nan, n)
    p = law.ravel()
    value = float(np.sum(p * np.log(p / share)) - np.sum(p * (1.0 - share) / share) / (2 * n))
    return measure.Estimate(value, math.sqrt(max(float(np.sum(p**2 / share)) - 1.0, 0.0) / n), n)


def _networks(origin: Origin, target: Target, law: np.ndarray) -> Iterator[Row]:
    """A few schedules over trained networks: equal sizes, rounds at the end, ReMDM; each with and without a nucleus."""
    plan = [schedules.uniform(cases.LENGTH, k) for k in (3, 4, 6)]
    plan += [schedules.ancestral(cases.LENGTH, schedules.uniform_times(k), "linear") for k in (6, 16)]
    plan += [schedules.with_corrector(schedules.uniform(cases.LENGTH, k), 6 - k, 1) for k in (3, 4)]
    plan += [schedules.with_corrector(schedules.uniform(cases.LENGTH, 6), k, 1) for k in (2, 6)]
    plan += [schedules.remdm(cases.LENGTH, schedules.uniform_times(k), eta=0.3) for k in (6, 16)]
    draws = {word: cases.DRAWS[word] for word in ("", "nucleus")}
    found: dict[tuple[str, str], list[list[float]]] = {}
    errors = []
    for number in range(SEEDS):
        training = dataclasses.replace(TRAINING, seed=origin.seed * SEEDS + number)
        params = train(NETWORK, target, training).ema
        predictor = network.predictor(NETWORK, params, target.length, target.vocab_size)
        errors.append(_learning_error(predictor, target))
        for word, draw in draws.items():
            space = StepMatrices(predictor, _RANDOM, draw)
            laws = [exact.output_law_of(space, schedule).law for schedule in plan]
            found.setdefault((word, "output_kl_nats"), []).append([exact.kl(law, mine) for mine in laws])
            found.setdefault((word, "output_tv"), []).append([exact.total_variation(law, mine) for mine in laws])
    bare = dataclasses.replace(origin, predictor="network", planner=_RANDOM)
    yield bare.row("learning_error_nats", measure.mean(errors), "monte_carlo")
    for (word, metric), values in found.items():
        name = f"network, {word}" if word else "network"
        for place, schedule in enumerate(plan):
            cell = dataclasses.replace(origin, predictor=name, planner=_RANDOM, schedule=schedule)
            yield cell.row(metric, measure.mean([some[place] for some in values]), "monte_carlo")


def _learning_error(predictor: Predictor, target: Target) -> float:
    return float(score_error(predictor, target).kl.sum())


STUDY = Study("correctors", rows, FIGURES, conclude)
