"""The randomized schedule with the best guarantee that holds without knowing the target."""

import dataclasses
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from jdlm import curves
from jdlm.errors import InputError
from jdlm.schedules.checks import check_memory, check_steps
from jdlm.schedules.fixed_sizes import first_hitting
from jdlm.schedules.minimax import column_generation, solved
from jdlm.schedules.schedule import Certificate, Schedule

__all__ = ["minimax"]

_TOLERANCE = 1e-4


def minimax(
    length: int,
    num_steps: int,
    weight: curves.Weight,
    *,
    tolerance: float = _TOLERANCE,
    cache: str | PathLike | None = None,
    progress: Callable[[str], None] | None = None,
) -> Schedule:
    """Randomized sizes with the smallest ``eps`` such that ``path_kl <= eps * TC`` (DTC, D) on every target.

    A construction of this project: the optimum over all laws of at most ``num_steps`` sizes that do not look at token
    values, as a mixture of at most ``length`` size lists, from a linear program solved by column generation. It is
    best for the path KL; the KL of the output law can be far smaller. Without knowledge of the target only "both" is
    safe: a schedule for one of TC and DTC alone is poor for the other.

    Lengths 32, 64, 128 and 256 with ``num_steps`` 2, 4, ..., 64 ship with the package. Another is solved when asked
    for: seconds up to length 128, minutes at 256.

    Args:
      length: number of tokens.
      num_steps: number of steps, at most ``length``; all of them reveal something.
      weight: "tc", "dtc" or "both"; see ``curves.weights``.
      tolerance: largest ``(value - lower_bound) / value`` accepted in the certificate. Another than the default is part
        of the name, for the law is another one.
      cache: folder for laws solved here, made if missing; None keeps none. A file in it that is damaged, foreign or not
        good enough is reported to ``progress`` and replaced.
      progress: called with a line of text now and then while a law is solved.

    Returns:
      A schedule with ``certificate``: ``value`` is its own ``eps``, ``lower_bound`` what no such schedule can beat.

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``, an unknown weight, a tolerance outside (0, 1).

    >>> minimax(32, 8, "both").certificate.value   # doctest: +ELLIPSIS
    0.30575...
    """
    length, num_steps = check_steps(length, num_steps)
    check_memory(length, 4)
    curves.weights(length, weight)
    if not 0.0 < tolerance < 1.0:
        raise InputError(f"tolerance={tolerance} is not a relative gap; use one between 0 and 1, such as 1e-4")
    if num_steps == length:
        law = first_hitting(length).law()
        return Schedule(f"minimax_{weight}", length, num_steps, law, Certificate(0.0, 0.0, weight))
    problem = (length, num_steps, weight)
    schedule = _certified(problem, tolerance, cache, progress)
    if tolerance == _TOLERANCE:
        return schedule
    return dataclasses.replace(schedule, name=f"{schedule.name}:{float(tolerance)!r}")


def _certified(
    problem: solved.Problem, tolerance: float, cache: str | PathLike | None, progress: Callable[[str], None] | None
) -> Schedule:
    """The law shipped, kept or solved, whichever comes first."""
    shipped = solved.read(solved.SHIPPED, problem)
    if shipped is not None:
        schedule = solved.certified(problem, shipped)
        if solved.gap(schedule) <= tolerance:
            return schedule
    if cache is None:
        return solved.certified(problem, column_generation.solve(*problem, tolerance, progress))
    path = solved.cache_path(Path(cache), problem)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = _kept(path, problem, tolerance, progress)
    if kept is not None:
        return kept
    solution = column_generation.solve(*problem, tolerance, progress)
    solved.write(path, [(problem, solution)])
    return solved.certified(problem, solution)


def _kept(
    path: Path, problem: solved.Problem, tolerance: float, progress: Callable[[str], None] | None
) -> Schedule | None:
    """The law in the cache if it is there and good enough; what is wrong with it goes to ``progress``."""
    if not path.exists():
        return None
    try:
        solution = solved.read(path, problem)
        if solution is None:
            raise InputError("another law")
        schedule = solved.certified(problem, solution)
        if not solved.gap(schedule) <= tolerance:
            raise InputError(f"a gap of {solved.gap(schedule):.2g} where {tolerance:.2g} is wanted")
    except ValueError as error:
        if progress is not None:
            progress(f"{path}: {error}; solving again")
        return None
    return schedule
