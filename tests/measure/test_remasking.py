"""Exact laws of samplers that mask tokens again, against a twin in which each token has its own coin."""

import functools
import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import exact, planners, schedules, targets
from jdlm.measure import remasking
from jdlm.measure.state_space import StateSpace
from jdlm.predictor import Predictor, oracle
from jdlm.sampling.filter import Draw
from tests.reference import remasking as twin
from tests.reference import samplers as reference
from tests.sampling.ordered import causal

CASES = [(3, 2), (3, 3), (4, 2)]
cases = pytest.mark.parametrize(("length", "vocab"), CASES, ids=str)
TIMES = schedules.uniform_times(5)


@functools.cache
def law(length, vocab):
    return np.random.default_rng(3).dirichlet(np.ones(vocab**length)).reshape((vocab,) * length)


@functools.cache
def wrong_logits(length, vocab):
    return np.random.default_rng(5).normal(size=[vocab + 1] * length + [length, vocab])


def look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


@functools.cache
def wrong(length, vocab):
    """A predictor that belongs to no law."""
    return Predictor(jnp.asarray(wrong_logits(length, vocab), jnp.float32), look_up, length, vocab)


def predict_wrong(length, vocab, state):
    weights = np.exp(wrong_logits(length, vocab).astype(np.float32)[state].astype(np.float64))
    return weights / weights.sum(axis=1, keepdims=True)


def both(length, vocab):
    """The oracle and a wrong predictor, each with its twin and the tolerance of its precision."""
    mine = targets.table(law(length, vocab))
    yield oracle(mine), functools.partial(reference.conditionals, law(length, vocab)), 1e-12
    yield wrong(length, vocab), functools.partial(predict_wrong, length, vocab), 1e-6


@cases
@pytest.mark.parametrize("masking", ["linear", "cosine", "polynomial"])
@pytest.mark.parametrize(("kind", "eta"), [("cap", 0.3), ("rescale", 0.6), ("loop", 0.4), ("cap", 1.0)])
def test_remdm_is_a_coin_for_each_token(length, vocab, masking, kind, eta):
    schedule = schedules.remdm(length, TIMES, masking, kind, eta)
    for predictor, predict, tolerance in both(length, vocab):
        found = exact.output_law(predictor, schedule)
        states = twin.coins(predict, length, vocab, twin.remdm_steps(TIMES, masking, kind, eta))
        np.testing.assert_allclose(found.law, twin.table(states, length, vocab), rtol=0, atol=tolerance)
        assert found.leftover == pytest.approx(0.0, abs=1e-12) and found.law.sum() == pytest.approx(1.0, abs=1e-12)


def test_what_is_left_over_is_that_of_the_coins():
    times = [1.0, 0.6, 0.3]
    schedule = schedules.remdm(3, times, eta=0.3, final_reveal=False)
    for predictor, predict, tolerance in both(3, 2):
        states = twin.coins(predict, 3, 2, twin.remdm_steps(times, "linear", "cap", 0.3))
        left = sum(mass for state, mass in states.items() if 2 in state)
        assert exact.output_law(predictor, schedule).leftover == pytest.approx(left, abs=tolerance)
        assert schedule.leftover == pytest.approx(left, abs=1e-12)


@cases
@pytest.mark.parametrize(("size", "after"), [(1, None), (2, None), (1, [0, 1]), (2, [0])])
def test_gibbs_rounds_mask_and_reveal(length, vocab, size, after):
    """After some steps of a list, two rounds; in the middle other positions are masked, too."""
    schedule = schedules.with_corrector(schedules.uniform(length, 2), 2, size, after)
    sizes = schedules.uniform(length, 2).law().sizes[0]
    for predictor, predict, tolerance in both(length, vocab):
        states = {(vocab,) * length: 1.0}
        for step, number in enumerate(sizes):
            states = _revealed(predict, states, vocab, int(number))
            for _ in range(2 if step in ([1] if after is None else after) else 0):
                states = twin.gibbs(predict, states, length, vocab, size)
        found = exact.output_law(predictor, schedule)
        np.testing.assert_allclose(found.law, twin.table(states, length, vocab), rtol=0, atol=tolerance)
        assert found.nfe[: 1 + len(sizes) + 2 * len([1] if after is None else after)][-1] == pytest.approx(1.0)


def _revealed(predict, states, vocab, size):
    after = {}
    for state, mass in states.items():
        open_, rows = [i for i, v in enumerate(state) if v == vocab], predict(state)
        sets = list(itertools.combinations(open_, size))
        for chosen in sets:
            for values in itertools.product(range(vocab), repeat=size):
                new, share = list(state), mass / len(sets)
                for i, v in zip(chosen, values, strict=True):
                    new[i], share = v, share * rows[i, v]
                after[tuple(new)] = after.get(tuple(new), 0.0) + share
    return after


def test_rounds_after_random_sizes_do_not_take_more_than_there_is():
    """After a first step of thinning that may reveal nothing, a round of size 2 masks 0, 1 or 2."""
    base = schedules.ancestral(3, schedules.uniform_times(2), "linear")
    schedule = schedules.with_corrector(base, 1, 2, [0])
    for predictor, predict, tolerance in both(3, 2):
        states = twin.coins(predict, 3, 2, [(0.5, 0.0)])
        states = twin.gibbs(predict, states, 3, 2, 2)
        states = _rest(predict, states, 2)
        found = exact.output_law(predictor, schedule)
        np.testing.assert_allclose(found.law, twin.table(states, 3, 2), rtol=0, atol=tolerance)


def _rest(predict, states, vocab):
    after = {}
    for state, mass in states.items():
        number = sum(v == vocab for v in state)
        for new, share in _revealed(predict, {state: mass}, vocab, number).items():
            after[new] = after.get(new, 0.0) + share
    return after


@cases
def test_informed_rounds_mask_the_least_likely_tokens(length, vocab):
    schedule = schedules.with_corrector(schedules.uniform(length, 2), 2, 1)
    for predictor, predict, tolerance in both(length, vocab):
        states = {(vocab,) * length: 1.0}
        for number in schedules.uniform(length, 2).law().sizes[0]:
            states = _revealed(predict, states, vocab, int(number))
        for _ in range(2):
            choose = twin.lowest_conditional(predict, vocab)
            states = twin.gibbs(predict, states, length, vocab, 1, choose)
        found = exact.output_law(predictor, schedule, remasker=planners.informed())
        np.testing.assert_allclose(found.law, twin.table(states, length, vocab), rtol=0, atol=tolerance)
        assert found.nfe[2 + 2 * (1 + length)] == pytest.approx(1.0)  # each round asks for all tokens, then draws one


@pytest.mark.parametrize("seed", range(6))
def test_a_gibbs_round_of_size_1_with_the_oracle_never_increases_kl(seed):
    """From output laws of samplers of all qualities; one of size 2 moves even the target's own law."""
    rng = np.random.default_rng(seed)
    mine = rng.dirichlet(np.full(16, 0.5)).reshape((2,) * 4)
    predictor = oracle(targets.table(mine))
    for base in (schedules.uniform(4, 1), schedules.uniform(4, 2), schedules.fixed([3, 1])):
        values = [
            exact.kl(mine, exact.output_law(predictor, schedules.with_corrector(base, rounds, 1)).law)
            for rounds in range(4)
        ]
        assert np.all(np.diff(values) <= 1e-12), values
    single = schedules.first_hitting(4)  # has the target's law
    assert exact.kl(mine, exact.output_law(predictor, schedules.with_corrector(single, 3, 1)).law) < 1e-12
    assert exact.kl(mine, exact.output_law(predictor, schedules.with_corrector(single, 1, 2)).law) > 1e-4


def test_a_round_in_the_middle_can_make_the_output_worse():
    """The law of the partly masked sequences comes nearer, and what is made of them goes away."""
    mine = np.random.default_rng(5).dirichlet(np.full(16, 0.5)).reshape((2,) * 4)
    predictor, base = oracle(targets.table(mine)), schedules.uniform(4, 2)
    plain = exact.kl(mine, exact.output_law(predictor, base).law)
    inside = exact.kl(mine, exact.output_law(predictor, schedules.with_corrector(base, 1, 1, [0])).law)
    assert inside > plain + 0.005


def test_planned_orders_and_filters_are_known_too():
    """Confidence, nucleus filtering and an argmax at the end, with steps of a list of pairs, walked by hand."""
    schedule = schedules.fixed_pairs([2, 2, 1], [0, 1, 0])
    predict = functools.partial(predict_wrong, 4, 2)
    planner = planners.confidence()
    states = {(2,) * 4: 1.0}
    for step, (size, remask) in enumerate([(2, 0), (2, 1), (1, 0)]):
        after = {}
        for state, mass in states.items():
            rows = predict(state)
            open_ = sorted((i for i in range(4) if state[i] == 2), key=lambda i: -rows[i].max())[:size]
            law_ = np.eye(2)[rows.argmax(axis=1)] if step == 2 else rows
            old = [i for i in range(4) if state[i] != 2]
            for values in itertools.product(range(2), repeat=size):
                new, share = list(state), mass
                for i, v in zip(open_, values, strict=True):
                    new[i], share = v, share * law_[i, v]
                for masked in itertools.combinations(old, remask):
                    final = tuple(2 if i in masked else v for i, v in enumerate(new))
                    after[final] = after.get(final, 0.0) + share / len(list(itertools.combinations(old, remask)))
        states = after
    found = exact.output_law(wrong(4, 2), schedule, planner, draw=Draw(final=Draw(top_k=1)))
    np.testing.assert_allclose(found.law, twin.table(states, 4, 2), rtol=0, atol=1e-6)


def test_matrices_and_sets_give_the_same_law():
    mine = oracle(targets.table(law(4, 2)))
    schedule = schedules.remdm(4, TIMES, eta=0.3)
    one = exact.output_law(mine, schedule)
    other = exact.output_law_of(StateSpace(mine, planners.random()), schedule)
    np.testing.assert_allclose(one.law, other.law, rtol=0, atol=1e-14)


def test_eta_0_is_ancestral():
    mine = oracle(targets.table(law(4, 2)))
    for kind in ("cap", "rescale", "conf"):
        schedule = schedules.remdm(4, TIMES, "cosine", kind, 0.0)
        remasker = planners.random()
        found = exact.output_law(mine, schedule, remasker=remasker)
        expected = exact.output_law(mine, schedules.ancestral(4, TIMES, "cosine"))
        np.testing.assert_allclose(found.law, expected.law, rtol=0, atol=1e-15)
        np.testing.assert_allclose(found.nfe, expected.nfe, rtol=0, atol=1e-14)


def test_what_has_no_exact_law_is_refused_with_the_reason():
    mine = oracle(targets.table(law(3, 2)))
    with pytest.raises(ValueError, match="confidence that tokens had when they were drawn"):
        exact.output_law(mine, schedules.remdm(3, TIMES, kind="conf"))
    with pytest.raises(ValueError, match="low_confidence masks by the confidence"):
        exact.output_law(mine, schedules.remdm(3, TIMES), remasker=planners.low_confidence())
    with pytest.raises(ValueError, match="looks at masked positions, so it cannot mask"):
        exact.output_law(mine, schedules.remdm(3, TIMES), remasker=planners.confidence())
    with pytest.raises(ValueError, match="may mask twice between two calls"):
        exact.output_law(mine, schedules.remdm(3, TIMES), remasker=planners.informed())
    with pytest.raises(ValueError, match="a sequence does not tell what was revealed"):
        exact.path_kl(targets.table(law(3, 2)), mine, schedules.remdm(3, TIMES))
    with pytest.raises(ValueError, match="depends on the order of reveal"):
        exact.output_law(causal(3, 2), schedules.remdm(3, TIMES))
    with pytest.raises(ValueError, match="length 4, the predictor 3"):
        exact.output_law(mine, schedules.remdm(4, TIMES))
    with pytest.raises(ValueError, match="counts by itself"):
        exact.output_law(mine, schedules.remdm(3, TIMES), planners.threshold(0.9))
    many = oracle(targets.sticky_markov(13, 2, 0.5))
    with pytest.raises(ValueError, match="shorter length"):
        exact.output_law(many, schedules.remdm(13, TIMES))


def test_calls_of_an_informed_planner_are_those_of_its_rounds():
    """Sizes by coins: after the first step n tokens are there; a round of size 1 asks n times and draws once."""
    base = schedules.ancestral(3, schedules.uniform_times(2), "linear")
    law_ = remasking.calls_law(schedules.with_corrector(base, 1, 1, [0]))
    expected = np.zeros(7)
    for n, chance in enumerate([1 / 8, 3 / 8, 3 / 8, 1 / 8]):
        expected[(n > 0) + (n + 1 if n else 0) + (n < 3)] += chance
    np.testing.assert_allclose(law_, expected[: len(law_)], atol=1e-15)
