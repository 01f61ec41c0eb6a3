"""Targets, predictors, draws and schedules of the study ``correctors``."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jdlm import schedules, targets
from jdlm.predictor import Predictor, oracle, perturbed
from jdlm.sampling.filter import Draw
from jdlm.schedules import Schedule
from jdlm.study.studies.low_dependence_targets import soft_parity
from jdlm.targets import Target

__all__ = [
    "BUDGETS", "DRAWS", "ETAS", "KINDS", "LENGTH", "TARGETS", "TIMES", "WRONG", "bits", "gibbs", "placed", "plain",
    "predictors", "remdm",
]  # fmt: skip

LENGTH = 6
BUDGETS = (3, 4, 5, 6, 8, 12)
TIMES = (2, 3, 4, 6, 8, 12, 16)
ETAS = (0.1, 0.3, 1.0)
KINDS: tuple[schedules.Kind, ...] = ("cap", "rescale", "loop")
WRONG = 0.3
"""Standard deviation of the logits' errors of the wrong predictor, see `jdlm.predictor.perturbed`."""

TARGETS: dict[str, Callable[[], Target]] = {
    "chain": lambda: targets.sticky_markov(LENGTH, 2, 0.6),
    "mixture": lambda: targets.mixture(np.array([0.5, 0.5]), np.array([[0.7, 0.25, 0.05], [0.05, 0.25, 0.7]]), LENGTH),
    "parity": lambda: soft_parity(LENGTH, 3, 0.8),
}
DRAWS = {
    "": Draw(),
    "argmax": Draw(final=Draw(top_k=1)),
    "nucleus": Draw(nucleus=0.9),
    "nucleus and argmax": Draw(nucleus=0.9, final=Draw(top_k=1)),
}


def bits(number: int) -> np.ndarray:
    """The law of three bits, one of many: uniform over all laws."""
    return np.random.default_rng(number).dirichlet(np.ones(8)).reshape(2, 2, 2)


def predictors(target: Target) -> dict[str, Predictor]:
    """The oracle, and one that is wrong by a known amount."""
    return {"oracle": oracle(target), "wrong": perturbed(oracle(target), WRONG, 0)}


def plain(curve: np.ndarray) -> Iterator[Schedule]:
    """Schedules that reveal alone: equal sizes, the best list for the target's curve, and thinning."""
    for num_steps in range(1, LENGTH + 1):
        yield schedules.uniform(LENGTH, num_steps)
        yield dataclasses.replace(schedules.optimal(curve, num_steps), name="optimal")
    for number in TIMES:
        yield schedules.ancestral(LENGTH, schedules.uniform_times(number), "linear")


def gibbs(budget: int) -> Iterator[Schedule]:
    """Equal sizes with rounds of size 1 at the end, ``budget`` calls in all: every split; and more than all tokens."""
    for rounds in range(1, budget):
        if budget - rounds <= LENGTH:
            yield schedules.with_corrector(schedules.uniform(LENGTH, budget - rounds), rounds, 1)


def placed(budget: int) -> Iterator[Schedule]:
    """Two calls of ``budget`` on rounds: in other places, and of other sizes."""
    base = schedules.uniform(LENGTH, budget - 2)
    last = budget - 3
    for after, size in (([last], 2), ([last], 3), ([0], 1), ([last // 2], 1)):
        yield schedules.with_corrector(base, 2, size, after)
    if last > 0:
        yield schedules.with_corrector(base, 1, 1, [0, last])


def remdm(
    kinds: Sequence[schedules.Kind] = KINDS, etas: Sequence[float] = ETAS, numbers: Sequence[int] = TIMES
) -> Iterator[Schedule]:
    """ReMDM on equal times."""
    for kind in kinds:
        for eta in etas:
            for number in numbers:
                yield schedules.remdm(LENGTH, schedules.uniform_times(number), "linear", kind, eta)
