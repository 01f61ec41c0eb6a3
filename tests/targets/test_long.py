"""Lengths that enumeration does not reach: float32, and independent routes to the same numbers."""

import jax
import numpy as np
import pytest

from jdlm import targets
from tests.reference import laws

LENGTH = 256


@jax.jit
def conditionals(target, states):
    return jax.vmap(target.conditionals)(states)


@jax.jit
def draw(target, keys):
    return jax.vmap(target.sample)(keys)


def masked(rng, tokens, vocab):
    """Each row with a uniformly random number of its tokens masked."""
    return np.where(rng.random(tokens.shape) < rng.random((len(tokens), 1)), vocab, tokens).astype(np.int32)


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


def test_mixture_in_float32():
    rng = np.random.default_rng(0)
    target = targets.mixture(rng.dirichlet(np.ones(5)), rng.dirichlet(np.full(16, 0.2), 5), LENGTH)
    states = masked(rng, np.asarray(draw(target, jax.random.split(jax.random.key(0), 30))), 16)
    states[:2] = rng.integers(0, 17, (2, LENGTH))  # of probability far below the smallest float32
    rows = conditionals(target, states)
    with jax.enable_x64(True):
        wanted = conditionals(target, states)
    np.testing.assert_allclose(np.exp(rows), np.exp(wanted), atol=2e-3)


@pytest.mark.parametrize("inner", [targets.sticky_markov(4, 3, 0.6), targets.parity(8)], ids=["markov", "parity"])
def test_blocks_add_up(inner):
    curve, whole = inner.entropy_curve(), targets.blocks(inner, 32).entropy_curve()
    size, length = len(curve), 32 * len(curve)
    assert whole.sum() == pytest.approx(32 * curve.sum())
    assert length * whole[-1] == pytest.approx(32 * size * curve[-1], abs=1e-10)


def test_linear_code_curve_has_a_limit():
    with pytest.raises(targets.Unavailable, match="above length 20 estimate it with"):
        targets.linear_code(np.ones((1, 21), int), 2).entropy_curve()
    assert [targets.linear_code(np.ones((1, n), int), 2).has("entropy_curve") for n in (20, 21)] == [True, False]


def test_codes_agree_where_they_are_the_same_law():
    code = targets.linear_code([[1] * 20], 3)
    np.testing.assert_allclose(code.entropy_curve(), targets.repetition(20, 3).entropy_curve(), atol=1e-12)


@pytest.mark.parametrize("prime", [131, 251, 257, 8191])
def test_codes_over_large_fields(prime):
    """Primes at which int8, uint8 or int16 would not do: ``x_2 = a x_0 + b x_1``, solved for each token in turn."""
    a, b = prime - 2, prime // 2 + 1
    codes = [(targets.linear_code([[1, 0, a], [0, 1, b]], prime), a, b)]
    if prime < 1000:  # the line through two points, read at 2, is -x_0 + 2 x_1
        codes.append((targets.reed_solomon(3, 2, prime), prime - 1, 2))
    rng = np.random.default_rng(prime)
    for code, first, second in codes:
        words = [(x, y, (first * x + second * y) % prime) for x, y in rng.integers(0, prime, (20, 2)).tolist()]
        words = np.array([*words, (prime - 1, prime - 1, (-first - second) % prime)], np.int32)
        drawn = np.asarray(draw(code, jax.random.split(jax.random.key(0), 200)), np.int64)
        assert ((first * drawn[:, 0] + second * drawn[:, 1] - drawn[:, 2]) % prime == 0).all()
        assert drawn.max() > 0.9 * prime and drawn.min() < 0.1 * prime
        for hidden in range(3):
            states = words.copy()
            states[:, hidden] = prime
            log_probs = np.asarray(conditionals(code, states))
            assert (log_probs.max(axis=2) == 0).all()
            np.testing.assert_array_equal(log_probs.argmax(axis=2), words)
            states[:, (hidden + 1) % 3] = prime  # with one token known the others are uniform
            log_probs = np.asarray(conditionals(code, states))[:, hidden]
            np.testing.assert_allclose(log_probs, -np.log(prime), rtol=1e-6)
        log_prob = jax.jit(jax.vmap(code.log_prob))
        np.testing.assert_allclose(log_prob(words), -2 * np.log(prime), rtol=1e-6)
        words[:, 2] = (words[:, 2] + 1) % prime
        assert np.isneginf(log_prob(words)).all()
        np.testing.assert_allclose(conditionals(code, words[:, ::1]).max(axis=2), 0.0)
        np.testing.assert_allclose(code.entropy_curve(), np.log(prime) * np.array([1, 1, 0]), atol=1e-12)
