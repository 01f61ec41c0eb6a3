"""Bad input to the builders: one line with the value and the remedy."""

import numpy as np
import pytest

from jdlm import schedules
from jdlm.schedules import Atoms, Chain, Schedule
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


EYE = [[0.5, 0.5], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: schedules.fixed([]), "sizes have shape"),
        (lambda: schedules.fixed([2, -1, 3]), "size -1 is impossible"),
        (lambda: schedules.fixed([1.5, 2.5]), "sizes are float64.*use integers"),
        (lambda: schedules.fixed([0, 0]), "length=0 is not a sequence length"),
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
