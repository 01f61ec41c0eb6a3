"""Lengths, numbers of steps, probabilities and memory: one line with the value and the remedy."""

import subprocess
import sys

import numpy as np
import pytest

from jdlm import schedules
from jdlm.schedules import checks

STEPPED = {
    "uniform": schedules.uniform,
    "cosine": schedules.cosine,
    "geometric": lambda n, k: schedules.geometric(n, k, 0.5),
    "tc_equalizer": schedules.tc_equalizer,
    "minimax": lambda n, k: schedules.minimax(n, k, "tc"),
    "best_fixed": lambda n, k: schedules.best_fixed(n, k, "dtc"),
    "random_phase": lambda n, k: schedules.random_phase(n, k, "tc"),
    "optimal": lambda n, k: schedules.optimal(np.ones(n), k),
}


@pytest.mark.parametrize("name", STEPPED)
def test_numbers_of_steps(name):
    with pytest.raises(ValueError, match=r"^num_steps=40 exceeds length=32; use at most 32$"):
        STEPPED[name](32, 40)
    with pytest.raises(ValueError, match=r"^num_steps=0 reveals nothing; use at least 1$"):
        STEPPED[name](32, 0)
    if name != "optimal":
        with pytest.raises(ValueError, match=r"^length=0 is not a sequence length; use at least 1$"):
            STEPPED[name](0, 1)


@pytest.mark.parametrize("value", [8.0, 8.5, float("nan"), True, np.float64(8.0), np.True_, "8", None])
def test_only_integers_are_lengths_and_numbers_of_steps(value):
    def unchecked(function):  # the runtime type check would come first
        return getattr(function, "__wrapped__", function)

    with pytest.raises(ValueError, match="is not a whole number; use an integer"):
        checks.whole(value, "length")
    for arguments in ((value, 2), (8, value)):
        with pytest.raises(ValueError, match=r"(length|num_steps)=.* is not a whole number; use an integer"):
            unchecked(checks.check_steps)(*arguments)
    for number in (np.int64(8), np.uint8(8), 8):
        assert checks.whole(number, "length") == 8 and type(checks.whole(number, "length")) is int


def test_builders_take_integers_of_numpy_and_refuse_what_is_none():
    """In a process without runtime type checks, where nothing else would refuse a float."""
    code = """if True:
        import numpy as np
        from jdlm import schedules
        builders = {
            "uniform": schedules.uniform, "cosine": schedules.cosine, "tc_equalizer": schedules.tc_equalizer,
            "geometric": lambda n, k: schedules.geometric(n, k, 0.5),
            "minimax": lambda n, k: schedules.minimax(n, k, "tc"),
            "best_fixed": lambda n, k: schedules.best_fixed(n, k, "dtc"),
            "random_phase": lambda n, k: schedules.random_phase(n, k, "tc"),
            "first_hitting": lambda n, k: schedules.first_hitting(n),
            "euler": lambda n, k: schedules.euler(n, schedules.uniform_times(k), "linear"),
            "exponential": lambda n, k: schedules.euler(n, schedules.exponential_times(n, k), "exponential"),
        }
        for name, build in builders.items():
            built = build(np.int32(6), np.int64(3))
            assert type(built.length) is int and built.length == 6, name
            assert type(built.num_steps) is int, name
            for wrong in ((6.0, 3), (float("nan"), 3), (True, 1), (6, 3.0), (6, float("nan")), (6, True)):
                if name == "first_hitting" and wrong[0] == 6 and type(wrong[0]) is int:
                    continue
                try:
                    build(*wrong)
                except ValueError as error:
                    assert "is not a whole number; use an integer" in str(error), (name, error)
                    continue
                raise SystemExit(f"{name}{wrong} is accepted")
    """
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_memory_is_counted_in_square_matrices_of_float64():
    """4 GiB are 2^29 numbers: 32 matrices of 4096 x 4096 fit, and one number more does not."""
    checks.check_memory(4095, 32)
    with pytest.raises(ValueError, match=r"length=4095 needs 4\.1 GiB .* at most 4 are allowed; use a shorter length"):
        checks.check_memory(4095, 33)
    with pytest.raises(ValueError, match=r"length=4096 needs 4\.0 GiB"):
        checks.check_memory(4096, 32)


def test_the_probabilities_furthest_off_are_named():
    rows = np.array([[0.5, 0.5], [0.5, 0.5000001], [0.5, 0.3], [1.0, 0.0]])
    with pytest.raises(ValueError, match=r"^rows sum to 0\.8; probabilities sum to 1$"):
        checks.check_probabilities(rows, "rows")
    with pytest.raises(ValueError, match=r"^rows hold -0\.25; probabilities are at least 0$"):
        checks.check_probabilities(np.array([[1.0, 0.0], [1.25, -0.25]]), "rows")
    checks.check_probabilities(np.array([0.5, 0.5 + 1e-10]), "rounding")


@pytest.mark.parametrize(
    ("length", "found"),
    [(1, 1), (np.int64(checks.LONGEST), checks.LONGEST), (0, "use at least 1"), (checks.LONGEST + 1, "use at most")],
)
def test_lengths_have_a_least_and_a_largest(length, found):
    if isinstance(found, int):
        assert checks.check_length(length) == found and type(checks.check_length(length)) is int
    else:
        with pytest.raises(ValueError, match=found):
            checks.check_length(length)
