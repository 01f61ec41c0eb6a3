"""Hidden Markov models at lengths that enumeration does not reach, and where they are something simpler."""

import jax
import numpy as np
import pytest

from jdlm import targets
from tests.targets.lanes import LENGTH, conditionals, draw, masked

rng = np.random.default_rng(7)
INITIAL, TRANSITION = np.array([0.7, 0.3]), np.array([[0.9, 0.1], [0.2, 0.8]])
EMISSION = np.array([[0.8, 0.1, 0.1], [0.05, 0.15, 0.8]])

HALF = [0.5, 0.5]


def scaled(tokens):
    """Forward-backward over the states in float64 with probabilities that are divided by their sum: [length, vocab]."""
    seen = np.array([np.ones(2) if t == 3 else EMISSION[:, t] for t in tokens])
    forward, backward = [INITIAL], [np.ones(2)]
    for i in range(len(tokens) - 1):
        step = forward[-1] * seen[i] @ TRANSITION
        forward.append(step / step.sum())
        step = TRANSITION @ (backward[-1] * seen[-1 - i])
        backward.append(step / step.sum())
    states = np.array(forward) * np.array(backward[::-1])
    rows = states @ EMISSION
    rows = rows / rows.sum(axis=1, keepdims=True)
    return np.where((tokens < 3)[:, None], np.eye(4)[tokens][:, :3], rows)


def test_conditionals_in_float32_at_full_length():
    target = targets.hidden_markov(INITIAL, TRANSITION, EMISSION, LENGTH)
    tokens = np.asarray(draw(target, jax.random.split(jax.random.key(0), 20)))
    states = masked(rng, tokens, 3)
    states[:2] = rng.integers(0, 4, (2, LENGTH))  # far less likely than the smallest float32
    np.testing.assert_allclose(np.exp(conditionals(target, states)), [scaled(row) for row in states], atol=2e-3)
    with jax.enable_x64(True):
        np.testing.assert_allclose(np.exp(conditionals(target, states)), [scaled(row) for row in states], atol=1e-9)


def test_the_probability_of_a_long_sequence_is_the_product_of_its_predictions():
    target = targets.hidden_markov(INITIAL, TRANSITION, EMISSION, 40)
    tokens = rng.integers(0, 3, 40)
    total = 0.0
    for i in range(40):
        row = scaled(np.where(np.arange(40) < i, tokens, 3))[i]
        total += np.log(row[tokens[i]])
    with jax.enable_x64(True):
        assert float(jax.jit(target.log_prob)(tokens)) == pytest.approx(total, rel=1e-10)


def test_states_that_are_seen_make_a_markov_chain():
    """Where each state emits a token of its own, the model is the chain of its states."""
    chain = targets.markov(INITIAL, TRANSITION, 12)
    hidden = targets.hidden_markov(INITIAL, TRANSITION, np.eye(2), 12)
    states = masked(rng, rng.integers(0, 2, (20, 12)), 2)
    np.testing.assert_allclose(np.exp(conditionals(hidden, states)), np.exp(conditionals(chain, states)), atol=1e-5)
    assert chain.has("entropy_curve") and not hidden.has("entropy_curve")


def test_no_curve_and_the_remedy():
    with pytest.raises(targets.Unavailable, match=r"no exact entropy curve; estimate it with jdlm\.evaluate"):
        targets.hidden_markov(INITIAL, TRANSITION, EMISSION, 4).entropy_curve()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.hidden_markov(HALF, [[1.0]], [HALF], 4), "transition has shape [1, 1]; with 2 initial"),
        (lambda: targets.hidden_markov(HALF, [HALF] * 2, [HALF], 4), "emission has 1 rows; with 2 states give"),
        (lambda: targets.hidden_markov(HALF, [HALF] * 2, [HALF, [0.5, 0.4]], 4), "emission[1] sums to 0.9, not 1"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
