"""How many rounds does speculative sampling need, whose distribution is that of one token per step?

Rounds of the oracle on targets of the other studies, and of trained networks of both kinds, beside the number of steps
that the best list of sizes needs for a small error. Rounds are counted on tokens that are really sampled; on a small
target their exact law is enumerated, too.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from jdlm import curves, measure, planners, schedules, targets
from jdlm.config import presets
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.measure.speculative_law import speculative_law
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import speculative
from jdlm.study import slopes
from jdlm.study.cells import Origin
from jdlm.study.figures.rounds import FIGURES
from jdlm.study.goals import fewest
from jdlm.study.rows import Row
from jdlm.study.studies.low_dependence_targets import CORRELATIONS, soft_parity
from jdlm.study.studies.rounds_words import conclude
from jdlm.study.studies.study import Counted, Report, Study, kept, shape
from jdlm.targets import Target, graphs
from jdlm.training import network, train

__all__ = ["CASES", "STUDY", "pinsker"]

GOALS = (0.1, 0.01)
FLIPS = (32, 64, 128, 512, 2048)
MOST_PLANNED = 512  # length up to which the best list is searched
SAMPLES = 512  # for lengths up to 128; fewer for longer ones, but no fewer than LEAST
LEAST = 16
SEEDS = 3  # of the training, for each target and kind
TRAINED = ("markov:0.8", "mixture:3")
SMALL = ("small", 6)
KINDS: tuple[Literal["bidirectional", "causal"], ...] = ("bidirectional", "causal")
TRAINING = TrainingConfig(steps=400, batch_size=64, chunk_steps=400, evaluation_draws=2, labels="sampled")
_RANDOM = planners.random()


def _mixture(components: int) -> Target:
    if components == 3:
        return presets.load("mixture").target.build()
    marginals = np.random.default_rng(components).dirichlet([1.0] * 3, components)
    return targets.mixture(np.full(components, 1.0 / components), marginals, 32)


CASES: dict[str, Callable[[], Target]] = {
    "markov:0.3": lambda: targets.sticky_markov(32, 4, 0.3),
    "markov:0.5": lambda: targets.sticky_markov(32, 4, 0.5),
    "markov:0.8": lambda: targets.sticky_markov(32, 4, 0.8),
    "markov:0.95": lambda: targets.sticky_markov(32, 4, 0.95),
    "mixture:3": lambda: _mixture(3),
    "mixture:8": lambda: _mixture(8),
    "parity:4:1": lambda: soft_parity(32, 4, 1.0),
    "two_strings": lambda: targets.walk(32, graphs.path(2)),
    "walk_on_a_cycle": lambda: targets.walk(32, graphs.cycle(6)),
    "reed_solomon": lambda: targets.reed_solomon(32, 11, 37),
}


def rows(seed: int, quick: bool, report: Report) -> Iterator[Row]:
    """All rows; the quick ones are one case, one length of the chain, and the small target."""
    names = ["mixture:3"] if quick else list(CASES)
    lengths = FLIPS[:1] if quick else FLIPS
    trained = () if quick else TRAINED
    total = 1 + len(names) + len(lengths) + len(trained) * len(KINDS) * SEEDS
    begin = Counted(report, total)
    yield from begin.part("a small target, exactly", lambda: _small(seed))
    for name in names:
        yield from begin.part(name, lambda name=name: _of_target(seed, name, CASES[name]()))
    found = []
    for length in lengths:
        chain = functools.partial(targets.sticky_markov, length, 2, 1.0 - 2.0 / length)
        made = begin.part(f"flip 2 / {length}", lambda n=length, c=chain: _of_target(seed, f"flip:{n}", c()))
        found += [row.value for row in made if row.metric == "rounds"]
        yield from made
    if len(lengths) > 2:
        mine = dataclasses.replace(_origin("flip", seed), predictor="oracle")
        slope = slopes.exponent([float(length) for length in lengths], found)
        yield mine.row("rounds_exponent_in_length", measure.Estimate(slope.value, slope.standard_error, SAMPLES),
                       "monte_carlo")  # fmt: skip
    for name in trained:
        for kind in KINDS:
            make = functools.partial(_of_networks, seed, name, CASES[name](), kind, begin)
            yield from kept(report, f"{name}, {kind} networks", make)
    report(total, total, "done")


def _origin(name: str, seed: int) -> Origin:
    return Origin(name, seed, planner=_RANDOM, name="speculative")


def pinsker(entropy_curve: np.ndarray) -> float:
    """Bound on the expected number of refusals if everything is drafted from masks: ``sum_i sqrt((h[0] - h[i]) / 2)``.

    A position drafted from no revealed tokens is refused after i others with probability
    ``E TV <= sqrt((h[0] - h[i]) / 2)`` (Pinsker's and Jensen's inequalities), and with at most 1.
    """
    drops = np.maximum(entropy_curve[0] - entropy_curve, 0.0)
    return float(np.minimum(np.sqrt(drops / 2.0), 1.0).sum())


def _of_target(seed: int, name: str, target: Target) -> Iterator[Row]:
    origin, curve = _origin(name, seed), target.entropy_curve()
    bare = dataclasses.replace(origin, planner=None, name="")
    yield from shape(bare, target)
    for word, function in CORRELATIONS.items():
        yield bare.row(f"correlation_{word}_nats", function(curve), "exact")
    yield bare.row("pinsker_refusals", pinsker(curve), "exact")
    if target.length <= MOST_PLANNED:
        for word, build in (("best", schedules.optimal), ("equal", None)):
            for goal in GOALS:
                mine = dataclasses.replace(bare, predictor="oracle", planner=_RANDOM, name=word)
                yield mine.row(f"steps_until_kl_{goal}", float(_fewest(curve, goal, build)), "identity")
    mine = dataclasses.replace(origin, predictor="oracle")
    yield from _sampled(mine, oracle(target), max(LEAST, min(SAMPLES, SAMPLES * 128 // target.length)))


def _fewest(curve: np.ndarray, goal: float, build: Callable | None) -> int:
    """Fewest steps with a path KL of at most the goal; of equal sizes the first that keeps it from there on."""
    length = len(curve)

    def cost(num_steps: int) -> float:
        made = schedules.uniform(length, num_steps) if build is None else build(curve, num_steps)
        return curves.path_kl(made.exposure(), curve)

    if build is None:
        return next((k + 1 for k in range(length, 0, -1) if cost(k) > goal), 1)
    return fewest(cost, goal, range(1, length + 1)) or length


def _sampled(origin: Origin, predictor: Predictor, n: int) -> Iterator[Row]:
    _, info = speculative(origin.key("tokens"), predictor, n)
    for metric, values in zip(("rounds", "calls", "accepted_tokens"), info, strict=True):
        yield origin.row(metric, measure.mean(np.asarray(values, np.float64)), "monte_carlo")


def _small(seed: int) -> Iterator[Row]:
    """Rounds on a target whose law of rounds is enumerated, against rounds that were counted."""
    name, length = SMALL
    target = targets.sticky_markov(length, 2, 0.8)
    origin = dataclasses.replace(_origin(name, seed), predictor="oracle")
    yield from shape(dataclasses.replace(origin, predictor="", planner=None, name=""), target)
    law = speculative_law(oracle(target)).nfe
    exact = float(law @ np.arange(len(law)))
    spread = float(np.sqrt(law @ np.arange(len(law)) ** 2 - exact**2))
    yield origin.row("rounds", exact, "exact")
    made = list(_sampled(origin, oracle(target), 8 * SAMPLES))
    yield from made
    apart = (made[0].value - exact) / (spread / np.sqrt(8 * SAMPLES))
    yield origin.row("rounds_deviation", measure.Estimate(apart, 1.0, 8 * SAMPLES), "monte_carlo")


def _of_networks(
    seed: int, name: str, target: Target, kind: Literal["bidirectional", "causal"], begin: Callable[[str], None]
) -> Iterator[Row]:
    """Rounds and learning errors over trained networks of one kind."""
    config = NetworkConfig(width=64, depth=2, heads=4, kind=kind)
    rounds, calls, errors = [], [], []
    for number in range(SEEDS):
        begin(f"{name}: {kind} network {number + 1} of {SEEDS}")
        training = dataclasses.replace(TRAINING, seed=seed * SEEDS + number)
        params = train(config, target, training).ema
        predictor = network.predictor(config, params, target.length, target.vocab_size)
        origin = dataclasses.replace(_origin(name, seed), predictor=kind, identity=str(number))
        _, info = speculative(origin.key("tokens"), predictor, SAMPLES)
        rounds.append(float(np.mean(info.rounds)))
        calls.append(float(np.mean(info.calls)))
        measured = measure.cross_entropy_curve(origin.key("curve"), predictor, target, 256)
        errors.append(measure.learning_error(measured).value)
    origin = dataclasses.replace(_origin(name, seed), predictor=kind)
    for metric, values in (("rounds", rounds), ("calls", calls), ("learning_error_nats", errors)):
        yield origin.row(metric, measure.mean(values), "monte_carlo")


STUDY = Study("rounds", rows, FIGURES, conclude)
