"""Advice: which schedule to use with a predictor, and how many steps, from its measured curve alone.

What a schedule costs with a predictor is its NELBO above that of one token a step with the same predictor,

    cost = x . c - sum_j c[j] = (x - 1) . c

in nats per sequence, with the exposure x and the cross-entropy curve c. It is the part of the path KL that a schedule
can change; the rest is learning error. Schedules are chosen on one measurement of c and judged on another one, so that
the best of many is not flattered by the noise it was chosen on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jdlm import curves
from jdlm.measure.evaluate import CurveEstimate, Estimate
from jdlm.schedules import Schedule, optimal


class Offer(NamedTuple):
    """A schedule and what it costs.

    Attributes:
      name: what the schedule is called.
      schedule: the schedule; None where no number of steps reaches the goal.
      fitted: cost in nats per sequence on the curve on which it was chosen.
      cost: the same on the other measurement; this is the number to report.
      nelbo: NELBO in nats per sequence on the other measurement.
      difference: NELBO above that of the offer ``"optimal"``, on the other measurement.
    """

    name: str
    schedule: Schedule | None
    fitted: Estimate | None
    cost: Estimate | None
    nelbo: Estimate | None
    difference: Estimate | None


def cost(schedule: Schedule, curve: CurveEstimate) -> Estimate:
    """Cost ``(x - 1) . c`` of a schedule on a measured curve, with its standard error.

    Raises:
      ValueError: schedule and curve differ in length, or the schedule leaves masks.
    """
    exposure = schedule.exposure()
    curves.nelbo(exposure, curve.values)  # checks lengths and the sum
    return curve.dot(exposure - 1.0)


def recommend(
    fit: CurveEstimate,
    test: CurveEstimate,
    builders: Mapping[str, Callable[[int], Schedule]],
    *,
    kl: float | None = None,
    num_steps: int | None = None,
    candidates: Mapping[str, Iterable[int]] | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Offer]:
    """What `optimal` and other schedules need to reach a goal, cheapest in steps first.

    Args:
      fit: measured curve on which schedules are chosen.
      test: measurement of the same curve on other sequences, on which they are judged.
      builders: other schedules to compare with, by name: functions from a number of steps to a schedule.
      kl: goal in nats per sequence: the smallest number of steps whose cost on ``fit`` is at most this; or
      num_steps: a number of steps.
      candidates: by builder's name, the numbers of steps to try in search of ``kl``; all from 1 to length by default.
      progress: called with the name that is being tried.

    Returns:
      One offer for ``"optimal"`` and one for each builder. With ``kl`` they are ordered by their number of steps (None
      last), else by cost. Ties go to the smaller cost on ``fit``, so the first is the recommendation.

    Raises:
      ValueError: neither or both goals, a goal that is not positive, num_steps out of range, curves of two lengths.
    """
    if (kl is None) == (num_steps is None):
        raise ValueError(f"kl={kl} and num_steps={num_steps}; give exactly one of the two")
    if kl is not None and not 0.0 < kl < float("inf"):
        raise ValueError(f"kl={kl} nats is no goal; use a positive number such as 0.1")
    length = len(fit.values)
    if len(test.values) != length:
        raise ValueError(f"curves have lengths {length} and {len(test.values)}; measure both on one target")
    every = {"optimal": lambda count: optimal(fit.values, count), **builders}
    offers = []
    for name, build in every.items():
        if progress is not None:
            progress(name)
        if num_steps is not None:
            offers.append(_offer(name, build(num_steps), fit, test))
            continue
        steps = sorted((candidates or {}).get(name, range(1, length + 1)))
        offers.append(_offer(name, _first(build, steps, fit, kl, bisect=name == "optimal"), fit, test))

    def order(offer: Offer) -> tuple[float, float]:
        if offer.schedule is None:
            return (np.inf, np.inf)
        return (0.0 if kl is None else float(offer.schedule.num_steps), offer.fitted.value)

    best = offers[0].schedule
    if best is not None:
        offers = [offer._replace(difference=_difference(offer.schedule, best, test)) for offer in offers]
    return sorted(offers, key=order)


def _offer(name: str, schedule: Schedule | None, fit: CurveEstimate, test: CurveEstimate) -> Offer:
    if schedule is None:
        return Offer(name, None, None, None, None, None)
    return Offer(name, schedule, cost(schedule, fit), cost(schedule, test), test.dot(schedule.exposure()), None)


def _difference(schedule: Schedule | None, best: Schedule, test: CurveEstimate) -> Estimate | None:
    return None if schedule is None else test.dot(schedule.exposure() - best.exposure())


def _first(
    build: Callable[[int], Schedule], steps: Sequence[int], fit: CurveEstimate, kl: float, bisect: bool
) -> Schedule | None:
    """The schedule with the fewest steps that reaches the goal; by bisection where more steps never cost more."""
    if not bisect:
        return next((s for s in map(build, steps) if cost(s, fit).value <= kl), None)
    low, high = 0, len(steps)  # steps[:low] are known to miss the goal, steps[high:] to reach it
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if cost(build(steps[middle]), fit).value <= kl else (middle + 1, high)
    return build(steps[low]) if low < len(steps) else None


def export(schedule: Schedule) -> dict[str, Any]:
    """The sizes of a schedule as plain JSON data for another code base.

    ``tokens_per_step`` is the list that LLaDA- and MDLM-style sampling loops take, one entry a predictor call. A
    randomized schedule has ``atoms`` instead: draw one by its weight for each sequence, then use its list.

    Raises:
      ValueError: the schedule is a chain of counts, not a mixture of size lists.
    """
    lists = schedule.law().size_lists()
    if lists is None:
        raise ValueError(f"schedule {schedule.name} is no mixture of size lists; export another one, such as minimax")
    weights, sizes = lists
    lists = [[int(size) for size in row if size] for row in sizes]
    head = {"format": "jdlm-sizes-1", "schedule": schedule.name, "length": schedule.length}
    if len(lists) == 1:
        return {**head, "tokens_per_step": lists[0]}
    atoms = [{"weight": float(w), "tokens_per_step": s} for w, s in zip(weights, lists, strict=True)]
    return {**head, "atoms": atoms}


def exact_curve(entropy_curve: np.ndarray) -> CurveEstimate:
    """An exact curve in the form of a measured one, with standard errors of 0."""
    return CurveEstimate(np.asarray(entropy_curve, np.float64), np.zeros(len(entropy_curve)), 0)
