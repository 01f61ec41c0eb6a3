"""Planners for remasking: what they prefer, and where they may stand."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners

REMASKERS = [planners.low_confidence(), planners.confidence_weighted(), planners.informed()]


@pytest.mark.parametrize("planner", REMASKERS, ids=lambda planner: planner.name)
def test_the_least_likely_token_comes_first(planner):
    scores = jnp.log(jnp.array([0.9, 0.2, 0.5, 0.25]))
    priority = np.asarray(planner.priority(scores, jnp.ones(4, bool)))
    assert np.argsort(-priority).tolist() == [1, 3, 2, 0]
    assert getattr(planners, planner.name)() == planner and not planners.has_fixed_order(planner)


def test_weights_are_exponentials_of_probabilities():
    """The softmax of minus the probability itself, not of its logarithm."""
    scores = jnp.log(jnp.array([0.9, 0.2]))
    planner = planners.confidence_weighted()
    priority = np.asarray(planner.priority(scores, jnp.ones(2, bool)))
    assert planner.gumbel and priority[1] - priority[0] == pytest.approx(0.7, abs=1e-6)


def test_planners_stand_where_they_belong():
    planners.check_masks(planners.random())
    planners.check_masks(planners.informed())
    planners.check_reveals(planners.confidence())
    with pytest.raises(ValueError, match="informed masks tokens and reveals none"):
        planners.check_reveals(planners.informed())
    for planner in (planners.entropy(), planners.threshold(0.5)):
        with pytest.raises(ValueError, match="looks at masked positions"):
            planners.check_masks(planner)
    with pytest.raises(ValueError, match="is not a planner"):
        planners.check_masks("random")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scores": "new"}, "scores='new'; use 'drawn', 'conditional' or None"),
        ({"needs_logits": True}, "set needs_logits=False and no count"),
        ({"scores": None, "gumbel": True}, "gumbel=True but no scores"),
    ],
    ids=["scores", "logits", "gumbel"],
)
def test_contradictions_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(planners.low_confidence(), **changes)
