"""Steps as products with matrices, against the walk over all sets of positions."""

import numpy as np
import pytest

from jdlm import planners, schedules, targets
from jdlm.measure import exact
from jdlm.measure.state_space import StateSpace
from jdlm.measure.step_matrices import StepMatrices
from jdlm.predictor import oracle, perturbed
from tests.schedules.family import FAMILY

LENGTH = 5


@pytest.mark.parametrize(
    "planner", [planners.random(), planners.confidence(), planners.left_to_right()], ids=lambda p: p.name
)
def test_laws_are_those_of_the_walk(planner):
    target = targets.sticky_markov(LENGTH, 2, 0.8)
    predictor, law = perturbed(oracle(target), 0.5, 1), exact.target_law(target)
    walk, matrices = StateSpace(predictor, planner), StepMatrices(predictor, planner)
    for member in FAMILY:
        schedule = member.build(LENGTH, 3)
        wanted, found = (exact.output_law_of(space, schedule) for space in (walk, matrices))
        np.testing.assert_allclose(found.law, wanted.law, rtol=0, atol=1e-14)
        assert found.leftover == pytest.approx(wanted.leftover, abs=1e-14)
    wanted, found = (exact.path_kl_of(space, schedules.uniform(LENGTH, 2), law) for space in (walk, matrices))
    assert found == pytest.approx(wanted, abs=1e-12)


def test_what_has_no_matrices_is_refused():
    with pytest.raises(ValueError, match=r"planner threshold.* counts by itself, so no step has a given size"):
        StepMatrices(oracle(targets.parity(3)), planners.threshold(0.9))
    with pytest.raises(ValueError, match=r"length=12, vocab_size=2 have 2.44e\+08 moves; use StateSpace"):
        StepMatrices(oracle(targets.parity(12)), planners.random())
