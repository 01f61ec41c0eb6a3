"""Bad input to the builders: one line with the value and the remedy."""

import subprocess
import sys

import numpy as np
import pytest

from jdlm import schedules
from jdlm.schedules import Atoms, Chain, Schedule, Thinning, checks
from jdlm.schedules.minimax import column_generation
from jdlm.schedules.random_phase import spacing

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


def atoms(weights, sizes, length=4):
    return Schedule("test", length, np.shape(sizes)[-1], Atoms(np.array(weights), np.array(sizes)))


def chain(*kernels):
    return Schedule("test", 1, len(kernels), Chain(np.array(kernels)))


def thinning(rates):
    return Schedule("test", 4, len(rates), Thinning(np.array(rates)))


EYE = [[0.5, 0.5], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: schedules.fixed([]), "sizes have shape"),
        (lambda: schedules.fixed([2, -1, 3]), "size -1 is impossible"),
        (lambda: schedules.fixed([1.5, 2.5]), "sizes are float64.*use integers"),
        (lambda: schedules.fixed([0, 0]), "length=0 is not a sequence length"),
        (lambda: schedules.fixed([2**31]), "length=2147483648 exceeds 2147483647, the largest int32"),
        (lambda: schedules.fixed([2**31 - 1, 1]), "length=2147483648 exceeds 2147483647"),
        (lambda: schedules.fixed([2**62, 2**62, 2**62, 2**62]), "length=18446744073709551616 exceeds 2147483647"),
        (lambda: schedules.fixed(np.array([2**63], np.uint64)), "length=9223372036854775808 exceeds 2147483647"),
        (lambda: schedules.fixed([2**31, -(2**31) + 4]), "size -2147483644 is impossible"),
        (lambda: schedules.fixed([True, True]), "sizes are bool"),
        (lambda: schedules.fixed([True, 2]), "sizes are bool"),
        (lambda: schedules.fixed([np.nan]), "sizes are float64"),
        (lambda: atoms([1.0], [[2**31]], length=4), "size 2147483648 exceeds 2147483647, the largest int32"),
        (lambda: atoms([1.0], [[2**62, 2**62, 2**62, 2**62]]), "size 4611686018427387904 exceeds"),
        (lambda: atoms([1.0], [[2, 2]], length=True), "length=True is not a whole number"),
        (lambda: atoms([np.nan], [[2, 2]]), "weights hold nan"),
        (lambda: atoms([np.inf], [[2, 2]]), "weights sum to inf"),
        (lambda: schedules.uniform(2**24 + 1, 2), "length=16777217 is more tokens than .* use at most 16777216"),
        (lambda: schedules.first_hitting(2**31), "length=2147483648 is more tokens"),
        (lambda: schedules.tc_equalizer(100_000, 4), "length=100000 needs 298.0 GiB .* at most 4 are allowed"),
        (lambda: schedules.minimax(100_000, 4, "tc"), "length=100000 needs"),
        (lambda: schedules.random_phase(100_000, 4, "tc"), "length=100000 needs"),
        (lambda: schedules.optimal(np.ones(100_000), 4), "length=100000 needs"),
        (lambda: schedules.euler(100_000, [1.0, 0.5], "linear").law().dense(100_000), "length=100000 needs"),
        (lambda: schedules.uniform_times(2**24 + 1), "num_steps=16777217 is too many"),
        (lambda: schedules.exponential_times(8, 2**24 + 1), "num_steps=16777217"),
        (lambda: schedules.adaptive_times(1e-9), "kappa=1e-09 takes about 4605170186 steps"),
        (lambda: schedules.first_hitting(0), "length=0"),
        (lambda: schedules.geometric(8, 2, 0.0), "ratio=0.0 is not a ratio"),
        (lambda: schedules.geometric(8, 2, float("inf")), "ratio=inf is not a ratio"),
        (lambda: schedules.optimal([[1.0, 2.0]], 1), r"curve has shape \(1, 2\)"),
        (lambda: schedules.optimal([1.0, np.nan], 1), "one finite number"),
        (lambda: schedules.minimax(8, 2, "tc", tolerance=0.0), "tolerance=0.0 is not a relative gap"),
        (lambda: schedules.ancestral(8, [1.0, 0.5, 0.5], "linear"), "must decrease"),
        (lambda: schedules.ancestral(8, [1.0, -0.1], "linear"), "must decrease to at least 0"),
        (lambda: schedules.ancestral(8, [1.0], "linear"), r"times have shape \(1,\)"),
        (lambda: schedules.euler(8, [2.0, 0.0], "cosine"), "times start at 2, but cosine masking ends at 1"),
        (lambda: schedules.tau_leaping(0, [1.0, 0.0], "linear"), "length=0"),
        (lambda: schedules.uniform_times(0), "num_steps=0"),
        (lambda: schedules.uniform_times(4, 0.2, 0.7), "must decrease"),
        (lambda: schedules.adaptive_times(1.0), "kappa=1.0 is not a relative step"),
        (lambda: schedules.adaptive_times(0.5, stop=0.0), "stop=0.0 and start=1.0"),
        (lambda: schedules.exponential_times(8, 0), "num_steps=0, length=8"),
        (lambda: schedules.exponential_times(1, 1), "length=1; use at least 1 step and 2 tokens"),
        (lambda: atoms([1.0], [[2, 1, 2]]), "sizes sum to 5; they must sum to the length 4"),
        (lambda: atoms([0.5, 0.6], [[2, 2], [3, 1]]), "weights sum to 1.1"),
        (lambda: atoms([-0.5, 1.5], [[2, 2], [3, 1]]), "weights hold -0.5"),
        (lambda: atoms([1.0], [[2, 2], [3, 1]]), r"weights \(1,\) and sizes \(2, 2\) do not fit"),
        (lambda: thinning([0.5, 1.1]), "rates hold 1.1; a token is revealed with a probability from 0 to 1"),
        (lambda: thinning([-0.5]), "rates hold -0.5"),
        (lambda: thinning([0.5, np.nan]), "rates hold nan"),
        (lambda: thinning([[0.5]]), r"rates have shape \(1, 1\); use \[1\], one for each step"),
        (lambda: chain(EYE, [[0.5, 0.4], [0.0, 1.0]]), "kernel rows sum to 0.9"),
        (lambda: chain([[0.5, 0.5], [0.5, 0.5]]), "masks revealed tokens again"),
        (lambda: chain(np.eye(3)), r"kernels have shape \(1, 3, 3\); use \[1, 2, 2\]"),
        (lambda: column_generation.lower_bound(np.zeros(3), 2, "tc"), "prove nothing"),
        (lambda: column_generation.lower_bound(np.array([1.0, -1.0, 2.0]), 2, "tc"), "prove nothing"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_unknown_words():
    def unchecked(function):  # the runtime type check would come first
        return getattr(function, "__wrapped__", function)

    with pytest.raises(ValueError, match="masking='sine' is not a masking schedule; use one of linear, cosine"):
        unchecked(schedules.thinning._steps)([1.0, 0.0], "sine")
    with pytest.raises(ValueError, match="weight='both' has no random-phase schedule"):
        unchecked(spacing)(8, 2, "both")


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
