"""What every schedule must do, for each line of the registry in family.py."""

import ast
from pathlib import Path

import jax
import numpy as np
import pytest

import jdlm
from jdlm import curves
from jdlm.sampling import draw_sizes
from jdlm.schedules import Atoms, Schedule
from tests.reference import schedules as reference
from tests.schedules.family import FAMILY

LENGTH, NUM_STEPS, DRAWS = 12, 4, 20_000
family = pytest.mark.parametrize("member", FAMILY, ids=lambda member: member.name)
rng = np.random.default_rng(3)
LAWS = [rng.dirichlet(np.full(3**4, 0.3)).reshape([3] * 4), rng.dirichlet(np.full(2**5, 0.3)).reshape([2] * 5)]
LAWS[0][LAWS[0] < 1e-3] = 0.0  # impossible sequences
LAWS[0] /= LAWS[0].sum()


@jax.jit
def draw(keys, schedule):
    return jax.vmap(schedule.sizes)(keys)


def within(mean, expected, second_moment, largest):
    """Bernstein's inequality: a true mean of DRAWS draws is farther off with probability below 1e-8 an entry.

    With about 25 schedules of 12 + 6 + 1 entries, drawn in two ways, the false-alarm rate of this file is below 1e-5.
    """
    log_term = np.log(2e8)
    variance = np.maximum(second_moment - expected**2, 0.0)
    slack = np.sqrt(2.0 * variance * log_term / DRAWS) + 2.0 / 3.0 * largest * log_term / DRAWS
    return np.all(np.abs(mean - expected) <= slack + 1e-12)


def on_device(schedule):
    return draw(jax.random.split(jax.random.key(17), DRAWS), schedule)


def on_the_host(schedule):
    return draw_sizes(jax.random.key(18), schedule, DRAWS)


@family
@pytest.mark.parametrize("draws", [on_device, on_the_host], ids=["device", "host"])
def test_drawn_sizes_follow_the_law(member, draws):
    schedule = member.build(LENGTH, NUM_STEPS)
    sizes = draws(schedule)
    assert sizes.dtype == np.int32 and sizes.shape == (DRAWS, schedule.num_steps)
    sizes = np.asarray(sizes)
    assert sizes.min() >= 0
    before = np.cumsum(sizes, axis=1) - sizes
    exposure = np.bincount(before.ravel(), weights=sizes.ravel(), minlength=LENGTH + 1)[:LENGTH] / DRAWS
    _, second, nfe, leftover = reference.moments(schedule.law(), LENGTH)
    assert within(exposure, schedule.exposure(), second, LENGTH)
    calls = np.bincount(np.count_nonzero(sizes, axis=1), minlength=schedule.num_steps + 1) / DRAWS
    assert within(calls, schedule.nfe_law(), nfe, 1.0)
    assert within(np.mean(sizes.sum(axis=1) < LENGTH), schedule.leftover, leftover, 1.0)
    assert not member.complete or np.all(sizes.sum(axis=1) == LENGTH)


@family
@pytest.mark.parametrize("shape", [(12, 4), (32, 8), (7, 7), (2, 2)], ids=str)
def test_derived_numbers_follow_the_law(member, shape):
    schedule = member.build(*shape)
    exposure, _, nfe, leftover = reference.moments(schedule.law(), shape[0])
    assert schedule.length == shape[0] and schedule.name
    for array in (schedule.exposure(), schedule.nfe_law()):
        assert isinstance(array, np.ndarray) and array.dtype == np.float64
    np.testing.assert_allclose(schedule.exposure(), exposure, atol=1e-11)
    np.testing.assert_allclose(schedule.nfe_law(), nfe, atol=1e-11)
    np.testing.assert_allclose(schedule.leftover, leftover, atol=1e-11)
    assert (schedule.leftover > 0.0) != member.complete
    if member.complete:
        np.testing.assert_allclose(schedule.exposure().sum(), shape[0], rtol=1e-11)
        assert np.all(curves.overshoot(schedule.exposure()) >= -1e-9)
        for weight in ("tc", "dtc", "both"):
            lists = reference.size_lists(schedule.law(), shape[0]) if isinstance(schedule.law(), Atoms) else None
            if lists is not None:
                expected = reference.worst_case(lists, weight)
                np.testing.assert_allclose(curves.worst_case(schedule.exposure(), weight), expected, atol=1e-10)


@family
@pytest.mark.parametrize("law", LAWS, ids=["4-tokens", "5-tokens"])
def test_path_kl_is_the_average_over_orders_and_sizes(member, law):
    curve = reference.entropy_curve(law)
    for num_steps in (2, 3):
        schedule = member.build(law.ndim, num_steps)
        if not member.complete:
            with pytest.raises(ValueError, match="final_reveal=True"):
                curves.path_kl(schedule.exposure(), curve)
            continue
        expected = reference.mean_path_kl(law, reference.size_lists(schedule.law(), law.ndim))
        np.testing.assert_allclose(curves.path_kl(schedule.exposure(), curve), expected, rtol=0, atol=1e-10)


def test_the_leftover_of_a_mixture_is_the_weight_of_its_short_lists():
    sizes = np.array([[2, 2, 1], [3, 1, 0], [5, 0, 0], [0, 1, 1]])
    mixed = Schedule("mixed", 5, 3, Atoms(np.array([0.1, 0.25, 0.6, 0.05]), sizes))
    np.testing.assert_allclose(mixed.leftover, 0.3, atol=1e-15)
    np.testing.assert_allclose(mixed.nfe_law(), [0.0, 0.6, 0.3, 0.1], atol=1e-15)
    np.testing.assert_allclose(mixed.exposure(), [0.2 + 0.75 + 3.0 + 0.05, 0.05, 0.2, 0.25, 0.1], atol=1e-15)


@family
def test_the_law_of_the_calls_sums_to_1(member):
    for shape in ((12, 4), (5, 5)):
        law = member.build(*shape).nfe_law()
        np.testing.assert_allclose(law.sum(), 1.0, atol=1e-12)
        assert law.min() >= 0.0


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


def test_nothing_outside_asks_which_form_a_law_has():
    root = Path(jdlm.__file__).parent
    for path in root.rglob("*.py"):
        if path.is_relative_to(root / "schedules"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
                asked = {getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node.args[1])}
                assert not {"Atoms", "Chain", "Thinning"} & asked, path
