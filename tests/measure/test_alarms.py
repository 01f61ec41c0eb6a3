"""Tests of counts: exact p-values. Bounds on shares are 4.5 standard errors: a false alarm in 150,000 each."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from jdlm.measure import alarms


def shares(p_values, alarm):
    """Deviation of the share of p-values below ``alarm`` from it, in standard errors."""
    n = len(p_values)
    return (np.mean(np.array(p_values) < alarm) - alarm) / math.sqrt(alarm * (1 - alarm) / n)


@pytest.mark.parametrize(
    ("law", "n"),
    [
        ([0.6, 0.4 - 3e-6, 3e-6], 10_000),  # the last cell expects 0.03: Pearson's test fails 2.6 % at an alarm of 1e-4
        ([3e-6, 0.6, 0.4 - 3e-6], 10_000),
        ([0.9995, 0.0005], 10_000),  # expects 5: Pearson's test fails 7 times too often at an alarm of 1e-4
        ([0.002] * 50 + [0.9], 100),
        ([0.25, 0.0, 0.5, 0.25], 40),
    ],
)
def test_p_values_are_uniform_for_any_counts(law, n):
    law, generator = np.array(law), np.random.default_rng(5)
    found = alarms.of_laws(list(generator.multinomial(n, law, size=4000)), [law] * 4000, generator)
    assert {test.degrees_of_freedom for test in found} == {np.count_nonzero(law) - 1}
    p_values = [test.p_value for test in found]
    assert max(abs(shares(p_values, alarm)) for alarm in (0.01, 0.1, 0.5, 0.9)) < 4.5
    assert np.sum(np.array(p_values) < 1e-4) <= 4  # expects 0.4; more in 6 of 100,000


def test_p_values_of_two_samples_are_uniform_in_cells_that_look_at_both():
    """The cells are how often an outcome was seen in both samples together."""
    generator, p_values = np.random.default_rng(6), []
    for _ in range(1000):
        both = generator.choice(400, size=200)
        cell = np.bincount(both)[both]
        counts = [np.bincount(part, minlength=cell.max() + 1) for part in np.split(cell, 2)]
        p_values.append(alarms.of_two(*counts, generator).p_value)
    assert max(abs(shares(p_values, alarm)) for alarm in (0.01, 0.1, 0.5, 0.9)) < 4.5


def test_a_score_lies_between_the_tails_of_the_count():
    """60 of 100 at 1/2: exact binomial tails from integers; with large counts the statistic is Pearson's."""
    below = [sum(math.comb(100, k) for k in range(top)) / 2**100 for top in (60, 61)]
    most, least = (scipy.stats.norm.isf(1 - p) ** 2 for p in (below[1], below[0]))
    generator = np.random.default_rng(0)
    found = [alarms.of_laws([np.array([60, 40])], [np.array([0.5, 0.5])], generator)[0] for _ in range(50)]
    statistics = [test.statistic for test in found]
    assert least < min(statistics) < 4.0 < max(statistics) < most  # Pearson's is 4
    assert found[0].p_value == pytest.approx(math.erfc(math.sqrt(found[0].statistic / 2)))
    law = np.arange(1, 41) / 820
    observed = generator.multinomial(10**6, law[::-1])[::-1]
    observed[:2] += [300, -300]
    pearson = np.sum((observed - 10**6 * law) ** 2 / (10**6 * law))
    assert alarms.of_laws([observed], [law], generator)[0].statistic == pytest.approx(pearson, rel=0.02)


def test_a_score_of_two_samples_lies_between_fishers_tails():
    first, second = np.array([30, 70]), np.array([60, 40])
    terms = [math.comb(90, k) * math.comb(110, 100 - k) / math.comb(200, 100) for k in range(31)]
    p_values = [alarms.of_two(first, second, np.random.default_rng(seed)).p_value for seed in range(20)]
    assert 2 * sum(terms[:30]) < min(p_values) < max(p_values) < 2 * sum(terms)
    assert alarms.of_two(first, 7 * first, np.random.default_rng(0)).degrees_of_freedom == 1
    assert alarms.of_two(np.array([0, 9]), np.array([0, 4]), np.random.default_rng(0)) == alarms.ChiSquare(0.0, 0, 1.0)


@pytest.mark.parametrize(("n", "share"), [(0, 0.3), (1, 0.5), (7, 1.0), (40, 0.02), (300, 0.9)])
def test_binomial_tails_are_sums(n, share):
    terms = np.array([math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)])
    counts = np.arange(n + 1)
    below, at, above = alarms._binomial(counts, np.full(n + 1, n), np.full(n + 1, share))
    np.testing.assert_allclose(at, terms, rtol=1e-9)
    np.testing.assert_allclose(below, [terms[:k].sum() for k in counts], rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(above, [terms[k + 1 :].sum() for k in counts], rtol=1e-9, atol=1e-300)


def test_impossible_outcomes_and_single_cells():
    law, generator = np.array([0.5, 0.0, 0.5]), np.random.default_rng(0)
    good, bad, single = alarms.of_laws(
        [np.array([5, 0, 5]), np.array([5, 1, 4]), np.array([9])], [law, law, np.array([1.0])], generator
    )
    assert good.p_value > 0.3 and good.degrees_of_freedom == bad.degrees_of_freedom == 1
    assert bad == alarms.ChiSquare(math.inf, 1, 0.0)
    assert single == alarms.ChiSquare(0.0, 0, 1.0)
    far = alarms.of_laws([np.array([0, 10**6])], [np.array([0.5, 0.5])], generator)[0]
    assert far.p_value < 1e-290 and 1000 < far.statistic < math.inf


@pytest.mark.parametrize("n", [20, 100, 1000, 10**5])
@pytest.mark.parametrize("shape", [0.02, 1.0, 50.0])
def test_groups_expect_at_least_five(n, shape):
    for seed in range(5):
        generator = np.random.default_rng(seed)
        law = generator.gamma(shape, size=300) + 1e-12
        law[::7] = 0.0
        law /= law.sum()
        labels = alarms.groups(law, n, generator)
        assert (labels[law == 0.0] == -1).all() and set(labels) - {-1} == set(range(labels.max() + 1))
        expected = np.bincount(labels[labels >= 0], weights=law[labels >= 0]) * n
        assert expected.min() >= 5
        rare = [cells for cells in (np.flatnonzero(labels == k) for k in range(labels.max() + 1)) if len(cells) > 1]
        if len(rare) > 1:  # not so rare that all of them join a common outcome
            assert all(law[cells].max() * n < 5 for cells in rare)
            assert max(expected[labels[cells[0]]] for cells in rare) <= 20
            spans = sorted((law[cells].min(), law[cells].max()) for cells in rare)
            assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
        common = law * n >= 5
        assert len(np.unique(labels[common])) == common.sum()


def test_a_pool_that_expects_too_little_joins_the_smallest_group():
    generator = np.random.default_rng(0)
    assert alarms.groups(np.array([0.6, 3e-6, 0.4 - 3e-6]), 10_000, generator).tolist() == [0, 1, 1]
    assert alarms.groups(np.array([0.5, 0.1, 0.4]), 50, generator).tolist() == [0, 1, 2]  # 5 are enough
    assert len(set(alarms.groups(np.full(9, 1 / 9), 4, generator))) == 1
    equal = [tuple(alarms.groups(np.full(100, 0.01), 100, np.random.default_rng(seed))) for seed in (0, 1)]
    assert equal[0] != equal[1]  # equal outcomes are grouped at random


@pytest.mark.parametrize(("freedom", "n", "alarm"), [(1, 500, 0.01), (20, 2000, 1e-3), (200, 4000, 1e-4)])
def test_the_detectable_distance_is_seen_nine_times_in_ten(freedom, n, alarm):
    """All probabilities off by a factor, up or down; 4.5 sd of 1,500 runs, 0.02 for counts that are not normal."""
    found = alarms.detectable_tv(freedom, n, alarm)
    law = np.random.default_rng(1).dirichlet(np.full(freedom + 1, 5.0))
    order = np.argsort(law)
    sign = np.empty(freedom + 1)
    sign[order] = np.where(np.arange(freedom + 1) % 2, 1.0, -1.0)
    up = law[sign > 0].sum()
    other = law * np.where(sign > 0, 1 + found / up, 1 - found / (1 - up))
    assert 0.5 * np.abs(other - law).sum() == pytest.approx(found)
    generator = np.random.default_rng(2)
    drawn = generator.multinomial(n, other, size=1500)
    tests = alarms.of_laws(list(drawn), [law] * 1500, generator)
    share = np.mean([test.p_value < alarm for test in tests])
    least = n * np.sum((other - law) ** 2 / law) / (4 * n * found**2)  # 1 where both halves have one mass
    assert least >= 1 - 1e-9
    assert share > 0.9 - 0.02 - 4.5 * math.sqrt(0.09 / 1500)
    if least < 1.02:
        assert share < 0.9 + 0.03 + 4.5 * math.sqrt(0.09 / 1500)


def test_the_detectable_distance_of_one_count_is_that_of_a_normal_variable():
    """z = 2 sqrt(n) TV is normal with variance 1: beyond the two-sided bound with probability 0.9."""
    bound = scipy.stats.norm.isf(0.005)
    by_hand = (bound + scipy.stats.norm.ppf(0.9)) / (2 * math.sqrt(10_000))
    assert alarms.detectable_tv(1, 10_000, 0.01) == pytest.approx(by_hand, rel=1e-3)
    assert alarms.detectable_tv(0, 10_000, 0.01) == 1.0 == alarms.detectable_tv(5, 4, 1e-4)
    assert alarms.detectable_tv(9, 10_000, 0.01) < alarms.detectable_tv(99, 10_000, 0.01)
