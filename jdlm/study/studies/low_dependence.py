"""How many steps does little dependence need, and which number of a target says so: TC, DTC or D?

Everything follows from entropy curves and exposures (`jdlm.curves`), so no token is sampled but for a check. The curve
of random strings is exact for the mean over strings; a schedule's path KL is linear in the curve.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jdlm import curves
from jdlm.config.words import build_schedule, takes_more_steps
from jdlm.schedules.optimized import optimal_lists
from jdlm.study import goals, slopes
from jdlm.study.cells import Origin
from jdlm.study.figures import low_dependence as figures
from jdlm.study.rows import Row
from jdlm.study.studies import low_dependence_words
from jdlm.study.studies.low_dependence_grids import grid_cases, of_grids, sampled
from jdlm.study.studies.low_dependence_targets import (
    CORRELATIONS,
    LENGTH,
    Case,
    cases,
    described,
    flip,
    random_strings_curve,
)
from jdlm.study.studies.study import Report, Study, kept

__all__ = ["STUDY"]

GOALS = (0.1, 0.01)  # nats per sequence
LISTS = (
    "uniform",
    "cosine",
    "best_fixed_tc",
    "best_fixed_dtc",
    "best_fixed_both",
    "tc_equalizer",
    "random_cuts",
    "random_phase_tc",
    "random_phase_dtc",
    "random_phase_equal",
    "minimax_both",
)
THINNING = ("ancestral:linear", "ancestral:exponential")  # the second with steps kappa * min(1, tau)
LONG_WORDS = ("uniform", "cosine", "best_fixed_dtc", "best_fixed_both", "random_phase_equal", *THINNING)
LONG = (64, 128, 256, 512, 1024, 2000)
SHIPPED = (2, 4, 8, 16, 32, 64)  # steps of the minimax laws that come with the package
FULL = {*LISTS, "optimal"} - {"random_phase_tc", "random_phase_dtc", "random_phase_equal"}  # no step is empty


def rows(seed: int, quick: bool, report: Report) -> Iterator[Row]:
    """All rows; the quick ones are those of a few targets and schedules, and the grids of one target."""
    every = cases()
    names = list(every)[:6] if quick else list(every)
    words = ("uniform", "best_fixed_both", "ancestral:exponential") if quick else (*LISTS, *THINNING, "optimal")
    lengths = LONG[:3] if quick else LONG
    made: list[Row] = []
    made_once = _Schedules(LENGTH)
    jobs: list[tuple[str, Callable[[], Iterator[Row]]]] = [
        (name, lambda name=name: _needed(seed, name, every[name](), words, made_once)) for name in names
    ]
    if not quick:  # through all targets
        jobs.append(("what predicts the steps", lambda: _fits(seed, made, words)))
    for name, curve in (("flip", flip), ("strings:80", lambda length: random_strings_curve(length, 80))):
        jobs.append((f"{name} of growing length", lambda n=name, c=curve: _long(seed, n, c, lengths)))
    grids = grid_cases()
    jobs += [
        (f"grids on {n}", lambda n=n: of_grids(seed, n, grids[n]())) for n in (list(grids)[:1] if quick else grids)
    ]
    jobs.append(("samples", lambda: sampled(seed)))
    for done, (what, make) in enumerate(jobs):
        report(done, len(jobs), what)
        mine = kept(report, what, make)
        made += mine
        yield from mine
    report(len(jobs), len(jobs), "done")


class _Schedules:
    """Exposures and expected calls of the schedules of one length, each made once."""

    def __init__(self, length: int):
        self.length = length
        self.exposure = functools.cache(lambda word, num_steps: build_schedule(word, length, num_steps).exposure())
        self._calls = functools.cache(lambda word, num_steps: build_schedule(word, length, num_steps).mean_nfe)

    def calls(self, word: str, num_steps: float | int) -> float:
        """Expected calls; as many as steps where no step is empty, which these words promise."""
        return float(num_steps) if word in FULL else self._calls(word, int(num_steps))

    def fewest(self, word: str, curve: np.ndarray, goal: float) -> float | int | None:
        """The fewest steps with a path KL of at most ``goal``; None where more are needed than there are laws."""

        @functools.cache
        def distance(steps: int) -> float:
            return curves.path_kl(self.exposure(word, steps), curve)

        if word == "minimax_both":
            return _between([(steps, distance(steps)) for steps in SHIPPED], goal)
        if takes_more_steps(word):
            return goals.steps_until(distance, goal, self.length)
        return goals.fewest(distance, goal, range(1, self.length + 1))


def _between(values: Sequence[tuple[int, float]], goal: float) -> float | None:
    """Where a distance, known at some numbers of steps, comes down to a goal: by a power law between two of them."""
    for (fewer, above), (more, below) in itertools.pairwise(values):
        if below <= goal < above:
            share = np.log(above / goal) / np.log(above / below)
            return float(fewer * (more / fewer) ** share)
    return None


def _needed(seed: int, name: str, case: Case, words: Sequence[str], made_once: _Schedules) -> Iterator[Row]:
    """Steps and calls that each schedule needs on one target; those of its own best lists for ``optimal``."""
    yield from described(Origin(name, seed), case)
    best = optimal_lists(case.curve) if "optimal" in words else []
    for word in words:
        origin = Origin(name, seed, name=word)
        for goal in GOALS:
            if word == "optimal":
                found = next(len(s) for s in best if curves.path_kl(_list_exposure(s), case.curve) <= goal)
            else:
                found = made_once.fewest(word, case.curve, goal)
            if found is not None:
                calls = made_once.calls(word, found)
                yield origin.row(f"steps_until_kl_{goal:g}", float(found), "identity", nfe=calls)
                yield origin.row(f"calls_until_kl_{goal:g}", calls, "identity", nfe=calls)


def _list_exposure(sizes: np.ndarray) -> np.ndarray:
    exposure = np.zeros(int(sizes.sum()))
    exposure[np.cumsum(sizes) - sizes] = sizes
    return exposure


def _fits(seed: int, made: Sequence[Row], words: Sequence[str]) -> Iterator[Row]:
    """Power laws of the steps in each correlation, through the targets that need neither few steps nor nearly all."""
    correlations = {(row.target, row.metric): row.value for row in made if row.metric.startswith("correlation_")}
    for word in words:
        origin = Origin(f"all-{LENGTH}", seed, name=word)
        most = np.inf if takes_more_steps(word) else LENGTH / 2
        for goal in GOALS:
            mine = [row for row in made if (row.schedule, row.metric) == (word, f"steps_until_kl_{goal:g}")]
            mine = [row for row in mine if 4 <= row.value <= most]
            yield origin.row(f"targets_until_kl_{goal:g}", float(len(mine)), "exact")
            if len(mine) < 5:
                continue
            for name in (*CORRELATIONS, "sum"):
                x = np.array([correlations[row.target, f"correlation_{name}_nats"] for row in mine])
                y = np.array([row.value for row in mine])
                yield origin.row(f"steps_until_kl_{goal:g}_exponent_in_{name}", slopes.exponent(x, y), "fit")
                squared = float(np.corrcoef(np.log(x), np.log(y))[0, 1] ** 2)
                yield origin.row(f"steps_until_kl_{goal:g}_r_squared_in_{name}", squared, "fit")


def _long(seed: int, name: str, curve_of: Callable[[int], np.ndarray], lengths: Sequence[int]) -> Iterator[Row]:
    """Steps until a path KL of 0.1 against the length, for dependence that hardly grows with it."""
    goal, needed = GOALS[0], {word: [] for word in LONG_WORDS}
    for length in lengths:
        case, made_once = Case(curve_of(length), 2), _Schedules(length)
        yield from described(Origin(f"{name}-{length}", seed), case)
        for word in LONG_WORDS:
            found = made_once.fewest(word, case.curve, goal)
            assert found is not None  # one token per step has no error
            calls = made_once.calls(word, found)
            origin = Origin(f"{name}-{length}", seed, name=word)
            yield origin.row(f"steps_until_kl_{goal:g}", float(found), "identity", nfe=calls)
            yield origin.row(f"calls_until_kl_{goal:g}", calls, "identity", nfe=calls)
            needed[word].append(found)
    for some in sorted({3, len(lengths)}):  # the first ones, too, which the quick rows have
        for word, counts in needed.items():
            slope = slopes.exponent(np.array(lengths[:some], float), np.array(counts[:some], float))
            origin = Origin(f"{name}-{lengths[0]}-{lengths[some - 1]}", seed, name=word)
            yield origin.row(f"steps_until_kl_{goal:g}_exponent_in_length", slope, "fit")


STUDY = Study("low-dependence", rows, figures.FIGURES, low_dependence_words.conclude)
