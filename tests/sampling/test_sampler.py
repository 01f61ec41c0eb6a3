"""The sampler against laws computed by enumeration, its bits, and its refusals.

Every chi-square test here alarms falsely with probability 1e-5; all seeds are fixed.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners, schedules, targets
from jdlm.predictor import Predictor, map_lanes, oracle
from jdlm.sampling import draw_sizes, path_log_prob, sample, sample_with_info
from tests.reference import samplers as reference

LENGTH, VOCAB, LANES, WIDTH = 4, 3, 20_000, 4096
ALARM = 1e-5


@functools.cache
def law() -> np.ndarray:
    """A random law with holes in its support, so that parallel sampling reaches impossible patterns."""
    rng = np.random.default_rng(7)
    weights = rng.gamma(0.5, size=[VOCAB] * LENGTH) * (rng.random([VOCAB] * LENGTH) < 0.6)
    return weights / weights.sum()


@functools.cache
def target() -> targets.Target:
    return targets.table(law())


@functools.cache
def noisy_table() -> Predictor:
    """A predictor that is not the oracle of any law, and whose rows of revealed positions are misleading."""
    logits = np.random.default_rng(3).normal(size=[VOCAB + 1] * LENGTH + [LENGTH, VOCAB])
    return Predictor(jnp.asarray(logits, jnp.float32), _look_up, LENGTH, VOCAB)


def _look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


@functools.cache
def size_lists() -> list[tuple[float, tuple[int, ...]]]:
    return [(0.25, (1, 1, 2)), (0.45, (3, 1, 0)), (0.3, (2, 2, 0))]


def mixed() -> schedules.Schedule:
    weights, sizes = zip(*size_lists(), strict=True)
    return schedules.Schedule("mixed", LENGTH, 3, schedules.Atoms(np.array(weights), np.array(sizes)))


def constant(sizes, lanes=LANES) -> np.ndarray:
    return np.tile(np.array(sizes, np.int32), (lanes, 1))


def test_one_token_a_step_has_the_law_of_the_target():
    tokens = sample(jax.random.key(0), oracle(target()), constant([1] * LENGTH), batch_size=WIDTH)
    assert reference.chi_square_p_value(np.asarray(tokens), law()) > ALARM


@pytest.mark.parametrize("sizes", [(2, 2), (1, 3), (4,), (0, 1, 0, 2, 1)])
def test_fixed_sizes_with_the_oracle(sizes):
    predict = functools.partial(reference.conditionals, law())
    expected = reference.output_law(predict, LENGTH, VOCAB, [(1.0, sizes)])
    tokens = sample(jax.random.key(1), oracle(target()), constant(sizes), batch_size=WIDTH)
    assert reference.chi_square_p_value(np.asarray(tokens), expected) > ALARM


def test_random_sizes_with_a_predictor_that_is_no_oracle():
    predictor = noisy_table()
    table = np.asarray(jax.nn.softmax(predictor.params), np.float64)
    expected = reference.output_law(lambda state: table[state], LENGTH, VOCAB, size_lists())
    sizes = draw_sizes(jax.random.key(2), mixed(), LANES)
    tokens, info = sample_with_info(jax.random.key(3), predictor, sizes, batch_size=WIDTH)
    assert reference.chi_square_p_value(np.asarray(tokens), expected) > ALARM
    np.testing.assert_array_equal(info.nfe, np.count_nonzero(sizes, axis=1))
    # Forcing the sampled tokens along the same path gives them the same probability.
    forced = path_log_prob(jax.random.key(3), predictor, sizes, tokens, batch_size=WIDTH)
    np.testing.assert_allclose(forced, info.path_log_prob, atol=1e-5)


def test_infilling_has_the_conditional_law():
    given = np.array([VOCAB, 1, VOCAB, VOCAB], np.int32)
    conditional = law()[:, 1:2] / law()[:, 1].sum()
    tokens = np.asarray(sample(jax.random.key(4), oracle(target()), constant([1, 1, 1]), given=given, batch_size=WIDTH))
    assert (tokens[:, 1] == 1).all()
    assert reference.chi_square_p_value(tokens - np.array([0, 1, 0, 0]), conditional) > ALARM


def test_bits_do_not_depend_on_the_other_lanes():
    predictor = noisy_table()
    key, lanes = jax.random.key(6), 50
    sizes = draw_sizes(jax.random.key(7), mixed(), lanes)
    tokens, info = sample_with_info(key, predictor, sizes, batch_size=16)
    order = np.random.default_rng(0).permutation(lanes)
    permuted, permuted_info = sample_with_info(key, predictor, sizes[order], indices=order, batch_size=16)
    np.testing.assert_array_equal(permuted, np.asarray(tokens)[order])
    np.testing.assert_array_equal(permuted_info.path_log_prob, np.asarray(info.path_log_prob)[order])
    for part in (slice(0, 7), slice(7, 50), slice(31, 32)):
        some = sample(key, predictor, sizes[part], indices=np.arange(lanes)[part], batch_size=16)
        np.testing.assert_array_equal(some, np.asarray(tokens)[part])
    np.testing.assert_array_equal(draw_sizes(jax.random.key(7), mixed(), indices=order), sizes[order])


def test_samples_of_different_indices_and_keys_differ():
    predictor = noisy_table()
    sizes = constant([1, 1, 1, 1], lanes=400)
    tokens = np.asarray(sample(jax.random.key(9), predictor, sizes, batch_size=16))
    other = np.asarray(sample(jax.random.key(10), predictor, sizes, batch_size=16))
    assert (tokens[:200] != tokens[200:]).mean() > 0.3
    assert (tokens != other).mean() > 0.3
    # Where the logits do not depend on the order of the lane, the noise alone tells lanes apart.
    flat = Predictor.wrap(lambda tokens: jnp.zeros((LENGTH, VOCAB)), LENGTH, VOCAB)
    tokens = np.asarray(sample(jax.random.key(9), flat, sizes, batch_size=16))
    assert abs((tokens[:200] != tokens[200:]).mean() - (1 - 1 / VOCAB)) < 5 * np.sqrt(0.25 / 200 / LENGTH)


def test_no_key_is_used_twice():
    with jax.debug_key_reuse(True):
        sizes = draw_sizes(jax.random.key(1), mixed(), 5)
        sample(jax.random.key(0), noisy_table(), sizes, batch_size=16)


def test_tokens_and_order_are_independent():
    """With uniform marginals each position is first as often as any other, whatever token it gets (alarm 1e-5)."""
    first = Predictor.wrap(_count_of_revealed, LENGTH, VOCAB)
    sizes = constant([1, 1, 1, 1], lanes=30_000)
    tokens = np.asarray(sample(jax.random.key(11), first, sizes, batch_size=WIDTH))
    # A token's parity says whether its position was revealed first: token 2 marks the first position.
    marks = tokens == 2
    assert (marks.sum(axis=1) == 1).all()
    counts = marks.sum(axis=0)
    assert abs(counts - len(tokens) / LENGTH).max() < 4.6 * np.sqrt(len(tokens) * 0.25 * 0.75)
    rest = np.where(marks, 0, tokens).sum(axis=1)  # ones among the three other positions: Binomial(3, 1/2)
    shares = np.bincount(rest, minlength=4) / len(tokens)
    np.testing.assert_allclose(shares, [1 / 8, 3 / 8, 3 / 8, 1 / 8], atol=4.6 * np.sqrt(0.25 / len(tokens)))


def _count_of_revealed(tokens):
    first = jnp.all(tokens == VOCAB)
    row = jnp.where(first, jnp.array([-jnp.inf, -jnp.inf, 0.0]), jnp.array([0.0, 0.0, -jnp.inf]))
    return jnp.broadcast_to(row, (LENGTH, VOCAB))


def test_leftover_masks_are_counted_and_kept():
    sizes = constant([1, 2], lanes=8)
    with pytest.raises(ValueError, match=r"lane 0 sum to 3 but 4 positions.*allow_leftover"):
        sample(jax.random.key(0), noisy_table(), sizes)
    tokens, info = sample_with_info(jax.random.key(0), noisy_table(), sizes, allow_leftover=True, batch_size=16)
    assert ((np.asarray(tokens) == VOCAB).sum(axis=1) == 1).all() and (info.leftover == 1).all()


@pytest.mark.parametrize("index", [0, 7, 2**31 - 1, 2**31, 2**32 - 1])
def test_sizes_of_any_sample_number_come_from_its_own_key(index):
    """The uniforms by hand: the key folded with the number, two words for each, 53 bits of them."""
    key, schedule = jax.random.key(3), mixed()
    high, low = np.asarray(jax.random.bits(jax.random.fold_in(key, np.uint32(index)), (2, LENGTH)), np.float64)
    uniforms = (high // 2**5 * 2**26 + low // 2**6) / 2**53
    expected = schedule.sizes_from(uniforms[None])
    np.testing.assert_array_equal(draw_sizes(key, schedule, indices=np.array([index])), expected)
    several = draw_sizes(key, schedule, indices=np.array([3, index, 2**32 - 1]))
    np.testing.assert_array_equal(several[1:2], expected)


def test_sizes_are_drawn_on_the_host_and_keep_their_bits():
    """Stored from jdlm 0.1.0, which sent them to the device and back; a mixture of lists, a chain, and one list."""
    key, indices = jax.random.key(11, impl="threefry2x32"), [0, 1, 2, 3, 7, 2**32 - 1]
    lists = schedules.Atoms(np.array([0.2, 0.3, 0.5]), np.array([[1, 2, 5], [3, 3, 2], [8, 0, 0]]))
    stored = {
        schedules.Schedule("lists", 8, 3, lists): [[3, 3, 2], [8, 0, 0], [8, 0, 0], [1, 2, 5], [8, 0, 0], [8, 0, 0]],
        schedules.tc_equalizer(8, 3): [[3, 3, 2], [4, 1, 3], [5, 2, 1], [1, 4, 3], [4, 1, 3], [4, 2, 2]],
        schedules.fixed([3, 0, 1]): [[3, 0, 1]] * 6,
    }
    for schedule, expected in stored.items():
        sizes = draw_sizes(key, schedule, indices=indices)
        assert type(sizes) is np.ndarray and sizes.dtype == np.int32
        np.testing.assert_array_equal(sizes, expected)


def test_sample_numbers_of_32_bits_are_all_different():
    numbers = np.array([0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1])
    sizes = constant([1, 1, 1, 1], lanes=6)
    for planner in (planners.random(), planners.confidence()):
        many = [
            np.asarray(sample(jax.random.key(k), noisy_table(), sizes, planner=planner, indices=numbers, batch_size=16))
            for k in range(8)
        ]
        assert len(set(map(bytes, np.concatenate(many, axis=1)))) == 6
        alone = sample(jax.random.key(0), noisy_table(), sizes[:1], planner=planner, indices=[2**32 - 1], batch_size=16)
        np.testing.assert_array_equal(alone[0], many[0][5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 2.5}, "lanes=2.5 is not an integer"),
        ({"lanes": -1}, "lanes=-1 is too small"),
        ({"lanes": True}, "lanes=True is not an integer"),
        ({"lanes": 2, "indices": [0, 1]}, "give exactly one"),
        ({}, "give exactly one"),
        ({"indices": [0, 2**32]}, r"indices\[1\]=4294967296 is not a valid sample number; use 0 to 4294967295"),
        ({"indices": [-3]}, r"indices\[0\]=-3 is not a valid sample number"),
        ({"indices": [0.5]}, r"dtype float64; give integers \[lanes\]"),
        ({"indices": [[0, 1]]}, r"shape \(1, 2\)"),
        ({"indices": [[0, 1], [2]]}, r"indices\[1\] has 1 entries"),
    ],
)
def test_numbers_of_samples_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        draw_sizes(jax.random.key(0), mixed(), **options)


def test_a_predictor_of_nan_is_reported():
    broken = Predictor.wrap(lambda tokens: jnp.full((LENGTH, VOCAB), jnp.nan), LENGTH, VOCAB)
    with pytest.raises(ValueError, match="NaN in lane 0"):
        sample(jax.random.key(0), broken, [[2, 2]])


def test_map_lanes_in_chunks_is_the_same_as_at_once():
    predictor = noisy_table()
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, VOCAB + 1, (10, LENGTH)))
    places = jnp.asarray(np.tile([2, 0], (10, 1)))
    chunked = jax.jit(map_lanes, static_argnames="chunk")
    expected = chunked(predictor, tokens)
    np.testing.assert_array_equal(chunked(predictor, tokens, chunk=3), expected)
    np.testing.assert_array_equal(chunked(predictor, tokens, places, chunk=4), expected[:, places[0]])


def test_wrap_refuses_a_function_of_another_shape():
    with pytest.raises(ValueError, match=r"shape \(4, 2\); return logits of shape \(4, 3\)"):
        Predictor.wrap(lambda tokens: jnp.zeros((4, 2)), LENGTH, VOCAB)
