"""The number of boxes that are hit, against the walk of the tokens through equal boxes and the moments of unequal ones.

Few unequal boxes are compared with rational numbers in test_thinning_law.py.
"""

import numpy as np
import pytest

from jdlm.schedules.occupancy import occupancy


def one_by_one(boxes, left, tokens):
    """Equal boxes: each token hits a new box, an old one, or none."""
    law = np.eye(1, boxes + 1)[0]
    share = (1.0 - left) * np.arange(boxes + 1) / boxes
    for _ in range(tokens):
        law = law * (left + share) + np.concatenate([[0.0], (law * (1.0 - left - share))[:-1]])
    return law


@pytest.mark.parametrize(
    ("boxes", "left", "tokens"),
    [(1, 0.0, 1), (1, 0.3, 5), (6, 0.0, 40), (64, 0.01, 64), (65, 0.5, 30), (700, 0.0, 300), (300, 0.02, 1500)],
)
def test_equal_boxes(boxes, left, tokens):
    law = occupancy(np.full(boxes, (1.0 - left) / boxes), left, tokens)
    assert len(law) == min(boxes, tokens) + 1 and law.min() >= 0.0
    np.testing.assert_allclose(law, one_by_one(boxes, left, tokens)[: len(law)], rtol=0, atol=2e-14)


@pytest.mark.parametrize("tokens", [3, 50, 2000])
def test_unequal_boxes_have_the_moments_of_inclusion_and_exclusion(tokens):
    """Probabilities over nine orders of magnitude, more of them than go on one grid; the order does not matter."""
    rng = np.random.default_rng(tokens)
    p = 10.0 ** rng.uniform(-9, 0, 500)
    p /= p.sum() / 0.9
    law = occupancy(p, 0.1, tokens)
    free = (1.0 - p) ** tokens
    pairs = (1.0 - p[:, None] - p) ** tokens - np.outer(free, free)
    np.fill_diagonal(pairs, free * (1.0 - free))
    counts = np.arange(len(law))
    mean = law @ counts
    np.testing.assert_allclose(mean, np.sum(1.0 - free), rtol=1e-11)
    np.testing.assert_allclose(law @ (counts - mean) ** 2, pairs.sum(), rtol=1e-9)
    np.testing.assert_allclose(occupancy(rng.permutation(p), 0.1, tokens), law, rtol=0, atol=1e-14)
