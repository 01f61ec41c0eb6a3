"""Rows of the study ``discretization`` with the oracle: exact output laws against steps, calls and dimension."""

from collections.abc import Iterator, Sequence

import numpy as np

from jdlm import curves, planners, schedules, targets
from jdlm.measure import exact, exchangeable
from jdlm.measure.step_matrices import StepMatrices
from jdlm.predictor import oracle
from jdlm.schedules import Schedule
from jdlm.study import parts
from jdlm.study.cells import Origin
from jdlm.study.rows import Row
from jdlm.study.studies.discretization_grids import CODE_WORDS, GOALS, SHORT_WORDS, exponent, of, opened, thinned, until
from jdlm.study.studies.study import shape
from jdlm.targets import Target
from jdlm.targets.mds import ParityCheck
from jdlm.targets.mixture import Mixture

__all__ = ["LATE", "SHORT", "STEPS", "all_dimensions", "chains", "coins", "leftover", "parity", "steps"]

_EULER = "euler:linear"
STEPS = (2, 4, 8, 16, 32, 64, 128, 256)
LATE = 32
"""Fewest steps through which a power is fitted."""
_PER_TOKEN = (4, 16)  # steps for each token
_MASKS = 64  # length at which leftover masks are counted


def _coin(length: int) -> Mixture:
    return targets.mixture([0.5, 0.5], [[0.8, 0.2], [0.2, 0.8]], length)


SHORT = {"parity-8": targets.parity(8), "sticky_markov-8": targets.sticky_markov(8, 2, 0.8), "mixture-8": _coin(8)}
"""Short targets: all dependence at the last token, in the neighbours, and in one hidden label."""


class _Short:
    """Divergences of a short target, by enumeration."""

    def __init__(self, target: Target):
        self._target, self._curve, self._law = target, target.entropy_curve(), exact.target_law(target)
        self._space = StepMatrices(oracle(target), planners.random())

    def tv(self, schedule: Schedule) -> float:
        if isinstance(self._target, ParityCheck):
            return _parity_tv(schedule)
        return exact.total_variation(self._law, exact.output_law_of(self._space, schedule).law)

    def all(self, schedule: Schedule) -> dict[str, float]:
        out = exact.output_law_of(self._space, schedule).law
        path = max(curves.path_kl(schedule.exposure(), self._curve), 0.0)
        divergences = {"output_tv": exact.total_variation(self._law, out), "output_kl_nats": exact.kl(self._law, out)}
        return {name: max(value, 0.0) for name, value in divergences.items()} | {"path_kl_nats": path}


def _rows(origin: Origin, found: dict[str, float], suffix: str = "") -> Iterator[Row]:
    for metric, value in found.items():
        yield origin.row(f"{metric}{suffix}", value, "identity" if metric == "path_kl_nats" else "exact")


def steps(seed: int, name: str, counts: Sequence[int]) -> Iterator[Row]:
    """Divergences of every discretization against its steps, the powers with which they fall, and first hitting."""
    target = SHORT[name]
    short = _Short(target)
    yield from shape(Origin(name, seed), target)
    first_hitting = schedules.first_hitting(target.length)
    yield from _rows(of(name, seed, first_hitting), short.all(first_hitting))
    late = [count for count in counts if count >= LATE]
    for word in SHORT_WORDS:
        found, mine = {}, of(name, seed, name=word)
        for num_steps in counts:
            schedule = thinned(word, target.length, num_steps)
            found[num_steps] = short.all(schedule)
            yield from _rows(of(name, seed, schedule), found[num_steps])
        if len(late) >= 3:
            for metric in found[late[0]]:
                yield exponent(mine, f"{metric}_exponent", late, [found[count][metric] for count in late])
            yield mine.row("output_tv_times_steps", found[late[-1]]["output_tv"] * late[-1], "exact")
        for goal in GOALS:
            yield from until(mine, target.length, short.tv, goal)


def chains(seed: int) -> Iterator[Row]:
    """How the total variation of Euler grows with the length of a Markov chain, and how few calls its steps make."""
    lengths, num_steps, found = (4, 6, 8, 10), 64, []
    for length in lengths:
        name, target = f"sticky_markov-{length}", targets.sticky_markov(length, 2, 0.8)
        if name not in SHORT:
            yield from shape(Origin(name, seed), target)
        schedule = thinned(_EULER, length, num_steps)
        mine = of(name, seed, schedule)
        found.append(_Short(target).tv(schedule))
        yield mine.row("tv_steps_over_length", found[-1] * num_steps / length, "exact")
        yield mine.row("expected_calls", schedule.mean_nfe, "exact")
    yield exponent(of("sticky_markov", seed, name=_EULER), "output_tv_exponent_in_length", lengths, found)


def coins(seed: int) -> Iterator[Row]:
    """The same for mixtures of two coins, at lengths beyond enumeration and 4 steps a token."""
    lengths, found = (8, 16, 32, 64), []
    for length in lengths:
        name, target = f"mixture-{length}", _coin(length)
        if name not in SHORT:
            yield from shape(Origin(name, seed), target)
        schedule = thinned(_EULER, length, _PER_TOKEN[0] * length)
        law, out = exchangeable.target_counts(target), exchangeable.output_counts(target, schedule).law
        path = curves.path_kl(schedule.exposure(), target.entropy_curve())
        divergences = {"output_tv": exact.total_variation(law, out), "output_kl_nats": exact.kl(law, out)}
        divergences["path_kl_nats"] = path
        yield from _rows(of(name, seed, schedule), divergences, "_at_4_steps_a_token")
        found.append([value * schedule.num_steps ** _POWERS[metric] for metric, value in divergences.items()])
    for metric, values in zip(_POWERS, zip(*found, strict=True), strict=True):
        mine = of("mixture", seed, name=_EULER)
        yield exponent(mine, f"{metric}_exponent_in_length", lengths, values)


_POWERS = {"output_tv": 1, "output_kl_nats": 2, "path_kl_nats": 1}  # of 1 / steps, with which they fall on coins


def parity(seed: int, lengths: Sequence[int]) -> Iterator[Row]:
    """Parity checks, where the last token depends on all others: by the closed form, at any length."""
    needed: dict[tuple[str, float], list[float]] = {}
    for length in lengths:
        name = f"parity-{length}"
        yield from shape(Origin(name, seed), targets.parity(length))
        for word in CODE_WORDS:
            for per_token in _PER_TOKEN:
                schedule = thinned(word, length, per_token * length)
                yield from _code(of(name, seed, schedule), schedule)
            mine = of(name, seed, name=word)
            for goal in GOALS:
                made = list(until(mine, length, _parity_tv, goal))
                yield from made
                steps = made[0].value
                yield mine.row(f"steps_times_tv_{goal:g}_over_length", steps * goal / length, "exact")
                needed.setdefault((word, goal), []).append(steps)
    for some in sorted({3, len(lengths)}):  # the first ones, too, which the quick rows have
        for (word, goal), counts in needed.items():
            mine = of(f"parity-{lengths[0]}-{lengths[some - 1]}", seed, name=word)
            yield exponent(mine, f"steps_until_tv_{goal:g}_exponent_in_length", lengths[:some], counts[:some])


def _parity_tv(schedule: Schedule) -> float:
    return curves.mds_output_tv(schedule.overshoot_law(schedule.length - 1), 2)


def _code(origin: Origin, schedule: Schedule) -> Iterator[Row]:
    """Divergences on a parity check by the closed form."""
    overshoot = schedule.overshoot_law(schedule.length - 1)
    tv = curves.mds_output_tv(overshoot, 2)
    output, path = curves.mds_output_kl(overshoot, 2), float(overshoot[1] * np.log(2))
    yield from _rows(origin, {"output_tv": tv, "output_kl_nats": output, "path_kl_nats": path})
    yield origin.row("tv_steps_over_length", tv * schedule.num_steps / schedule.length, "exact")


def all_dimensions(seed: int, words: Sequence[str]) -> Iterator[Row]:
    """Codes of all dimensions at one length and number of steps: the places of dependence that a grid is bad for."""
    length, num_steps = 64, 256
    prime, name = parts.smallest_prime(length), f"mds-{length}"
    yield from shape(Origin(name, seed), targets.reed_solomon(length, 2, prime))
    for word in words:
        schedule = thinned(word, length, num_steps)
        mine = of(name, seed, schedule)
        values = [curves.mds_output_tv(schedule.overshoot_law(k), prime) for k in range(1, length)]
        for k, value in enumerate(values, start=1):
            yield mine.row("output_tv", value, "exact", index=k)
        yield mine.row("largest_output_tv", max(values), "exact")
        yield mine.row("mean_output_tv", float(np.mean(values)), "exact")


def leftover(seed: int, counts: Sequence[int]) -> Iterator[Row]:
    """Masks that are left where no last step reveals them."""
    name = f"parity-{_MASKS}"  # whatever the target: rows of this one say L
    for word in SHORT_WORDS:
        left = {}
        for num_steps in counts:
            schedule = opened(word, _MASKS, num_steps)
            mine = Origin(name, seed, schedule=schedule)
            left[num_steps] = max(_MASKS - float(schedule.expected_revealed()[-1]), 0.0)
            yield mine.row("leftover_probability", schedule.leftover, "exact")
            yield mine.row("expected_leftover_masks", left[num_steps], "exact")
        late = [count for count in counts if count >= LATE]
        if len(late) >= 3 and min(left.values()) > 0.0:
            mine = Origin(name, seed, name=f"{word}-open")
            yield exponent(mine, "expected_leftover_masks_exponent", late, [left[count] for count in late])
