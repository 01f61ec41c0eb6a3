"""Slow twins of jdlm.measure.token_draws: every combination of noise, every uniform; numpy alone."""

import itertools
import math

import numpy as np


def argmax_law(scores):
    """Law of the first largest of independent scores; ``scores[i]`` lists token i's equally likely values."""
    law = np.zeros(len(scores))
    for drawn in itertools.product(*scores):
        law[max(range(len(drawn)), key=lambda i: (drawn[i], -i))] += 1
    return law / math.prod(map(len, scores))


def rare_token(p, step, count):
    """Probability that a token of probability p wins against all others together, by its own uniform numbers alone.

    It has an exponential time ``-log1p(-x) / p``, x one of ``count`` multiples of ``step`` from the first on, each with
    probability ``step``; the others have an exact one of rate 1 - p.
    """
    first, number = count
    x = (np.arange(number) + first) * step
    return step * np.exp((1 - p) / p * np.log1p(-np.minimum(x, 1 - 2.0**-53))).sum()


def inverse_cdf(probabilities, bits):
    """Share of each token among all uniforms of so many bits; probabilities as their running sum is taken."""
    summed = np.cumsum(probabilities)
    tokens = [min(int((summed <= k / 2**bits).sum()), len(summed) - 1) for k in range(2**bits)]
    return np.bincount(tokens, minlength=len(summed)) / 2**bits
