"""Speculative sampling: its tokens and rounds against the exact law, its keys, infilling and limits.

Statistical tests have fixed seeds. Each chi-square fails a correct sampler with probability 1e-5; the comparisons with
rounds from elsewhere allow 4 standard errors, 6e-5 each.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jdlm import devices, exact, planners, targets
from jdlm.keys import key
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import Draw, speculative
from tests.sampling.counts import histogram, p_value

FIXED = (planners.random(), planners.left_to_right(), planners.bisection())


def _look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


@functools.cache
def table(length=4, vocab=3) -> Predictor:
    """Random conditionals that belong to no distribution."""
    logits = 1.5 * np.random.default_rng(3).normal(size=[vocab + 1] * length + [length, vocab])
    return Predictor(jnp.asarray(logits, jnp.float32), _look_up, length, vocab)


@pytest.mark.parametrize(("planner", "window"), [(0, None), (0, 1), (1, 2), (2, None)])
def test_tokens_and_rounds_have_the_exact_law(planner, window):
    planner, n = FIXED[planner], 15_000  # 60,000 tokens
    tokens, info = speculative(key(7), table(), n, planner=planner, window=window, batch_size=512)
    law = exact.speculative_law(table(), planner, window)
    assert p_value(histogram(tokens, 3), law.law, n) > 1e-5
    assert p_value(np.bincount(info.rounds, minlength=5), law.nfe, n) > 1e-5


def test_filters_apply_to_drafts_and_checks():
    draw, n = Draw(temperature=0.7, top_k=2), 15_000
    tokens, info = speculative(key(8), table(), n, draw=draw, batch_size=512)
    law = exact.speculative_law(table(), draw=draw)
    assert p_value(histogram(tokens, 3), law.law, n) > 1e-5
    assert p_value(np.bincount(info.rounds, minlength=5), law.nfe, n) > 1e-5


def test_known_tokens_stay_and_the_rest_has_the_conditional_law():
    probabilities = np.random.default_rng(2).dirichlet(np.full(16, 0.5)).reshape((2,) * 4)
    n = 15_000
    tokens, info = speculative(key(1), oracle(targets.table(probabilities)), n, given=[2, 1, 2, 2], batch_size=512)
    counts = histogram(tokens, 2)
    assert counts[:, 0].sum() == 0
    assert p_value(counts[:, 1], probabilities[:, 1] / probabilities[:, 1].sum(), n) > 1e-5
    assert np.max(info.rounds) <= 3 and np.min(info.rounds) >= 2
    full, info = speculative(key(1), table(), 3, given=[0, 1, 2, 0])
    assert np.array_equal(full, [[0, 1, 2, 0]] * 3) and not np.any(info.rounds) and not np.any(info.calls)


def test_a_sample_depends_on_key_and_index_alone():
    given = np.full((40, 4), 3)
    given[::3, 1] = 2
    many, info = speculative(key(4), table(), 40, given=given)
    for size in (3,):
        again, other = speculative(key(4), table(), 40, given=given, batch_size=size)
        assert np.array_equal(many, again) and np.array_equal(info.rounds, other.rounds)
    chosen = np.array([33, 2, 19])
    some, _ = speculative(key(4), table(), 3, given=given[chosen], indices=chosen)
    assert np.array_equal(some, many[chosen])
    spread, other = speculative(key(4), table(), 40, given=given, mesh=devices.mesh(2))
    assert np.array_equal(many, spread) and np.array_equal(info.rounds, other.rounds)
    assert not np.array_equal(many, speculative(key(5), table(), 40, given=given)[0])


def test_calls_and_accepted_tokens_are_counted():
    """Of a product nothing is refused; of a repetition code the second position is, unless it was guessed."""
    tokens, info = speculative(key(0), oracle(targets.product(np.full((6, 2), 0.5))), 5)
    assert np.all(info.rounds == 2) and np.all(info.calls == 6) and np.all(info.accepted == 5.0)
    tokens, info = speculative(key(0), oracle(targets.repetition(6, 7)), 50, batch_size=1)
    assert np.all(tokens == np.asarray(tokens)[:, :1])
    refused = np.asarray(info.rounds) == 3
    assert 20 < refused.sum() and np.all(np.asarray(info.accepted)[refused] == 2.0)
    assert np.all(np.asarray(info.calls)[refused] <= 1 + 5 + 4) and np.all(np.asarray(info.calls) >= 6)


def test_rounds_of_an_independent_simulation():
    """Rounds of a simulation of a few hundred sequences by other code, given to one decimal."""
    rounds, error = 5.9, 0.06
    _, info = speculative(key(0), oracle(targets.sticky_markov(32, 4, 0.8)), 500)
    mine = np.asarray(info.rounds)
    assert abs(mine.mean() - rounds) < 0.05 + 4 * np.hypot(error, mine.std() / len(mine) ** 0.5)
    assert mine.max() <= 32


def test_errors():
    with pytest.raises(ValueError, match="planner entropy chooses positions by their logits"):
        speculative(key(0), table(), 2, planner=planners.entropy())
    for name, value in (("window", 0), ("batch_size", 0), ("lanes", -1)):
        options = {"lanes": 2, name: value}
        with pytest.raises(ValueError, match=f"{name}={value}"):
            speculative(key(0), table(), **options)
    with pytest.raises(ValueError, match="indices has shape"):
        speculative(key(0), table(), 2, indices=[1, 2, 3])
    with pytest.raises(ValueError, match="key is of rbg"):
        speculative(jax.random.key(0, impl="rbg"), table(), 2)
    assert speculative(key(0), table(), 0)[0].shape == (0, 4)


@pytest.mark.parametrize("masks", (4, 3))
def test_logits_that_are_no_distribution_are_refused(masks):
    """In all states of so many masks, wherever they are met: at the first call, or in a check."""

    def broken(tokens):
        wrong = (tokens == 3).sum() == masks
        return jnp.where(wrong, jnp.nan, jnp.zeros((4, 3)))

    with pytest.raises(ValueError, match="returned NaN in lane 0"):
        speculative(key(0), Predictor.wrap(broken, 4, 3), 3)


def test_all_orders_of_the_random_planner_occur():
    """The first position that is filled: with a deterministic rest its token tells it."""
    length = 3
    logits = np.full((3, 3, 3, length, 2), -np.inf)
    for state in itertools.product(range(3), repeat=length):
        first = all(token == 2 for token in state)
        for position in range(length):
            logits[state][position] = [-np.inf, 0.0] if first else [0.0, -np.inf]
    predictor = Predictor(jnp.asarray(logits, jnp.float32), _look_up, length, 2)
    tokens, _ = speculative(key(2), predictor, 3_000, batch_size=512)
    assert np.all(np.asarray(tokens).sum(axis=1) == 1)
    assert scipy.stats.chisquare(np.asarray(tokens).sum(axis=0)).pvalue > 1e-5
