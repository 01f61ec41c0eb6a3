"""How many of a number of boxes of unequal probability are hit by independent tokens.

With a Poisson number of tokens (of mean ``tokens``) the boxes are independent, so the joint distribution of the number
C of boxes that are hit and the number D of further tokens in them (C + D tokens in all) has the characteristic function

    prod_t (exp(-mu_t) + u / v * (exp(mu_t * (v - 1)) - exp(-mu_t))),    mu_t = tokens * probabilities[t]

with u for C and v for D. It is inverted on a grid as large as C and D spread, for halves of the boxes and halves of
these. The diagonal ``C + D = tokens`` of the whole is what is wanted, up to a factor that its sum tells.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, xlogy

__all__ = ["occupancy"]

_TAIL = 50.0  # what is outside of a window has probability exp(-50) at most on each side
_TOGETHER = 64  # boxes whose characteristic functions are multiplied on one grid
_SLOPES = np.geomspace(1e-4, 4.0, 32)  # at which Chernoff's bound is tried


def occupancy(probabilities: Float[np.ndarray, " boxes"], left: float, tokens: int) -> Float[np.ndarray, " counts"]:
    """Distribution ``[min(boxes, tokens) + 1]`` of the number of different boxes that ``tokens`` tokens hit.

    Exact up to rounding: absolute errors of at most about 1e-16 times the boxes. What it leaves below 0 is 0.

    Args:
      probabilities: that a token hits each of the boxes, above 0.
      left: that it hits none; all sum to 1.
      tokens: number of tokens, at least 1.

    >>> occupancy(np.array([0.5, 0.5]), 0.0, 2).round(12)   # both in one box, or one in each
    array([0. , 0.5, 0.5])
    """
    law = np.zeros(min(len(probabilities), tokens) + 1)
    if not len(probabilities):
        law[0] = 1.0
        return law
    mean = tokens * np.sort(probabilities)  # neighbours of like means spread alike
    table, (first_hit, first_further) = _table(mean, *_bounds(mean))
    hit = first_hit + np.arange(table.shape[0])
    missed = tokens - hit[:, None] - (first_further + np.arange(table.shape[1]))
    log_missed = xlogy(missed.clip(0), tokens * left) - gammaln(missed.clip(0) + 1.0)
    weights = np.where(missed >= 0, np.exp(log_missed - tokens * left), 0.0)
    possible = hit < len(law)
    law[hit[possible]] = np.maximum(np.sum(table * weights, axis=1), 0.0)[possible]
    return law / law.sum()


def _bounds(mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of E exp(s C) and E exp(s D), summed over the first boxes ``[2, slopes, boxes + 1]``; slopes s."""
    slopes = np.concatenate([-_SLOPES, _SLOPES])[:, None]
    hits = np.log1p(-np.expm1(-mean) * np.expm1(slopes))
    further = np.logaddexp(-mean, mean * np.expm1(slopes) - slopes + np.log(-np.expm1(-mean * np.exp(slopes))))
    return np.pad(np.cumsum([hits, further], axis=2), ((0, 0), (0, 0), (1, 0))), slopes[:, 0]


def _windows(logs: np.ndarray, slopes: np.ndarray, boxes: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """First values and shape of what holds C and D but for tails of `_TAIL`, by Chernoff's bound."""
    limits = (logs + _TAIL) / slopes
    first = np.maximum(np.ceil(limits[:, slopes < 0.0].max(axis=1)), 0.0)
    last = np.minimum(np.floor(limits[:, slopes > 0.0].min(axis=1)), [boxes, np.inf])
    (first_hit, first_further), (last_hit, last_further) = first.astype(int).tolist(), last.astype(int).tolist()
    return (first_hit, first_further), (last_hit - first_hit + 1, last_further - first_further + 1)


def _table(mean: np.ndarray, logs: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Joint distribution of C and D within their windows, and the first values of these."""
    first, shape = _windows(logs[..., -1] - logs[..., 0], slopes, len(mean))
    if len(mean) <= _TOGETHER:
        start, grid = (0, 0), _grid(shape)
        transform = _characteristic(mean, grid)
    else:
        half = len(mean) // 2
        one, one_first = _table(mean[:half], logs[..., : half + 1], slopes)
        other, other_first = _table(mean[half:], logs[..., half:], slopes)
        start, grid = np.add(one_first, other_first), _grid(shape, one.shape, other.shape)
        transform = np.fft.rfft2(one, grid) * np.fft.rfft2(other, grid)
    # What the grid takes modulo its size lies in the tails.
    table = np.roll(np.fft.irfft2(transform, grid), np.subtract(start, first).tolist(), axis=(0, 1))
    return table[: shape[0], : shape[1]], first


def _grid(*shapes: tuple[int, ...]) -> tuple[int, int]:
    """The next sizes whose only large prime factors are 5 and 7, for which transforms are fast."""
    rows, columns = (-(-size // step) * step for size in np.max(shapes, axis=0).tolist() for step in [_step(size)])
    return rows, columns


def _step(size: int) -> int:
    return 1 << max(size.bit_length() - 3, 0)


def _characteristic(mean: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The product at the top of this file, at the frequencies of a real transform of the grid."""
    u = np.exp(-2j * np.pi * np.arange(grid[0]) / grid[0])[:, None]
    v = np.exp(-2j * np.pi * np.arange(grid[1] // 2 + 1) / grid[1])
    product = np.ones((len(u), len(v)), complex)
    for mu in mean:
        product *= np.exp(-mu) + u * ((np.exp(mu * (v - 1.0)) - np.exp(-mu)) / v)
    return product
