"""The TC equalizer: one share of TC on every target, its recursion and its closed form."""

import numpy as np
import pytest

from jdlm import curves, schedules
from tests.reference import schedules as reference

rng = np.random.default_rng(5)


def constant(schedule, weight):
    return curves.worst_case(schedule.exposure(), weight)


@pytest.mark.parametrize("shape", [(16, 4), (32, 8), (9, 8), (5, 5)], ids=str)
def test_the_equalizer_has_one_share_of_tc_on_every_target(shape):
    exposure = schedules.tc_equalizer(*shape).exposure()
    targets = [np.sort(rng.random(shape[0]))[::-1] for _ in range(20)]
    targets += [np.where(np.arange(shape[0]) < m, np.log(37), 0.0) for m in range(1, shape[0])]
    shares = [curves.path_kl(exposure, curve) / curves.total_correlation(curve) for curve in targets]
    c, _ = reference.equalizer(*shape)
    np.testing.assert_allclose(shares, c.get(shape, 0.0), rtol=0, atol=1e-9)


def test_the_equalizer_follows_its_recursion():
    length, num_steps = 10, 4
    schedule, (_, sizes) = schedules.tc_equalizer(length, num_steps), reference.equalizer(length, num_steps)
    for (masked, left), p in sizes.items():
        row = schedule.law().steps[num_steps - left][length - masked]
        np.testing.assert_allclose(row[length - masked + 1 : length], p[1:], atol=1e-12)
    np.testing.assert_allclose(schedule.nfe_law()[-1], 1.0, atol=1e-12)


def test_the_equalizer_in_two_steps_in_closed_form():
    harmonic = sum(1 / i for i in range(1, 20))
    schedule = schedules.tc_equalizer(20, 2)
    np.testing.assert_allclose(constant(schedule, "tc"), 1 - 1 / harmonic, atol=1e-12)
    first = schedule.law().steps[0][0, 1:20]
    np.testing.assert_allclose(first, [1 / (harmonic * (20 - j)) for j in range(1, 20)], atol=1e-12)


@pytest.mark.parametrize("shape", [(64, 8), (256, 32)], ids=str)
def test_rounding_makes_no_probability_negative(shape):
    kernels = schedules.tc_equalizer(*shape).law().steps
    assert kernels.min() >= 0.0 and abs(kernels.sum(axis=2) - 1.0).max() < 1e-14


def test_bad_input():
    with pytest.raises(ValueError, match=r"length=100000 needs 298\.0 GiB .* at most 4 are allowed"):
        schedules.tc_equalizer(100_000, 4)
