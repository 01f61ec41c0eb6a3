"""Explicit laws: halves of odd lengths, the largest tables, probabilities that float32 cannot hold."""

import jax
import numpy as np
import pytest

from jdlm import targets
from jdlm.targets.table import MAX_ENTRIES
from tests.reference import laws
from tests.targets.lanes import conditionals, draw, masked

HALF = [0.5, 0.5]


@jax.jit
def log_prob(target, tokens):
    return jax.vmap(target.log_prob)(tokens)


@pytest.mark.parametrize("shape", [(2,) * 7, (3,) * 5, (7, 7), (11,)], ids=len)
def test_every_sequence_is_at_its_own_place(shape):
    """A law that is sure of one sequence gives that sequence, for each of its digits."""
    generator = np.random.default_rng(len(shape))
    for word in generator.integers(0, shape[0], (4, len(shape))):
        law = np.zeros(shape)
        law[tuple(word)] = 1.0
        target = targets.table(law)
        np.testing.assert_array_equal(draw(target, jax.random.key(0)[None])[0], word)
        other = word.copy()
        other[-1] = (other[-1] + 1) % shape[0]
        assert log_prob(target, np.array([word, other])).tolist() == [0.0, -np.inf]


def test_the_largest_table_is_drawn_and_conditioned():
    """2^20 sequences of independent bits, whose conditionals are those of the product."""
    share = np.linspace(0.2, 0.8, 20)
    law = laws.product(np.stack([1 - share, share], axis=1))
    assert law.size == MAX_ENTRIES
    target = targets.table(law)
    tokens = np.asarray(draw(target, jax.random.split(jax.random.key(0), 64)))
    states = masked(np.random.default_rng(0), tokens, 2)
    rows = np.exp(np.asarray(conditionals(target, states)))
    hidden = states == 2
    np.testing.assert_allclose(rows[hidden][:, 1], np.broadcast_to(share, states.shape)[hidden], atol=1e-5)
    # Each bit's share of 64 draws within 4.5 standard errors, and the sum of all within 4.5 of its own.
    assert (abs(tokens.mean(axis=0) - share) < 4.5 * np.sqrt(share * (1 - share) / 64)).all()
    assert abs(tokens.sum() - 64 * share.sum()) < 4.5 * np.sqrt(64 * (share * (1 - share)).sum())


def test_small_probabilities_are_relative_to_the_largest():
    """A pattern of probability 4e-30 is possible in float32, one of 4e-42 counts as impossible there."""
    law = np.zeros((4, 4))
    law[0, 0], law[1, 2], law[1, 3] = 1.0 - 4e-30, 1e-30, 3e-30
    states = np.array([[1, 4]])
    np.testing.assert_allclose(np.exp(conditionals(targets.table(law), states))[0, 1], [0, 0, 0.25, 0.75], rtol=1e-5)
    law[1] *= 1e-12  # below 1e-38 of the largest entry, where float32 ends
    np.testing.assert_allclose(np.exp(conditionals(targets.table(law), states))[0, 1], 0.25, rtol=1e-5)
    with jax.enable_x64(True):
        rows = np.exp(conditionals(targets.table(law), states))
    np.testing.assert_allclose(rows[0, 1], [0, 0, 0.25, 0.75], rtol=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.table(np.full((2, 3), 1 / 6)), "probabilities has shape [2, 3]; give one axis per"),
        (lambda: targets.table(np.ones(())), "probabilities has shape []; give one axis per token"),
        (lambda: targets.table(np.full((2, 2), 0.2)), "probabilities sums to 0.8, not 1"),
        (lambda: targets.table(np.full((2,) * 21, 2.0**-21)), "probabilities has 2097152 entries; give at"),
        (lambda: targets.table([HALF, [0.5]]), "probabilities[1] has 1 entries but probabilities[0] has 2"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
