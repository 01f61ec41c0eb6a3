"""What a solved law proves."""

import pytest

from jdlm.schedules import uniform
from jdlm.schedules.minimax import solved


def test_a_schedule_without_a_certificate_has_no_gap():
    with pytest.raises(ValueError, match=r"^schedule uniform has no certificate; give one made by `certified`$"):
        solved.gap(uniform(8, 2))
