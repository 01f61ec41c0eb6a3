"""The queue against its plain reference: the same samples, bit for bit, with fewer predictor calls."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners, schedules, targets
from jdlm.config.settings import NetworkConfig
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import Info, default_slots, draw_sizes, sample_all
from jdlm.sampling import _loop as rounds
from jdlm.sampling import _queue as slots
from jdlm.sampling.filter import Draw
from jdlm.sampling.request import Request, lanes_of
from jdlm.training import network
from tests.reference import plain

LENGTH, VOCAB = 6, 3
FIXED = (planners.random(), planners.left_to_right(), planners.bisection())
SIZED = (planners.confidence(), planners.margin(), planners.entropy())
COUNTING = (planners.threshold(0.5), planners.entropy_bounded(0.6), planners.entropy_sum(1.5))
PLAIN = Draw()


def _look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


@functools.cache
def table() -> Predictor:
    """A predictor whose logits are looked up, so that they have the same bits in every program."""
    logits = np.random.default_rng(3).normal(size=[VOCAB + 1] * LENGTH + [LENGTH, VOCAB])
    return Predictor(jnp.asarray(logits, jnp.float32), _look_up, LENGTH, VOCAB)


def request(planner, lanes=70, seed=0, **options) -> Request:
    """A request whose lanes have different numbers of steps, a third of them given tokens."""
    rng = np.random.default_rng(seed)
    given = np.where(rng.random((lanes, LENGTH)) < 0.4, rng.integers(0, VOCAB, (lanes, LENGTH)), VOCAB)
    given[rng.random(lanes) < 2 / 3] = VOCAB
    masks = (given == VOCAB).sum(axis=1)
    sizes = None
    if planner.count is None:
        sizes = np.zeros((lanes, LENGTH), int)
        for lane, left in enumerate(masks):
            for step in range(LENGTH):
                sizes[lane, step] = left if step == LENGTH - 1 else rng.integers(0, min(left, 3) + 1)
                left -= sizes[lane, step]
    indices = np.arange(100, 100 + lanes)
    return Request(jax.random.key(seed), planner, sizes, given, indices=indices, **options)


def reference(predictor, one: Request, draw=PLAIN) -> tuple[np.ndarray, Info]:
    tokens, path_log_prob, nfe = plain.run(predictor, lanes_of(one, predictor), one.planner, draw)
    return tokens, Info(nfe, (tokens == predictor.vocab_size).sum(axis=1), path_log_prob, np.zeros_like(nfe))


def assert_same(parts, expected):
    for (tokens, info), (same_tokens, same_info) in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(tokens, same_tokens)
        np.testing.assert_array_equal(info.nfe, same_info.nfe)
        np.testing.assert_array_equal(info.leftover, same_info.leftover)
        np.testing.assert_allclose(info.path_log_prob, same_info.path_log_prob, rtol=1e-5)


@pytest.mark.parametrize("selective", [False, True], ids=["all positions", "selected positions"])
def test_all_planners_together_have_the_bits_of_the_plain_path(selective):
    predictor = dataclasses.replace(table(), selective=selective)
    requests = [request(planner, seed=i) for i, planner in enumerate(FIXED + SIZED + COUNTING)]
    before = rounds.advance._cache_size()
    results = sample_all(predictor, requests, batch_size=8)
    assert rounds.advance._cache_size() == before + 2  # one program with logits, one without
    assert_same(results.parts, [reference(predictor, one) for one in requests])


def test_the_order_of_requests_and_the_width_change_nothing():
    requests = [request(planner, seed=i) for i, planner in enumerate(FIXED)]
    expected = sample_all(table(), requests, batch_size=8).parts
    turned = sample_all(table(), requests[::-1], batch_size=13).parts[::-1]
    assert_same(turned, expected)


def test_forced_and_drawn_lanes_share_a_program_and_leftover_masks_stay():
    forced = Request(jax.random.key(1), FIXED[0], np.full((40, 2), 3), forced=np.tile([0, 1, 2, 0, 1, 2], (40, 1)))
    short = Request(jax.random.key(2), FIXED[1], np.tile([1, 3, 1], (30, 1)), allow_leftover=True)
    before = rounds.advance._cache_size()
    results = sample_all(table(), [forced, short], batch_size=8, draw=Draw(temperature=0.7, top_k=2))
    assert rounds.advance._cache_size() == before + 1
    assert_same(results.parts, [reference(table(), one, Draw(temperature=0.7, top_k=2)) for one in (forced, short)])
    np.testing.assert_array_equal(results.parts[0][0], forced.forced)
    assert (results.parts[1][1].leftover == 1).all()


def test_usage_counts_calls_and_shared_first_steps():
    lanes = 50
    sizes = draw_sizes(jax.random.key(0), schedules.tc_equalizer(LENGTH, 4), lanes)
    whole = Request(jax.random.key(1), FIXED[0], sizes)
    results = sample_all(table(), [whole], batch_size=4)
    steps = np.count_nonzero(sizes)
    # Longest first, so no slot waits before the end: there, at most 3 of 4 are idle for at most the last lane's steps.
    assert results.usage == slots.Usage(steps, lanes, results.usage.evaluated)
    assert steps - lanes <= results.usage.evaluated <= steps - lanes + 3 * 3
    assert results.usage.share > 0.9


def test_the_predictor_is_not_asked_for_what_all_lanes_share():
    """One token in one step: the only call is that of the masks alone."""
    results = sample_all(table(), [Request(jax.random.key(1), FIXED[0], np.full((30, 1), LENGTH))], batch_size=4)
    assert results.usage == slots.Usage(30, 30, 0)


def test_several_queues_give_the_bits_of_one():
    narrow = slots.layout(LENGTH, 4, 4)._replace(capacity=8)
    one = request(FIXED[0])
    lanes = lanes_of(one, table())
    tokens, _, nfe, _, usage = slots.run(table(), lanes, [one.planner], PLAIN, narrow)
    expected, info = reference(table(), one)
    np.testing.assert_array_equal(tokens, expected)
    np.testing.assert_array_equal(nfe, info.nfe)
    assert usage.steps == info.nfe.sum()


@pytest.mark.parametrize("chunk", [2, 8])
def test_chunks_change_nothing(chunk):
    one = request(SIZED[0])
    layout = slots.layout(LENGTH, 8, chunk)
    assert (layout.slots, layout.chunk) == (8, chunk)
    tokens, *_ = slots.run(table(), lanes_of(one, table()), [one.planner], Draw(), layout)
    np.testing.assert_array_equal(tokens, reference(table(), one)[0])


def test_progress_ends_at_the_number_of_steps():
    seen = []
    one = request(FIXED[0])
    results = sample_all(table(), [one, request(SIZED[0])], batch_size=8, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == results.usage.steps


def test_a_network_is_asked_for_few_positions_and_gives_the_same_tokens():
    """The logits differ in their last bits, so a token in a million may; here none of 3,200 does."""
    target = targets.sticky_markov(16, 4, 0.7)
    config = NetworkConfig(width=16, depth=2, heads=2)
    params = network.build(config, 16, 4).init(jax.random.key(0))
    params["head"]["kernel"] = jax.random.normal(jax.random.key(1), params["head"]["kernel"].shape)
    predictor = network.predictor(config, params, 16, 4)
    assert predictor.selective and not oracle(target).selective
    sizes = draw_sizes(jax.random.key(2), schedules.minimax(16, 4, "both"), 200)
    one = Request(jax.random.key(3), FIXED[0], sizes)
    ((tokens, info),) = sample_all(predictor, [one], batch_size=32).parts
    expected, expected_info = reference(predictor, one)
    assert (tokens != expected).mean() < 1e-3
    np.testing.assert_allclose(info.path_log_prob, expected_info.path_log_prob, atol=1e-3)


def test_float64_logits_stay_float64():
    with jax.enable_x64(True):
        predictor = oracle(targets.sticky_markov(LENGTH, VOCAB, 0.7))
        one = request(FIXED[0])
        one = dataclasses.replace(one, given=None, sizes=np.full((20, 3), 2), indices=np.arange(20))
        ((tokens, info),) = sample_all(predictor, [one], batch_size=8).parts
        assert_same([(tokens, info)], [reference(predictor, one)])
        assert info.path_log_prob.dtype == np.float64


def test_a_planner_without_logits_must_not_look_at_the_masks():
    def priority(log_probs, masked):
        return jnp.cumsum(masked).astype(float)

    sneaky = planners.Planner("sneaky", priority, needs_logits=False)
    with pytest.raises(ValueError, match="sneaky has needs_logits=False but a priority that depends on the masked"):
        sample_all(table(), [Request(jax.random.key(0), sneaky, np.full((2, 2), 3))], batch_size=8)


def test_slots_are_chosen_from_the_shapes():
    assert default_slots(32, 4) == 128
    assert default_slots(1024, 64) == 16
    layout = slots.layout(256, 100, 16)
    assert layout == slots.Layout(112, 16, (16, 64, 256), 112 * 64)
