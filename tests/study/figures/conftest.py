"""Figures of these tests are drawn with the settings of the package."""

import matplotlib
import pytest

from jdlm.study.figures import style


@pytest.fixture(autouse=True)
def settings():
    with matplotlib.rc_context(style.RC):
        yield
