"""Fitted exponents against scipy's regression on the logarithms."""

import numpy as np
import pytest
from scipy.stats import linregress

from jdlm.study import slopes


def test_slope_and_error_are_those_of_a_regression_on_logarithms():
    generator = np.random.default_rng(0)
    x = np.array([2.0, 4.0, 8.0, 16.0, 32.0])
    y = 3.0 * x**-0.8 * np.exp(0.1 * generator.normal(size=5))
    fitted, expected = slopes.exponent(x, y), linregress(np.log(x), np.log(y))
    np.testing.assert_allclose(fitted[:2], [expected.slope, expected.stderr], rtol=1e-12)
    assert fitted.n is None


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], "at least 3 points"),
        ([1.0, 2.0, 3.0], [1.0, 0.0, 2.0], "y has 0.0"),
        ([1.0, 2.0, np.inf], [1.0, 1.0, 2.0], "x has inf"),
        ([2.0, 2.0, 2.0], [1.0, 1.0, 2.0], "all x are 2"),
    ],
)
def test_what_has_no_exponent_is_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        slopes.exponent(x, y)
