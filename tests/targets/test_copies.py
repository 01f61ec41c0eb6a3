"""Copies: the closed forms of TC and DTC that the docstrings state, at lengths that enumeration does not reach."""

import numpy as np
import pytest

from jdlm import curves, targets


@pytest.mark.parametrize(("length", "vocab"), [(2, 2), (8, 3), (256, 2), (256, 50)])
def test_total_correlations(length, vocab):
    half, bits = length // 2, np.log(vocab)
    curve = targets.copy(length, vocab).entropy_curve()
    assert curves.total_correlation(curve) == pytest.approx(half * bits)
    assert curves.dual_total_correlation(curve) == pytest.approx(half * bits)
    curve = targets.replace_random(length, vocab).entropy_curve()
    free = half * bits - np.log(vocab - 1)
    assert curves.total_correlation(curve) == pytest.approx(free - np.log(half), abs=1e-9)
    assert curves.dual_total_correlation(curve) == pytest.approx(free + np.log(half), abs=1e-9)
    assert (np.diff(curve) < 1e-12).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.copy(5, 2), "length=5 is odd; a string and its copy have an even length, use 6"),
        (lambda: targets.replace_random(6, 1), "vocab=1 is too small; use at least 2"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
