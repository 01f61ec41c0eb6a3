"""Builders of schedules whose steps also mask: ReMDM's four kinds, Gibbs rounds, and lists of pairs.

One step with one predictor call reveals some of the masked positions and masks some of those that were revealed before
it; a step that reveals nothing asks nothing. Which revealed positions are masked says a planner for remasking
(`jdlm.planners.random`, unless `Schedule.remasker` says otherwise).
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from jdlm.errors import InputError, check_type
from jdlm.planners import confidence_weighted
from jdlm.schedules.checks import LONGEST, check_length, whole
from jdlm.schedules.fixed_sizes import digest, list_name
from jdlm.schedules.remasking.coins import Coins
from jdlm.schedules.remasking.corrected import Corrected
from jdlm.schedules.remasking.pairs import Pairs
from jdlm.schedules.schedule import Schedule
from jdlm.schedules.thinning import Masking, named, unmasking

__all__ = ["Kind", "fixed_pairs", "remdm", "with_corrector"]

Kind = Literal["cap", "rescale", "loop", "conf"]
_KINDS = ("cap", "rescale", "loop", "conf")
_TINY = 1e-9  # equal times of a grid are rounded


def remdm(
    length: int,
    times: ArrayLike,
    masking: Masking = "linear",
    kind: Kind = "cap",
    eta: float = 0.1,
    *,
    on: float = 0.55,
    off: float = 0.05,
    final_reveal: bool = True,
) -> Schedule:
    """Ancestral thinning that masks revealed tokens again (ReMDM; Wang et al. 2025, arXiv 2503.00307).

    A step from time ``tau`` to ``s`` masks each revealed token with probability ``sigma`` and reveals each masked one
    with ``(alpha(s) - (1 - sigma) alpha(tau)) / (1 - alpha(tau))``, so that the law of the revealed count stays that of
    `ancestral`. At most ``sigma_max = min(1, (1 - alpha(s)) / alpha(tau))`` is possible:

    =========  ==========================================================================================
    kind       sigma
    =========  ==========================================================================================
    cap        ``min(eta, sigma_max)``
    rescale    ``eta * sigma_max``
    loop       ``min(eta, sigma_max)`` between the times ``on`` and ``off``, where alpha stays at ``alpha(on)``; 0
               before and after, where the rest of alpha is run through
    conf       the probability that one revealed token is masked, drawn in proportion to ``exp(-confidence)``; its
               confidence is the probability that it had when it was drawn. ``min(eta, sigma_max)``; masked tokens
               are revealed as by `ancestral`
    =========  ==========================================================================================

    Of "conf", the chance of each token is that of ReMDM; that at most one is masked in a step, in place of independent
    coins, is a choice of this project, as is that the other tokens' rates stay. Its `remasker` is
    `jdlm.planners.confidence_weighted`; the other kinds mask uniformly random positions.

    With ``eta = 0`` this is `ancestral`, bit for bit, but for "loop", whose alpha stands still in between.

    Args:
      length: number of tokens.
      times: ``[steps + 1]`` decreasing times, see `ancestral`.
      masking: "linear", "cosine", "polynomial" or "exponential"; see `jdlm.schedules.thinning`.
      kind: "cap", "rescale", "loop" or "conf".
      eta: in [0, 1].
      on: time at which a loop begins; read for "loop" alone, as is ``off``.
      off: time at which it ends, below ``on``.
      final_reveal: whether a last step reveals what is left; it counts as a step. There is none where nothing can be
        left (``times`` that end at 0).

    Raises:
      ValueError: an unknown kind, ``eta`` outside [0, 1], times that do not decrease or leave the range of the masking
        schedule, or ``off < on`` violated.

    >>> from jdlm.schedules import uniform_times
    >>> remdm(8, uniform_times(4), eta=0.2).law().sigmas.tolist()
    [0.2, 0.2, 0.2, 0.0]
    """
    if kind not in _KINDS:
        raise InputError(f"kind={kind!r} is not a kind of remasking; use one of {', '.join(_KINDS)}")
    eta = float(eta)
    if not 0.0 <= eta <= 1.0:
        raise InputError(f"eta={eta} is not a probability; use one from 0 to 1")
    length, tau = check_length(length), np.asarray(times, np.float64)
    before, after = unmasking(times, masking)  # masked fractions at both ends of each step
    label = f"{eta!r}".removesuffix(".0")
    if kind == "loop":
        if not 0.0 <= off < on:
            raise InputError(f"on={on}, off={off} leave no time for a loop; use 0 <= off < on")
        first, last = tau <= on + _TINY, tau >= off - _TINY
        warped = np.where(~first, tau, np.where(last, on, tau * on / off if off else 0.0))
        before, after = unmasking(warped, masking, still=True)
        label += f":{on:g}-{off:g}"
    with np.errstate(divide="ignore"):
        most = np.minimum(1.0, after / (1.0 - before))  # infinite where nothing is revealed at all
    sigmas = eta * most if kind == "rescale" else np.minimum(eta, most)
    if kind == "loop":
        sigmas = np.where(first[:-1] & last[1:], sigmas, 0.0)
    returned = 0.0 if kind == "conf" else sigmas * (1.0 - before)
    with np.errstate(invalid="ignore"):
        rates = np.clip((before - after + returned) / before, 0.0, 1.0)
    plain = named("", length, times, masking)
    name = f"remdm_{kind}:{label}:{plain.removeprefix(':')}"
    open_ended = bool(np.all(rates < 1.0))
    if open_ended and final_reveal:
        rates, sigmas = np.append(rates, 1.0), np.append(sigmas, 0.0)
    name += ":leftover" if open_ended and not final_reveal else ""
    law = Coins(rates, sigmas, one=kind == "conf")
    return Schedule(name, length, len(rates), law, remasker=confidence_weighted() if kind == "conf" else None)


def with_corrector(schedule: Schedule, rounds: int, size: int, after: int | Iterable[int] | None = None) -> Schedule:
    """A schedule with Gibbs rounds: mask ``size`` of the revealed positions, then reveal as many, with one call each.

    With the oracle and uniformly random positions a round of size 1 leaves the target's law as it is, so at the end of
    a schedule it never increases the KL divergence from the target (data processing). In the middle that holds of the
    partly masked sequences, but not of the output, which it can make worse. A round of a larger size has another
    stationary law.

    Args:
      schedule: any schedule.
      rounds: rounds after each of the steps, at least 0.
      size: positions that a round masks; all that are revealed where these are fewer.
      after: numbers of the steps, from 0, after which the rounds are run; one or many, the last one if None.

    Returns:
      A schedule of ``2 * rounds`` more steps for each of those in ``after``. Its draws contain those of ``schedule``:
      until the first round, samples are the same bit for bit.

    Raises:
      ValueError: a negative number of rounds, a size below 1, or a step that is not there.

    >>> from jdlm import schedules
    >>> law = with_corrector(schedules.uniform(4, 2), rounds=1, size=1).law()
    >>> law.sizes.tolist(), law.remask.tolist()
    ([[2, 2, 0, 1]], [[0, 0, 1, 0]])
    """
    check_type("schedule", schedule, Schedule, "build one with jdlm.schedules")
    rounds, size = whole(rounds, "rounds"), whole(size, "size")
    if rounds < 0 or size < 1:
        raise InputError(f"rounds={rounds}, size={size}; use at least 0 rounds of size 1")
    last = schedule.num_steps - 1
    places = (last,) if after is None else (after,) if isinstance(after, (int, np.integer)) else tuple(after)
    places = tuple(sorted({whole(place, "after") for place in places}))
    if places and not 0 <= places[0] <= places[-1] <= last:
        raise InputError(f"after={list(places)} are not all steps of {schedule.name}; use numbers from 0 to {last}")
    steps = schedule.num_steps + 2 * rounds * len(places)
    if steps > LONGEST:
        raise InputError(f"rounds={rounds} make {steps} steps; use at most {LONGEST}")
    where = "" if places == (last,) else "@" + "-".join(map(str, places))
    where = where if len(where) <= 24 else "@" + digest(where)
    name = f"{schedule.name}+gibbs:{rounds}x{size}{where}"
    law = schedule.law()
    corrected = Corrected(law, rounds, size, places, schedule.num_steps)
    lists = law.size_lists()
    if lists is not None:
        law = Pairs(lists[0], lists[1], np.zeros_like(lists[1]))
    if isinstance(law, Pairs):
        corrected = Pairs(law.weights, *corrected.with_rounds(law.sizes, law.remask))
    return Schedule(name, schedule.length, steps, corrected, remasker=schedule.remasker)


def fixed_pairs(sizes: ArrayLike, remask: ArrayLike, name: str | None = None) -> Schedule:
    """Schedule that reveals ``sizes[t]`` tokens in step ``t`` and masks ``remask[t]`` of those revealed before it.

    Its length is the sum of the sizes less that of ``remask``.

    Args:
      sizes: positions that each step reveals, integers of at least 0.
      remask: positions that each step masks, as many numbers.
      name: what it is called in rows and figures; by default ``pairs:`` and the numbers.

    Raises:
      ValueError: numbers that are not whole, or a step that reveals or masks more than there is.

    >>> fixed_pairs([2, 2, 1], [0, 1, 0]).length
    4
    """
    sizes, remask = np.asarray(sizes), np.asarray(remask)
    for what, array in (("sizes", sizes), ("remask", remask)):
        if array.ndim != 1 or array.size == 0 or not np.issubdtype(array.dtype, np.integer):
            raise InputError(f"{what} have shape {array.shape} and dtype {array.dtype}; give a list of integers")
    if len(sizes) != len(remask):
        raise InputError(f"{len(sizes)} sizes and {len(remask)} numbers to mask; give one of each for a step")
    length = sum(map(int, sizes)) - sum(map(int, remask))
    name = name or list_name("pairs", [x for pair in zip(sizes, remask, strict=True) for x in pair])
    return Schedule(name, length, len(sizes), Pairs(np.ones(1), sizes[None], remask[None]))
