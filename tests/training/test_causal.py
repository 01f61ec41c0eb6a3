"""The set-causal network: one pass against the cache step by step, and a float64 twin; nothing sees the future."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm.config.settings import NetworkConfig
from jdlm.predictor import map_lanes
from jdlm.training import causal, network
from tests.reference import causal as reference

CONFIG = NetworkConfig(kind="causal", width=16, depth=3, heads=4)
VOCAB, LANES = 3, 6


@functools.cache
def predictor(length=7, config=CONFIG):
    """Parameters with noise everywhere, since the head starts at zero."""
    leaves, tree = jax.tree.flatten(network.build(config, length, VOCAB).init(jax.random.key(0)))
    rng = np.random.default_rng(0)
    leaves = [leaf + np.float32(0.3) * rng.normal(size=leaf.shape).astype("f") for leaf in leaves]
    return network.predictor(config, jax.tree.unflatten(tree, leaves), length, VOCAB)


def sequences(length, seed=1):
    """Tokens, orders, and the places of an order, each ``[lanes, length]``."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, VOCAB, (LANES, length)).astype(np.int32)
    order = np.stack([rng.permutation(length) for _ in range(LANES)]).astype(np.int32)
    return tokens, order, np.tile(np.arange(length, dtype=np.int32), (LANES, 1))


def in_order(tokens, order):
    return np.take_along_axis(tokens, order, axis=1)


@jax.jit
def along(predictor, tokens, order, seen):
    return predictor.along(tokens, order, seen)


def test_one_pass_equals_the_float64_twin():
    tokens, order, place = sequences(7)
    found = along(predictor(), tokens, order, place)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), predictor().params)
    for lane in range(3):
        expected = [
            reference.logits(params, order[lane, :k], tokens[lane][order[lane, :k]], order[lane, k], CONFIG.heads)
            for k in range(7)
        ]
        np.testing.assert_allclose(found[lane], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [7, 130])
def test_one_pass_equals_reveal_and_ask_step_by_step(length):
    """At 130 tokens a pass is cut into slices, writes into blocks, and the cache is read by the quarter."""
    tokens, order, place = sequences(length)
    found, seen_ones = along(predictor(length), tokens, order, place), in_order(tokens, order)
    reveal, ask = jax.jit(type(predictor()).reveal), jax.jit(type(predictor()).ask)
    cache = predictor(length).start(LANES)
    for k in range(length):
        if length < 10 or k % 13 == 0:
            asked = ask(predictor(length), cache, order[:, k : k + 1])
            np.testing.assert_allclose(asked[:, 0], found[:, k], rtol=0, atol=1e-5)
        cache = reveal(predictor(length), cache, seen_ones[:, k : k + 1], order[:, k : k + 1])


def test_tokens_revealed_together_are_revealed_one_after_the_other():
    """In blocks longer than a write, with counts of their own; what lies beyond the counts changes nothing."""
    length = 80
    tokens, order, place = sequences(length)
    model, seen_ones = predictor(length), in_order(tokens, order)
    found = along(model, tokens, order, place)
    count = jnp.array([0, 1, 5, 33, 64, 70], jnp.int32)
    cache = jax.jit(type(model).reveal)(model, model.start(LANES), seen_ones[:, :70], order[:, :70], count)
    np.testing.assert_array_equal(cache.filled, count)
    rest = [cache.filled[:, None] + np.arange(3, dtype=np.int32)[None]][0]
    positions = np.take_along_axis(order, np.asarray(rest), axis=1)
    asked = jax.jit(type(model).ask)(model, cache, positions)
    expected = np.take_along_axis(np.asarray(found), np.asarray(count)[:, None, None], axis=1)[:, 0]
    np.testing.assert_allclose(asked[:, 0], expected, rtol=0, atol=1e-5)
    cache, both = jax.jit(type(model).advance)(
        model, cache, in_order(tokens, positions)[:, :2], positions[:, :2], jnp.full(LANES, 2), positions[:, 2:]
    )
    expected = np.take_along_axis(np.asarray(found), np.asarray(count)[:, None, None] + 2, axis=1)[:, 0]
    np.testing.assert_allclose(both[:, 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("length", [7, 130])
def test_later_tokens_change_no_bit_of_an_earlier_logit(length):
    tokens, order, place = sequences(length)
    found = np.asarray(along(predictor(length), tokens, order, place))
    for k in (1, length // 2, length - 1):
        changed = np.array(tokens)
        later = order[:, k:]
        np.put_along_axis(changed, later, (in_order(tokens, later) + 1) % VOCAB, axis=1)
        other = np.asarray(along(predictor(length), changed, order, place))
        np.testing.assert_array_equal(other[:, : k + 1], found[:, : k + 1])
        if k + 1 < length:
            assert (other[:, k + 1] != found[:, k + 1]).any()


def test_a_step_sees_what_was_revealed_before_it_and_no_more():
    tokens, order, _ = sequences(7)
    seen = np.tile(np.repeat([0, 3, 5], [3, 2, 2]).astype(np.int32), (LANES, 1))
    found = along(predictor(), tokens, order, seen)
    for first, size in ((0, 3), (3, 2), (5, 2)):
        cache = predictor().start(LANES)
        if first:
            early = jnp.asarray(order[:, :first])
            cache = predictor().reveal(cache, jnp.asarray(in_order(tokens, order)[:, :first]), early)
        asked = predictor().ask(cache, jnp.asarray(order[:, first : first + size]))
        np.testing.assert_allclose(asked, found[:, first : first + size], rtol=0, atol=1e-5)


def test_a_set_of_tokens_counts_as_revealed_from_left_to_right():
    tokens, order, _ = sequences(7)
    masked = np.where(np.argsort(order, axis=1) >= 3, VOCAB, tokens).astype(np.int32)
    found = map_lanes(predictor(), jnp.asarray(masked))
    revealed = jnp.asarray(np.sort(order[:, :3], axis=1))
    cache = predictor().reveal(predictor().start(LANES), jnp.take_along_axis(tokens, revealed, axis=1), revealed)
    asked = predictor().ask(cache, jnp.asarray(order[:, 3:]))
    wanted = np.take_along_axis(np.asarray(found), order[:, 3:, None], axis=1)
    np.testing.assert_allclose(asked, wanted, rtol=0, atol=1e-5)
    some = map_lanes(predictor(), jnp.asarray(masked), jnp.asarray(order[:, 3:5]))
    np.testing.assert_allclose(some, wanted[:, :2], rtol=0, atol=1e-5)


def test_the_order_of_the_revealed_tokens_matters():
    """So it is no mask predictor of a set; a bidirectional network of the same parameters is."""
    tokens, order, place = sequences(7)
    swapped = order.copy()
    swapped[:, :2] = order[:, 1::-1]
    one, other = (along(predictor(), tokens, each, place)[:, 3] for each in (order, swapped))
    assert np.abs(one - other).max() > 1e-3


def test_the_gradient_is_that_of_finite_differences():
    """At float32, so to a percent of the largest entry; with slices, since 130 is long."""
    model = predictor(130, NetworkConfig(kind="causal", width=8, depth=2, heads=2))
    tokens, order, place = sequences(130)

    def loss(params):
        logits = model.rules.along(params, *map(jnp.asarray, (tokens, order, place)))
        return jax.nn.log_softmax(logits)[..., 0].mean()

    value, gradient = jax.jit(jax.value_and_grad(loss))(model.params)
    direction = jax.tree.map(lambda leaf: np.sign(leaf) * np.float32(1e-3), gradient)
    moved = jax.jit(loss)(jax.tree.map(jnp.add, model.params, direction))
    expected = sum(float(np.abs(leaf).sum()) for leaf in jax.tree.leaves(gradient)) * 1e-3
    assert float(moved - value) == pytest.approx(expected, rel=0.05)


def test_the_cache_has_the_size_that_is_stated():
    model = predictor(40)
    arrays = jax.tree.leaves(jax.eval_shape(lambda: model.start(5).content))
    assert sum(leaf.size * leaf.dtype.itemsize for leaf in arrays) == 5 * model.rules.lane_bytes
    assert model.rules.lane_bytes == causal.cache_bytes(CONFIG.width, CONFIG.depth, 40) == 2 * 3 * 72 * 16 * 4
