"""Tests of counts with exact false-alarm rates, whatever the expected counts and however small the alarm.

Pearson's statistic follows its chi-square distribution only where all expected counts are large; at an alarm of 1e-4
not even there. These tests draw instead: the count of each cell, given those of the cells before it, has a known
distribution under the hypothesis (binomial, or hypergeometric for two samples). Its distribution function, made uniform
by a random number within the jump at the count, becomes a standard normal score. All scores are independent, so that
the sum of their squares is exactly chi-square distributed. Where counts are large it is Pearson's statistic up to
vanishing terms.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
import scipy.stats
from jaxtyping import Float, Int

__all__ = ["LEAST_EXPECTED", "ChiSquare", "detectable_tv", "groups", "of_laws", "of_two"]

LEAST_EXPECTED = 5.0
_TINY = 1e-300  # smallest tail probability told apart from 0, which keeps scores below 37


class ChiSquare(NamedTuple):
    """A test of counts by the squares of normal scores, chi-square by construction; see `jdlm.measure.alarms`.

    Attributes:
      statistic: sum of the squared scores; infinite if an outcome of probability 0 was seen.
      degrees_of_freedom: number of scores: cells that are told apart, less one.
      p_value: probability of such a statistic or a larger one under the hypothesis.
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float


def groups(
    probabilities: Float[np.ndarray, " cells"], n: int, generator: np.random.Generator
) -> Int[np.ndarray, " cells"]:
    """Group outcomes so that each group expects at least 5 of ``n`` samples: common ones alone, rare ones together.

    Rare outcomes are grouped with others of like probability, equal ones in random order. What remains too rare joins
    the smallest group that is left.

    Args:
      probabilities: of the outcomes.
      n: number of samples.
      generator: orders outcomes of equal probability.

    Returns:
      Numbers of the groups from 0 on; -1 for impossible outcomes.
    """
    expected = probabilities * n
    labels = np.full(len(expected), -1)
    common = np.flatnonzero(expected >= LEAST_EXPECTED)
    labels[common] = np.arange(len(common))
    rare = generator.permutation(np.flatnonzero((expected > 0.0) & (expected < LEAST_EXPECTED)))
    if not len(rare):
        return labels
    rare = rare[np.argsort(expected[rare], kind="stable")[::-1]]
    # A group ends where the running sum passes a multiple of 10, by less than 5: all but the last expect more than 5.
    before = np.cumsum(expected[rare]) - expected[rare]
    number = np.unique((before / (2 * LEAST_EXPECTED)).astype(np.int64), return_inverse=True)[1]
    last = number == number[-1]
    if expected[rare[last]].sum() < LEAST_EXPECTED:
        if number[-1] > 0:
            number[last] -= 1
        elif len(common):
            labels[rare] = labels[common[np.argmin(expected[common])]]
            return labels
    labels[rare] = len(common) + number
    return labels


def of_laws(
    observed: Sequence[np.ndarray],
    probabilities: Sequence[np.ndarray],
    generator: np.random.Generator,
) -> list[ChiSquare]:
    """Test tables of counts, each against the probabilities of its cells, however rare.

    Args:
      observed: int ``[cells]`` counts of independent samples, for each table.
      probabilities: float ``[cells]`` of the cells of each table; they are divided by their sum.
      generator: of the random numbers within the jumps.
    """
    counts, left, share = [], [], []
    for table, law in zip(observed, probabilities, strict=True):
        table, law = table[law > 0.0], law[law > 0.0]
        counts.append(table[:-1])
        left.append(np.cumsum(table[::-1])[::-1][:-1])
        share.append((law / np.cumsum(law[::-1])[::-1])[:-1])
    tails = _binomial(*map(np.concatenate, (counts, left, share)))
    scores = np.split(_scores(*tails, generator), np.cumsum([len(part) for part in counts])[:-1])
    tests = [_of_scores(part) for part in scores]
    for place, (table, law) in enumerate(zip(observed, probabilities, strict=True)):
        if table[law == 0.0].any():
            tests[place] = ChiSquare(math.inf, tests[place].degrees_of_freedom, 0.0)
    return tests


def of_two(
    first: Int[np.ndarray, " cells"], second: Int[np.ndarray, " cells"], generator: np.random.Generator
) -> ChiSquare:
    """Test whether two samples have the same distribution, by their counts in the same cells.

    The cells may depend on both samples together, but not on which sequence belongs to which.

    Args:
      first, second: counts.
      generator: of the random numbers within the jumps.
    """
    first, both = first[first + second > 0], (first + second)[first + second > 0]
    left = np.cumsum(first[::-1])[::-1][:-1]
    left_of_both = np.cumsum(both[::-1])[::-1][:-1]
    law, counts, urn = scipy.stats.hypergeom, first[:-1], (left_of_both, both[:-1], left)
    tails = law.cdf(counts - 1, *urn), law.pmf(counts, *urn), law.sf(counts, *urn)
    return _of_scores(_scores(*tails, generator))


def _binomial(counts: np.ndarray, n: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of less than the counts, of the counts, and of more, each with a small relative error."""
    below = np.where(counts > 0, scipy.special.betainc(n - counts + 1, np.maximum(counts, 1), 1 - share), 0.0)
    above = np.where(counts < n, scipy.special.betainc(counts + 1, np.maximum(n - counts, 1), share), 0.0)
    ways = scipy.special.gammaln(n + 1) - scipy.special.gammaln(counts + 1) - scipy.special.gammaln(n - counts + 1)
    at = np.exp(ways + scipy.special.xlogy(counts, share) + scipy.special.xlog1py(n - counts, -share))
    return below, at, above


def _scores(below: np.ndarray, at: np.ndarray, above: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Independent standard normal scores of counts, from the probabilities of less, of as much, and of more."""
    within = generator.random(len(at))
    low, high = below + within * at, above + (1 - within) * at
    tail = scipy.special.ndtri(np.maximum(np.minimum(low, high), _TINY))
    return np.where(low < high, tail, -tail)


def _of_scores(scores: np.ndarray) -> ChiSquare:
    statistic = float(np.sum(scores**2))
    p_value = float(scipy.special.chdtrc(len(scores), statistic)) if len(scores) else 1.0
    return ChiSquare(statistic, len(scores), p_value)


@functools.lru_cache
def detectable_tv(degrees_of_freedom: int, n: int | float, alarm: float, power: float = 0.9) -> float:
    """Return the smallest total variation that a chi-square test of ``n`` samples detects.

    Laws p and q of the cells give the noncentrality ``n sum (q - p)^2 / p``, which is at least ``4 n TV^2``, with
    equality where all probabilities are off by one factor up or down. So any q at that distance raises the alarm with
    at least the power, up to the normal approximation of counts; at most 1 in any case.

    Args:
      degrees_of_freedom: cells less one.
      n: samples.
      alarm: p-value below which the test fails.
      power: probability of an alarm.

    Returns:
      The total variation between the laws of the cells; 1 with no degrees of freedom or where none is large enough.
    """
    if degrees_of_freedom < 1:
        return 1.0
    bound = scipy.stats.chi2.isf(alarm, degrees_of_freedom)
    largest = 4.0 * n

    def excess(noncentrality: float) -> float:
        return float(scipy.stats.ncx2.sf(bound, degrees_of_freedom, noncentrality)) - power

    if excess(largest) <= 0.0:
        return 1.0
    root = scipy.optimize.root_scalar(excess, method="brentq", bracket=(1e-9, largest), rtol=1e-6).root
    return math.sqrt(root / largest)
