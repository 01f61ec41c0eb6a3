"""Thinning: every masked token is revealed independently, with the same probability within a step.

The samplers of continuous-time masked diffusion, seen from their sizes. A masking schedule gives the unmasked
fraction ``alpha(tau)`` at time ``tau``, from 1 at ``tau = 0`` (clean) down; a step goes from ``tau`` to ``s < tau``.
All tokens are masked at the start, whatever ``alpha`` of the first time is.

================  ============================  ==============================================  =============
masking           alpha(tau)                    hazard ``-alpha'/(1 - alpha)``                  times
================  ============================  ==============================================  =============
``linear``        ``1 - tau``                   ``1/tau``                                       in [0, 1]
``cosine``        ``1 - cos(pi/2 * (1-tau))``   ``pi/2 / tan(pi/2 * tau)``, 0 at ``tau = 1``    in [0, 1]
``polynomial``    ``1 - tau**2``                ``2/tau``                                       in [0, 1]
``exponential``   ``exp(-tau)``                 ``1/(exp(tau) - 1)``, the rate-1 Markov chain   at least 0
================  ============================  ==============================================  =============

The first three masking schedules are those of MD4 (Shi et al. 2024, arXiv 2406.04329).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jdlm.errors import InputError
from jdlm.schedules.checks import LONGEST, check_length, numbers_of, whole
from jdlm.schedules.fixed_sizes import digest
from jdlm.schedules.schedule import Schedule
from jdlm.schedules.thinning_law import Thinning
from jdlm.targets import validation

__all__ = [
    "Masking",
    "Method",
    "adaptive_times",
    "ancestral",
    "euler",
    "exponential_times",
    "from_word",
    "named",
    "tau_leaping",
    "uniform_times",
    "unmasking",
]  # fmt: skip

Masking = Literal["linear", "cosine", "polynomial", "exponential"]
Method = Literal["ancestral", "euler", "tau_leaping"]


class _Masked(NamedTuple):
    fraction: Callable[[np.ndarray], np.ndarray]  # 1 - alpha, exactly 0 at 0
    slope: Callable[[np.ndarray], np.ndarray]  # its derivative, so slope / fraction is the hazard
    last_time: float


_MASKED = {
    "linear": _Masked(lambda tau: tau, np.ones_like, 1.0),
    "cosine": _Masked(lambda tau: np.sin(np.pi / 2 * tau), lambda tau: np.pi / 2 * np.cos(np.pi / 2 * tau), 1.0),
    "polynomial": _Masked(lambda tau: tau**2, lambda tau: 2 * tau, 1.0),
    "exponential": _Masked(lambda tau: -np.expm1(-tau), lambda tau: np.exp(-tau), np.inf),
}


def ancestral(length: int, times: ArrayLike, masking: Masking, final_reveal: bool = True) -> Schedule:
    """Thinning by the exact posterior: a masked token is revealed with ``(alpha(s) - alpha(tau)) / (1 - alpha(tau))``.

    The sampler of MDLM (Sahoo et al. 2024, arXiv 2406.07524), also known as Tweedie tau-leaping.

    Args:
      length: number of tokens.
      times: ``[steps + 1]`` decreasing times, the first at most 1 (any but infinite for "exponential"), the last >= 0.
      masking: "linear", "cosine", "polynomial" or "exponential"; see the table at the top of this file.
      final_reveal: whether a last step reveals what is left; it counts as a step. There is none where nothing can be
        left (``times`` that end at 0).

    Returns:
      A schedule whose law is a :class:`~jdlm.schedules.Thinning`. ``num_steps`` may exceed ``length``. Without the
      final reveal ``leftover`` can be above 0, and the path KL is not defined.

    Raises:
      ValueError: times that do not decrease or leave the range of the masking schedule, or an unknown masking.
    """
    tau, s, masked = _steps(times, masking)
    fraction = masked.fraction(tau)
    return _thinning("ancestral", length, times, masking, (fraction - masked.fraction(s)) / fraction, final_reveal)


def euler(length: int, times: ArrayLike, masking: Masking, final_reveal: bool = True) -> Schedule:
    """Thinning by an Euler step of the reverse rate: revealed with ``min(1, (tau - s) * hazard(tau))``.

    Equal to :func:`ancestral` for linear masking; elsewhere it leaves masks even where the times end at 0.

    Args:
      length: number of tokens.
      times: ``[steps + 1]`` decreasing times; see :func:`ancestral`.
      masking: "linear", "cosine", "polynomial" or "exponential"; see the table at the top of this file.
      final_reveal: whether a last step reveals what is left; see :func:`ancestral`.

    Raises:
      ValueError: times that do not decrease or leave the range of the masking schedule, or an unknown masking.
    """
    tau, s, masked = _steps(times, masking)
    jumps = (tau - s) * masked.slope(tau) / masked.fraction(tau)
    return _thinning("euler", length, times, masking, np.clip(jumps, 0.0, 1.0), final_reveal)


def tau_leaping(length: int, times: ArrayLike, masking: Masking, final_reveal: bool = True) -> Schedule:
    """Thinning by tau-leaping: revealed with ``1 - exp(-(tau - s) * hazard(tau))``.

    The rate is frozen over the step and several jumps of a token count as one reveal; some mask is always left with
    probability above 0.

    Args:
      length: number of tokens.
      times: ``[steps + 1]`` decreasing times; see :func:`ancestral`.
      masking: "linear", "cosine", "polynomial" or "exponential"; see the table at the top of this file.
      final_reveal: whether a last step reveals what is left; see :func:`ancestral`.

    Raises:
      ValueError: times that do not decrease or leave the range of the masking schedule, or an unknown masking.

    >>> round(tau_leaping(32, uniform_times(8), "linear", final_reveal=False).leftover, 3)
    0.888
    """
    tau, s, masked = _steps(times, masking)
    jumps = (tau - s) * masked.slope(tau) / masked.fraction(tau)
    return _thinning("tau_leaping", length, times, masking, -np.expm1(-np.maximum(jumps, 0.0)), final_reveal)


def uniform_times(num_steps: int, start: float = 1.0, stop: float = 0.0) -> Float[np.ndarray, " times"]:
    """Equally spaced times ``[num_steps + 1]`` from ``start`` down to ``stop``.

    Args:
      num_steps: number of steps, at least 1.
      start: first time.
      stop: last time, at least 0 and below ``start``.

    Raises:
      ValueError: no step, or times that would not decrease.

    >>> uniform_times(4)
    array([1.  , 0.75, 0.5 , 0.25, 0.  ])
    """
    num_steps = whole(num_steps, "num_steps")
    if not 1 <= num_steps <= LONGEST:
        raise InputError(
            f"num_steps={num_steps} reveals nothing; use at least 1"
            if num_steps < 1
            else f"num_steps={num_steps} is too many; use at most {LONGEST}"
        )
    return _decreasing(np.linspace(start, stop, num_steps + 1))


def adaptive_times(kappa: float, start: float = 1.0, stop: float = 1e-2) -> Float[np.ndarray, " times"]:
    """Times by the rule ``s = tau - kappa * min(1, tau)``, from ``start`` until ``stop``, which is the last.

    Equal steps above 1, a constant ratio below: the step rule with which thinning adapts to the effective total
    correlation (Dmitriev, Huang, Wei 2026, arXiv 2602.15008). It never reaches 0, so what is left at ``stop`` is for
    the final reveal.

    Args:
      kappa: relative step, in (0, 1).
      start: first time; above 1 for "exponential" masking alone.
      stop: last time, above 0 and below ``start``.

    Raises:
      ValueError: a ``kappa`` outside (0, 1), or times that would not decrease to something above 0.

    >>> adaptive_times(0.5, stop=0.2)
    array([1.  , 0.5 , 0.25, 0.2 ])
    """
    kappa, start, stop = (validation.real(*each) for each in (("kappa", kappa), ("start", start), ("stop", stop)))
    if not 0.0 < kappa < 1.0:
        raise InputError(f"kappa={kappa} is not a relative step; use one between 0 and 1")
    if not 0.0 < stop < start < np.inf:
        raise InputError(f"stop={stop} and start={start} leave no way down; use 0 < stop < start")
    steps = (max(start - 1.0, 0.0) + np.log(min(start, 1.0) / min(stop, 1.0))) / kappa
    if steps > LONGEST:
        raise InputError(f"kappa={kappa} takes about {steps:.0f} steps, more than {LONGEST}; use a larger one")
    times = [start]
    while times[-1] > stop:
        times.append(max(times[-1] - kappa * min(1.0, times[-1]), stop))
    return np.asarray(times)


def exponential_times(length: int, num_steps: int) -> Float[np.ndarray, " times"]:
    """Times ``[num_steps + 1]`` for "exponential" masking of ``length`` tokens, with a final reveal to follow.

    From ``log(2 * length)``, where half a token is expected to be unmasked, to ``-log(1 - 1/(2 * length))``, where half
    a token is expected to be masked; on the way equal steps above 1 and a constant ratio below, so equally spaced in
    the integral of ``1 / min(1, tau)``. That is the rule of :func:`adaptive_times` with a number of steps in place of
    ``kappa``; the two ends are a choice of this project.

    Args:
      length: number of tokens, at least 2.
      num_steps: number of steps without the final reveal, at least 1.

    Raises:
      ValueError: no step, or fewer than 2 tokens.

    >>> exponential_times(32, 4).round(3)
    array([4.159, 2.331, 0.609, 0.098, 0.016])
    """
    length, num_steps = check_length(length), whole(num_steps, "num_steps")
    if not 1 <= num_steps <= LONGEST or length < 2:
        raise InputError(f"num_steps={num_steps}, length={length}; use at least 1 step and 2 tokens")
    start, stop = np.log(2 * length), -np.log1p(-0.5 / length)
    clock = np.linspace(start - 1.0, np.log(stop), num_steps + 1)
    times = np.where(clock > 0.0, clock + 1.0, np.exp(np.minimum(clock, 0.0)))
    return _decreasing(times)


def from_word(length: int, num_steps: int, method: Method, masking: Masking) -> Schedule:
    """The schedule of a preset's word ``method:masking``, on the usual times, which have no name of their own.

    Those are `exponential_times` for exponential masking and `uniform_times` for the others, so many that a final
    step, which reveals what is left, is among the ``num_steps``.

    Args:
      length: number of tokens.
      num_steps: number of steps; it may exceed ``length``.
      method: "ancestral", "euler" or "tau_leaping".
      masking: "linear", "cosine", "polynomial" or "exponential".

    Raises:
      ValueError: a single step where a final one is needed besides.
    """
    builder = {"ancestral": ancestral, "euler": euler, "tau_leaping": tau_leaping}[method]
    for count in range(num_steps, max(num_steps - 2, 0), -1):  # one less where a final reveal is added
        times = exponential_times(length, count) if masking == "exponential" else uniform_times(count)
        schedule = builder(length, times, masking)
        if schedule.num_steps <= num_steps:
            return schedule
    raise InputError(f"schedule '{method}:{masking}' needs at least 2 steps, the last of which reveals what is left")


def unmasking(times: ArrayLike, masking: Masking, still: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The masked fractions ``1 - alpha`` before and after each step, float64 ``[steps]`` each.

    Args:
      times: ``[steps + 1]`` decreasing times.
      masking: "linear", "cosine", "polynomial" or "exponential".
      still: whether a time may be equal to the one before.

    Raises:
      ValueError: times that do not decrease or leave the range of the masking schedule, or an unknown masking.
    """
    tau, s, masked = _steps(times, masking, still)
    return masked.fraction(tau), masked.fraction(s)


def _steps(times: ArrayLike, masking: Masking, still: bool = False) -> tuple[np.ndarray, np.ndarray, _Masked]:
    if masking not in _MASKED:
        raise InputError(f"masking={masking!r} is not a masking schedule; use one of {', '.join(_MASKED)}")
    tau, masked = _decreasing(times, still), _MASKED[masking]
    if tau[0] > masked.last_time:
        raise InputError(f"times start at {tau[0]:g}, but {masking} masking ends at {masked.last_time:g}; start there")
    return tau[:-1], tau[1:], masked


def _decreasing(times: ArrayLike, still: bool = False) -> np.ndarray:
    tau = numbers_of(times, "times")
    if tau.ndim != 1 or len(tau) < 2:
        raise InputError(f"times have shape {tau.shape}; give a start and one more for each step")
    if not np.all(np.isfinite(tau)) or tau[-1] < 0.0 or np.any(np.diff(tau) > 0.0 if still else np.diff(tau) >= 0.0):
        raise InputError(f"times {np.array2string(tau, threshold=6, precision=4)} must decrease to at least 0")
    return tau


def _thinning(
    method: str, length: int, times: ArrayLike, masking: Masking, probabilities: np.ndarray, final_reveal: bool
) -> Schedule:
    """Thinning in which step ``t`` reveals each masked token with ``probabilities[t]``."""
    length = check_length(length)
    open_ended = bool(np.all(probabilities < 1.0))
    name = named(method, length, times, masking) + (":leftover" if open_ended and not final_reveal else "")
    if final_reveal and open_ended:
        probabilities = np.append(probabilities, 1.0)
    return Schedule(name, length, len(probabilities), Thinning(probabilities))


def named(method: str, length: int, times: ArrayLike, masking: Masking) -> str:
    """``method:masking`` on the times that a preset's word takes; others have a digest of their times behind it."""
    tau = _decreasing(times)
    steps = len(tau) - 1
    if masking != "exponential":
        usual = np.array_equal(tau, uniform_times(steps))
    else:
        usual = length > 1 and np.array_equal(tau, exponential_times(length, steps))
    # Ten digits, so that the last bits of a machine's logarithms do not enter the name.
    return f"{method}:{masking}" + ("" if usual else ":" + digest(" ".join(f"{time:.10g}" for time in tau)))
