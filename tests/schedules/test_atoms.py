"""Mixtures of size lists."""

import numpy as np
import pytest

from jdlm.schedules import Atoms, Schedule


def test_the_leftover_of_a_mixture_is_the_weight_of_its_short_lists():
    sizes = np.array([[2, 2, 1], [3, 1, 0], [5, 0, 0], [0, 1, 1]])
    mixed = Schedule("mixed", 5, 3, Atoms(np.array([0.1, 0.25, 0.6, 0.05]), sizes))
    np.testing.assert_allclose(mixed.leftover, 0.3, atol=1e-15)
    np.testing.assert_allclose(mixed.nfe_law(), [0.0, 0.6, 0.3, 0.1], atol=1e-15)
    np.testing.assert_allclose(mixed.exposure(), [0.2 + 0.75 + 3.0 + 0.05, 0.05, 0.2, 0.25, 0.1], atol=1e-15)


SIZES = np.array([[2, 0, 2, 1], [3, 2, 0, 0], [1, 1, 1, 2], [0, 0, 4, 0]])
WEIGHTS = np.array([0.4, 0.3, 0.2, 0.1])


def test_empty_steps_count_as_no_call_visit_nothing_and_do_not_move():
    """By hand: the lists visit {2, 4}, {3}, {1, 2, 3} and {4}; the last one leaves a mask."""
    law = Atoms(WEIGHTS, SIZES).checked(5, 4)
    np.testing.assert_allclose(law.visits(5), [0.2, 0.6, 0.5, 0.5], atol=1e-15)
    np.testing.assert_allclose(law.nfe_law(5), [0.0, 0.1, 0.3, 0.4, 0.2], atol=1e-15)
    np.testing.assert_allclose(law.expected_revealed(5), [0.0, 1.9, 2.7, 4.1, 4.9], atol=1e-14)
    np.testing.assert_allclose(law.exposure(5), [1.9 + 0.4, 0.2, 0.8 + 0.2, 0.6 + 0.4, 0.4], atol=1e-15)
    np.testing.assert_allclose(law.overshoot(5, 3), [0.5, 0.4 + 0.1, 0.0], atol=1e-15)
    np.testing.assert_allclose(law.overshoot(5, 5), [0.9], atol=1e-15)
    np.testing.assert_allclose(law.overshoot(5, 0), [1.0, 0, 0, 0, 0, 0], atol=1e-15)


def test_the_first_uniform_chooses_the_list():
    law = Atoms(WEIGHTS, SIZES).checked(5, 4)
    first = np.array([0.0, 0.39, 0.41, 0.69, 0.71, 0.89, 0.91, 1.0 - 2.0**-53])
    uniforms = np.column_stack([first, np.random.default_rng(0).random((8, 3))])
    np.testing.assert_array_equal(law.invert(uniforms, 5), SIZES[[0, 0, 1, 1, 2, 2, 3, 3]])


def test_kernels_push_the_mass_of_each_list_along_it():
    law = Atoms(WEIGHTS, SIZES).checked(5, 4)
    for (weight, steps), expected, sizes in zip(law.kernels(5), WEIGHTS, SIZES, strict=True):
        revealed = 0
        kept = [*(size for size in sizes[:-1] if size), sizes[-1]]  # an empty last step stays, so that it is the last
        assert weight == expected and len(steps) == len(kept)
        for size, step in zip(kept, steps, strict=True):
            assert step.shape == (6, 6) and step[revealed].tolist() == [float(s == size) for s in range(6)]
            revealed += size


def test_export_leaves_empty_steps_out():
    several = Atoms(WEIGHTS, SIZES).checked(5, 4).export(5)
    assert [atom["tokens_per_step"] for atom in several["atoms"]] == [[2, 2, 1], [3, 2], [1, 1, 1, 2], [4]]
    assert [atom["weight"] for atom in several["atoms"]] == WEIGHTS.tolist()
    assert Atoms(np.ones(1), SIZES[1:2]).checked(5, 4).export(5) == {"tokens_per_step": [3, 2]}


def atoms(weights, sizes, length=4):
    return Schedule("test", length, np.shape(sizes)[-1], Atoms(np.array(weights), np.array(sizes)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: atoms([1.0], [[2**31]], length=4), "size 2147483648 exceeds 2147483647, the largest int32"),
        (lambda: atoms([1.0], [[2**62, 2**62, 2**62, 2**62]]), "size 4611686018427387904 exceeds"),
        (lambda: atoms([np.nan], [[2, 2]]), "weights hold nan"),
        (lambda: atoms([np.inf], [[2, 2]]), "weights sum to inf"),
        (lambda: atoms([1.0], [[2, 1, 2]]), "sizes sum to 5; they must sum to the length 4"),
        (lambda: atoms([0.5, 0.6], [[2, 2], [3, 1]]), "weights sum to 1.1"),
        (lambda: atoms([-0.5, 1.5], [[2, 2], [3, 1]]), "weights hold -0.5"),
        (lambda: atoms([1.0], [[2, 2], [3, 1]]), r"weights \(1,\) and sizes \(2, 2\) do not fit"),
        (lambda: atoms([1.0], [[2.0, 2.0]]), "sizes are float64; a step reveals a whole number of tokens"),
        (lambda: atoms([1.0], [[5, -1]]), "a step of size -1 is impossible"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()
