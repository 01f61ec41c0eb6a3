"""The sampler with a predictor that keeps what it has computed: exact laws, any batch, infilling, one program.

Each chi-square fails a correct sampler with probability 1e-5; seeds are fixed.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import devices, exact, planners, schedules
from jdlm.sampling import _cached as cached
from jdlm.sampling import _loop as rounds
from jdlm.sampling import draw_sizes, path_log_prob, sample, sample_all, sample_with_info
from jdlm.sampling.request import Request
from jdlm.sampling.sampler import slots_of
from tests.sampling.counts import histogram, p_value
from tests.sampling.ordered import causal


@pytest.mark.parametrize(
    "planner", [planners.random(), planners.left_to_right(), planners.confidence()], ids=lambda planner: planner.name
)
@pytest.mark.parametrize("steps", [2, 4])
def test_tokens_have_the_exact_law(planner, steps):
    schedule, n = schedules.uniform(4, steps), 15_000
    sizes = draw_sizes(jax.random.key(1), schedule, n)
    tokens = sample(jax.random.key(5), causal(), sizes, planner=planner, batch_size=1024)
    assert p_value(histogram(tokens, 3), exact.output_law(causal(), schedule, planner).law, n) > 1e-5


@pytest.mark.parametrize("planner", [planners.random(), planners.threshold(0.5)], ids=lambda planner: planner.name)
def test_a_lane_depends_on_nothing_but_itself(planner):
    """Lanes of many sizes in 3 and 32 slots: those that take a slot over find nothing of the one before."""
    length, lanes = 21, 17
    model = causal(length)
    if planner.count is None:
        rows = _rows(length)
        sizes = np.stack([rows[i % len(rows)] for i in range(lanes)])
    else:
        sizes = None
    runs = [
        sample_with_info(jax.random.key(3), model, sizes, planner=planner, indices=np.arange(lanes), batch_size=slots)
        for slots in (32, 3)
    ]
    for tokens, info in runs[1:]:
        np.testing.assert_array_equal(tokens, runs[0][0])
        np.testing.assert_allclose(info.path_log_prob, runs[0][1].path_log_prob, rtol=1e-5)
        np.testing.assert_array_equal(info.nfe, runs[0][1].nfe)


def _rows(length):
    rows = []
    for steps in (1, 2, 5, 9, 20, 21):
        cuts = np.round(np.linspace(0, length, steps + 1)).astype(int)
        rows.append(np.pad(np.diff(cuts), (0, length - steps)))
    return rows


@pytest.mark.parametrize("given", [None, {1: 2, 5: 0, 6: 1}])
def test_the_path_is_that_of_one_pass_along_the_order(given):
    """Given tokens come first, from left to right; then the planner's order, each step on what was there before it."""
    length, lanes, model = 9, 6, causal(9)
    start = np.full(length, 3)
    for position, token in (given or {}).items():
        start[position] = token
    fill = [i for i in range(length) if start[i] == 3]
    for sizes in ([len(fill)], [1, 2, len(fill) - 3], [1] * len(fill)):
        rows = np.tile(sizes, (lanes, 1))
        tokens, info = sample_with_info(
            jax.random.key(2), model, rows, planner=planners.left_to_right(), given=start, batch_size=4
        )
        assert all((np.asarray(tokens)[:, i] == start[i]).all() for i in (given or {}))
        order = np.array([*(given or {}), *fill], np.int32)
        seen = np.concatenate(
            [np.arange(length - len(fill)), length - len(fill) + np.repeat(np.cumsum([0, *sizes])[:-1], sizes)]
        )
        along = model.along(tokens, jnp.tile(order, (lanes, 1)), jnp.tile(seen.astype(np.int32), (lanes, 1)))
        terms = jnp.take_along_axis(jax.nn.log_softmax(along), tokens[:, order, None], axis=2)[
            :, length - len(fill) :, 0
        ]
        np.testing.assert_allclose(info.path_log_prob, terms.sum(axis=1), rtol=1e-5, atol=1e-5)
        forced = path_log_prob(
            jax.random.key(2), model, rows, tokens, planner=planners.left_to_right(), given=start, batch_size=4
        )
        np.testing.assert_allclose(forced, info.path_log_prob, rtol=1e-6)


def test_one_program_serves_all_sizes_and_the_devices_share_the_lanes():
    model = causal(12)
    before = rounds.advance._cache_size()
    requests = [
        Request(jax.random.key(k), planners.random(), draw_sizes(jax.random.key(k), schedules.uniform(12, k), 9))
        for k in (1, 3, 7, 12)
    ]
    apart = [sample_all(model, [request], batch_size=8).parts[0][0] for request in requests]
    assert rounds.advance._cache_size() == before + 1
    mesh = devices.mesh()
    for one, (tokens, _) in zip(apart, sample_all(model, requests, batch_size=8, mesh=mesh).parts, strict=True):
        np.testing.assert_array_equal(one, tokens)


def test_results_state_the_memory_of_the_caches():
    request = Request(jax.random.key(0), planners.random(), [[12]])
    assert sample_all(causal(12), [request], batch_size=8).cache_bytes == 8 * causal(12).rules.lane_bytes == 8 * 3072


def test_histories():
    masked = jnp.array([[True, False, True, False], [True] * 4, [False] * 4])
    order = jnp.array([[2, 0, 1, 3], [3, 1, 0, 2], [1, 2, 0, 3]], jnp.int32)
    np.testing.assert_array_equal(cached.history_of(masked, order), [[1, 3, 2, 0], [3, 1, 0, 2], [0, 1, 2, 3]])
    positions = jnp.array([[2, 0, 1, 3]] * 3, jnp.int32)
    found = cached.remembered(jnp.full((3, 4), 9, jnp.int32), positions, jnp.array([0, 2, 3]), jnp.array([2, 2, 0]))
    np.testing.assert_array_equal(found, [[2, 0, 9, 9], [9, 9, 2, 0], [9] * 4])


def test_slots_fit_the_cache_of_a_cpu():
    assert slots_of(causal(9)) == 128
    assert 8 <= slots_of(causal(2048)) <= 64
