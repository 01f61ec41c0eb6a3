"""Planners of one's own: values of functions, checked where they are built and where they are used."""

import subprocess
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners, schedules, targets
from jdlm.measure import exact
from jdlm.planners import Planner
from jdlm.predictor import oracle
from jdlm.sampling import sample_with_info

ROOT = Path(__file__).parents[2]


def rightmost(log_probs, masked):
    return jnp.arange(masked.shape[0]).astype(float)


def both_ends(log_probs, masked):
    return abs(jnp.arange(masked.shape[0]) - 1.5)


def two(log_probs, masked, order):
    return jnp.minimum(masked.sum(), 2)


def test_a_planner_of_ones_own_is_sampled_and_enumerated():
    """x0 = x1 and x2 = x3: the right half first has two equal tokens with probability 1/2, the ends first always."""
    predictor = oracle(targets.blocks(targets.repetition(2, 2), 2))
    right = Planner("right_to_left", rightmost, needs_logits=False)
    assert planners.has_fixed_order(right)
    law = exact.output_law(predictor, schedules.fixed([2, 2]), right).law
    np.testing.assert_allclose(law, np.full([2] * 4, 1 / 16), atol=1e-12)
    ends = Planner(name="both_ends", priority=both_ends, count=two)
    law = exact.output_law(predictor, None, ends).law
    assert law[0, 0, 1, 1] == pytest.approx(0.25) and law[0, 1].sum() == 0.0
    tokens, info = sample_with_info(jax.random.key(0), predictor, None, planner=ends, indices=np.arange(50))
    assert (np.asarray(info.nfe) == 2).all() and (tokens[:, 0] == tokens[:, 1]).all()


def test_equal_fields_are_equal_planners():
    assert Planner("ends", both_ends) == Planner(name="ends", priority=both_ends)
    assert Planner("ends", both_ends) != Planner("ends", rightmost)
    assert Planner("ends", both_ends) != Planner("ends", both_ends, count=two)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"costs": rightmost, "count": two}, "planner mine has costs but no limit; give both or neither"),
        ({"limit": 0.5, "count": two}, "planner mine has limit but no costs; give both or neither"),
        ({"costs": rightmost, "limit": 0.5}, "planner mine has costs but no count"),
    ],
)
def test_costs_come_with_a_limit_and_a_count(options, message):
    with pytest.raises(ValueError, match=message):
        Planner("mine", rightmost, **options)


MEMBERS = {"name": "mine", "needs_logits": True, "count": None, "costs": None, "limit": None}


@pytest.mark.parametrize(
    "other", [planners.random, "random", types.SimpleNamespace(priority=rightmost, **MEMBERS)], ids=type
)
def test_other_objects_are_refused(other):
    with pytest.raises(ValueError, match=r"is not a planner; use one such as planners.random\(\), or make your own"):
        planners.check(other)


def test_samplers_exact_laws_and_sweeps_refuse_a_builder_that_was_not_called():
    """In a process of its own, where no types are checked at run time."""
    code = """
import jax
from jdlm import exact, planners, predictor, sampling, schedules, sweeps, targets

law = targets.parity(2)
oracle = predictor.oracle(law)
for use in (
    lambda: sampling.sample_with_info(jax.random.key(0), oracle, [[2]], planner=planners.random),
    lambda: exact.output_law(oracle, schedules.fixed([2]), planners.random),
    lambda: sweeps.sweep(law, {}, [], planners=[planners.random], n=9, curve_n=9, seed=0, target_name=""),
):
    try:
        use()
    except ValueError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.count("> is not a planner; use one such as planners.random()") == 3, done.stderr
