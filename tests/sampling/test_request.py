"""Requests as rows of work: what they become, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners
from jdlm.predictor import Predictor
from jdlm.sampling import path_log_prob, sample
from jdlm.sampling.request import Request, lanes_of, sample_numbers

LENGTH, VOCAB = 4, 3


def noisy_table() -> Predictor:
    """A predictor of that length and vocabulary; none of these tests asks it for logits."""
    return Predictor.wrap(lambda tokens: jnp.zeros((LENGTH, VOCAB)), LENGTH, VOCAB)


def lanes(planner=None, number=0, **options):
    return lanes_of(Request(jax.random.key(1), planner or planners.random(), **options), noisy_table(), number)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": [[2, 1]]}, "lane 0 sum to 3 but 4"),
        ({"sizes": [[5, 0]]}, "sum to 5 but 4"),
        ({"sizes": [[5, -1]]}, "contains -1"),
        ({"sizes": [4]}, "integers \\[lanes, steps\\]"),
        ({"sizes": [[2.0, 2.0]]}, "dtype float64"),
        ({"sizes": None}, "give sizes"),
        ({"given": [0, 3, 3]}, "given has shape"),
        ({"given": [0, 9, 3, 3]}, "token 9"),
        ({"given": [0.0, 1.0, 2.0, 3.0]}, "dtype float64"),
        ({"indices": [0, 1]}, "indices has shape"),
        ({"indices": [0.0]}, "dtype float64; give 1 integers"),
        ({"indices": [-1]}, r"indices\[0\]=-1 is not a valid sample number; use 0 to 4294967295"),
        ({"indices": [2**32]}, r"indices\[0\]=4294967296 is not a valid sample number"),
        ({"indices": [True]}, "dtype bool"),
        ({"sizes": [[2, 2], [4]]}, r"sizes\[1\] has 1 entries but sizes\[0\] has 2"),
        ({"sizes": np.array([[2**63, 2**63, 4]], np.uint64)}, "sizes contains 9223372036854775808"),
        ({"given": [[0, 3, 3, 3], [0]]}, r"given\[1\] has 1 entries but given\[0\] has 4"),
        ({"given": [0, 2**32 + 1, 3, 3]}, r"given\[0, 1\] contains the token 4294967297; use 0\.\.3"),
        ({"given": [0, -1, 3, 3]}, r"given\[0, 1\] contains the token -1"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_bad_requests_are_refused(change, message):
    request = {"sizes": [[2, 2]], **change}
    with pytest.raises(ValueError, match=message):
        sample(jax.random.key(0), noisy_table(), **request)


def test_forced_tokens_must_be_tokens_that_agree_with_given():
    with pytest.raises(ValueError, match=r"tokens\[1\] has 3 entries but tokens\[0\] has 4"):
        path_log_prob(jax.random.key(0), noisy_table(), [[4], [4]], [[0, 1, 2, 0], [0, 1, 2]])
    with pytest.raises(ValueError, match=r"tokens\[0, 0\] contains the token 4294967296"):
        path_log_prob(jax.random.key(0), noisy_table(), [[4]], [2**32, 1, 2, 0])
    with pytest.raises(ValueError, match=r"token 3; use 0\.\.2"):
        path_log_prob(jax.random.key(0), noisy_table(), [[4]], [0, 1, 2, 3])
    with pytest.raises(ValueError, match="differs from given"):
        path_log_prob(jax.random.key(0), noisy_table(), [[3]], [0, 1, 2, 0], given=[1, 3, 3, 3])


def test_zeros_move_to_the_end_and_steps_are_counted():
    found = lanes(sizes=[[0, 1, 0, 3, 0], [2, 2, 0, 0, 0], [1, 1, 1, 1, 0]])
    assert found.sizes.tolist() == [[1, 3, 0, 0], [2, 2, 0, 0], [1, 1, 1, 1]] and found.sizes.dtype == np.int32
    assert found.num_steps.tolist() == [2, 2, 4]
    short = lanes(sizes=[[4]])
    assert short.sizes.tolist() == [[4, 0, 0, 0]] and short.num_steps.tolist() == [1]


def test_without_anything_given_all_is_masked_and_drawn():
    found = lanes(sizes=[[4], [4]], number=2)
    assert (found.start == VOCAB).all() and (found.forced == -1).all() and found.planner.tolist() == [2, 2]
    assert found.indices.tolist() == [0, 1] and found.indices.dtype == np.uint32


def test_a_planner_that_counts_has_as_many_steps_as_masks_at_most():
    found = lanes(planners.threshold(0.5), given=[[0, 3, 3, 1], [3, 3, 3, 3]], indices=[7, 9])
    assert not found.sizes.any() and found.num_steps.tolist() == [2, 4] and found.indices.tolist() == [7, 9]
    with pytest.raises(ValueError, match="counts by itself"):
        lanes(planners.threshold(0.5), sizes=[[4]])
    with pytest.raises(ValueError, match=r"the number of lanes is unknown; give sizes .* or indices if the planner"):
        lanes(planners.threshold(0.5), given=[0, 3, 3, 1])


def test_one_sequence_serves_all_lanes_or_each_has_its_own():
    one = lanes(sizes=[[2], [2]], given=[0, 3, 1, 3], forced=[0, 2, 1, 2])
    each = lanes(sizes=[[2], [2]], given=[[0, 3, 1, 3]] * 2, forced=[[0, 2, 1, 2]] * 2)
    for a, b in zip(one, each, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.start.tolist() == [[0, 3, 1, 3]] * 2 and one.forced.tolist() == [[0, 2, 1, 2]] * 2


def test_leftover_masks_are_allowed_only_if_asked_for_and_never_more_than_there_are():
    assert lanes(sizes=[[1, 1]], allow_leftover=True).num_steps.tolist() == [2]
    with pytest.raises(ValueError, match=r"^sizes of lane 0 sum to 5 but 4 positions .*; make the sum 4$"):
        lanes(sizes=[[5]], allow_leftover=True)
    with pytest.raises(ValueError, match=r"sum to 3 but 2 positions are to be filled"):
        lanes(sizes=[[3]], given=[0, 1, 3, 3], allow_leftover=True)


def test_keys_of_order_and_tokens_differ_by_lane_and_purpose():
    """By hand: four words of the request's key, two for each purpose, folded with the sample's number."""
    found = lanes(sizes=[[4]] * 3, indices=[0, 5, 2**32 - 1])
    words = np.asarray(jax.random.bits(jax.random.key(1), (2, 2), np.uint32))
    order, tokens = (np.asarray(jax.random.key_data(keys)) for keys in found.keys())
    assert len(np.unique(np.concatenate([order, tokens]), axis=0)) == 6
    for row, number in enumerate((0, 5, 2**32 - 1)):
        for mine, word in ((order, words[0]), (tokens, words[1])):
            expected = jax.random.fold_in(jax.random.wrap_key_data(word), np.uint32(number))
            np.testing.assert_array_equal(mine[row], jax.random.key_data(expected))


def test_sample_numbers_fit_32_bits():
    for indices in ([0, 2**32 - 1], np.array([0, 2**32 - 1], np.uint64)):
        assert sample_numbers(indices).tolist() == [0, 2**32 - 1] and sample_numbers(indices).dtype == np.uint32
    with pytest.raises(ValueError, match=r"indices\[1\]=18446744073709551615 is not a valid sample number"):
        sample_numbers(np.array([0, 2**64 - 1], np.uint64))
    with pytest.raises(ValueError, match=r"indices has shape \(2,\) and dtype int64; give 3 integers"):
        sample_numbers([0, 1], 3)


def test_keys_of_another_implementation_are_refused():
    request = Request(jax.random.key(0, impl="rbg"), planners.random(), [[4]])
    with pytest.raises(ValueError, match="rbg"):
        lanes_of(request, noisy_table())
