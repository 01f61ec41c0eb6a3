"""States with an order: the same laws as without one where it does not matter, and a slow twin where it does."""

import itertools

import jax
import numpy as np
import pytest

from jdlm import curves, evaluate, exact, planners, schedules, targets
from jdlm.measure.orders import OrderSpace, count_states
from jdlm.measure.score_error import score_error
from jdlm.measure.state_space import StateSpace
from jdlm.predictor import oracle
from tests.reference import causal as reference
from tests.sampling.ordered import CONFIG, causal

PLANNERS = (
    planners.random(),
    planners.left_to_right(),
    planners.bisection(),
    planners.confidence(),
    planners.entropy(),
)


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: planner.name)
def test_a_predictor_that_does_not_look_at_the_order_has_the_laws_of_the_other_space(planner):
    """A second derivation of both, for lists, mixtures and chains of sizes."""
    target = targets.table(np.random.default_rng(3).dirichlet(np.full(16, 0.4)).reshape((2,) * 4))
    law, space = exact.target_law(target), OrderSpace(oracle(target), planner)
    for schedule in (
        schedules.uniform(4, 2),
        schedules.first_hitting(4),
        schedules.minimax(4, 3, "both"),
        schedules.ancestral(4, schedules.uniform_times(5), "cosine"),
    ):
        found, wanted = space.output_law(schedule), exact.output_law(oracle(target), schedule, planner)
        np.testing.assert_allclose(found.law, wanted.law, rtol=0, atol=1e-14)
        assert found.leftover == pytest.approx(wanted.leftover, abs=1e-14)
        assert space.path_kl(schedule, law) == pytest.approx(
            exact.path_kl(target, oracle(target), schedule, planner).path, abs=1e-12
        )


def test_the_law_of_a_causal_network_is_that_of_all_its_paths():
    """Written out: three bits, random order, two tokens and then one, by the float64 twin of the network."""
    model = causal(3, 2)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), model.params)

    def probabilities(order, n, tokens, asked):
        row = reference.logits(params, order[:n], [tokens[i] for i in order[:n]], asked, CONFIG.heads)
        return np.exp(row - np.logaddexp.reduce(row))

    expected = np.zeros((2,) * 3)
    for order in itertools.permutations(range(3)):
        for tokens in itertools.product(range(2), repeat=3):
            first = [probabilities(order, 0, tokens, i)[tokens[i]] for i in order[:2]]
            last = probabilities(order, 2, tokens, order[2])[tokens[order[2]]]
            expected[tokens] += first[0] * first[1] * last / 6
    found = exact.output_law(model, schedules.fixed([2, 1])).law
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_path_kl_is_exposure_times_the_curve_that_is_measured_in_one_pass():
    """The identity holds with the mean over orders; within 4 standard errors (false alarm 6e-5 each)."""
    target, model = targets.sticky_markov(4, 3, 0.6), causal()
    measured = evaluate.cross_entropy_curve(jax.random.key(1), model, target, 4096)
    assert measured.cross_entropy.covariance is not None and measured.cross_entropy.n == 4096
    entropy = curves.entropy(target.entropy_curve())
    for schedule in (schedules.first_hitting(4), schedules.uniform(4, 2), schedules.minimax(4, 3, "both")):
        path = exact.path_kl(target, model, schedule)
        estimate = measured.cross_entropy.dot(schedule.exposure())
        assert abs(estimate.value - entropy - path.path) < 4 * estimate.standard_error
        learning = measured.learning_error.dot(schedule.exposure())
        factorization = curves.path_kl(schedule.exposure(), target.entropy_curve())
        assert abs(learning.value + factorization - path.path) < 4 * learning.standard_error
        assert learning.standard_error < estimate.standard_error and path.gap >= -1e-12
        sampled = evaluate.monte_carlo_path_kl(jax.random.key(2), model, target, schedule, 4096)
        assert abs(sampled.value - path.path) < 4 * sampled.standard_error


def test_what_it_does_not_take_is_refused():
    with pytest.raises(ValueError, match=r"planner threshold\(0.5\) counts by itself"):
        exact.output_law(causal(), None, planners.threshold(0.5))
    with pytest.raises(ValueError, match=r"have 4.19e\+05 states with an order"):
        exact.space(causal(7, 2))
    with pytest.raises(ValueError, match="these states do not hold"):
        StateSpace(causal(), planners.random())
    with pytest.raises(ValueError, match="has length 5, the predictor 4"):
        exact.output_law(causal(), schedules.uniform(5, 2))
    with pytest.raises(ValueError, match="these errors are of sets"):
        score_error(causal(), targets.sticky_markov(4, 3, 0.6))
    with pytest.raises(ValueError, match="no gap is defined"):
        evaluate.order_gap(jax.random.key(0), causal(), targets.sticky_markov(4, 3, 0.6), 10)
    with pytest.raises(ValueError, match="these states do not hold"):
        evaluate.exact_order_gap(causal(), targets.sticky_markov(4, 3, 0.6))
    assert count_states(3, 2) == 1 + 3 * 2 + 6 * 4
