import pytest

from jdlm import planners, schedules
from jdlm.errors import InputError


def test_bad_input_is_a_value_error_of_its_own():
    assert issubclass(InputError, ValueError)
    for wrong in (lambda: schedules.uniform(4, 5), lambda: planners.threshold(2.0)):
        with pytest.raises(InputError):
            wrong()
