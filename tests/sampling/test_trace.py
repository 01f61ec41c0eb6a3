"""Traces: replayed step by step they are the sample, and looking changes nothing."""

import jax
import numpy as np
import pytest

from jdlm import keys, planners, sampling, schedules, targets
from jdlm.config import build_schedule
from jdlm.predictor import oracle
from jdlm.sampling import Steps, draw_sizes, draw_steps
from jdlm.sampling import trace as traces
from tests.planners.family import FAMILY
from tests.sampling.ordered import causal

LENGTH, VOCAB, LANES = 8, 3, 200
TARGET = targets.sticky_markov(LENGTH, VOCAB, 0.8)
SIZES = np.array([[2, 0, 3, 3], [1, 1, 6, 0], [8, 0, 0, 0], [2, 2, 2, 2]], np.int32)[np.arange(LANES) % 4]


def replayed(trace, mask):
    """Tokens at the end, sizes without zeros and log probability of each lane, by a plain loop over the steps."""
    found = []
    for lane in range(len(trace.start)):
        tokens, sizes = trace.start[lane].copy(), []
        for step in range(trace.num_steps[lane]):
            after = trace.tokens[lane, step]
            new = [place for place in range(len(tokens)) if tokens[place] == mask and after[place] != mask]
            sizes.append(len(new))
            tokens = after.copy()
        last = trace.path_log_prob[lane, max(trace.num_steps[lane] - 1, 0)]
        found.append((tokens, sizes, last))
    return found


@pytest.mark.parametrize("member", FAMILY, ids=lambda member: member.name)
@pytest.mark.parametrize("given", [None, [0, 3, 3, 2, 3, 3, 3, 1]], ids=["from masks", "given"])
def test_replaying_gives_sample_sizes_and_log_probability_exactly(member, given):
    planner, predictor = member.build(), oracle(TARGET)
    sizes = SIZES if given is None else np.minimum(SIZES, [[2, 0, 2, 1]])[:, :4]
    if given is not None:
        sizes = np.array([[2, 0, 2, 1], [5, 0, 0, 0]], np.int32)[np.arange(LANES) % 2]
    if member.self_sized:
        sizes = None
    indices = np.arange(LANES)
    arguments = keys.key(0), predictor, sizes
    options = {"planner": planner, "given": given, "indices": indices}
    plain, without = sampling.sample_with_info(*arguments, **options)
    tokens, info = sampling.sample_with_info(*arguments, **options, trace=True)
    assert without.trace is None
    for one, other in zip((plain, *without[:4]), (tokens, *info[:4]), strict=True):
        np.testing.assert_array_equal(one, other, "looking changes nothing")
    trace = info.trace
    np.testing.assert_array_equal(trace.num_steps, info.nfe)
    for lane, (end, own, last) in enumerate(replayed(trace, VOCAB)):
        np.testing.assert_array_equal(end, tokens[lane])
        assert last == info.path_log_prob[lane]
        if sizes is not None:
            assert own == [size for size in sizes[lane] if size]
        assert own == [size for size in trace.sizes(VOCAB)[lane] if size]


@pytest.mark.parametrize("order", ["random", "left_to_right"])
def test_the_step_that_revealed_a_position_holds_its_token_and_the_one_before_a_mask(order):
    planner = getattr(planners, order)()
    tokens, info = sampling.sample_with_info(keys.key(1), oracle(TARGET), SIZES, planner=planner, trace=True)
    trace = info.trace
    at = trace.revealed_in(VOCAB)
    assert at.min() == 1 and at.max() == 4
    before = np.concatenate([trace.start[:, None], trace.tokens], axis=1)
    for lane in range(LANES):
        for place in range(LENGTH):
            step = at[lane, place]
            assert before[lane, step, place] == tokens[lane, place] and before[lane, step - 1, place] == VOCAB
    if order == "left_to_right":
        assert (np.diff(at, axis=1) >= 0).all()
    elif order == "random":
        first = (at[np.arange(LANES) % 4 == 0] == 1).mean(axis=0)  # each place is in a first step of 2 with chance 1/4
        assert np.abs(first - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 50)  # false alarm below 1e-5


def test_an_ordered_predictor_and_steps_that_mask_have_their_traces():
    predictor = causal(LENGTH, VOCAB)
    tokens, info = sampling.sample_with_info(keys.key(2), predictor, SIZES, trace=True)
    np.testing.assert_array_equal(info.trace.tokens[:, -1], tokens)
    np.testing.assert_array_equal(info.trace.path_log_prob[:, -1], info.path_log_prob)
    steps = draw_steps(keys.key(3), schedules.remdm(LENGTH, np.linspace(1.0, 0.0, 13), "linear", "cap", 0.3), 50)
    tokens, info = sampling.sample_with_info(keys.key(4), oracle(TARGET), steps, trace=True)
    plain = sampling.sample(keys.key(4), oracle(TARGET), steps)
    np.testing.assert_array_equal(tokens, plain)
    trace = info.trace
    np.testing.assert_array_equal(trace.tokens[np.arange(50), -1], tokens)
    before = np.concatenate([trace.start[:, None], trace.tokens[:, :-1]], axis=1)
    assert ((before != VOCAB) & (trace.tokens == VOCAB)).any(), "some were masked again"
    assert isinstance(steps, Steps) and np.isfinite(trace.path_log_prob).all()


def test_more_lanes_than_slots_are_traced_step_by_step():
    tokens, info = sampling.sample_with_info(keys.key(5), oracle(TARGET), SIZES, trace=True, batch_size=8)
    _, wide = sampling.sample_with_info(keys.key(5), oracle(TARGET), SIZES, trace=True, batch_size=256)
    for one, other in zip(info.trace, wide.trace, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (np.asarray(tokens) != VOCAB).all()


def test_traces_of_random_sizes_have_the_drawn_sizes():
    sizes = draw_sizes(keys.key(6), build_schedule("minimax_both", LENGTH, 3), 40)
    _, info = sampling.sample_with_info(keys.key(7), oracle(TARGET), sizes, trace=True)
    for own, drawn in zip(info.trace.sizes(VOCAB), np.asarray(sizes), strict=True):
        assert [size for size in own if size] == [size for size in drawn if size]


def test_traces_that_are_too_large_are_refused(monkeypatch):
    monkeypatch.setattr("jdlm.sampling.sampler.MOST", LANES * LENGTH * 4 - 1)
    with pytest.raises(ValueError, match=f"keeps {LANES * LENGTH * 4} numbers, more than .*; trace fewer lanes"):
        sampling.sample_with_info(keys.key(5), oracle(TARGET), SIZES, trace=True)
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("lanes",))
    request = sampling.Request(keys.key(0), planners.random(), SIZES)
    if len(jax.devices()) > 1:
        with pytest.raises(ValueError, match="takes one device and at most"):
            sampling.sample_all(oracle(TARGET), [request], mesh=mesh, trace=True)
    assert traces.from_snapshots(np.full((2, 3), 5, np.int32), []).num_steps.tolist() == [0, 0]
