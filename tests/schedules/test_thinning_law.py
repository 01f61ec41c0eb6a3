"""The rates of thinning against rational numbers, their dense chain, and closed forms at lengths no chain reaches."""

import decimal
import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom

from jdlm import curves, schedules
from jdlm.schedules import Schedule, Thinning, uniform_times
from tests.reference import schedules as reference

CASES = {
    "a last reveal": (6, [0.1, 0.0, 0.7, 1e-6, 1.0]),
    "masks left": (5, [1e-9, 0.3, 0.999999]),
    "steps behind the last reveal": (7, [0.2, 1.0, 0.5]),
    "one token": (1, [0.25, 0.5, 1.0]),
    "nothing": (3, [0.0, 0.0]),
    "all at once": (4, [1.0]),
    "next to nothing": (8, [1e-12, 2e-12, 3e-12]),
}
GRID = [
    (length, num_steps, method, masking, end)
    for length, num_steps in ((2, 5), (9, 4), (20, 37), (33, 9))
    for method in ("ancestral", "euler", "tau_leaping")
    for masking in ("linear", "cosine", "polynomial", "exponential")
    for end in (False, True)
]
LARGE = np.float64(1.0 - 2.0**-53)


def floats(values):
    return np.array([float(value) for value in values])


def rates_of(schedule) -> Thinning:
    law = schedule.law()
    assert isinstance(law, Thinning)
    return law


@pytest.mark.parametrize("case", CASES)
def test_everything_to_its_last_digits(case):
    """Relative errors, also where probabilities are as small as 1e-96; those of the calls are absolute."""
    length, rates = CASES[case]
    law = Schedule("exact", length, len(rates), Thinning(np.array(rates))).law()
    exposure, nfe, visits, leftover, overshoot = reference.exact_thinning(length, rates)
    np.testing.assert_allclose(law.exposure(length), floats(exposure), rtol=1e-13)
    np.testing.assert_allclose(law.visits(length), floats(visits), rtol=1e-13)
    np.testing.assert_allclose(law.leftover(length), float(leftover), rtol=1e-13)
    np.testing.assert_allclose(law.nfe_law(length), floats(nfe), rtol=0, atol=1e-14)
    np.testing.assert_allclose(law.mean_nfe(length), float(sum(k * p for k, p in enumerate(nfe))), rtol=1e-12)
    for count in range(length + 1):
        np.testing.assert_allclose(law.overshoot(length, count), floats(overshoot[count]), rtol=1e-13)
    fractions, masked = [Fraction(0)], Fraction(1)
    for rate in rates:
        masked *= 1 - Fraction(rate)
        fractions.append(1 - masked)
    np.testing.assert_allclose(law.expected_revealed(length), length * floats(fractions), rtol=1e-14)


def test_binomials_of_long_sequences_keep_their_digits():
    """Against decimal numbers of 50 digits; without long doubles some digits of large logarithms are lost."""
    length, rates = 4000, np.full(700, 0.001)
    found = Schedule("long", length, 700, Thinning(rates)).exposure()
    tolerance = 2e-12 if np.finfo(np.longdouble).eps < 1e-18 else 1e-9
    for count in (1, 1000, 1950):
        with decimal.localcontext(prec=50):
            masked, expected = decimal.Decimal(1), decimal.Decimal(0)
            for rate in map(decimal.Decimal, rates):
                expected += rate * (1 - masked) ** count * masked ** (length - count)
                masked *= 1 - rate
            expected *= math.comb(length, count) * (length - count)
        np.testing.assert_allclose(found[count], float(expected), rtol=tolerance)


def test_the_dense_chain_has_the_same_numbers():
    for length, num_steps, method, masking, end in GRID:
        law = rates_of(getattr(schedules, method)(length, uniform_times(num_steps, 0.98), masking, end))
        chain = law.dense(length)
        for name in ("exposure", "nfe_law", "leftover", "expected_revealed", "visits"):
            found, expected = getattr(law, name)(length), getattr(chain, name)(length)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)
        for count in (0, 1, length // 2, length - 1, length):
            np.testing.assert_allclose(law.overshoot(length, count), chain.overshoot(length, count), rtol=0, atol=1e-12)
        assert law.size_lists() is None


@pytest.mark.parametrize("shape", [(1, 3), (8, 3), (40, 90), (300, 4)], ids=str)
def test_the_dense_chain_draws_the_same_sizes(shape):
    """From the same uniforms, but where one is within rounding of a boundary: with probability below 1e-6 here."""
    length, num_steps = shape
    for schedule in (
        schedules.ancestral(length, uniform_times(num_steps), "cosine"),
        schedules.tau_leaping(length, uniform_times(num_steps), "linear", final_reveal=False),
        schedules.euler(length, uniform_times(num_steps), "exponential"),
    ):
        law = rates_of(schedule)
        uniforms = np.random.default_rng(5).random((3000, schedule.num_steps))
        uniforms[0], uniforms[1, ::2] = 0.0, 0.0
        sizes = schedule.sizes_from(uniforms)
        assert sizes.dtype == np.int32
        np.testing.assert_array_equal(sizes, law.dense(length).invert(uniforms, length))
        np.testing.assert_array_equal(sizes[0], np.where(law.rates == 1.0, length, 0))


@pytest.mark.parametrize("length", [40, 300, 3000])
def test_the_largest_uniform_below_one(length):
    """Rounding must not make it a step that reveals everything."""
    for rate in np.linspace(0.004, 0.97, 25):
        sizes = Schedule("one", length, 1, Thinning(np.array([rate]))).sizes_from(np.full((1, 1), LARGE))
        least, most = (length - binom.ppf(tail, length, 1 - rate) for tail in (1e-14, 1e-30))
        assert least <= sizes[0, 0] <= most


def test_large_sizes_are_the_quantiles_of_their_binomials():
    """Where the probability of a step of size 0 is no number of float64."""
    length, rates = 100_000, np.array([0.3, 0.011, 0.9, 0.9, 0.001, 1.0])
    uniforms = np.random.default_rng(6).random((500, len(rates)))
    uniforms[0], uniforms[1, :5] = 1e-12, 1.0 - 1e-12
    sizes = Schedule("large", length, len(rates), Thinning(rates)).sizes_from(uniforms)
    masked = length - (np.cumsum(sizes, axis=1) - sizes)
    for step in range(5):
        np.testing.assert_array_equal(sizes[:, step], binom.ppf(uniforms[:, step], masked[:, step], rates[step]))
    np.testing.assert_array_equal(sizes.sum(axis=1), length)


@pytest.mark.parametrize("length", [256, 1024])
@pytest.mark.parametrize(("ratio", "printed"), [(4, 0.2396), (16, 0.2474)])
def test_total_variation_on_a_parity_check_falls_like_the_length_over_the_steps(length, ratio, printed):
    """To the published digits; (1 - 1/q) P(L - 1 is not visited) tends to L / (4 K) at q = 2."""
    schedule = schedules.ancestral(length, uniform_times(ratio * length), "linear")
    total_variation = curves.mds_output_tv(schedule.overshoot_law(length - 1), 2)
    assert abs(total_variation * ratio - printed) <= 0.5001e-4


@pytest.mark.parametrize("length", [1024, pytest.param(4096, marks=pytest.mark.slow)])
def test_four_steps_a_token_take_little_memory(length):
    """Where kernels would take 34 GB and more; each number against one that another formula gives."""
    schedule = schedules.euler(length, uniform_times(4 * length), "cosine")
    tracemalloc.start()
    exposure, visits, calls = schedule.exposure(), schedule.visits(), schedule.nfe_law()
    laws = {count: schedule.overshoot_law(count) for count in (1, length // 3, length - 1)}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20
    np.testing.assert_allclose(exposure.sum(), length, rtol=1e-12)
    tokens = curves.overshoot(exposure)
    for count, law in laws.items():
        np.testing.assert_allclose(law.sum(), 1.0, rtol=1e-12)
        np.testing.assert_allclose(law[0], visits[count - 1], rtol=1e-12)
        np.testing.assert_allclose(law @ np.arange(len(law)), tokens[count - 1], rtol=0, atol=1e-9)
    rates = rates_of(schedule).rates
    hit = rates * np.concatenate([[1.0], np.cumprod(1.0 - rates)[:-1]])
    np.testing.assert_allclose(calls.sum(), 1.0, rtol=1e-12)
    np.testing.assert_allclose(schedule.mean_nfe, np.sum(1.0 - (1.0 - hit) ** length), rtol=1e-11)
    with pytest.raises(ValueError, match=f"length={length} needs .* GiB for this schedule, at most 4 are allowed"):
        next(schedule.law().kernels(length))
    with pytest.raises(ValueError, match="use a shorter length or fewer steps"):
        schedule.law().export(length)
