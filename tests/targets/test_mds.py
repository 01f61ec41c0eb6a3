"""MDS codes: interpolation over a prime field, at the least and the largest sizes."""

import jax
import numpy as np
import pytest

from jdlm import targets
from jdlm.targets import mds
from tests.targets.lanes import LENGTH, conditionals, draw, masked


def test_reed_solomon_is_the_linear_code_of_its_vandermonde_matrix():
    length, dimension, prime = 48, 20, 53
    generator = [[pow(x, power, prime) for x in range(length)] for power in range(dimension)]
    code, twin = targets.reed_solomon(length, dimension, prime), targets.linear_code(generator, prime)
    rng, keys = np.random.default_rng(0), jax.random.split(jax.random.key(0), 40)
    tokens = np.concatenate([draw(code, keys), draw(twin, keys)])
    tokens[::4, 7] = rng.integers(0, prime, 20)  # mostly no codeword any more
    states = masked(rng, tokens, prime)
    log_probs = np.asarray(conditionals(code, states))
    np.testing.assert_allclose(log_probs, conditionals(twin, states), rtol=1e-6)
    certain = (log_probs.max(2) == 0).all(1)
    assert 10 < certain.sum() < 70  # both kinds of pattern occur


def test_reed_solomon_at_full_length():
    code = targets.reed_solomon(LENGTH, 100, 257)
    tokens = np.asarray(draw(code, jax.random.split(jax.random.key(0), 8)))
    rng = np.random.default_rng(0)
    states = tokens.copy()
    for row in states:
        row[rng.permutation(LENGTH)[: LENGTH - 100]] = 257
    log_probs = np.asarray(conditionals(code, states))
    assert np.array_equal(log_probs.argmax(2), tokens) and (log_probs.max(2) == 0).all()


@pytest.mark.parametrize("prime", [2, 3, 5, 53, 257])
def test_the_tables_of_a_field_multiply_and_divide(prime):
    powers, logarithms, inverses = mds._field(prime)
    assert sorted(powers.tolist()) == list(range(1, prime)) and powers[0] == 1
    np.testing.assert_array_equal(powers[logarithms[1:]], np.arange(1, prime))
    assert (inverses[1:].astype(np.int64) * np.arange(1, prime) % prime == 1).all()
    assert logarithms[0] == inverses[0] == 0
    np.testing.assert_array_equal(powers[1:], powers[:-1].astype(np.int64) * powers[1 % (prime - 1)] % prime)


def test_any_dimension_tokens_are_free_and_fix_the_rest():
    """Of all pairs of positions and all pairs of values of a [5, 2] code, one codeword each: a line over GF(7)."""
    code = targets.reed_solomon(5, 2, 7)
    for one in range(5):
        for other in range(one + 1, 5):
            known = np.isin(np.arange(5), [one, other])
            for x, y in ((0, 0), (3, 5), (6, 1)):
                tokens = np.where(known, np.where(np.arange(5) == one, x, y), 0)
                slope = (y - x) * pow(other - one, -1, 7)
                np.testing.assert_array_equal(code.complete(known, tokens), (x + slope * (np.arange(5) - one)) % 7)


def test_which_code_stands_for_which_dimension():
    """Dimension 1 is the repetition code; beyond the size of the field length-1 is the single parity check."""
    assert isinstance(targets.reed_solomon(9, 1, 3), mds.Repetition)
    assert isinstance(targets.reed_solomon(9, 8, 3), mds.ParityCheck)
    assert isinstance(targets.reed_solomon(3, 2, 3), mds.ReedSolomon)
    assert isinstance(targets.reed_solomon(1, 1, 3), mds.Repetition)
    check = targets.reed_solomon(9, 8, 3)
    drawn = np.asarray(draw(check, jax.random.split(jax.random.key(0), 50)))
    assert (drawn.sum(axis=1) % 3 == 0).all()


def test_one_revealed_token_too_many_that_disagrees_is_impossible():
    code = targets.reed_solomon(4, 2, 5)
    line, places = np.array([1, 3, 0, 2]), np.arange(4)  # 1 + 2 x
    wrong = (line + np.eye(4, dtype=int)) % 5
    log_probs = jax.jit(jax.vmap(code.log_prob))(np.vstack([line, wrong]))
    assert np.isfinite(log_probs).tolist() == [True] + [False] * 4
    wrong[places, places - 1] = 5  # three revealed ones that lie on no line
    rows = np.exp(conditionals(code, wrong))
    np.testing.assert_allclose(rows[places, places - 1], 0.2, rtol=1e-6)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.reed_solomon(4, 5, 5), "dimension=5 exceeds length=4; use at most 4"),
        (lambda: targets.reed_solomon(4, 0, 5), "dimension=0 is too small; use at least 1"),
        (lambda: targets.reed_solomon(4, 2, 6), "prime=6 is not prime; the next prime is 7"),
        (lambda: targets.reed_solomon(4, 2, 25), "prime=25 is not prime; the next prime is 29"),
        (lambda: targets.reed_solomon(8, 3, 5), "length=8 exceeds prime=5; use a prime of at least 8"),
        (lambda: targets.reed_solomon(64, 3, 7919), "prime=7919 overflows int32 at length=64; use a prime"),
        (lambda: targets.parity(1), "length=1 is too small; use at least 2"),
        (lambda: targets.repetition(3, 1), "vocab=1 is too small; use at least 2"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
