"""A schedule as a value: a pytree of its law, with derived numbers that are computed once."""

import jax
import numpy as np
import pytest

from jdlm import schedules
from jdlm.schedules import Atoms, Schedule
from tests.schedules.family import FAMILY

LENGTH, NUM_STEPS = 12, 4


def test_equal_shapes_compile_once():
    built = [member.build(LENGTH, NUM_STEPS) for member in FAMILY if member.name in ("uniform", "cosine", "fixed")]
    traces = []

    @jax.jit
    def counted(key, schedule):
        traces.append(1)
        return schedule.sizes(key)

    for schedule in built:
        assert counted(jax.random.key(0), schedule).tolist() == schedule.law().sizes[0].tolist()
    assert len(traces) == 1


def test_a_schedule_is_a_pytree_of_its_law():
    schedule = FAMILY[0].build(LENGTH, NUM_STEPS)
    leaves, tree = jax.tree.flatten(schedule)
    assert [leaf.shape for leaf in leaves] == [(1,), (1, NUM_STEPS)]
    again = jax.tree.unflatten(tree, leaves)
    assert isinstance(again, Schedule) and (again.length, again.num_steps) == (LENGTH, NUM_STEPS)
    np.testing.assert_array_equal(again.exposure(), schedule.exposure())


def test_derived_numbers_are_computed_once_and_cannot_be_changed(monkeypatch):
    schedule, calls = schedules.uniform(6, 3), []
    for name in ("exposure", "nfe_law", "leftover"):
        whole = getattr(Atoms, name)
        monkeypatch.setattr(Atoms, name, lambda law, length, n=name, f=whole: calls.append(n) or f(law, length))
    for _ in range(3):
        assert schedule.mean_nfe == 3.0 and schedule.leftover == 0.0
        for array in (schedule.exposure(), schedule.nfe_law()):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 9.0
    assert sorted(calls) == ["exposure", "leftover", "nfe_law"]


def test_uniforms_for_each_step_are_wanted():
    schedule = schedules.random_cuts(6, 3)
    with pytest.raises(ValueError, match=r"^got 2 uniforms per lane; 3 steps need as many$"):
        schedule.sizes_from(np.zeros((5, 2)))
    uniforms = np.random.default_rng(0).random((5, 7))
    np.testing.assert_array_equal(schedule.sizes_from(uniforms), schedule.sizes_from(uniforms[:, :3]))


def test_a_copy_under_a_transformation_has_no_labels_and_the_same_law():
    schedule = schedules.minimax(6, 2, "tc")
    assert schedule.certificate is not None
    copy = jax.tree.map(lambda leaf: leaf, schedule)
    assert (copy.name, copy.certificate) == ("", None)
    assert (copy.length, copy.num_steps, copy.mean_nfe) == (6, 2, schedule.mean_nfe)
    key = jax.random.key(3)
    np.testing.assert_array_equal(jax.jit(lambda s: s.sizes(key))(schedule), schedule.sizes(key))


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (True, "length=True is not a whole number"),
        (0, "length=0 is not a sequence length; use at least 1"),
        (2**31, "length=2147483648 exceeds 2147483647, the largest int32; use a shorter sequence"),
    ],
)
def test_bad_input(length, message):
    with pytest.raises(ValueError, match=message):
        Schedule("test", length, 2, Atoms(np.ones(1), np.array([[2, 2]])))
