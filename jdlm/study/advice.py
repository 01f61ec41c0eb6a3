"""Advice: which schedule to use with a predictor, and how many steps, from its measured curve alone.

What a schedule costs with a predictor is its NELBO above that of one token per step with the same predictor,

    cost = x . c - sum_j c[j] = (x - 1) . c

in nats per sequence, with the exposure x and the cross-entropy curve c. It is the part of the path KL that a schedule
can change; the rest is learning error. Schedules are chosen on one measurement of c and judged on another one, so that
the best of many is not flattered by the noise it was chosen on; see docs/decisions/advice-by-fixed-sequence.md.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from jdlm import curves
from jdlm.errors import InputError, check_type
from jdlm.measure import CurveEstimate, Estimate
from jdlm.schedules import Schedule, fixed, optimal
from jdlm.schedules.optimized import optimal_lists
from jdlm.study.fit import exact_curve, falling, known_curve

__all__ = [
    "CONFIDENCE",
    "Offer",
    "clearly_better",
    "cost",
    "exact_curve",
    "export",
    "falling",
    "known_curve",
    "recommend",
    "upper_limit",
]

CONFIDENCE = 0.84
"""One standard error, for a normal law: P(a recommended schedule keeps its goal) is at least this by default."""
_OPTIMAL = "optimal"  # the name of the schedule that is made for the curve itself
_POWER = 0.9  # probability that the number of sequences it names is enough


class Offer(NamedTuple):
    """A schedule and what it costs.

    Attributes:
      name: what the schedule is called.
      schedule: the schedule; None where none is shown to reach the goal.
      fitted: cost in nats per sequence on the measurement on which it was chosen.
      cost: the same on the other measurement; this is the number to report. Under a goal in nats it is the number that
        passed, so a little too small on average: what is controlled is ``limit``.
      limit: upper limit of the cost at the confidence asked for: what was compared with a goal in nats.
      nelbo: NELBO in nats per sequence on the other measurement.
      difference: NELBO above that of the recommended offer, on the other measurement.
      sequences: how many each of the two measurements would probably need to show more: some schedule that reaches the
        goal where ``schedule`` is None, else fewer steps. None where no number would be enough.
    """

    name: str
    schedule: Schedule | None
    fitted: Estimate | None = None
    cost: Estimate | None = None
    limit: float | None = None
    nelbo: Estimate | None = None
    difference: Estimate | None = None
    sequences: int | None = None


def cost(schedule: Schedule, curve: CurveEstimate) -> Estimate:
    """Cost ``(x - 1) . c`` of a schedule on a measured curve, with its standard error.

    Raises:
      ValueError: schedule and curve differ in length, the schedule leaves masks, or the curve is infinite somewhere, so
        that one token per step has no finite NELBO to compare with (`CurveEstimate.dot` gives the NELBO itself).
    """
    exposure = schedule.exposure()
    curves.nelbo(exposure, curve.values)  # checks lengths and the sum
    _check_finite(curve)
    return curve.dot(exposure - 1.0)


def upper_limit(estimate: Estimate, confidence: float) -> float:
    """Upper confidence limit of a measured mean, by Student's t, which allows for few sequences.

    Args:
      estimate: a mean with its standard error; without one (``n = 0``, exact) it is its own limit.
      confidence: probability with which the mean is below the limit.
    """
    return estimate.value + _quantile(confidence, estimate.n) * estimate.standard_error


def recommend(
    fit: CurveEstimate,
    test: CurveEstimate,
    builders: Mapping[str, Callable[[int], Schedule]],
    *,
    kl: float | None = None,
    num_steps: int | None = None,
    candidates: Mapping[str, Iterable[int]] | None = None,
    confidence: float = CONFIDENCE,
    choice: str = _OPTIMAL,
    progress: Callable[[str], None] | None = None,
) -> list[Offer]:
    """What `optimal` and other schedules need to reach a goal, the recommendation first.

    With ``num_steps`` each schedule has one number of steps, so its cost on ``test`` is unbiased.

    With ``kl`` every schedule has one candidate for each number of steps, and ``fit`` puts them into an order, the
    safest first. On ``test`` they are tried in that order; one passes if its upper limit is within the goal, and the
    first that does not ends the search. The fewest steps that passed are offered. If an offer misses the goal, then the
    first candidate of the order that misses it has passed, which happens with probability 1 - ``confidence`` at most:
    **P(an offer misses its goal) <= 1 - confidence for each name by itself**, however many numbers of steps are tried.
    It promises nothing for all names of the table at once, nor for the one with the fewest steps among them: the
    recommendation is the offer of ``choice``, which is fixed beforehand. One token per step costs 0 by definition; it
    is offered only where what is next to it is shown to miss the goal, or where nothing else is there to try.

    Args:
      fit: measured curve on which schedules are chosen; before that it is made to fall, for a predictor that learned
        anything has a falling curve, and a rise is noise.
      test: measurement of the same curve on other sequences, on which they are judged.
      builders: other schedules to compare with, by name: functions from a number of steps to a schedule. One called
        "optimal" takes the place of that for the curve.
      kl: goal in nats per sequence: fewest steps whose cost is at most this; or
      num_steps: a number of steps.
      candidates: by builder's name, the numbers of steps to try in search of ``kl``; all from 1 to length by default.
      confidence: probability with which the recommendation keeps ``kl``, from 0.5 up; 0.84 is one standard error.
      choice: name of the schedule to recommend, "optimal" or one of ``builders``.
      progress: called with the name that is being tried.

    Returns:
      One offer for ``"optimal"`` and one for each builder: the one of ``choice`` first, then with ``kl`` by number of
      steps (None last), else by cost on ``fit``.

    Raises:
      ValueError: neither or both goals, a goal that is not positive, num_steps out of range, curves of two lengths or
        with an infinite entry, a confidence outside [0.5, 1), an unknown choice.
    """
    if (kl is None) == (num_steps is None):
        raise InputError(f"kl={kl} and num_steps={num_steps}; give exactly one of the two")
    if kl is not None and not 0.0 < kl < float("inf"):
        raise InputError(f"kl={kl} nats is not a valid goal; use a positive number such as 0.1")
    if not 0.5 <= confidence < 1.0:
        raise InputError(f"confidence={confidence} is not a probability from 0.5 to below 1; use one such as 0.84")
    length = len(fit.values)
    if len(test.values) != length:
        raise InputError(f"curves have lengths {length} and {len(test.values)}; measure both on one target")
    names = list(dict.fromkeys((_OPTIMAL, *builders)))
    if choice not in names:
        raise InputError(f"choice={choice!r} is not among the schedules; use one of {', '.join(names)}")
    for curve in (fit, test):
        _check_finite(curve)
    fitted = fit._replace(values=falling(fit))
    offers = []
    for name in names:
        if progress is not None:
            progress(name)
        tried = [num_steps] if num_steps is not None else (candidates or {}).get(name, range(1, length + 1))
        if name in builders:
            built = [builders[name](count) for count in tried]
        else:
            most = num_steps if num_steps is None or name == choice else min(num_steps, length)
            built = _optimal(fitted, most)  # no more steps than tokens, which another schedule may have
        if kl is None:
            offers.append(_offer(name, built[0], fit, test, confidence))
        else:
            found, sequences = _search(built, fitted, test, kl, confidence)
            offer = Offer(name, None) if found is None else _offer(name, found, fit, test, confidence)
            offers.append(offer._replace(sequences=sequences))

    def order(offer: Offer) -> tuple[bool, float, float]:
        if offer.schedule is None or offer.fitted is None:
            return (offer.name != choice, np.inf, np.inf)
        return (offer.name != choice, 0.0 if kl is None else float(offer.schedule.num_steps), offer.fitted.value)

    offers = sorted(offers, key=order)
    best = offers[0].schedule
    if best is not None:
        offers = [offer._replace(difference=_difference(offer.schedule, best, test)) for offer in offers]
    return offers


def _optimal(fit: CurveEstimate, num_steps: int | None) -> list[Schedule]:
    """`optimal` for the curve with every number of steps, or the best with at most ``num_steps``."""
    if num_steps is None:
        return [fixed(sizes, _OPTIMAL) for sizes in optimal_lists(fit.values)]
    # Without empty steps: an exact curve may be flat, and then more steps gain nothing.
    sizes = export(optimal(fit.values, num_steps))["tokens_per_step"]
    return [fixed(sizes, _OPTIMAL)]


def _offer(name: str, schedule: Schedule, fit: CurveEstimate, test: CurveEstimate, confidence: float) -> Offer:
    judged = cost(schedule, test)
    return Offer(
        name,
        schedule,
        cost(schedule, fit),
        judged,
        upper_limit(judged, confidence),
        test.dot(schedule.exposure()),
    )


def _search(
    built: Sequence[Schedule], fit: CurveEstimate, test: CurveEstimate, kl: float, confidence: float
) -> tuple[Schedule | None, int | None]:
    """The fewest steps that are shown to keep the goal, testing in the order of ``fit``; sequences for what is not."""
    trivial, others = [], []
    for schedule in built:
        (trivial if np.all(schedule.exposure() == 1.0) else others).append(schedule)
    others.sort(key=lambda schedule: (upper_limit(cost(schedule, fit), confidence), -schedule.num_steps))
    limits = (upper_limit(cost(schedule, test), confidence) for schedule in others)
    failed = next((i for i, limit in enumerate(limits) if not limit <= kl), len(others))
    passed, sequences = others[:failed], None
    if failed < len(others):
        first = cost(others[failed], test)
        lower = 2.0 * first.value - upper_limit(first, confidence)
        if (lower <= kl) if not passed else (first.value < kl):
            sequences = _sequences(first, cost(others[failed], fit), kl, confidence)
    if not passed and sequences is None:  # what is next to one token per step is shown to miss, or there is nothing
        passed = trivial
    return min(passed, key=lambda schedule: schedule.num_steps, default=None), sequences


def _sequences(judged: Estimate, fitted: Estimate, kl: float, confidence: float) -> int:
    """Sequences with which a schedule passes with probability 0.9, if its cost is what was measured.

    A measured cost in the upper half of the goal, or beyond, says little where nothing has passed: half is taken.
    """
    margin = kl - min(max(judged.value, 0.0), kl / 2.0)
    error = math.sqrt((judged.standard_error**2 + fitted.standard_error**2) / 2.0)
    wanted = margin / (_quantile(confidence, 0) + _quantile(_POWER, 0))
    return max(judged.n + 1, math.ceil(judged.n * (error / wanted) ** 2))


def _quantile(probability: float, n: int) -> float:
    return float(stdtrit(n - 1, probability) if n > 1 else ndtri(probability))


def _difference(schedule: Schedule | None, best: Schedule, test: CurveEstimate) -> Estimate | None:
    return None if schedule is None else test.dot(schedule.exposure() - best.exposure())


def clearly_better(offers: Sequence[Offer]) -> list[str]:
    """Names of offers whose NELBO on the second measurement is below the first offer's beyond chance.

    All comparisons of the table together say so wrongly with probability 0.025 at most (Bonferroni).

    Args:
      offers: from `recommend` with ``num_steps``, the recommendation first.
    """
    differences = [(offer.name, offer.difference) for offer in offers[1:]]
    others = [(name, mine) for name, mine in differences if mine is not None and mine.n > 1]
    return [name for name, difference in others if upper_limit(difference, 1.0 - 0.025 / len(others)) < 0.0]


def _check_finite(curve: CurveEstimate) -> None:
    if not np.all(np.isfinite(curve.values)):
        j = int(np.argmin(np.isfinite(curve.values)))
        raise InputError(
            f"the curve is {curve.values[j]} at {j} revealed tokens, so one token per step has no finite NELBO to "
            "compare with; use a predictor that excludes no token"
        )


def export(schedule: Schedule) -> dict[str, Any]:
    """The sizes of a schedule as plain JSON data for another code base.

    ``tokens_per_step`` is the list that LLaDA- and MDLM-style sampling loops take, one entry per predictor call. A
    randomized schedule has ``atoms`` instead: draw one by its weight for each sequence, then use its list. A chain of
    counts (the TC equalizer, thinning) has ``chain``: ``chain[t][n][s]`` is the probability that step ``t`` (from 0)
    reveals ``s`` tokens where ``n`` are revealed; ``chain[t][n]`` is empty for an ``n`` that cannot occur.

    Where steps also mask tokens the ``format`` is another one, so that no reader of sizes takes it for sizes: each of
    the ``atoms`` has ``masked_per_step`` too (positions masked of those revealed before the step), coins have
    ``reveal_rates`` and ``mask_rates``, and Gibbs rounds after drawn sizes stand in ``corrector``.

    Raises:
      ValueError: the schedule leaves masks, so a loop that follows it would not end with a sequence.
    """
    check_type("schedule", schedule, Schedule, "build one with jdlm.schedules")
    if schedule.leftover > 1e-9:
        raise InputError(
            f"schedule {schedule.name} leaves a mask with probability {schedule.leftover:.3g}; build it with "
            "final_reveal=True"
        )
    head = {
        "format": "jdlm-steps-1" if schedule.remasks else "jdlm-sizes-1",
        "schedule": schedule.name,
        "length": schedule.length,
    }
    return head | schedule.law().export(schedule.length)
