"""A schedule for each block; see test_family.py for what all schedules do."""

import jax
import numpy as np
import pytest

from jdlm import schedules
from jdlm.sampling import draw_sizes
from jdlm.schedules import Atoms, Schedule

MIXED = Schedule("mixed", 4, 3, Atoms(np.array([0.25, 0.75]), np.array([[2, 1, 1], [3, 1, 0]])))


def test_each_block_draws_its_own_list():
    schedule = schedules.per_block(MIXED, 2)
    sizes = draw_sizes(jax.random.key(0), schedule, 4000)
    lists = np.array([[2, 1, 1], [3, 1, 0]])
    kinds = [(sizes[:, 3 * b : 3 * b + 3][:, None] == lists).all(axis=2) for b in range(2)]
    assert all((kind.sum(axis=1) == 1).all() for kind in kinds)
    counts = np.array([[(kinds[0][:, i] & kinds[1][:, k]).sum() for k in range(2)] for i in range(2)])
    expected = 4000 * np.outer([0.25, 0.75], [0.25, 0.75])
    assert np.all(np.abs(counts - expected) < 6 * np.sqrt(expected))  # false alarm: below 1e-8


def test_laws_against_the_product_of_both_blocks():
    schedule = schedules.per_block(MIXED, 2)
    pairs = [(0.25, [2, 1, 1]), (0.75, [3, 1, 0])]
    lists = [(p * q, a + b) for p, a in pairs for q, b in pairs]
    mixture = Schedule("all", 8, 6, Atoms(np.array([w for w, _ in lists]), np.array([s for _, s in lists])))
    for name in ("exposure", "nfe_law", "expected_revealed", "visits"):
        np.testing.assert_allclose(getattr(schedule, name)(), getattr(mixture, name)(), atol=1e-15, err_msg=name)
    for count in range(9):
        np.testing.assert_allclose(schedule.overshoot_law(count), mixture.overshoot_law(count), atol=1e-15)
    chains = list(schedule.law().kernels(8))
    assert sum(weight for weight, _ in chains) == pytest.approx(1.0) and len(chains) == 4
    walked = []
    for weight, kernels in chains:
        sizes: list[int] = []
        for kernel in kernels:
            row = kernel[sum(sizes)]
            assert row.max() == 1.0
            sizes.append(int(row.argmax()))
        walked.append((weight, [size for size in sizes if size]))
    assert sorted(walked) == sorted((w, [size for size in s if size]) for w, s in lists)
    assert schedule.leftover == 0.0 and schedule.mean_nfe == pytest.approx(mixture.mean_nfe)
    assert schedules.per_block(schedules.uniform(4, 2), 3).law().size_lists()[1].tolist() == [[2, 2, 2, 2, 2, 2]]
    assert schedule.law().export(8)["blocks"] == 2 and schedule.law().size_lists() is None
    assert schedules.per_block(MIXED, 1).law().size_lists() is None and schedule.name == "mixed*2"


def test_bad_blocks_are_refused():
    with pytest.raises(ValueError, match="blocks=0 of 4 tokens"):
        schedules.per_block(MIXED, 0)
    with pytest.raises(ValueError, match="leaves masks in a block"):
        open_ended = schedules.tau_leaping(4, schedules.uniform_times(2), "linear", final_reveal=False)
        schedules.per_block(open_ended, 2)
    with pytest.raises(ValueError, match="masks tokens again, which blocks do not take"):
        schedules.per_block(schedules.remdm(4, schedules.uniform_times(2)), 2)
    with pytest.raises(ValueError, match=r"chains; exact laws take at most"):
        list(schedules.per_block(MIXED, 20).law().kernels(80))
    with pytest.raises(ValueError, match="blocks of 4 tokens in 3 steps are not"):
        Schedule("wrong", 9, 6, schedules.per_block(MIXED, 2).law())
