"""What follows from a target's entropy curve and a schedule's exposure: float64 numpy on the host.

A target of ``length`` tokens enters through its entropy curve ``h[j]`` (mean entropy of a masked token given ``j``
revealed ones), a schedule through its exposure ``x[j]`` (expected size of the step taken from ``j`` revealed tokens).
Everything is in nats. The theory is in docs/theory.md; the identity behind `path_kl` is Theorem 4 of Chen, Cong,
Li 2025 (arXiv 2511.04647), rewritten so that target and schedule each enter through one vector.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

__all__ = [
    "Weight",
    "dual_total_correlation",
    "effective_correlation",
    "entropy",
    "mds_output_kl",
    "mds_output_tv",
    "nelbo",
    "overshoot",
    "path_kl",
    "spectrum",
    "total_correlation",
    "weights",
    "worst_case",
]

Weight = Literal["tc", "dtc", "both"]


_LARGEST = 1e100  # nats or tokens, so that no sum or product of two overflows


def entropy(entropy_curve: ArrayLike) -> float:
    """Joint entropy ``H(X) = sum_j h[j]`` of the sequence, in nats.

    Args:
      entropy_curve: ``[length]`` nats.

    >>> entropy([0.75, 0.25])
    1.0
    """
    return float(np.sum(_curve(entropy_curve)))


def spectrum(entropy_curve: ArrayLike) -> Float[np.ndarray, " length_minus_1"]:
    """Dependence spectrum ``d[m] = h[m-1] - h[m]`` for ``m = 1..length-1``, in nats.

    At least 0 for every distribution (Han's inequality); a measured curve may break that by its noise.

    Args:
      entropy_curve: ``[length]`` nats.

    Returns:
      ``[length - 1]`` float64; entry ``m - 1`` is ``d[m]``.
    """
    return -np.diff(_curve(entropy_curve))


def total_correlation(entropy_curve: ArrayLike) -> float:
    """Total correlation ``TC = length * h[0] - H(X)`` in nats: the path KL of revealing everything in one step.

    Args:
      entropy_curve: ``[length]`` nats.
    """
    d = spectrum(entropy_curve)
    return float(d @ weights(len(d) + 1, "tc"))


def dual_total_correlation(entropy_curve: ArrayLike) -> float:
    """Dual total correlation ``DTC = H(X) - length * h[length-1]`` in nats.

    Args:
      entropy_curve: ``[length]`` nats.
    """
    d = spectrum(entropy_curve)
    return float(d @ weights(len(d) + 1, "dtc"))


def effective_correlation(entropy_curve: ArrayLike) -> float:
    """Effective correlation ``D = sum_m d[m] * min(m, length - m)`` in nats, at most ``min(TC, DTC)``.

    The discrete relative of the effective total correlation of Dmitriev, Huang, Wei 2026 (arXiv 2602.15008).

    Args:
      entropy_curve: ``[length]`` nats.
    """
    d = spectrum(entropy_curve)
    return float(d @ weights(len(d) + 1, "both"))


def weights(length: int, weight: Weight) -> Float[np.ndarray, " length_minus_1"]:
    """Weights ``w[m]``, ``m = 1..length-1``, for which ``sum_m d[m] * w[m]`` is TC, DTC or D.

    Args:
      length: number of tokens, at least 1.
      weight: "tc" for ``length - m``, "dtc" for ``m``, "both" for ``min(m, length - m)``.

    Returns:
      ``[length - 1]`` float64; entry ``m - 1`` is ``w[m]``.

    Raises:
      ValueError: another word than the three.
    """
    m = np.arange(1, length, dtype=np.float64)
    if weight == "tc":
        return length - m
    if weight == "dtc":
        return m
    if weight == "both":
        return np.minimum(m, length - m)
    raise ValueError(f'weight={weight!r} is not a weight; use "tc", "dtc" or "both"')


def overshoot(exposure: ArrayLike) -> Float[np.ndarray, " length_minus_1"]:
    """Overshoot ``o[m] = sum_{j<m} x[j] - m``, ``m = 1..length-1``: how far past ``m`` the first count >= m lies.

    ``path_kl = sum_m d[m] * o[m]`` with the target's `spectrum` ``d``. At least 0 up to rounding.

    Args:
      exposure: ``[length]`` expected step size taken from each revealed count; sums to ``length``.

    Returns:
      ``[length - 1]`` float64; entry ``m - 1`` is ``o[m]``.

    Raises:
      ValueError: the exposure does not sum to its length.
    """
    return np.cumsum(_exposure(exposure) - 1.0)[:-1]


def path_kl(exposure: ArrayLike, entropy_curve: ArrayLike) -> float:
    """Expected KL divergence of a random-order sampler from its target, along its path.

    ``x . h - H(X)``, with the schedule's exposure ``x`` and the target's entropy curve ``h``, whose sum is H(X).
    An upper bound on the KL divergence of the sampler's output distribution. With a measured cross-entropy curve in
    place of ``h`` subtract the true H(X) from `nelbo` instead: this function would subtract the curve's own sum.

    Args:
      exposure: ``[length]`` expected step size taken from each revealed count; sums to ``length``.
      entropy_curve: ``[length]`` nats; ``h[j]`` is the mean entropy of a masked token given ``j`` revealed ones.

    Returns:
      Nats per sequence, at least 0 up to rounding.

    Raises:
      ValueError: the two arrays differ in length, or the exposure does not sum to its length.

    >>> path_kl([2.0, 0.0], [0.75, 0.25])   # both tokens in one step
    0.5
    """
    x, h = _pair(exposure, entropy_curve, "entropy_curve")
    return float((x - 1.0) @ h)


def nelbo(exposure: ArrayLike, cross_entropy_curve: ArrayLike) -> float:
    """Negative evidence lower bound ``x . c`` of a predictor under a schedule, in nats per sequence.

    ``nelbo - H(X)`` is the path KL with this predictor: factorization error ``x . h - H(X)`` plus learning error
    ``x . (c - h)``.

    Args:
      exposure: ``[length]`` expected step size taken from each revealed count; sums to ``length``.
      cross_entropy_curve: ``[length]`` nats; ``c[j]`` is the mean of ``-log q(x_i | revealed)`` at ``j`` revealed
        ones. Infinite where the predictor excludes a token of the target, which counts at visited ``j`` alone.

    Raises:
      ValueError: the two arrays differ in length, the exposure does not sum to its length, or a NaN.

    >>> nelbo([2.0, 0.0], [0.75, 0.25])
    1.5
    >>> nelbo([2.0, 0.0], [0.75, float("inf")])   # a count that is never visited
    1.5
    """
    x, c = _pair(exposure, cross_entropy_curve, "cross_entropy_curve", infinite=True)
    return float(x[x > 0.0] @ c[x > 0.0])


def worst_case(exposure: ArrayLike, weight: Weight) -> float:
    """Smallest ``eps`` with ``path_kl <= eps * TC`` (DTC, D) on every target: ``max_m o[m] / w[m]``.

    Args:
      exposure: ``[length]`` expected step size taken from each revealed count; sums to ``length``.
      weight: "tc", "dtc" or "both" (for D, at most the smaller of the two); see `weights`.

    Returns:
      The constant; 0 for a single token and for one token per step.

    Raises:
      ValueError: the exposure does not sum to its length, or an unknown weight.

    >>> worst_case([4.0, 0.0, 0.0, 0.0], "tc")   # everything in one step: the path KL is TC itself
    1.0
    """
    o = overshoot(exposure)
    return float(np.max(o / weights(len(o) + 1, weight), initial=0.0))


def mds_output_kl(overshoot_law: ArrayLike, prime: int) -> float:
    """KL divergence of a sampler's output distribution from an MDS code, ``-log E[prime^-R]``, in nats.

    For the oracle, uniformly random positions and the uniform distribution on an ``[length, dimension]`` MDS code over
    a field of ``prime`` elements. With R = (first visited count >= dimension) - dimension each codeword comes out with
    probability ``prime^-dimension E[prime^-R]``, and the path KL is ``E[R] log(prime)``: the schedule enters through
    the distribution of R alone. At any length, and the same for every MDS code of these parameters (ours).

    Args:
      overshoot_law: ``[length - dimension + 1]`` from ``Schedule.overshoot_law(dimension)``; sums to 1.
      prime: number of elements of the field.

    Raises:
      ValueError: not a probability distribution (a schedule that leaves masks has none), or ``prime`` below 2.

    >>> round(mds_output_kl([0.5, 0.5], 2), 6)   # -log(0.75)
    0.287682
    """
    return max(float(-np.log(_in_code(overshoot_law, prime))), 0.0)


def mds_output_tv(overshoot_law: ArrayLike, prime: int) -> float:
    """Total variation of a sampler's output distribution from an MDS code, ``1 - E[prime^-R]``: its share outside it.

    Args and Raises: see `mds_output_kl`.

    >>> mds_output_tv([0.5, 0.5], 2)
    0.25
    """
    return float(1.0 - _in_code(overshoot_law, prime))


def _in_code(overshoot_law: ArrayLike, prime: int) -> float:
    """Probability that a sample lies in the code, ``E[prime^-R]``."""
    law = _curve(overshoot_law, "overshoot_law")
    if law.min() < 0.0 or abs(law.sum() - 1.0) > 1e-9:
        raise ValueError(
            f"overshoot_law sums to {law.sum():.9g} with smallest entry {law.min():g}; give the distribution of a "
            "schedule that reveals everything"
        )
    if prime < 2:
        raise ValueError(f"prime={prime} is not a field; use at least 2")
    return float(law @ np.exp(-np.log(prime) * np.arange(len(law))))


def _curve(values: ArrayLike, name: str = "entropy_curve", infinite: bool = False) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} holds {array.dtype.name}; give real numbers")
    array = array.astype(np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}; give one value for each revealed count 0..length-1")
    allowed = np.isfinite(array) | (infinite & np.isposinf(array))
    if not np.all(allowed):
        raise ValueError(f"{name} has an entry {array[~allowed][0]}; every entry must be finite")
    if np.any(np.isfinite(array) & (np.abs(array) > _LARGEST)):
        raise ValueError(f"{name} has an entry {array[np.abs(array) > _LARGEST][0]:g}; use at most {_LARGEST:g}")
    return array


def _exposure(values: ArrayLike) -> np.ndarray:
    x = _curve(values, "exposure")
    if x.min() < 0.0:
        raise ValueError(f"exposure has an entry {x.min():g}; expected step sizes are at least 0")
    total, length = float(np.sum(x)), len(x)
    if total < length * (1.0 - 1e-9):
        raise ValueError(
            f"exposure sums to {total:.9g}, not to its length {length}: masks are left over, and the path KL is not "
            "defined; use a schedule that reveals everything (final_reveal=True)"
        )
    if total > length * (1.0 + 1e-9):
        raise ValueError(f"exposure sums to {total:.9g}, more than its length {length}; it must sum to the length")
    return x


def _pair(exposure: ArrayLike, values: ArrayLike, name: str, infinite: bool = False) -> tuple[np.ndarray, np.ndarray]:
    x, curve = _exposure(exposure), _curve(values, name, infinite)
    if len(x) != len(curve):
        raise ValueError(f"exposure has length {len(x)}, {name} {len(curve)}; both must be of one target length")
    return x, curve
