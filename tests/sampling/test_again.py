"""Sampling with steps that mask tokens again: what is masked, what is drawn anew, and what is refused.

The chi-square tests alarm falsely with probability 1e-6 each; their seeds are fixed.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import exact, planners, schedules
from jdlm.predictor import Predictor
from jdlm.sampling import (
    Draw,
    Request,
    Steps,
    draw_sizes,
    draw_steps,
    path_log_prob,
    sample,
    sample_all,
    sample_with_info,
)
from jdlm.sampling import _loop as rounds
from tests.measure.test_remasking import wrong
from tests.sampling.counts import p_value
from tests.sampling.ordered import causal

LENGTH, VOCAB, N, ALARM = 4, 2, 8_000, 1e-6
RANDOM = planners.random()
TIMES = schedules.uniform_times(4)


@pytest.mark.parametrize("draw", [Draw(), Draw(temperature=0.5), Draw(top_k=1)], ids=["plain", "cold", "argmax"])
def test_low_confidence_masks_by_the_predictors_own_probabilities(draw):
    """Two tokens of probabilities (0.5, 0.25, 0.25) and (0.45, 0.55, 0): the less likely of those drawn is masked.

    At temperature 0.5 the first would be the likelier one whenever it is 0, and all tokens of an argmax are certain.
    """
    rows = np.array([[0.5, 0.25, 0.25], [0.45, 0.55, 0.0], [1.0, 0.0, 0.0]])
    with np.errstate(divide="ignore"):
        predictor = Predictor.wrap(functools.partial(_constant, jnp.asarray(np.log(rows), jnp.float32)), 3, 3)
    steps = Steps(np.tile([2, 1], (N, 1)), np.tile([0, 1], (N, 1)), planners.low_confidence())
    order = planners.left_to_right()
    tokens = np.asarray(sample(jax.random.key(3), predictor, steps, planner=order, draw=draw, allow_leftover=True))
    with np.errstate(divide="ignore"):
        law = np.exp(np.asarray(draw(jnp.asarray(np.log(rows), jnp.float32)), np.float64))
    law /= law.sum(axis=1, keepdims=True)
    first_stays = law[0, 0] * law[1, 0]  # 0.5 against 0.45, and nothing else
    assert ((tokens[:, :2] == 3).sum(axis=1) == 1).all() and not np.any((tokens[:, 0] != 3) & (tokens[:, 0] != 0))
    stays = np.array([(tokens[:, 1] == 3).sum(), (tokens[:, 0] == 3).sum()])
    assert p_value(stays, np.array([first_stays, 1 - first_stays]), N) > ALARM


def test_after_a_mask_a_random_order_is_a_new_one():
    """Two of four, one of them masked, one of three revealed: the same one in a third of the lanes."""
    fair = Predictor.wrap(functools.partial(_constant, jnp.zeros((4, 2))), 4, 2)
    steps = Steps(np.tile([2, 0, 1], (N, 1)), np.tile([0, 1, 0], (N, 1)))
    tokens = np.asarray(sample(jax.random.key(4), fair, steps, allow_leftover=True))
    before = np.asarray(sample(jax.random.key(4), fair, np.tile([2], (N, 1)), allow_leftover=True))
    same = ((tokens == 2) == (before == 2)).all(axis=1).sum()
    assert p_value(np.array([same, N - same]), np.array([1 / 3, 2 / 3]), N) > ALARM


def test_calls_of_an_informed_planner_before_and_after_a_call():
    """Three are there: their scores, one masked; scores of two, one more masked after the call: 1 + 3 + 2 + 1 + 1."""
    schedule = schedules.fixed_pairs([3, 0, 1, 2], [0, 1, 1, 0])
    law = exact.output_law(wrong(4, 2), schedule, remasker=planners.informed()).nfe
    steps = draw_steps(jax.random.key(0), schedule, 64)._replace(remasker=planners.informed())
    _, info = sample_with_info(jax.random.key(1), wrong(4, 2), steps)
    assert (np.asarray(info.nfe) == 8).all() and law[8] == pytest.approx(1.0)


def _constant(rows, tokens):
    return rows


def test_until_something_is_masked_a_sample_is_that_without_remasking():
    """The steps before the first round, with planners of both kinds; then tokens change."""
    predictor = wrong(LENGTH, VOCAB)
    base = schedules.uniform(LENGTH, 3)
    corrected = schedules.with_corrector(base, 2, 2)
    for planner in (planners.random(), planners.confidence()):
        key = jax.random.key(5)
        plain = np.asarray(sample(key, predictor, draw_sizes(key, base, 300), planner=planner))
        drawn = draw_steps(key, corrected, 300)
        only = Steps(drawn.sizes[:, :3], drawn.remask[:, :3])
        np.testing.assert_array_equal(sample(key, predictor, only, planner=planner), plain)
        tokens, info = sample_with_info(key, predictor, drawn, planner=planner)
        differing = (np.asarray(tokens) != plain).sum(axis=1)
        assert np.all(differing <= info.changed) and differing.any()
        # One more masked position, and only that one is drawn again.
        one = Steps(np.tile([2, 1, 1, 0, 1], (300, 1)), np.tile([0, 0, 0, 1, 0], (300, 1)))
        tokens, info = sample_with_info(key, predictor, one, planner=planner)
        assert ((np.asarray(tokens) != plain).sum(axis=1) == info.changed).all() and info.changed.max() == 1


def test_eta_0_samples_are_those_of_ancestral_bit_for_bit():
    key, plain = jax.random.key(2), schedules.ancestral(LENGTH, TIMES, "cosine")
    sizes = draw_sizes(key, plain, 500)
    expected = np.asarray(sample(jax.random.key(9), wrong(LENGTH, VOCAB), sizes))
    for kind in ("cap", "rescale", "conf"):
        drawn = draw_steps(key, schedules.remdm(LENGTH, TIMES, "cosine", kind, 0.0), 500)
        np.testing.assert_array_equal(drawn.sizes, sizes)
        assert not drawn.remask.any()
        np.testing.assert_array_equal(sample(jax.random.key(9), wrong(LENGTH, VOCAB), drawn), expected)


def test_noise_is_used_once():
    """Independent fair coins: a position that is drawn again is as likely to keep its token as to change it."""
    fair = Predictor.wrap(functools.partial(_constant, jnp.zeros((4, 2))), 4, 2)
    steps = Steps(np.tile([4, 0, 4, 0, 4], (N, 1)), np.tile([0, 4, 0, 4, 0], (N, 1)))
    tokens, info = sample_with_info(jax.random.key(4), fair, steps)
    assert p_value(np.bincount(info.changed, minlength=9), _binomial(8), N) > ALARM
    first = np.asarray(sample(jax.random.key(4), fair, np.tile([4], (N, 1))))
    assert p_value(np.bincount((np.asarray(tokens) != first).sum(axis=1), minlength=5), _binomial(4), N) > ALARM


def _binomial(n):
    from math import comb

    return np.array([comb(n, k) for k in range(n + 1)]) / 2**n


def test_tokens_of_the_same_step_are_never_masked():
    """Two of four are revealed, then the other two while the first two are masked: these are there at the end."""
    marked = Predictor.wrap(_times_revealed, 4, 3)
    steps = Steps(np.tile([2, 2, 2], (256, 1)), np.tile([0, 2, 0], (256, 1)))
    tokens = np.asarray(sample(jax.random.key(6), marked, steps))
    # A token says how many were revealed at its draw: 0 in the first step, then 2 in both others.
    assert (tokens == 2).all()


def _times_revealed(tokens):
    number = (tokens != 3).sum()
    return jnp.where(jnp.arange(3)[None] == number, 0.0, -jnp.inf) + jnp.zeros((4, 1))


def test_a_lane_depends_on_itself_alone():
    """Whatever the batch, the neighbours, their steps and planners; also on indices that do not begin at 0."""
    predictor, key = wrong(LENGTH, VOCAB), jax.random.key(8)
    schedule = schedules.with_corrector(schedules.remdm(LENGTH, TIMES, eta=0.4), 1, 1)
    drawn = draw_steps(key, schedule, 70)
    whole, info = sample_with_info(key, predictor, drawn, batch_size=32)
    for batch in (1, 7):
        tokens, mine = sample_with_info(key, predictor, drawn, batch_size=batch)
        np.testing.assert_array_equal(tokens, whole)
        np.testing.assert_array_equal(mine.nfe, info.nfe)
    indices = np.arange(40, 70)
    some = draw_steps(key, schedule, indices=indices)
    np.testing.assert_array_equal(some.sizes, drawn.sizes[40:])
    np.testing.assert_array_equal(some.remask, drawn.remask[40:])
    others = [
        Request(key, planners.random(), some, indices=indices),
        Request(key, planners.confidence(), drawn),
        Request(key, planners.random(), np.tile([2, 2], (9, 1))),
        Request(key, planners.random(), drawn._replace(remasker=planners.informed())),
    ]
    parts = sample_all(predictor, others).parts
    np.testing.assert_array_equal(parts[0][0], np.asarray(whole)[40:])
    np.testing.assert_array_equal(parts[2][0], sample(key, predictor, np.tile([2, 2], (9, 1))))


def test_an_ordered_predictor_does_not_depend_on_the_batch():
    """Caches of slots that are taken over, cut and filled again, with planners of both kinds."""
    steps = draw_steps(jax.random.key(3), schedules.with_corrector(schedules.uniform(4, 2), 2, 2, [0, 1]), 12)
    for planner in (planners.random(), planners.confidence()):
        one, other = (
            sample(jax.random.key(1), causal(4, 3), steps, planner=planner, batch_size=size) for size in (1, 5)
        )
        np.testing.assert_array_equal(one, other)


def test_given_tokens_are_never_masked():
    given = np.array([VOCAB, 1, VOCAB, 0])
    steps = Steps(np.tile([2, 0, 2, 0, 1], (400, 1)), np.tile([0, 2, 0, 1, 0], (400, 1)))
    for remasker in (planners.random(), planners.low_confidence(), planners.informed()):
        tokens, info = sample_with_info(
            jax.random.key(1), wrong(LENGTH, VOCAB), steps._replace(remasker=remasker), given=given
        )
        assert (np.asarray(tokens)[:, [1, 3]] == [1, 0]).all() and not info.leftover.any() and info.changed.any()
    with pytest.raises(ValueError, match="masks 3 positions, but 2 were revealed before it"):
        sample(jax.random.key(1), wrong(LENGTH, VOCAB), steps._replace(remask=3 * (steps.remask > 1)), given=given)


def test_more_steps_than_tokens_and_one_program_for_all():
    """Forty rounds; programs are counted by their shapes, of which widths are powers of two times the length."""
    predictor, key = wrong(LENGTH, VOCAB), jax.random.key(0)
    base = schedules.uniform(LENGTH, 2)
    before = None
    for number, count in enumerate((29, 23, 17)):
        schedule = schedules.with_corrector(base, count, 1)
        tokens, info = sample_with_info(key, predictor, draw_steps(key, schedule, 16), batch_size=16)
        assert (info.nfe == 2 + count).all() and (np.asarray(tokens) < VOCAB).all()
        before = rounds.advance._cache_size() if number == 0 else before
    assert rounds.advance._cache_size() == before


def test_bad_steps_are_refused():
    predictor, key = wrong(LENGTH, VOCAB), jax.random.key(0)

    def attempt(sizes, remask, **options):
        return sample(key, predictor, Steps(np.array([sizes]), np.array([remask])), **options)

    with pytest.raises(ValueError, match="step 1 of lane 0 masks 3 positions, but 2 were revealed before it"):
        attempt([2, 2, 3], [0, 3, 0])
    with pytest.raises(ValueError, match="step 1 of lane 0 reveals 3 positions, but 2 are masked"):
        attempt([2, 3], [0, 1])
    with pytest.raises(ValueError, match="sum to 3 but 4 positions are to be filled"):
        attempt([2, 2], [0, 1])
    with pytest.raises(ValueError, match="masks 1 positions after its last call"):
        attempt([2, 2, 0], [0, 0, 1], allow_leftover=True)
    with pytest.raises(ValueError, match=r"remask has shape \(1, 2\), sizes \(1, 3\)"):
        attempt([2, 2, 0], [0, 0])
    with pytest.raises(ValueError, match="remask contains -1"):
        attempt([2, 2], [0, -1])
    with pytest.raises(ValueError, match="remask has dtype float64"):
        attempt([2, 2], [0.0, 1.0])
    with pytest.raises(ValueError, match="low_confidence masks tokens and reveals none"):
        sample(key, predictor, np.array([[2, 2]]), planner=planners.low_confidence())
    with pytest.raises(ValueError, match="confidence looks at masked positions"):
        sample(key, predictor, Steps(np.array([[2, 2]]), np.array([[0, 0]]), planners.confidence()))
    with pytest.raises(ValueError, match=r"threshold.* with sizes=an array"):
        sample(key, predictor, Steps(np.array([[2, 2]]), np.array([[0, 0]])), planner=planners.threshold(0.9))
    steps = Steps(np.array([[4, 0, 1]]), np.array([[0, 1, 0]]))
    with pytest.raises(ValueError, match="known tokens do not tell"):
        path_log_prob(key, predictor, steps, np.zeros(LENGTH, int))
    with pytest.raises(ValueError, match="depends on the order of reveal, which these have not"):
        sample(key, causal(4, 2), steps._replace(remasker=planners.informed()))
    assert attempt([2, 1], [0, 1], allow_leftover=True).shape == (1, LENGTH)


def test_an_ordered_predictor_forgets_what_is_masked():
    """Its cache after a round is that of the tokens that are left: the same as sampling on from them in their order."""
    network, key, lanes = causal(4, 3), jax.random.key(12), 64
    steps = Steps(np.tile([1, 1, 1, 1, 0, 1], (lanes, 1)), np.tile([0, 0, 0, 0, 1, 0], (lanes, 1)), FIRST)
    left = planners.left_to_right()
    tokens, info = sample_with_info(key, network, steps, planner=left, batch_size=64)
    before = np.asarray(sample(key, network, np.ones((lanes, 4), int), planner=left))
    # The first token was masked and drawn again last, after those at 1, 2, 3.
    np.testing.assert_array_equal(np.asarray(tokens)[:, 1:], before[:, 1:])
    given = before.copy()
    given[:, 0] = 3
    logits = jax.vmap(lambda t: network(t))(jnp.asarray(given))[:, 0]
    chances = np.asarray(jax.nn.softmax(logits))
    drawn = np.asarray(info.path_log_prob) - _log_prob(network, before)
    np.testing.assert_allclose(drawn, np.log(chances[np.arange(lanes), np.asarray(tokens)[:, 0]]), atol=2e-5)
    assert info.changed.any()


FIRST = planners.Planner("first", lambda scores, revealed: -jnp.arange(4.0), needs_logits=False)


def _log_prob(network, tokens):
    sizes = np.ones((len(tokens), 4), int)
    return np.asarray(path_log_prob(jax.random.key(0), network, sizes, tokens, planner=planners.left_to_right()))
