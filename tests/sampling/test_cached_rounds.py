"""Speculative sampling with a causal network: tokens and rounds against the exact law, blocks, infilling, one program.

Each chi-square fails a correct sampler with probability 1e-5, each comparison of means within 4 errors with 6e-5.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import devices, exact, planners, schedules
from jdlm.sampling import Draw, _cached_rounds, path_log_prob, sample, speculative
from tests.sampling.counts import histogram, p_value
from tests.sampling.ordered import causal


@pytest.mark.parametrize("window", [1, 2, 3, None])
@pytest.mark.parametrize("planner", [planners.random(), planners.left_to_right()], ids=lambda planner: planner.name)
def test_tokens_and_rounds_have_the_exact_law(planner, window):
    n, model = 15_000, causal()
    tokens, info = speculative(jax.random.key(7), model, n, planner=planner, window=window, batch_size=1024)
    law = exact.speculative_law(model, planner, window)
    one = exact.output_law(model, schedules.first_hitting(4), planner).law
    assert exact.total_variation(law.law, one) < 1e-12
    assert p_value(histogram(tokens, 3), law.law, n) > 1e-5
    assert p_value(np.bincount(info.rounds, minlength=5), law.nfe, n) > 1e-5
    assert (np.asarray(info.calls) == 2 * np.asarray(info.rounds)).all() and np.max(info.rounds) <= 4


def test_a_refused_token_leaves_nothing_behind():
    """In the cache it would change later tokens a little: seen with 40,000 sequences, where a third has a refusal."""
    n, model = 40_000, causal()
    tokens, info = speculative(jax.random.key(7), model, n, batch_size=1024)
    law = exact.speculative_law(model)
    assert law.nfe[2:].sum() > 0.3
    assert p_value(histogram(tokens, 3), law.law, n) > 1e-5
    assert p_value(np.bincount(info.rounds, minlength=5), law.nfe, n) > 1e-5


def simulated_rounds(model, n, window):
    """The rule written out in numpy, from left to right, with one pass for all drafts and one for all checks."""
    rng, length = np.random.default_rng(1), model.length
    order = np.tile(np.arange(length, dtype=np.int32), (n, 1))
    tokens, filled, rounds = np.zeros((n, length), np.int32), np.zeros(n, np.int32), np.zeros(n)
    along = jax.jit(lambda *given: jax.nn.softmax(model.along(*given)))
    while (busy := filled < length).any():
        before = order < filled[:, None]
        draft = np.asarray(along(tokens, order, np.minimum(order, filled[:, None])), np.float64)
        draft /= draft.sum(axis=2, keepdims=True)
        drawn = (rng.random((n, length, 1)) > draft.cumsum(axis=2)).sum(axis=2).clip(0, model.vocab_size - 1)
        full = np.where(before, tokens, drawn).astype(np.int32)
        wanted = np.asarray(along(full, order, order), np.float64)
        wanted /= wanted.sum(axis=2, keepdims=True)
        p, q = (np.take_along_axis(law, full[..., None], axis=2)[..., 0] for law in (wanted, draft))
        refused = (rng.random((n, length)) > p / q) & (order > filled[:, None])
        end = np.minimum(filled + window, length)
        refused &= order < end[:, None]
        first = np.where(refused.any(axis=1), refused.argmax(axis=1), end)
        residual = np.maximum(wanted - draft, 0.0)
        residual /= np.maximum(residual.sum(axis=2, keepdims=True), 1e-300)
        again = (rng.random((n, length, 1)) > residual.cumsum(axis=2)).sum(axis=2).clip(0, model.vocab_size - 1)
        tokens = np.where(before | (order < first[:, None]), full, tokens)
        tokens = np.where((order == first[:, None]) & refused.any(axis=1)[:, None], again, tokens).astype(np.int32)
        rounds += busy
        filled = np.where(busy, first + refused.any(axis=1), filled).astype(np.int32)
    return rounds


@pytest.mark.parametrize("window", [37, 20])
def test_rounds_of_long_drafts_are_those_of_the_rule(window):
    """Blocks of a draft have no part in the law of the tokens, but in that of the rounds."""
    model, n = causal(37), 1500
    _, info = speculative(jax.random.key(3), model, n, planner=planners.left_to_right(), window=window)
    found, wanted = np.asarray(info.rounds, float), simulated_rounds(model, n, window)
    assert abs(found.mean() - wanted.mean()) < 4 * np.sqrt((found.var() + wanted.var()) / n)


def test_filters_apply_to_drafts_and_checks():
    draw, n = Draw(temperature=0.6, top_k=2), 15_000
    tokens, _ = speculative(jax.random.key(8), causal(), n, draw=draw, batch_size=1024)
    assert p_value(histogram(tokens, 3), exact.speculative_law(causal(), draw=draw).law, n) > 1e-5


def test_given_tokens_come_first_and_stay():
    """Against one token per step with the same given tokens, whose law is known to be right."""
    n, start = 15_000, np.array([3, 1, 3, 3])
    tokens, info = speculative(jax.random.key(1), causal(), n, given=start, batch_size=1024)
    single = sample(jax.random.key(2), causal(), np.ones((n, 3), int), given=start, batch_size=1024)
    one, other = (histogram(x, 3)[:, 1] for x in (tokens, single))
    assert one.sum() == other.sum() == n
    pooled = (one + other) / (2 * n)
    keep = pooled * n >= 5
    chi = (((one - other) ** 2) / np.maximum(one + other, 1))[keep].sum()
    assert chi < keep.sum() + 4.5 * np.sqrt(2 * keep.sum())  # 1e-5, by the normal tail
    assert np.max(info.rounds) <= 3
    full, info = speculative(jax.random.key(1), causal(), 2, given=[0, 1, 2, 0])
    assert (np.asarray(full) == [0, 1, 2, 0]).all() and not np.asarray(info.rounds).any()


@pytest.mark.parametrize("window", [None, 5])
def test_long_drafts_are_checked_block_by_block(window):
    """37 tokens in blocks of 16: means of a log probability and of pairs are those of one token per step."""
    length, n, model = 37, 2000, causal(37)
    order = planners.left_to_right()
    tokens, info = speculative(jax.random.key(3), model, n, planner=order, window=window)
    single = sample(jax.random.key(4), model, np.ones((n, length), int), planner=order)
    scores = [
        path_log_prob(jax.random.key(0), model, np.ones((n, length), int), x, planner=order) for x in (tokens, single)
    ]
    scores += [
        (np.asarray(x)[:, i] == np.asarray(x)[:, i + 1]) for i in (0, 14, 15, 16, 31, 35) for x in (tokens, single)
    ]
    for one, other in zip(scores[::2], scores[1::2], strict=True):
        error = np.sqrt((np.var(one) + np.var(other)) / n)
        assert abs(np.mean(one) - np.mean(other)) < 4 * error
    assert np.max(info.rounds) <= length
    blocks = np.asarray(info.calls) - np.asarray(info.rounds)
    assert (blocks >= info.rounds).all() and ((blocks > info.rounds).any() == (window is None))


def test_a_lane_depends_on_nothing_but_itself_and_one_program_serves_all_windows():
    model, before = causal(20), _cached_rounds.run._cache_size()
    runs = [speculative(jax.random.key(5), model, 19, window=window, batch_size=4)[0] for window in (None, 3, None)]
    assert _cached_rounds.run._cache_size() == before + 1
    np.testing.assert_array_equal(runs[0], runs[2])
    alone, _ = speculative(jax.random.key(5), model, 3, indices=[11, 4, 18], batch_size=4)
    np.testing.assert_array_equal(alone, np.asarray(runs[0])[[11, 4, 18]])
    spread, _ = speculative(jax.random.key(5), model, 19, batch_size=4, mesh=devices.mesh())
    np.testing.assert_array_equal(spread, runs[0])


def test_logits_that_are_no_distribution_are_refused():
    leaves, tree = jax.tree.flatten(causal().params)
    broken = jax.tree.unflatten(tree, [jnp.full_like(leaf, jnp.nan) for leaf in leaves])
    with pytest.raises(ValueError, match="the predictor returned NaN in lane 0; check its parameters"):
        speculative(jax.random.key(0), dataclasses.replace(causal(), params=broken), 3)
