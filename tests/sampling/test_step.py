"""One step of one lane: orders and their ties, noise, log probabilities.

Chi-square tests alarm falsely with probability 1e-6; seeds are fixed.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from jdlm import planners, schedules
from jdlm.measure import exact
from jdlm.predictor import Predictor
from jdlm.sampling import _step as steps
from jdlm.sampling import sample


def test_orders_put_masked_positions_first_by_priority_and_ties_at_random():
    """Of six positions two are revealed, and of the four masked ones two tie: both orders, each half of the time."""
    priority = jnp.array([9.0, 1.0, 2.0, 1.0, 9.0, -jnp.inf])
    masked = jnp.array([False, True, True, True, False, True])
    keys = jax.random.split(jax.random.key(0), 2000)
    found = np.asarray(jax.jit(jax.vmap(lambda key: steps.order_of(key, priority, masked)))(keys))
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile(np.arange(6), (2000, 1)))
    assert (found[:, 0] == 2).all() and (found[:, 3] == 5).all()  # an infinitely low priority is still masked
    first = int((found[:, 1] == 1).sum())
    assert set(map(tuple, found[:, 1:3].tolist())) == {(1, 3), (3, 1)}
    assert stats.binomtest(first, 2000, 0.5).pvalue > 1e-6
    assert set(map(tuple, found[:, 4:].tolist())) == {(0, 4), (4, 0)}


def test_all_orders_of_ties_are_alike():
    """Chi-square of the 24 orders of four equal priorities."""
    keys = jax.random.split(jax.random.key(1), 9600)
    order = jax.jit(jax.vmap(lambda key: steps.order_of(key, jnp.zeros(4), jnp.ones(4, bool))))
    counts = np.unique(np.asarray(order(keys)), axis=0, return_counts=True)[1]
    assert len(counts) == math.factorial(4) and stats.chisquare(counts).pvalue > 1e-6


def rightmost(log_probs, masked):
    return jnp.arange(4.0)


RIGHT = planners.Planner("right", rightmost, needs_logits=False)


def test_each_lane_has_its_own_planner_key_and_size():
    """Confidence, a fixed order, and a threshold that counts: together as one by one, whatever their place."""
    who = (planners.confidence(), RIGHT, planners.threshold(0.55))
    rows = np.log([[0.5, 0.4, 0.1], [0.6, 0.3, 0.1], [0.9, 0.05, 0.05], [0.4, 0.3, 0.3]])
    logits = jnp.asarray(np.tile(rows, (5, 1, 1)), jnp.float32)
    masked = jnp.ones((5, 4), bool).at[3, 2].set(False)
    number, size = jnp.array([0, 1, 2, 0, 1]), jnp.array([2, 3, 0, 1, 4])
    keys, step = jax.random.split(jax.random.key(2), 5), jnp.arange(5)
    order, count = jax.jit(lambda *given: steps.choose(who, *given, jnp.float32))(
        number, keys, step, size, masked, logits
    )
    assert count.tolist() == [2, 3, 2, 1, 4]  # the threshold's own: 0.6 and 0.9 are above 0.55
    assert (
        order[0].tolist() == [2, 1, 0, 3] and order[3].tolist()[:3] == [1, 0, 3] and order[1].tolist() == [3, 2, 1, 0]
    )
    assert set(order[2, :2].tolist()) == {1, 2}


def test_a_fixed_order_is_that_of_the_first_step_and_others_change_with_the_step():
    """All priorities tie, so that the order tells the key."""
    tied = planners.Planner("tied", lambda log_probs, masked: jnp.zeros(masked.shape))
    lanes = 6
    arguments = jnp.zeros((lanes, 30, 2)), jnp.ones((lanes, 30), bool)

    def at(planner, step):
        keys = jax.random.split(jax.random.key(4), lanes)
        sizes = jnp.ones(lanes, jnp.int32)
        zeros = jnp.zeros(lanes, jnp.int32)
        return steps.choose([planner], zeros, keys, zeros + step, sizes, *arguments[::-1], jnp.float32)[0].tolist()

    assert at(planners.random(), 0) == at(planners.random(), 3) == at(tied, 0)
    assert all(one != other for one, other in zip(at(tied, 0), at(tied, 3), strict=True))


def test_noise_is_that_of_the_position_and_of_the_lane():
    """Not of the place in the list of positions, nor of how many there are."""
    key = jax.random.key(5)
    whole = np.asarray(steps.noise_at(key, jnp.arange(6), 3, jnp.float32))
    some = np.asarray(steps.noise_at(key, jnp.array([4, 1]), 3, jnp.float32))
    np.testing.assert_array_equal(some, whole[[4, 1]])
    assert len(np.unique(whole)) == 18
    assert not np.isin(whole, np.asarray(steps.noise_at(jax.random.key(6), jnp.arange(6), 3, jnp.float32))).any()


def test_noise_is_gumbel():
    """Kolmogorov-Smirnov test against exp(-exp(-x))."""
    noise = np.asarray(steps.noise_at(jax.random.key(7), jnp.arange(2000), 5, jnp.float32), np.float64)
    assert stats.kstest(noise.ravel(), stats.gumbel_r.cdf).pvalue > 1e-6


def test_log_probabilities_of_tokens_and_of_a_mask_id():
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32) * 5
    exact_log = logits - np.log(np.exp(logits.astype(np.float64)).sum(axis=1, keepdims=True))
    found = steps.token_log_prob(jnp.asarray(logits), jnp.array([2, 0, 1, 3]))
    np.testing.assert_allclose(found, exact_log[np.arange(4), [2, 0, 1, 2]], rtol=1e-5, atol=1e-5)


def _turn(tokens):
    """Each token is the number of those revealed before it, so the tokens tell the order."""
    return jnp.where(jnp.arange(3)[None] == (tokens != 3).sum(), jnp.zeros((3, 1)), -jnp.inf)


def _first_two_then_all(log_probs, masked):
    """Positions 0 and 1 tie for the first place; after it, all that are left tie."""
    last = jnp.arange(masked.shape[0]) == masked.shape[0] - 1
    return jnp.where(masked.all() & last, -jnp.inf, 0.0)


FIRST_TWO_THEN_ALL = planners.Planner("first_two_then_all", _first_two_then_all)


def test_ties_are_ordered_anew_in_each_step():
    """0 or 1 first, then either of the others. One order for all steps would give 1/3 : 1/6 : 1/3 : 1/6."""
    predictor = Predictor.wrap(_turn, 3, 3)
    law = exact.output_law(predictor, schedules.first_hitting(3), FIRST_TWO_THEN_ALL).law
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 0, 1)]  # turn of each position
    np.testing.assert_allclose([law[order] for order in orders], 0.25, atol=1e-12)
    tokens = sample(jax.random.key(3), predictor, np.ones((4000, 3), int), planner=FIRST_TWO_THEN_ALL, batch_size=64)
    counts = [int((np.asarray(tokens) == order).all(axis=1).sum()) for order in orders]
    assert sum(counts) == 4000 and stats.chisquare(counts).pvalue > 1e-6


def test_noise_resolves_probabilities_below_those_of_a_float32_uniform():
    """Plain Gumbel noise is made of uniforms k / 2^23, so its upper tail lies on the lattice exp(-g) = k / 2^23."""
    noise = np.asarray(steps.noise_at(jax.random.key(12), jnp.arange(2048 * 128), 4, jnp.float32), np.float64)
    tail = np.exp(-noise[noise > 9.0]) * 2**23
    assert len(tail) > 80  # 129 expected
    off_lattice = np.abs(tail - np.round(tail))
    assert (off_lattice > 0.05).mean() > 0.8  # 0.9 expected
