"""Is the schedule that is best for the oracle still the best one for a trained network?

Five small targets, on each of which a network is trained from five seeds. Their output distributions are exact, so that
each KL splits exactly: what the schedule costs (the factorization error, that of the oracle), what the network has not
learned, and how much of both the output does not feel. Errors are over the seeds of the training.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jdlm import curves, measure, planners, schedules, targets
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.measure import exact
from jdlm.measure.score_error import score_error
from jdlm.measure.state_space import OutputLaw, StateSpace
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import draw_sizes, sample
from jdlm.schedules import Schedule
from jdlm.study.cells import Origin
from jdlm.study.figures.trained import FIGURES
from jdlm.study.rows import Row
from jdlm.study.studies.study import Report, Study, kept, shape
from jdlm.study.studies.trained_words import conclude
from jdlm.targets import Target, graphs
from jdlm.training import network, train

__all__ = ["STUDY"]

SEEDS = 5  # of the training, for each target
NUM_STEPS = (2, 3)
SAMPLES = 4096  # from the first network of each target
NETWORK = NetworkConfig(width=32, depth=2, heads=2)
TRAINING = TrainingConfig(steps=600, batch_size=64, chunk_steps=600, evaluation_draws=2, labels="sampled")
TARGETS: dict[str, Target] = {
    "sticky_markov": targets.sticky_markov(6, 3, 0.7),
    "mixture": targets.mixture([0.5, 0.5], [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]], 6),
    "parity": targets.parity(6),
    "reed_solomon": targets.reed_solomon(5, 2, 5),
    "walk_on_a_cycle": targets.walk(6, graphs.cycle(4)),
}
_RANDOM = planners.random()


def _schedules(length: int, num_steps: int) -> list[Schedule]:
    return [
        schedules.uniform(length, num_steps),
        schedules.cosine(length, num_steps),
        schedules.best_fixed(length, num_steps, "both"),
        schedules.tc_equalizer(length, num_steps),
        schedules.minimax(length, num_steps, "both"),
        schedules.random_phase_equal(length, num_steps),
        schedules.random_cuts(length, num_steps),
    ]


def rows(seed: int, quick: bool, report: Report) -> Iterator[Row]:
    """All rows; the quick ones are those of the first target."""
    names = list(TARGETS)[: 1 if quick else None]
    for number, name in enumerate(names):

        def say(what: str, done: int = number, name: str = name) -> None:
            report(done, len(names), f"{name}: {what}")

        yield from kept(report, name, functools.partial(_of_target, seed, name, TARGETS[name], say))
    report(len(names), len(names), "done")


def _of_target(seed: int, name: str, target: Target, say: Callable[[str], None]) -> Iterator[Row]:
    origin = Origin(f"{name}-{target.length}", seed)
    law = exact.target_law(target)
    curve = targets.table(law).entropy_curve()
    yield from shape(origin, target)
    yield origin.row("total_correlation_nats", curves.total_correlation(curve), "exact")
    yield origin.row("dual_total_correlation_nats", curves.dual_total_correlation(curve), "exact")
    say("exact distributions of the oracle")
    space = StateSpace(oracle(target), _RANDOM)
    plan = [schedule for num_steps in NUM_STEPS for schedule in _schedules(target.length, num_steps)]
    of_oracle = [exact.path_kl_of(space, schedule, law) for schedule in plan]
    for schedule, both in zip(plan, of_oracle, strict=True):
        mine = dataclasses.replace(origin, predictor="oracle", planner=_RANDOM, schedule=schedule)
        for j, value in enumerate(schedule.exposure()):
            yield mine.row("exposure", value, "exact", index=j)
        yield mine.row("path_kl_nats", both.path, "exact")
        yield mine.row("output_kl_nats", both.output, "exact")
    errors, gaps, laws, networks = [], [], [], []
    for number in range(SEEDS):
        say(f"training {number + 1} of {SEEDS}")
        predictor = _trained(target, seed * SEEDS + number)
        errors.append(score_error(predictor, target).kl)
        gaps.append(measure.exact_order_gap(predictor, target))
        space = StateSpace(predictor, _RANDOM)
        laws.append([exact.output_law_of(space, schedule) for schedule in plan])
        networks.append(predictor)
    trained = dataclasses.replace(origin, predictor="network", planner=_RANDOM)
    yield trained.row("learning_error_nats", measure.mean([error.sum() for error in errors]), "monte_carlo")
    yield trained.row("order_gap_nats", measure.mean(gaps), "monte_carlo")
    yield from _of_networks(trained, law, plan, [both.path for both in of_oracle], np.array(errors), laws)
    yield from _compared(trained, law, plan, [both.output for both in of_oracle], laws)
    say("sampling")
    yield from _sampled(dataclasses.replace(trained, schedule=plan[-1]), networks[0], laws[0][-1])


def _trained(target: Target, seed: int) -> Predictor:
    state = train(NETWORK, target, dataclasses.replace(TRAINING, seed=seed))
    return network.predictor(NETWORK, state.ema, target.length, target.vocab_size)


def _of_networks(
    origin: Origin,
    law: np.ndarray,
    plan: Sequence[Schedule],
    factorization: Sequence[float],
    errors: np.ndarray,
    laws: Sequence[Sequence[OutputLaw]],
) -> Iterator[Row]:
    """Each schedule's KL along the path, its two parts, and that of the output, over the networks."""
    for place, (schedule, cost) in enumerate(zip(plan, factorization, strict=True)):
        mine = dataclasses.replace(origin, schedule=schedule)
        learning = measure.mean(errors @ schedule.exposure())
        yield mine.row("factorization_kl_nats", cost, "exact")
        yield mine.row("learning_kl_nats", learning, "monte_carlo")
        yield mine.row("path_kl_nats", learning._replace(value=cost + learning.value), "monte_carlo")
        output = measure.mean([exact.kl(law, some[place].law) for some in laws])
        yield mine.row("output_kl_nats", output, "monte_carlo")


def _compared(
    origin: Origin,
    law: np.ndarray,
    plan: Sequence[Schedule],
    of_oracle: Sequence[float],
    laws: Sequence[Sequence[OutputLaw]],
) -> Iterator[Row]:
    """What a schedule's output KL is above that of the oracle's best one at this number of steps, seed by seed."""
    for num_steps in NUM_STEPS:
        places = [place for place, schedule in enumerate(plan) if schedule.num_steps == num_steps]
        best = min(places, key=lambda place: of_oracle[place])
        for place in places:
            mine = dataclasses.replace(origin, schedule=plan[place])
            yield dataclasses.replace(mine, predictor="oracle").row(
                "output_kl_above_best_nats", of_oracle[place] - of_oracle[best], "exact"
            )
            if place != best:
                apart = [exact.kl(law, some[place].law) - exact.kl(law, some[best].law) for some in laws]
                yield mine.row("output_kl_above_best_nats", measure.mean(apart), "monte_carlo")


def _sampled(origin: Origin, predictor: Predictor, law: OutputLaw) -> Iterator[Row]:
    """The exact distribution against tokens that are really sampled: the mean of their log probability under it."""
    sizes = draw_sizes(origin.key("sizes"), origin.scheduled(), SAMPLES)
    tokens = np.asarray(sample(origin.key("tokens"), predictor, sizes))
    log_probs = np.log(law.law[tuple(tokens.T)])
    spread = float(np.sqrt(max(np.sum(law.law * np.log(law.law) ** 2) - exact.entropy(law.law) ** 2, 0.0)))
    apart = (log_probs.mean() + exact.entropy(law.law)) / (spread / np.sqrt(SAMPLES))
    yield origin.row("sampled_log_prob_nats", measure.mean(log_probs), "monte_carlo")
    yield origin.row("sampled_deviation", measure.Estimate(float(apart), 1.0, SAMPLES), "monte_carlo")


STUDY = Study("trained", rows, FIGURES, conclude)
