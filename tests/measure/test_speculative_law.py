"""The exact law of speculative sampling against its slow twin, and against one token per step."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import exact, planners, schedules, targets
from jdlm.config.settings import NetworkConfig
from jdlm.measure.speculative_law import speculative_law
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import Draw
from jdlm.training import network
from tests.reference import speculative as reference

PLANNERS = (planners.random(), planners.left_to_right(), planners.bisection())
WINDOWS = (1, 2, 3, None)


def _look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


@functools.cache
def wrong_table(length=3, vocab=3) -> Predictor:
    """Random conditionals that belong to no distribution."""
    logits = 1.5 * np.random.default_rng(5).normal(size=[vocab + 1] * length + [length, vocab])
    return Predictor(jnp.asarray(logits, jnp.float32), _look_up, length, vocab)


@functools.cache
def law_oracle(length=4, vocab=2) -> Predictor:
    probabilities = np.random.default_rng(1).dirichlet(np.full(vocab**length, 0.3))
    return oracle(targets.table(probabilities.reshape((vocab,) * length)))


@functools.cache
def untrained_network() -> Predictor:
    config = NetworkConfig(width=16, depth=1, heads=2)
    return network.predictor(config, network.build(config, 4, 2).init(jax.random.key(0)), 4, 2)


PREDICTORS = {"oracle": law_oracle, "wrong table": wrong_table, "network": untrained_network}


@pytest.mark.parametrize(
    ("name", "planner"),
    [("oracle", 0), ("oracle", 2), ("wrong table", 0), ("wrong table", 1), ("wrong table", 2), ("network", 0)],
)
def test_the_law_is_that_of_one_token_per_step(name, planner):
    planner = PLANNERS[planner]
    predictor = PREDICTORS[name]()
    wanted = exact.output_law(predictor, schedules.first_hitting(predictor.length), planner).law
    for window in WINDOWS:
        mine = exact.speculative_law(predictor, planner, window)
        assert exact.total_variation(mine.law, wanted) < 1e-12
        assert mine.nfe.sum() == pytest.approx(1.0, abs=1e-12) and mine.leftover == 0.0


@pytest.mark.parametrize("window", WINDOWS)
def test_rounds_and_law_against_an_enumeration_of_all_drafts(window):
    predictor = wrong_table()
    length, vocab = predictor.length, predictor.vocab_size
    table = np.asarray(jax.nn.softmax(jnp.asarray(predictor.params, jnp.float32)), np.float64)
    table /= table.sum(axis=-1, keepdims=True)

    def conditional(revealed, position):
        return table[tuple(revealed.get(i, vocab) for i in range(length))][position].tolist()

    orders = list(itertools.permutations(range(length)))
    law, rounds = np.zeros((vocab,) * length), np.zeros(length + 1)
    for order in orders:
        sequences, counts = reference.law(conditional, length, vocab, order, window or length)
        for tokens, probability in sequences.items():
            law[tokens] += probability / len(orders)
        for count, probability in counts.items():
            rounds[count] += probability / len(orders)
    mine = speculative_law(predictor, planners.random(), window)
    np.testing.assert_allclose(mine.law, law, atol=1e-7)  # the softmax of the twin is in float32
    np.testing.assert_allclose(mine.nfe, rounds, atol=1e-7)


def test_rounds_of_laws_where_they_are_known():
    product = oracle(targets.product(np.full((4, 2), 0.5)))
    np.testing.assert_allclose(speculative_law(product).nfe, [0, 0, 1, 0, 0], atol=1e-12)
    # Of a repetition code a wrong guess is refused, after which all others are known; at the end it costs no round.
    repetition = oracle(targets.repetition(4, 3))
    np.testing.assert_allclose(speculative_law(repetition).nfe[2:], [1 / 9, 8 / 9, 0], atol=1e-12)
    np.testing.assert_allclose(speculative_law(repetition, window=1).nfe, [0, 0, 0, 0, 1], atol=1e-12)
    one = oracle(targets.product(np.full((1, 2), 0.5)))
    np.testing.assert_allclose(speculative_law(one).nfe, [0, 1], atol=1e-12)


def test_filters_apply_to_drafts_and_checks():
    predictor, draw = wrong_table(), Draw(temperature=0.7, nucleus=0.8)
    wanted = exact.output_law(predictor, schedules.first_hitting(3), draw=draw).law
    assert exact.total_variation(speculative_law(predictor, draw=draw).law, wanted) < 1e-12


def test_errors():
    with pytest.raises(ValueError, match="planner confidence chooses positions by their logits; use random"):
        speculative_law(law_oracle(), planners.confidence())
    with pytest.raises(ValueError, match="window=0"):
        speculative_law(law_oracle(), window=0)
    with pytest.raises(ValueError, match="have 362880 orders"):
        speculative_law(oracle(targets.product(np.full((9, 2), 0.5))))

    def nothing(tokens):
        return jnp.full((3, 2), jnp.nan)

    with pytest.raises(ValueError, match="NaN on the tokens"):
        speculative_law(Predictor.wrap(nothing, 3, 2))
