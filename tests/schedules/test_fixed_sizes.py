"""Single lists of sizes: their roundings, their names, and what is refused."""

import numpy as np
import pytest

from jdlm import schedules
from jdlm.schedules.fixed_sizes import digest, list_name


def test_the_remainder_of_equal_sizes_comes_first():
    assert schedules.uniform(8, 3).law().sizes.tolist() == [[3, 3, 2]]
    assert schedules.uniform(11, 4).law().sizes.tolist() == [[3, 3, 3, 2]]
    assert schedules.uniform(9, 4).law().sizes.tolist() == [[3, 2, 2, 2]]


def revealed(schedule):
    return np.cumsum(schedule.law().sizes[0])


@pytest.mark.parametrize("shape", [(256, 16), (100, 7), (33, 32), (9, 9), (5, 1)], ids=str)
def test_cosine_counts_are_those_of_the_formula_pushed_apart_to_one_token_a_step(shape):
    """Each count is the rounded formula, or one above the count before it, whichever is larger."""
    length, num_steps = shape
    before = 0
    for t, count in enumerate(revealed(schedules.cosine(*shape)), start=1):
        wanted = length * (1 - np.cos(np.pi * t / (2 * num_steps)))
        assert count == max(before + 1, round(wanted)) or count == length - (num_steps - t)
        before = count
    assert before == length


@pytest.mark.parametrize("ratio", [0.01, 0.5, 1.0, 1.5, 100.0])
def test_geometric_counts_are_rounded_sums_of_the_series(ratio):
    for length, num_steps in ((64, 8), (20, 19), (7, 3)):
        sizes = schedules.geometric(length, num_steps, ratio).law().sizes[0]
        assert sizes.sum() == length and sizes.min() >= 1 and len(sizes) == num_steps
        series = np.array([ratio**t for t in range(num_steps)])
        wanted = length * np.cumsum(series) / series.sum()
        counts, spare = np.cumsum(sizes), np.arange(1, num_steps + 1)
        # Between the bounds that leave a token for every step, nothing but rounding.
        free = (counts > spare) & (counts < length - num_steps + spare)
        assert (abs(counts - wanted)[free] <= 0.5 + 1e-9).all()


def test_a_large_ratio_does_not_overflow():
    assert schedules.geometric(1000, 500, 1e6).law().sizes[0].tolist() == [1] * 499 + [501]
    assert schedules.geometric(1000, 500, 1e-6).law().sizes[0].tolist() == [501] + [1] * 499


def test_ratio_1_is_uniform_up_to_the_order():
    for length, num_steps in ((16, 4), (17, 4), (31, 8)):
        one, other = (schedules.geometric(length, num_steps, 1.0), schedules.uniform(length, num_steps))
        assert sorted(one.law().sizes[0]) == sorted(other.law().sizes[0])


def test_long_lists_are_cut_and_told_apart_by_a_digest():
    """Eight digits of SHA-256 of the sizes joined with hyphens, as `printf jdlm | sha256sum` has it."""
    ones, last = [1] * 40, [*[1] * 39, 2]
    names = [list_name("fixed", sizes) for sizes in (ones, last)]
    assert names[0] != names[1] and all(name.startswith("fixed:1-1-1-1-1-1-...-") for name in names)
    assert list_name("it", [12345678, 12345678, 123456]) == "it:12345678-12345678-123456"  # 24 characters
    assert list_name("it", [12345678, 12345678, 1234567]).startswith("it:12345678-...-")
    assert digest("jdlm") == "d75d546d"


def test_sizes_may_hold_empty_steps_and_be_numpy_integers():
    schedule = schedules.fixed(np.array([0, 3, 0, 2], np.uint8))
    assert (schedule.length, schedule.num_steps, schedule.name) == (5, 4, "fixed:0-3-0-2")
    assert schedule.exposure().tolist() == [3, 0, 0, 2, 0] and schedule.nfe_law().tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: schedules.fixed([]), "sizes have shape"),
        (lambda: schedules.fixed([[1, 2]]), r"sizes have shape \(1, 2\)"),
        (lambda: schedules.fixed([2, -1, 3]), "size -1 is impossible"),
        (lambda: schedules.fixed([1.5, 2.5]), "sizes are float64.*use integers"),
        (lambda: schedules.fixed([0, 0]), "length=0 is not a sequence length"),
        (lambda: schedules.fixed([2**31]), "length=2147483648 exceeds 2147483647, the largest int32"),
        (lambda: schedules.fixed([2**31 - 1, 1]), "length=2147483648 exceeds 2147483647"),
        (lambda: schedules.fixed([2**62, 2**62, 2**62, 2**62]), "length=18446744073709551616 exceeds 2147483647"),
        (lambda: schedules.fixed(np.array([2**63], np.uint64)), "length=9223372036854775808 exceeds 2147483647"),
        (lambda: schedules.fixed([2**31, -(2**31) + 4]), "size -2147483644 is impossible"),
        (lambda: schedules.fixed([True, True]), "sizes are bool"),
        (lambda: schedules.fixed([True, 2]), "sizes are bool"),
        (lambda: schedules.fixed([np.nan]), "sizes are float64"),
        (lambda: schedules.uniform(2**24 + 1, 2), "length=16777217 is more tokens than .* use at most 16777216"),
        (lambda: schedules.first_hitting(2**31), "length=2147483648 is more tokens"),
        (lambda: schedules.first_hitting(0), "length=0"),
        (lambda: schedules.geometric(8, 2, 0.0), "ratio=0.0 is not a ratio"),
        (lambda: schedules.geometric(8, 2, float("inf")), "ratio=inf is not a ratio"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()
