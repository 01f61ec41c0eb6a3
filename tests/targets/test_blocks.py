"""Independent copies: sums over blocks, nested ones, impossible patterns in one of them."""

import jax
import numpy as np
import pytest

from jdlm import targets
from tests.targets.lanes import conditionals, draw


@pytest.mark.parametrize("inner", [targets.sticky_markov(4, 3, 0.6), targets.parity(8)], ids=["markov", "parity"])
def test_blocks_add_up(inner):
    curve, whole = inner.entropy_curve(), targets.blocks(inner, 32).entropy_curve()
    size, length = len(curve), 32 * len(curve)
    assert whole.sum() == pytest.approx(32 * curve.sum())
    assert length * whole[-1] == pytest.approx(32 * size * curve[-1], abs=1e-10)


def test_blocks_of_blocks_are_blocks():
    inner = targets.sticky_markov(3, 2, 0.8)
    nested, flat = targets.blocks(targets.blocks(inner, 2), 2), targets.blocks(inner, 4)
    np.testing.assert_allclose(nested.entropy_curve(), flat.entropy_curve(), atol=1e-12)
    rng = np.random.default_rng(0)
    states = rng.integers(0, 3, (20, 12))
    np.testing.assert_allclose(np.exp(conditionals(nested, states)), np.exp(conditionals(flat, states)), atol=1e-6)


def test_blocks_are_drawn_apart():
    """Of 2,000 pairs of blocks a share p^2 + q^2 = 1/2 agrees, within 4.5 standard errors."""
    tokens = np.asarray(draw(targets.blocks(targets.repetition(3, 2), 2), jax.random.split(jax.random.key(0), 2000)))
    assert (tokens[:, :3] == tokens[:, :1]).all() and (tokens[:, 3:] == tokens[:, 3:4]).all()
    assert abs((tokens[:, 0] == tokens[:, 3]).mean() - 0.5) < 4.5 * np.sqrt(0.25 / 2000)


def test_an_impossible_block_makes_all_rows_uniform():
    """One convention for the whole sequence, whatever the other blocks would tell."""
    target = targets.blocks(targets.repetition(3, 2), 2)
    impossible, possible = np.exp(conditionals(target, np.array([[0, 1, 2, 1, 2, 2], [0, 0, 2, 1, 2, 2]])))
    np.testing.assert_allclose(impossible[[2, 4, 5]], 0.5, rtol=1e-6)
    np.testing.assert_allclose(possible[[2, 4, 5]], [[1, 0], [0, 1], [0, 1]], atol=1e-6)


def test_blocks_have_what_the_block_has():
    hidden = targets.hidden_markov([1.0], [[1.0]], [[0.5, 0.5]], 2)
    for inner, curve in ((hidden, False), (targets.parity(2), True)):
        assert targets.blocks(inner, 3).has("entropy_curve") == curve and targets.blocks(inner, 3).has("log_prob")
    with pytest.raises(targets.Unavailable, match="a hidden Markov model has no exact entropy curve"):
        targets.blocks(hidden, 3).entropy_curve()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.blocks(targets.parity(2), 0), "copies=0 is too small; use at least 1"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
