"""Chains of revealed counts, against the list of all their paths."""

import jax
import numpy as np
import pytest

from jdlm.schedules import Atoms, Chain, Schedule
from tests.reference import schedules as reference

LENGTH, NUM_STEPS = 5, 3
rng = np.random.default_rng(2)
KERNELS = np.triu(rng.gamma(0.7, size=(NUM_STEPS, LENGTH + 1, LENGTH + 1)))
KERNELS[1, 2, 3:] = 0.0  # stands still at 2
KERNELS /= KERNELS.sum(axis=2, keepdims=True)
EYE = [[0.5, 0.5], [0.0, 1.0]]


def law():
    return Chain(KERNELS).checked(LENGTH, NUM_STEPS)


def lists():
    """The same law as a mixture of size lists."""
    weights, sizes = zip(*reference.size_lists((KERNELS,)), strict=True)
    return Atoms(np.array(weights), np.array(sizes)).checked(LENGTH, NUM_STEPS)


def test_a_chain_is_the_mixture_of_its_paths():
    assert len(lists().weights) > 40
    for name in ("exposure", "nfe_law", "leftover", "expected_revealed", "visits"):
        found, expected = (getattr(one, name)(LENGTH) for one in (law(), lists()))
        np.testing.assert_allclose(found, expected, atol=1e-14, err_msg=name)
    for count in range(LENGTH + 1):
        np.testing.assert_allclose(law().overshoot(LENGTH, count), lists().overshoot(LENGTH, count), atol=1e-14)


def test_kernels_say_the_size_and_make_the_same_chain():
    ((weight, steps),) = law().kernels(LENGTH)
    assert weight == 1.0 and len(steps) == NUM_STEPS
    for step, kernel in zip(steps, KERNELS, strict=True):
        for revealed in range(LENGTH + 1):
            np.testing.assert_array_equal(step[revealed, : LENGTH + 1 - revealed], kernel[revealed, revealed:])
            assert not step[revealed, LENGTH + 1 - revealed :].any()


def test_uniforms_are_used_one_for_each_step():
    """Each step by hand: the first count whose cumulative probability exceeds the step's own uniform."""
    uniforms = np.random.default_rng(1).random((100, NUM_STEPS + 2))
    found = law().invert(uniforms, LENGTH)
    for row, sizes in zip(uniforms, found, strict=True):
        revealed = 0
        for step, size in enumerate(sizes):
            following = int(np.searchsorted(np.cumsum(KERNELS[step, revealed]), row[step], side="right"))
            assert size == following - revealed
            revealed = following
    assert len(np.unique(found, axis=0)) > 10


def test_draws_do_not_depend_on_unreachable_rows():
    """Counts that cannot occur may hold any law; the draw and the exposure are those of the others."""
    sure = np.tile(np.eye(4), (2, 1, 1))
    sure[0, 0] = [0, 0, 1, 0]
    sure[1, 2] = [0, 0, 0, 1]
    other = sure.copy()
    other[:, 1] = [0.0, 0.25, 0.25, 0.5]
    for steps in (sure, other):
        schedule = Schedule("sure", 3, 2, Chain(steps))
        assert schedule.sizes(jax.random.key(0)).tolist() == [2, 1]
        assert schedule.exposure().tolist() == [2.0, 0.0, 1.0]
    assert Chain(other).export(3)["chain"] == [[[0.0, 0.0, 1.0], [], [], []], [[], [], [0.0, 1.0], []]]


def test_a_chain_is_no_list_of_sizes():
    assert law().size_lists() is None
    weights, sizes = lists().size_lists()
    assert weights.shape == sizes.shape[:1]


def chain(*kernels):
    return Schedule("test", 1, len(kernels), Chain(np.array(kernels)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: chain(EYE, [[0.5, 0.4], [0.0, 1.0]]), "kernel rows sum to 0.9"),
        (lambda: chain([[0.5, 0.5], [0.5, 0.5]]), "masks revealed tokens again"),
        (lambda: chain(np.eye(3)), r"kernels have shape \(1, 3, 3\); use \[1, 2, 2\]"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()
