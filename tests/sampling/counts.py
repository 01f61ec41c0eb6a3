"""Counts of sampled sequences, and how likely a law makes them."""

import numpy as np
import scipy.stats


def p_value(counts, probabilities, n):
    """Of a chi-square test; outcomes that expect fewer than 5 are one."""
    counts, expected = np.ravel(counts), np.ravel(probabilities) * n
    assert counts[expected == 0].sum() == 0
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    keep = expected > 0
    if keep.sum() == 1:
        return 1.0
    return scipy.stats.chisquare(counts[keep], expected[keep] * counts.sum() / expected.sum()).pvalue


def histogram(tokens, vocab):
    counts = np.zeros((vocab,) * tokens.shape[1])
    np.add.at(counts, tuple(np.asarray(tokens).T), 1)
    return counts
