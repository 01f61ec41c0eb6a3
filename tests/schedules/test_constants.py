"""Worst-case constants: the golden table, the equalizer, the best fixed lists, and the continuum formula."""

import itertools
import json

import numpy as np
import pytest

from jdlm import curves, schedules
from jdlm.schedules.optimized import optimal_lists
from jdlm.schedules.random_phase import spacing
from tests.reference import schedules as reference
from tests.schedules.make_worst_cases import GOLDEN

TABLE = json.loads(GOLDEN.read_text(encoding="utf-8"))
PUBLISHED = {  # the table of docs/theory.md, as printed there
    (16, 4): [1, 3, 1, 1.5, 0.5333, 1.0, 1.0, 0.3802, 0.31226, 0.39237, 0.60286],
    (32, 8): [1, 3, 1, 0.667, 0.3333, 0.4, 0.6667, 0.2249, 0.15576, 0.17249, 0.30575],
    (64, 8): [1, 7, 1, 1.5, 0.4167, 0.5294, 0.875, 0.2924, 0.20606, 0.25002, 0.41963],
    (64, 16): [1, 3, 1, 0.333, 0.1818, 0.2, 0.3571, 0.1260, 0.07743, 0.08114, 0.15343],
}
rng = np.random.default_rng(5)


def constant(schedule, weight):
    return curves.worst_case(schedule.exposure(), weight)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['length']}-{row['num_steps']}")
def test_the_table(row):
    shape = row["length"], row["num_steps"]
    takes_weight = ("best_fixed", "minimax")
    values = []
    for name in ("uniform", "cosine", "best_fixed", "tc_equalizer", "minimax"):
        for weight, golden in row[name].items():
            builder = getattr(schedules, name)
            schedule = builder(*shape, weight) if name in takes_weight else builder(*shape)
            values.append(constant(schedule, weight))
            np.testing.assert_allclose(values[-1], golden, rtol=1e-4 if name == "minimax" else 1e-9)
    np.testing.assert_allclose(values, PUBLISHED[shape], atol=5e-4, rtol=0)
    np.testing.assert_allclose(values[-3:], PUBLISHED[shape][-3:], atol=1e-5 + 1e-4 * values[-1], rtol=0)


def test_a_schedule_tuned_for_one_weight_is_bad_for_the_other():
    poor = [schedules.best_fixed(64, 8, "tc"), schedules.minimax(64, 8, "tc"), schedules.tc_equalizer(64, 8)]
    assert [round(constant(schedule, "dtc")) for schedule in poor] == [26, 13, 18]
    np.testing.assert_allclose(constant(schedules.minimax(64, 8, "dtc"), "tc"), 1.0, atol=1e-9)


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


@pytest.mark.parametrize("weight", ["tc", "dtc", "both"])
def test_best_fixed_is_the_best_of_all_lists(weight):
    for length in range(1, 10):
        for num_steps in range(1, length + 1):
            lists = reference.compositions(length, num_steps)
            brute = min(reference.worst_case([(1.0, sizes)], weight) for sizes in lists)
            built = schedules.best_fixed(length, num_steps, weight)
            np.testing.assert_allclose(constant(built, weight), brute, atol=1e-12)
            np.testing.assert_allclose(reference.best_fixed(length, num_steps, weight), brute, atol=1e-12)
            assert built.nfe_law()[num_steps] == 1.0  # every step is used


@pytest.mark.parametrize("num_steps", [1, 2, 4, 7])
def test_optimal_is_the_best_of_all_lists_also_where_the_curve_rises(num_steps):
    for curve in (*rng.normal(size=(5, 7)), np.sort(rng.random(7))[::-1], np.zeros(7)):
        lists = [s for k in range(1, num_steps + 1) for s in reference.compositions(7, k)]
        before = [np.cumsum((0, *sizes))[:-1] for sizes in lists]
        brute = min(float(np.dot(sizes, curve[n])) for sizes, n in zip(lists, before, strict=True))
        schedule = schedules.optimal(curve, num_steps)
        np.testing.assert_allclose(curves.nelbo(schedule.exposure(), curve), brute, atol=1e-12)
        assert schedule.num_steps == num_steps and schedule.leftover == 0.0


def test_the_remainder_of_equal_sizes_comes_first():
    assert schedules.uniform(8, 3).law().sizes.tolist() == [[3, 3, 2]]
    assert schedules.uniform(11, 4).law().sizes.tolist() == [[3, 3, 3, 2]]
    assert schedules.uniform(9, 4).law().sizes.tolist() == [[3, 2, 2, 2]]


def test_of_equally_good_lists_optimal_takes_the_fewest_steps_and_a_falling_curve_uses_all():
    """Also where sums in another order differ in their last bits, as on this code of dimension 11."""
    for nats in (np.log(37), 0.1, 0.3, 1.1):
        code = np.where(np.arange(32) < 11, nats, 0.0)
        for num_steps in range(2, 33):
            sizes = schedules.optimal(code, num_steps).law().sizes[0]
            assert sizes.tolist() == [11, 21] + [0] * (num_steps - 2)
    falling = np.sqrt(np.linspace(4.0, 1.0, 32))
    for num_steps in range(1, 33):
        assert schedules.optimal(falling, num_steps).law().sizes.min() >= 1


def test_optimal_lists_are_the_best_with_exactly_so_many_sizes():
    for curve in (*rng.normal(size=(3, 7)), np.sort(rng.random(7))[::-1]):
        for num_steps, sizes in enumerate(optimal_lists(curve), start=1):
            lists = list(reference.compositions(7, num_steps))
            costs = [float(np.dot(s, curve[np.cumsum((0, *s))[:-1]])) for s in (*lists, sizes)]
            assert len(sizes) == num_steps and sizes.sum() == 7 and sizes.min() >= 1
            np.testing.assert_allclose(costs[-1], min(costs), atol=1e-12)


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
