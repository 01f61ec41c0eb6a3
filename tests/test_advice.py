"""Advice against brute force over all size lists, and its honesty about noise."""

import functools
import itertools
import json
import time

import numpy as np
import pytest

from jdlm import schedules
from jdlm.measure.evaluate import CurveEstimate
from jdlm.study import advice

LENGTH = 8
BUILDERS = {
    "uniform": functools.partial(schedules.uniform, LENGTH),
    "cosine": functools.partial(schedules.cosine, LENGTH),
}


def curve() -> np.ndarray:
    return np.array([2.0, 1.9, 1.5, 1.0, 0.9, 0.8, 0.3, 0.2])


def brute_force(values: np.ndarray, num_steps: int) -> float:
    """Smallest cost over all lists of at most ``num_steps`` sizes."""
    best = np.inf
    for count in range(1, num_steps + 1):
        for cuts in itertools.combinations(range(1, LENGTH), count - 1):
            starts, ends = (0, *cuts), (*cuts, LENGTH)
            nelbo = sum((end - start) * values[start] for start, end in zip(starts, ends, strict=True))
            best = min(best, nelbo - values.sum())
    return best


def test_with_a_number_of_steps_the_first_offer_is_the_best_of_all_size_lists():
    exact = advice.exact_curve(curve())
    for num_steps in range(1, LENGTH + 1):
        offers = advice.recommend(exact, exact, BUILDERS, num_steps=num_steps)
        assert offers[0].cost.value == pytest.approx(brute_force(curve(), num_steps))
        assert {offer.name for offer in offers} == {"optimal", "uniform", "cosine"}
        assert offers[0].nelbo.value == pytest.approx(offers[0].cost.value + curve().sum())


def test_differences_to_optimal_and_their_errors():
    """A level common to all counts cancels: only what differs between counts is left in the standard error."""
    independent = np.full(LENGTH, 0.01)
    together = CurveEstimate(curve(), np.hypot(independent, 5.0), 100, np.diag(independent**2) + 25.0)
    offers = {offer.name: offer for offer in advice.recommend(together, together, BUILDERS, num_steps=4)}
    best = offers["optimal"]
    assert best.difference == (0.0, 0.0, 100)
    for offer in (offers["uniform"], offers["cosine"]):
        assert offer.difference.value == pytest.approx(offer.cost.value - best.cost.value)
        changed = offer.schedule.exposure() - best.schedule.exposure()
        assert offer.difference.standard_error == pytest.approx(0.01 * np.linalg.norm(changed), rel=1e-6)
        assert offer.nelbo.standard_error > 39  # 5 nats a token, on all 8


@pytest.mark.parametrize("goal", [0.05, 0.52, 1.02, 2.02, 5.02, 100.0])
def test_with_a_goal_the_number_of_steps_is_the_smallest(goal):
    exact = advice.exact_curve(curve())
    best = advice.recommend(exact, exact, BUILDERS, kl=goal)[0]
    needed = next(k for k in range(1, LENGTH + 1) if brute_force(curve(), k) <= goal)
    assert best.schedule.num_steps == needed and best.cost.value <= goal


def test_a_goal_out_of_reach_of_the_candidates_is_said():
    exact = advice.exact_curve(curve())
    offers = advice.recommend(exact, exact, BUILDERS, kl=0.01, candidates={"uniform": [1, 2, 4], "cosine": [1]})
    assert offers[0].name == "optimal" and offers[0].schedule.num_steps == LENGTH
    assert {offer.name for offer in offers if offer.schedule is None} == {"uniform", "cosine"}


def test_the_cost_is_judged_on_other_sequences_than_it_was_chosen_on():
    """Over 400 noisy measurements the fitted cost is too low on average; the judged one is not; its error is right."""
    rng = np.random.default_rng(0)
    error = np.full(LENGTH, 0.1)
    fitted, judged, pulls = [], [], []
    for _ in range(400):
        fit, test = (CurveEstimate(curve() + rng.normal(size=LENGTH) * error, error, 100) for _ in range(2))
        best = advice.recommend(fit, test, {}, num_steps=3)[0]
        truth = (best.schedule.exposure() - 1.0) @ curve()
        fitted.append(best.fitted.value - truth)
        judged.append(best.cost.value - truth)
        pulls.append(judged[-1] / best.cost.standard_error)
    spread = 4.5 / np.sqrt(400)  # a false alarm in 150,000
    assert np.mean(fitted) < -spread * np.std(fitted)
    assert abs(np.mean(pulls)) < spread and abs(np.std(pulls) - 1.0) < spread


def test_export_is_plain_json_that_sums_to_the_length():
    exact = advice.exact_curve(curve())
    one = json.loads(json.dumps(advice.export(advice.recommend(exact, exact, {}, num_steps=3)[0].schedule)))
    assert len(one["tokens_per_step"]) == 3 and sum(one["tokens_per_step"]) == LENGTH == one["length"]
    several = json.loads(json.dumps(advice.export(schedules.minimax(LENGTH, 3, "both"))))
    assert sum(atom["weight"] for atom in several["atoms"]) == pytest.approx(1.0)
    assert all(sum(atom["tokens_per_step"]) == LENGTH for atom in several["atoms"])
    with pytest.raises(ValueError, match="tc_equalizer is no mixture"):
        advice.export(schedules.tc_equalizer(LENGTH, 3))


def test_a_thousand_schedules_take_seconds():
    exact = advice.exact_curve(np.linspace(2.0, 0.5, 64))
    rng = np.random.default_rng(0)
    lists = [np.bincount(rng.integers(0, 8, 64), minlength=8) for _ in range(1000)]
    start = time.perf_counter()
    costs = [advice.cost(schedules.fixed(sizes), exact).value for sizes in lists]
    assert min(costs) >= -1e-9
    assert time.perf_counter() - start < 30  # not a benchmark: a guard against a sampler in this path


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "kl=None and num_steps=None"),
        ({"kl": 0.1, "num_steps": 3}, "give exactly one"),
        ({"kl": -1.0}, "kl=-1.0"),
        ({"num_steps": 9}, "num_steps=9 exceeds length=8"),
    ],
)
def test_bad_goals_are_refused(settings, message):
    exact = advice.exact_curve(curve())
    with pytest.raises(ValueError, match=message):
        advice.recommend(exact, exact, BUILDERS, **settings)
    with pytest.raises(ValueError, match="lengths 8 and 7"):
        advice.recommend(exact, advice.exact_curve(curve()[:7]), {}, kl=0.1)
