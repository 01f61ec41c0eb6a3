"""Planners that go over blocks; see test_family.py for what all planners do."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import config, exact, keys, planners, sampling, schedules, targets
from jdlm.predictor import oracle
from jdlm.sampling import draw_sizes, sample_with_info
from tests.measure.test_remasking import wrong
from tests.sampling.counts import histogram, p_value

KEY = jax.random.key(3)
INNER = [
    planners.random(),
    planners.left_to_right(),
    planners.bisection(),
    planners.confidence(),
    planners.margin(),
    planners.threshold(0.6),
    planners.entropy_bounded(0.3),
    planners.entropy_sum(0.5),
]
inner = pytest.mark.parametrize("planner", INNER, ids=lambda planner: planner.name)


@inner
@pytest.mark.parametrize("length", [4, 9], ids=["as long", "longer"])
def test_one_block_is_the_inner_planner_bit_for_bit(planner, length):
    predictor, block = wrong(4, 3), planners.blocks(planner, length)
    sizes = None if planner.count is not None else draw_sizes(KEY, schedules.uniform(4, 2), 200)
    plain, info = sample_with_info(KEY, predictor, sizes, planner=planner, indices=np.arange(200))
    mine, same = sample_with_info(KEY, predictor, sizes, planner=block, indices=np.arange(200))
    np.testing.assert_array_equal(mine, plain)
    np.testing.assert_array_equal(same.nfe, info.nfe)
    found, expected = (
        exact.output_law(predictor, None if sizes is None else schedules.uniform(4, 2), p) for p in (block, planner)
    )
    np.testing.assert_array_equal(found.law, expected.law)


@inner
def test_blocks_are_filled_from_left_to_right(planner):
    """Whatever the inner planner prefers, masks are left in later blocks only, step by step."""
    block, rng = planners.blocks(planner, 3), np.random.default_rng(0)
    for _ in range(20):
        log_probs = jnp.log(jnp.asarray(rng.dirichlet(np.ones(4), 8)))
        masked = rng.random(8) < 0.6
        if not masked.any():
            continue
        priority = np.asarray(block.priority(log_probs if block.needs_logits else None, jnp.asarray(masked)))
        order = np.lexsort((-priority, ~masked))[: masked.sum()]
        assert np.all(np.diff(order // 3) >= 0)
        own = np.asarray(
            planners.rounded(planner.priority(log_probs if planner.needs_logits else None, jnp.asarray(masked)))
        )
        for number in range(3):
            members = [i for i in order if i // 3 == number]
            assert np.all(np.diff(own[members]) <= 0)
            for i, k in itertools.pairwise(members):
                assert (priority[i] == priority[k]) == (own[i] == own[k])
        if block.count is not None:
            number = int(
                block.count(log_probs, jnp.asarray(masked), jnp.asarray(order.tolist() + [0] * (8 - len(order))))
            )
            first = order[0] // 3
            assert 1 <= number <= (masked & (np.arange(8) // 3 == first)).sum()


def test_steps_of_per_block_stay_in_their_block():
    """One block of parity after the other, which needs the block's own tokens alone: no error with enough steps."""
    mine = targets.blocks(targets.parity(2), 2)
    law = exact.target_law(mine)
    single = schedules.per_block(schedules.uniform(2, 2), 2)
    found = exact.output_law(oracle(mine), single, planners.blocks(planners.random(), 2))
    assert exact.kl(law, found.law) < 1e-12
    other = exact.output_law(oracle(mine), schedules.uniform(4, 2), planners.blocks(planners.random(), 2))
    assert exact.kl(law, other.law) > 0.5
    # Two random ones of four are in one block with probability 1/3.
    crossing = exact.output_law(oracle(mine), schedules.uniform(4, 2), planners.random())
    assert exact.kl(law, crossing.law) < exact.kl(law, other.law)


def test_tokens_of_blocks_follow_the_exact_law():
    """Random lists drawn anew for each block, inner planners of both kinds; false alarm 1e-6 each, seeds fixed."""
    base = schedules.Schedule("two", 2, 2, schedules.Atoms(np.array([0.4, 0.6]), np.array([[2, 0], [1, 1]])))
    schedule = schedules.per_block(base, 2)
    for planner in (planners.blocks(planners.random(), 2), planners.blocks(planners.entropy(), 2)):
        found = exact.output_law(wrong(4, 2), schedule, planner)
        sizes = draw_sizes(KEY, schedule, 8000)
        tokens, info = sample_with_info(jax.random.key(5), wrong(4, 2), sizes, planner=planner)
        assert p_value(histogram(tokens, 2), found.law, 8000) > 1e-6
        assert p_value(np.bincount(info.nfe, minlength=5), found.nfe, 8000) > 1e-6


def test_equal_blocks_are_equal_and_bad_ones_refused():
    assert planners.blocks(planners.random(), 3) is planners.blocks(planners.random(), 3)
    assert planners.blocks(planners.threshold(0.5), 3).name == "blocks(threshold(0.5), 3)"
    with pytest.raises(ValueError, match="block_length=0 is too small"):
        planners.blocks(planners.random(), 0)
    with pytest.raises(ValueError, match="low_confidence masks tokens and reveals none"):
        planners.blocks(planners.low_confidence(), 2)
    with pytest.raises(ValueError, match="is not a planner"):
        planners.blocks("random", 2)
    assert config.build_planner("blocks_confidence:4") == planners.blocks(planners.confidence(), 4)
    with pytest.raises(ValueError, match=r"length=2\.5 of a block is not a whole number"):
        config.build_planner("blocks:2.5")


def test_a_block_longer_than_the_sequence_is_the_inner_planner():
    """Also one of 2^31 - 1 positions, whose square no program can hold."""
    predictor = oracle(targets.sticky_markov(4, 2, 0.8))
    wanted = sampling.sample(keys.key(3), predictor, [[2, 1, 1]] * 8)
    for length in (5, 1000, 2**31 - 1):
        planner = planners.blocks(planners.random(), length)
        np.testing.assert_array_equal(sampling.sample(keys.key(3), predictor, [[2, 1, 1]] * 8, planner=planner), wanted)
