"""What every planner must do, for each line of the registry in family.py.

The chi-square tests, one a planner, alarm falsely with probability 1e-6 each; their seeds are fixed.
"""

import dataclasses
import functools
import inspect
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import config, planners, schedules, targets
from jdlm.measure import audit, exact
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import sample_with_info
from tests.planners.family import FAMILY

LENGTH, VOCAB, SIZES, LANES = 4, 3, (1, 2, 1), 8192
ALARM = 1e-6
family = pytest.mark.parametrize("member", FAMILY, ids=lambda member: member.name)
precisions = pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64], ids=["float32", "float64"])
rng = np.random.default_rng(5)
ROWS = [
    rng.dirichlet(np.full(5, 0.5), 6),
    rng.dirichlet(np.full(5, 20.0), 6),  # nearly uniform
    np.eye(5)[[0, 1, 2, 3, 4, 0]],  # certain: the other tokens have log probability -inf
    np.full((6, 5), 0.2),  # ties everywhere
    np.where(np.arange(6)[:, None] < 3, np.eye(5)[0], rng.dirichlet(np.ones(5), 6)),
]
MASKS = [np.array(mask) for mask in itertools.product([True, False], repeat=6) if any(mask)]


def with_log_probs(planner, rows, dtype):
    """The planner's first argument."""
    with np.errstate(divide="ignore"):
        return jnp.asarray(np.log(rows), dtype) if planner.needs_logits else None


def over_masks(planner, rows, dtype):
    """Priorities ``[masks, length]`` and, where the planner counts, counts ``[masks]``, from one compiled call."""

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(None, 0))
    def both(log_probs, masked):
        priority = planner.priority(log_probs, masked)
        order = jnp.lexsort((-planners.rounded(priority), ~masked))
        return priority, None if planner.count is None else planner.count(log_probs, masked, order)

    with jax.enable_x64(dtype == jnp.float64):
        return jax.device_get(both(with_log_probs(planner, rows, dtype), jnp.array(MASKS)))


@family
def test_two_builds_are_one_frozen_value(member):
    one, other = member.build(), member.build()
    assert one == other and hash(one) == hash(other) and isinstance(one, planners.Planner)
    assert one.name == member.name
    assert sum(one == another.build() for another in FAMILY) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "mine"


@precisions
@family
def test_priorities_are_finite_where_masked(member, dtype):
    for rows in ROWS:
        found, _ = over_masks(member.build(), rows, dtype)
        assert found.shape == (len(MASKS), 6) and np.issubdtype(found.dtype, np.floating)
        assert np.isfinite(found[np.array(MASKS)]).all()


@family
def test_a_fixed_order_does_not_depend_on_the_masks(member):
    planner = member.build()
    assert planners.has_fixed_order(planner) == member.fixed_order
    if member.fixed_order:
        found, _ = over_masks(planner, ROWS[0], jnp.float32)
        np.testing.assert_array_equal(found, np.broadcast_to(planners.fixed_priority(planner, 6), found.shape))


@precisions
@family
def test_counts_lie_between_1_and_the_number_of_masks(member, dtype):
    planner = member.build()
    assert (planner.count is not None) == member.self_sized
    if not member.self_sized:
        assert planner.costs is None and planner.limit is None
        return
    seen = set()
    for rows in ROWS:
        _, counts = over_masks(planner, rows, dtype)
        assert counts.shape == (len(MASKS),) and np.issubdtype(counts.dtype, np.integer)
        assert (counts >= 1).all() and (counts <= np.sum(MASKS, axis=1)).all()
        seen |= set(counts.tolist())
    assert len(seen) > (1 if member.name.startswith("blocks") else 3)


@precisions
@family
def test_costs_are_no_less_than_0(member, dtype):
    planner = member.build()
    for rows in ROWS if planner.costs is not None else ():
        with jax.enable_x64(dtype == jnp.float64):
            costs = np.asarray(planner.costs(with_log_probs(planner, rows, dtype), jnp.ones(6, bool)))
        assert costs.shape == (6,) and (costs >= 0).all() and np.isfinite(costs).all()


@functools.cache
def predictor() -> Predictor:
    """The oracle of a law without symmetry, so that each planner has an output law of its own."""
    law = np.random.default_rng(11).dirichlet(np.full(VOCAB**LENGTH, 0.15)).reshape([VOCAB] * LENGTH)
    return oracle(targets.table(law))


@functools.cache
def output_law(number: int) -> exact.OutputLaw:
    member = FAMILY[number]
    return exact.output_law(predictor(), None if member.self_sized else schedules.fixed(list(SIZES)), member.build())


@pytest.mark.parametrize("number", range(len(FAMILY)), ids=[member.name for member in FAMILY])
def test_samples_follow_the_exact_law(number):
    member, found = FAMILY[number], output_law(number)
    assert found.law.sum() == pytest.approx(1.0, abs=1e-12) and (found.law >= 0).all()
    tokens, _ = sample_with_info(
        jax.random.key(7),
        predictor(),
        None if member.self_sized else np.tile(SIZES, (LANES, 1)),
        planner=member.build(),
        indices=np.arange(LANES),
    )
    assert audit.chi_square(np.asarray(tokens), found.law, np.random.default_rng(8)).p_value > ALARM


def test_samples_tell_planners_apart():
    """The chi-square tests have something to see: the laws of any two planners differ by more than 3 %."""
    laws = [output_law(number).law for number in range(len(FAMILY))]
    for (i, one), (j, other) in itertools.combinations(enumerate(laws), 2):
        assert exact.total_variation(one, other) > 0.03, (FAMILY[i].name, FAMILY[j].name)


def test_the_registry_and_the_words_have_every_builder():
    public = {name: getattr(planners, name) for name in planners.__all__}
    functions = {name: value for name, value in public.items() if inspect.isfunction(value)}
    builders = {name for name, f in functions.items() if inspect.signature(f).return_annotation is planners.Planner}
    builders -= {"confidence_weighted", "informed", "low_confidence"}  # for remasking alone
    assert builders == {member.name.partition("(")[0] for member in FAMILY}
    assert builders == {word.name for word in config.PLANNERS.values()}
    self_sized = {member.name.partition("(")[0] for member in FAMILY if member.self_sized} - {"blocks"}
    assert self_sized == {config.PLANNERS[word].name for word in config.SELF_SIZED_PLANNERS}
    for word, entry in config.PLANNERS.items():
        planner = config.build_planner(f"{word}:{entry.example}" if entry.parameter else word)
        assert planner.name.partition("(")[0] == entry.name
