"""The law of the number of ones against enumeration of all sequences."""

import itertools

import numpy as np
import pytest

from jdlm import schedules, targets
from jdlm.measure import exact, exchangeable
from jdlm.predictor import oracle
from tests.schedules.family import FAMILY

LENGTH = 5
COINS = {
    "two": targets.mixture([0.3, 0.7], [[0.9, 0.1], [0.25, 0.75]], LENGTH),
    "sure": targets.mixture([0.5, 0.3, 0.2], [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], LENGTH),
    "never zero": targets.mixture([0.5, 0.5], [[0.0, 1.0], [0.0, 1.0]], LENGTH),
}


def counted(law: np.ndarray) -> np.ndarray:
    """Law of the number of ones, and the check that all sequences with one number are alike."""
    groups = [[] for _ in range(LENGTH + 1)]
    for x in itertools.product(range(2), repeat=LENGTH):
        groups[sum(x)].append(law[x])
    for values in groups:
        np.testing.assert_allclose(values, values[0], rtol=0, atol=1e-14)
    return np.array([sum(values) for values in groups])


@pytest.mark.parametrize("name", COINS)
def test_counts_and_divergences_are_those_of_all_sequences(name):
    target = COINS[name]
    law, counts = exact.target_law(target), exchangeable.target_counts(target)
    np.testing.assert_allclose(counts, counted(law), rtol=0, atol=1e-14)
    for member in FAMILY:
        schedule = member.build(LENGTH, 3)
        wanted, found = exact.output_law(oracle(target), schedule), exchangeable.output_counts(target, schedule)
        np.testing.assert_allclose(found.law, counted(wanted.law), rtol=0, atol=1e-14)
        assert found.leftover == pytest.approx(wanted.leftover, abs=1e-14)
        if member.complete:
            tv, kl = exact.total_variation(counts, found.law), exact.kl(counts, found.law)
            assert tv == pytest.approx(exact.total_variation(law, wanted.law), abs=1e-14)
            assert kl == pytest.approx(exact.kl(law, wanted.law), abs=1e-13)


def test_what_is_not_exchangeable_bits_is_refused():
    three = targets.mixture([1.0], [[0.2, 0.3, 0.5]], LENGTH)
    with pytest.raises(ValueError, match=r"marginals of shape \[1, 1, 3\]; give exchangeable bits"):
        exchangeable.output_counts(three, schedules.uniform(LENGTH, 2))
    with pytest.raises(ValueError, match="schedule uniform has length 6, the target 5"):
        exchangeable.output_counts(COINS["two"], schedules.uniform(6, 2))
