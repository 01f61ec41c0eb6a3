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
