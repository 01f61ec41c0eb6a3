"""Numbers as people read them: no error is rounded to zero, no zero has a sign."""

import math

import pytest

from jdlm.study import numbers


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.1906, None, "0.1906"),
        (0.1786, 0.0187, "0.1786 ± 0.0187"),
        (0.0351, 0.0000302, "0.03510 ± 0.00003"),
        (12.0, 1.5, "12.0000 ± 1.5000"),
        (-8.1e-8, 1.1e-8, "0.0000 ± 1e-08"),
        (-0.00004, 0.0, "0.0000 ± 0.0000"),
        (math.inf, math.nan, "inf"),
        (0.5, 4.4e-7, "0.5000000 ± 0.0000004"),
    ],
)
def test_a_number_has_as_many_decimals_as_its_error(value, error, text):
    assert numbers.written(value, error) == text
    assert numbers.written(value, error, "+-") == text.replace("±", "+-")


def test_shares_have_two_digits():
    assert [numbers.share(part, 1.0) for part in (0.00048, 0.099, 0.123, 1.5, 0.0)] == [
        "0.048 %", "9.9 %", "12.3 %", "150.0 %", "0.0 %",
    ]  # fmt: skip
