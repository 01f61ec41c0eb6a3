"""Geometric sizes with a random phase: the continuum formula, and the exact law against phases on a grid."""

import itertools

import numpy as np
import pytest

from jdlm import curves, schedules
from jdlm.schedules.random_phase import spacing


def constant(schedule, weight):
    return curves.worst_case(schedule.exposure(), weight)


@pytest.mark.parametrize(("weight", "most_of_one"), [("tc", 0.60), ("dtc", 0.60)])
def test_a_random_phase_halves_the_worst_case_as_the_continuum_says(weight, most_of_one):
    for shape in [(64, 16), (256, 32), (256, 64)]:
        delta = spacing(*shape, weight)
        mean = (1 - np.exp(-delta)) / delta if weight == "tc" else (np.exp(delta) - 1) / delta
        random, one = (1 - mean, 1 - np.exp(-delta)) if weight == "tc" else (mean - 1, np.exp(delta) - 1)
        schedule = schedules.random_phase(*shape, weight)
        value = constant(schedule, weight)
        assert 0.8 * random <= value <= random + 1e-9  # rounding counts down only helps
        assert value <= most_of_one * constant(schedules.best_fixed(*shape, weight), weight)
        assert value <= most_of_one * one
        calls = np.flatnonzero(schedule.nfe_law() > 1e-12)
        assert calls[-1] == shape[1] and calls[0] >= shape[1] - 2


def test_a_random_phase_is_one_mixture_over_the_phase():
    """The exact law against phases on a fine grid; counts that differ on a grid cell move its share by its width."""
    length, num_steps, cells = 32, 8, 5_000
    delta = spacing(length, num_steps, "tc")
    exposure = np.zeros(length)
    for phase in (np.arange(cells) + 0.5) / cells:
        counts, i = [0], 0
        while counts[-1] < length:
            u = (i + phase) * delta
            counts.append(min(round(length * (1 - np.exp(-u))), length) if u - delta <= np.log(length) else length)
            i += 1
        for before, after in itertools.pairwise(counts):
            exposure[before] += (after - before) / cells if before < length else 0.0
    built = schedules.random_phase(length, num_steps, "tc").exposure()
    np.testing.assert_allclose(built, exposure, atol=length * (length + 2) / cells)


@pytest.mark.parametrize("weight", ["tc", "dtc"])
def test_the_spacing_is_the_smallest_that_needs_no_more_steps(weight):
    for length, num_steps in ((32, 8), (17, 5), (6, 6)):
        delta = spacing(length, num_steps, weight)
        counts = [np.count_nonzero(sizes_at(length, delta * factor, weight), axis=1).max() for factor in (1.0, 0.999)]
        assert counts[0] <= num_steps < counts[1] or num_steps == length
    assert spacing(9, 1, weight) == np.inf
    assert schedules.random_phase(9, 1, weight).law().sizes.tolist() == [[9]]


def sizes_at(length, delta, weight):
    """Sizes at 2,000 phases, from the definition of the cuts."""
    rows = []
    for phase in (np.arange(2000) + 0.5) / 2000:
        u = (np.arange(int(np.log(length) / delta) + 3) + phase) * delta
        if weight == "tc":
            counts = np.rint(length * (1 - np.exp(-u)))
            counts[1:][u[:-1] > np.log(length)] = length  # passed log(length) at the cut before
        else:
            counts = np.minimum(np.floor(np.exp(np.minimum(u, 50))), length)
        rows.append(np.diff(np.minimum(counts, length), prepend=0, append=length))
    return np.array(rows)


def test_unknown_words():
    def unchecked(function):  # the runtime type check would come first
        return getattr(function, "__wrapped__", function)

    with pytest.raises(ValueError, match="weight='both' has no random-phase schedule"):
        unchecked(spacing)(8, 2, "both")


def test_bad_input():
    with pytest.raises(ValueError, match="length=100000 needs"):
        schedules.random_phase(100_000, 4, "tc")
