"""Confidence, margin and entropy on a relative grid: orders at large vocabularies, and ties that are ties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners
from jdlm.planners.by_logits import entropies
from tests.reference import laws


def priorities(planner, probabilities, dtype=jnp.float32) -> np.ndarray:
    with jax.enable_x64(dtype == jnp.float64), np.errstate(divide="ignore"):
        rows = jnp.asarray(np.log(np.asarray(probabilities, np.float64)), dtype)
        return np.asarray(planners.rounded(planner.priority(rows, jnp.ones(len(rows), bool))), np.float64)


def test_a_large_vocabulary_has_an_order():
    """At V = 20,000 the confidences of random logits are 0.0025 +- 0.0005: two or three cells of a grid of 2^-12."""
    rows = np.random.default_rng(0).dirichlet(np.full(20_000, 0.5), 8)
    ordered = np.sort(rows, axis=1)[:, ::-1]
    scores = {
        planners.confidence(): ordered[:, 0],
        planners.margin(): ordered[:, 0] - ordered[:, 1],
        planners.entropy(): np.sum(rows * np.log(np.maximum(rows, 1e-300)), axis=1),
    }
    for planner, score in scores.items():
        found = priorities(planner, rows)
        assert len(set(found)) == 8, planner.name
        np.testing.assert_array_equal(np.argsort(found), np.argsort(score))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_ties_of_the_best_two_are_ties_of_the_margin(dtype):
    rows = [[0.5, 0.5, 0.0], [0.4, 0.4, 0.2], [1 / 3, 1 / 3, 1 / 3], [0.2, 0.4, 0.4]]
    found = priorities(planners.margin(), [*rows, [0.4, 0.39, 0.21], [1.0, 0.0, 0.0]], dtype)
    assert len(set(found[:4])) == 1 and found[3] < found[4] < found[5] == 0.0
    # Rounding does not make a tie a lead.
    noisy = np.array(rows) * (1 + 1e-6 * np.random.default_rng(1).normal(size=(4, 3)))
    np.testing.assert_array_equal(priorities(planners.margin(), noisy, dtype), found[:4])


@pytest.mark.parametrize("planner", [planners.confidence(), planners.margin()], ids=lambda planner: planner.name)
def test_margin_and_confidence_are_base_2_logarithms(planner):
    rows = np.random.default_rng(2).dirichlet(np.ones(3), 8)
    best = np.sort(rows, axis=1)[:, ::-1]
    wanted = best[:, 0] - (best[:, 1] if planner == planners.margin() else 0)
    # The lead of a margin is rounded to 2^-12 of the best, then both to the grid.
    bound = 2**-13 * (1 + 1.5 * best[:, 0] / wanted) + 1e-6
    assert (abs(priorities(planner, rows) - np.log2(wanted)) <= bound).all()


def test_dyadic_confidences_are_not_on_the_border_of_a_cell():
    for power in range(1, 9):
        law = np.full(2**power, 2.0**-power)
        for noise in (-3e-7, 0.0, 3e-7):
            assert priorities(planners.confidence(), [law * (1 + noise)])[0] == -power


def test_one_token_is_certain():
    assert priorities(planners.margin(), [[1.0]])[0] == 0.0


def test_entropies_are_those_of_the_definition_and_impossible_tokens_add_nothing():
    rows = np.random.default_rng(3).dirichlet(np.full(6, 0.4), 9)
    rows[2], rows[3] = np.eye(6)[4], 1 / 6
    rows[4, :3] = 0.0
    rows[4] /= rows[4].sum()
    with np.errstate(divide="ignore"):
        found = entropies(jnp.asarray(np.log(rows), jnp.float32))
    np.testing.assert_allclose(found, [laws.entropy(row) for row in rows], atol=1e-6)
    assert float(found[2]) == 0.0 and not np.isnan(found).any()


def test_the_three_planners_prefer_different_positions():
    """One row has the largest probability, one the largest lead, one the lowest entropy."""
    rows = [
        [0.60, 0.39, 0.01, 0.0, 0.0, 0.0],
        [0.595, 0.081, 0.081, 0.081, 0.081, 0.081],
        [0.5, 0.5, 0.0, 0.0, 0.0, 0.0],
    ]
    first = {
        planner.name: int(priorities(planner, rows).argmax())
        for planner in (planners.confidence(), planners.margin(), planners.entropy())
    }
    assert first == {"confidence": 0, "margin": 1, "entropy": 2}
