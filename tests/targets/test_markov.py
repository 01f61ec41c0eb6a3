"""Markov chains at lengths that enumeration does not reach."""

import numpy as np
import pytest

from jdlm import curves, targets
from tests.reference import laws
from tests.targets.lanes import LENGTH, conditionals, masked

HALF = [0.5, 0.5]


@pytest.mark.parametrize("rare", [0.05, 1e-12, 1e-30])
def test_markov_in_float32_against_forward_backward(rare):
    """A chain that nearly never leaves its token, yet is seen to: no underflow."""
    vocab = 3
    transition = np.full((vocab, vocab), rare) + (1 - vocab * rare) * np.eye(vocab)
    initial = np.array([0.2, 0.3, 0.5])
    target = targets.markov(initial, transition, LENGTH)
    rng = np.random.default_rng(0)
    states = masked(rng, rng.integers(0, vocab, (30, LENGTH)), vocab)
    rows = np.exp(conditionals(target, states))
    wanted = [laws.markov_conditionals(initial, transition, state) for state in states]
    np.testing.assert_allclose(rows, wanted, atol=1e-5)


def test_markov_curve_at_full_length():
    transition = np.random.default_rng(0).dirichlet(np.ones(4), 4)
    stationary = np.linalg.matrix_power(transition, 200)[0]
    curve = targets.markov(stationary, transition, LENGTH).entropy_curve()
    np.testing.assert_allclose(curve, laws.stationary_markov_curve(stationary, transition, LENGTH), atol=1e-11)
    assert (np.diff(curve) < 1e-11).all()


def test_a_masked_token_depends_on_its_nearest_revealed_neighbours_alone():
    target = targets.sticky_markov(9, 3, 0.6)
    states = np.tile([0, 3, 1, 3, 3, 2, 3, 0, 3], (4, 1))
    states[1, 0] = states[2, 7] = 1  # neither is a neighbour of the places 3 and 4
    states[3, 5] = 0
    rows = np.exp(conditionals(target, states))[:, 3:5]
    np.testing.assert_array_equal(rows[1:3], rows[[0, 0]])
    assert np.abs(rows[3] - rows[0]).max() > 0.1


def test_a_chain_that_never_moves_is_the_repetition_code_and_one_that_always_mixes_is_a_product():
    np.testing.assert_allclose(
        targets.sticky_markov(6, 4, 1.0).entropy_curve(), targets.repetition(6, 4).entropy_curve(), atol=1e-12
    )
    curve = targets.sticky_markov(6, 4, 0.25).entropy_curve()
    np.testing.assert_allclose(curve, np.log(4), atol=1e-12)
    flip = targets.sticky_markov(6, 2, 0.0).entropy_curve()  # ABABAB or BABABA
    assert curves.dual_total_correlation(flip) == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.markov(HALF, np.full((3, 3), 1 / 3), 4), "transition has shape [3, 3]; with 2 initial"),
        (lambda: targets.markov(HALF, [HALF, [0.5, 0.4]], 4), "transition[1] sums to 0.9, not 1"),
        (lambda: targets.markov([0.5, 0.6], [HALF, HALF], 4), "initial sums to 1.1, not 1"),
        (lambda: targets.sticky_markov(4, 3, 1.5), "stay=1.5 is not a probability; use a number from 0 to 1"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
