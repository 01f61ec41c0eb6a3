"""Checks of arguments: what passes comes back in one form, what does not is one line with the remedy."""

import decimal
import fractions

import numpy as np
import pytest

from jdlm import targets
from jdlm.targets import validation
from tests.reference import laws


def test_rounding_of_float32_input_is_divided_out():
    marginals = np.random.default_rng(0).dirichlet(np.ones(5), 3).astype(np.float32)
    target = targets.product(marginals)
    np.testing.assert_allclose(np.exp(target.log_marginals).sum(1), 1, atol=1e-15)


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)])
def test_integers_of_all_kinds_become_int(value):
    assert validation.integer("n", value) == 3 and type(validation.integer("n", value)) is int


@pytest.mark.parametrize("value", [3.0, True, "3", None, np.float32(3), np.array([3]), np.bool_(True)])
def test_what_is_no_integer_is_refused(value):
    with pytest.raises(ValueError, match=r"^n=.* is not an integer; use one of at least 2$"):
        validation.integer("n", value, 2)


def test_integers_below_the_minimum():
    assert validation.integer("n", 0, 0) == 0 and validation.integer("n", -3, -3) == -3
    with pytest.raises(ValueError, match=r"^n=0 is too small; use at least 1$"):
        validation.integer("n", 0)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int8(2), fractions.Fraction(2), np.inf])
def test_real_numbers_become_float(value):
    assert validation.real("x", value) == value and type(validation.real("x", value)) is float


@pytest.mark.parametrize("value", [True, "2", None, 2j, decimal.Decimal(2), np.array(2.0)])
def test_what_is_no_real_number_is_refused(value):
    with pytest.raises(ValueError, match=r"^x=.* is not a number; use a float or an int$"):
        validation.real("x", value)


def test_arrays_are_copies():
    values = np.array([1.0, 2.0])
    validation.array("a", values)[0] = 9.0
    assert values[0] == 1.0
    assert validation.array("a", [1, 2], np.float64).dtype == np.float64


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 2], [3]], "a[1] has 1 entries but a[0] has 2; give sequences of one length"),
        ([[1, 2], 3], "a[1] has 0 entries but a[0] has 2"),
        ([[[1], [2]], [[1], [2, 3]]], "a[1][1] has 2 entries but a[1][0] has 1"),
        ([np.array([1]), np.array([1, 2])], "a[1] has 2 entries but a[0] has 1"),
        (["one", "two"], "a is not an array of numbers: could not convert string"),
        ([10**400], "a is not an array of numbers: int too"),
    ],
)
def test_where_an_array_is_ragged_is_said(values, message):
    with pytest.raises(ValueError) as error:
        validation.array("a", values, np.float64)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_primes_are_those_of_a_sieve():
    sieve = np.ones(400, bool)
    sieve[:2] = False
    for n in range(2, 20):
        sieve[2 * n :: n] = False
    for n in range(2, 350):
        if sieve[n]:
            assert validation.prime("p", n) == n
        else:
            following = n + int(sieve[n:].argmax())
            with pytest.raises(ValueError, match=rf"^p={n} is not prime; the next prime is {following}$"):
                validation.prime("p", n)
    with pytest.raises(ValueError, match="p=1 is too small; use at least 2"):
        validation.prime("p", 1)


def test_rounding_is_divided_out_and_more_is_refused():
    for off in (0.9e-6, -0.9e-6):
        found = validation.laws("law", [[0.5, 0.5 + off], [1.0, 0.0]], (2,))
        assert found.dtype == np.float64 and abs(found.sum(axis=1) - 1.0).max() < 1e-15
    with pytest.raises(ValueError, match=r"^law\[1\] sums to 1\.000002, not 1; divide it by its sum$"):
        validation.laws("law", [[0.5, 0.5], [0.5, 0.500002]], (2,))
    with pytest.raises(ValueError, match=r"law has shape \[2\]; give a non-empty array with 2 or 3 axes"):
        validation.laws("law", [0.5, 0.5], (2, 3))


def test_the_first_fault_is_named_with_its_place():
    with pytest.raises(ValueError, match=r"^law\[0, 1\] = nan is not finite"):
        validation.laws("law", [[0.5, np.nan], [-1.0, 2.0]], (2,))
    with pytest.raises(ValueError, match=r"^law\[1, 0\] = -1 is negative"):
        validation.laws("law", [[0.5, 0.5], [-1.0, 2.0]], (2,))


def test_logarithms_and_entropies_with_zeros():
    """Filter warnings are errors, so none is given."""
    rows = np.array([[0.5, 0.0, 0.5], [1.0, 0.0, 0.0]])
    assert np.isneginf(validation.log(rows)[:, 1]).all() and validation.log(rows)[1, 0] == 0.0
    np.testing.assert_allclose(validation.entropies(rows), [laws.entropy(row) for row in rows], atol=1e-15)
    assert validation.entropies(rows[0]).shape == () and isinstance(validation.entropies(rows[0]), np.ndarray)
