"""Linear codes: elimination over a prime field, small and large; the curve has a limit."""

import jax
import numpy as np
import pytest

from jdlm import targets
from tests.targets.lanes import conditionals, draw


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


def test_rows_that_depend_on_others_add_no_dimension():
    """Multiples, sums and zero rows make the same code, in the same reduced form."""
    rows = np.array([[1, 2, 0, 1], [0, 1, 1, 2]])
    more = [rows[0] * 2 % 3, rows[1], [0] * 4, rows.sum(axis=0) % 3, rows[0]]
    code, same = targets.linear_code(rows, 3), targets.linear_code(more, 3)
    assert code.dimension == same.dimension == 2
    np.testing.assert_array_equal(code.generator, same.generator)
    for row, column in enumerate(code.information):
        np.testing.assert_array_equal(code.generator[:, column], np.eye(2, dtype=int)[row])


def test_the_curve_of_the_golay_code():
    """Every set of 11 positions but those of weight-12 complements has full rank; sums to 12 log 2, and falls."""
    generator = np.zeros((12, 24), int)
    taps = [0, 2, 4, 5, 6, 10, 11]  # x^11 + x^10 + x^6 + x^5 + x^4 + x^2 + 1
    for shift in range(12):
        generator[shift, [shift + tap for tap in taps]] = 1
        generator[shift, 23] = len(taps) % 2
    punctured = generator[:, :20]
    curve = targets.linear_code(punctured, 2).entropy_curve() / np.log(2)
    assert curve.sum() == pytest.approx(12.0) and (np.diff(curve) < 1e-12).all()
    # The dual of what is left has distance 8 at least: any 7 tokens are independent and uniform.
    np.testing.assert_allclose(curve[:7], 1.0, atol=1e-12)
    assert curve[7] < 1.0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.linear_code([1, 0], 2), "generator is int64[2]; give integers [rows, length]"),
        (lambda: targets.linear_code([[0.5, 1]], 2), "generator is float64[1, 2]; give integers"),
        (lambda: targets.linear_code([[0, 0]], 2), "generator is all zero; give at least one other entry"),
        (lambda: targets.linear_code([[1, 3]], 3), "generator has the entry 3; use 0 to 2"),
        (lambda: targets.linear_code([[1, 3]], 4), "prime=4 is not prime; the next prime is 5"),
        (lambda: targets.linear_code([[1, 3]], 46337), "prime=46337 overflows int32 at length=2"),
        (lambda: targets.linear_code([[1, 0], [1]], 2), "generator[1] has 1 entries but generator[0] has 2"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
