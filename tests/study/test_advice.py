"""Advice against brute force over all size lists, and its honesty about noise."""

import functools
import itertools
import json

import numpy as np
import pytest

from jdlm import schedules
from jdlm.measure import CurveEstimate, Estimate
from jdlm.study import advice
from tests.reference import advice as reference

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


def test_a_builder_of_any_name_is_asked():
    """Also one that is called like the schedule made for the curve, whose place it takes."""
    exact = advice.exact_curve(curve())
    offers = advice.recommend(exact, exact, {"optimal": BUILDERS["uniform"], "mine": BUILDERS["cosine"]}, num_steps=4)
    assert [offer.name for offer in offers] == ["optimal", "mine"]
    for offer, build in zip(offers, (schedules.uniform, schedules.cosine), strict=True):
        np.testing.assert_array_equal(offer.schedule.exposure(), build(LENGTH, 4).exposure())


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


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.tc_equalizer(LENGTH, 3),
        schedules.euler(LENGTH, schedules.uniform_times(11), "cosine"),
        schedules.ancestral(LENGTH, schedules.uniform_times(2), "linear"),
    ],
    ids=lambda schedule: schedule.name,
)
def test_an_exported_chain_is_walked_to_the_same_exposure(schedule):
    written = json.loads(json.dumps(advice.export(schedule)))
    assert written["num_steps"] == len(written["chain"]) == schedule.num_steps and written["length"] == LENGTH
    exposure, complete = reference.chain_exposure(written["chain"], LENGTH)
    np.testing.assert_allclose(exposure, schedule.exposure(), atol=1e-12)
    assert complete == pytest.approx(1.0)
    for step in written["chain"]:
        assert all(sum(law) == pytest.approx(1.0) for law in step if law) and len(step) == LENGTH + 1


def test_a_schedule_that_leaves_masks_is_not_exported():
    open_ended = schedules.tau_leaping(LENGTH, schedules.uniform_times(3), "linear", final_reveal=False)
    with pytest.raises(ValueError, match=r"leaves a mask with probability 0\..*final_reveal=True"):
        advice.export(open_ended)


def test_the_path_kl_of_any_list_is_not_negative():
    exact = advice.exact_curve(np.linspace(2.0, 0.5, 64))
    rng = np.random.default_rng(0)
    lists = [np.bincount(rng.integers(0, 8, 64), minlength=8) for _ in range(1000)]
    costs = [advice.cost(schedules.fixed(sizes), exact).value for sizes in lists]
    assert min(costs) >= -1e-9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "kl=None and num_steps=None"),
        ({"kl": 0.1, "num_steps": 3}, "give exactly one"),
        ({"kl": -1.0}, "kl=-1.0"),
        ({"kl": float("nan")}, "kl=nan"),
        ({"kl": float("inf")}, "kl=inf"),
        ({"num_steps": 9}, "num_steps=9 exceeds length=8"),
        ({"kl": 0.1, "confidence": 0.4}, "confidence=0.4 is not a probability from 0.5"),
        ({"kl": 0.1, "confidence": 1.0}, "confidence=1.0 is not a probability"),
        ({"kl": 0.1, "choice": "cosin"}, "choice='cosin' is not among the schedules; use one of optimal, uniform"),
    ],
)
def test_bad_goals_are_refused(settings, message):
    exact = advice.exact_curve(curve())
    with pytest.raises(ValueError, match=message):
        advice.recommend(exact, exact, BUILDERS, **settings)
    with pytest.raises(ValueError, match="lengths 8 and 7"):
        advice.recommend(exact, advice.exact_curve(curve()[:7]), {}, kl=0.1)


def nested(rng: np.random.Generator, n: int, truth: np.ndarray, scale: float) -> CurveEstimate:
    """A curve measured on ``n`` sequences that have a level of their own and differ from count to count."""
    terms = truth + scale * (rng.normal(size=(n, LENGTH)) + 3.0 * rng.normal(size=(n, 1)))
    covariance = np.cov(terms, rowvar=False) / n
    return CurveEstimate(terms.mean(axis=0), np.sqrt(np.diagonal(covariance)), n, covariance)


def test_an_infinite_curve_has_no_cost_and_no_advice():
    infinite = CurveEstimate(np.array([1.0, np.inf, 0.5]), np.array([0.1, np.nan, 0.1]), 10)
    finite = advice.exact_curve(np.array([1.0, 0.7, 0.5]))
    with pytest.raises(ValueError, match="the curve is inf at 1 revealed tokens"):
        advice.cost(schedules.fixed([2, 1]), infinite)
    for fit, test in ((infinite, finite), (finite, infinite)):
        with pytest.raises(ValueError, match="the curve is inf at 1 revealed tokens"):
            advice.recommend(fit, test, {}, kl=0.1)


def test_a_goal_equal_to_a_cost_is_kept_and_one_below_takes_a_step_more():
    exact = advice.exact_curve(curve())
    for name in ("optimal", "uniform"):
        for num_steps in range(2, LENGTH):
            built = advice.recommend(exact, exact, BUILDERS, num_steps=num_steps, choice=name)[0]
            goal = built.cost.value
            found = [advice.recommend(exact, exact, BUILDERS, kl=kl, choice=name)[0] for kl in (goal, goal * 0.999)]
            assert found[0].cost.value <= goal and found[0].schedule.num_steps <= num_steps
            assert found[1].cost.value < goal
            if name == "optimal":
                assert [offer.schedule.num_steps for offer in found] == [num_steps, num_steps + 1]


def test_where_fewer_steps_cost_less_they_are_found():
    """Equal steps have no error on a code whose dimension they divide: 2 steps do where 3, 5, 6 and 7 do not."""
    code = advice.exact_curve(np.where(np.arange(LENGTH) < 4, np.log(11), 0.0))
    uniform = {"uniform": functools.partial(schedules.uniform, LENGTH)}
    best = advice.recommend(code, code, uniform, kl=0.1, choice="uniform")[0]
    assert best.schedule.num_steps == 2 and best.cost.value == pytest.approx(0.0, abs=1e-12)
    assert reference.cost([3, 3, 2], code.values) > 0.1
    six = advice.recommend(code, code, {}, num_steps=6)[0]  # more steps gain nothing, so none is left empty
    assert six.schedule.law().sizes.tolist() == [[4, 4]]


def test_a_noisy_curve_gets_exactly_the_steps_asked_for():
    """A measured curve that rises in places used to make empty steps, which were dropped: 5 sizes for 6 steps."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        fit, test = (nested(rng, 8, curve(), 0.5) for _ in range(2))
        for num_steps in range(1, LENGTH + 1):
            best = advice.recommend(fit, test, {}, num_steps=num_steps)[0].schedule
            sizes = best.law().sizes
            assert sizes.shape == (1, num_steps) and sizes.min() >= 1 and best.num_steps == num_steps
            fitted = reference.falling(fit.values, fit.standard_errors**-2.0)
            assert reference.cost(sizes[0], fitted) == pytest.approx(reference.cheapest(fitted, num_steps), abs=1e-6)


def test_an_upper_limit_is_student_s():
    """Quantiles of Student's law from its table: 0.975 at 4 degrees of freedom, and of the normal law."""
    assert advice.upper_limit(Estimate(1.0, 0.5, 5), 0.975) == pytest.approx(1.0 + 0.5 * 2.776445)
    assert advice.upper_limit(Estimate(1.0, 0.5, 10**9), 0.975) == pytest.approx(1.0 + 0.5 * 1.959964)
    assert advice.upper_limit(Estimate(1.0, 0.5, 10**9), 0.8413447) == pytest.approx(1.5)
    assert advice.upper_limit(Estimate(1.0, 0.0, 0), 0.99) == 1.0


@pytest.mark.parametrize(("n", "confidence"), [(3, 0.975), (40, 0.84)])
def test_the_goal_is_missed_as_often_as_the_confidence_says_in_the_worst_case(n, confidence):
    """A goal just below the cost of 4 equal steps, which 5 and more keep by far: they pass by chance exactly so often.

    400 repetitions; the bound is 4.5 standard errors on both sides, a false alarm in 150,000. A normal quantile in
    place of Student's would miss in 9.5 % at n = 3, not in 2.5 %.
    """
    truth, repeats = np.array([2.0] * 7 + [1.0]), 400
    goal = reference.cost([2, 2, 2, 2], truth) - 1e-9
    assert all(reference.cost(s, truth) < goal - 0.3 for s in ([2, 2, 2, 1, 1], [2, 2, 1, 1, 1, 1]))
    rng, missed = np.random.default_rng(5), 0
    built = [schedules.uniform(LENGTH, num_steps) for num_steps in (4, 5, 6)]
    for _ in range(repeats):
        found, _ = advice._search(built, *(nested(rng, n, truth, 0.005) for _ in range(2)), goal, confidence)
        assert found.num_steps in (4, 5)
        missed += found.num_steps == 4
    share = 1.0 - confidence
    assert abs(missed / repeats - share) < 4.5 * np.sqrt(share * confidence / repeats)


def test_the_search_stops_at_the_first_schedule_that_fails():
    """Safest first by the first half; what lies behind a failure is not tried, though it would pass."""
    falls = np.array([8.0, 7.9, 7.7, 7.4, 7.0, 6.5, 5.9, 5.2])
    lists = {7: [2, 1, 1, 1, 1, 1, 1], 6: [1, 1, 2, 2, 1, 1], 5: [1, 1, 1, 1, 4]}
    fit = CurveEstimate(falls, np.full(LENGTH, 1e-6), 100)
    test = fit._replace(values=falls + 5.0 * np.eye(LENGTH)[2])  # only the list of 6 is hurt
    assert [reference.cost(sizes, falls) for sizes in lists.values()] == pytest.approx([0.1, 0.8, 3.4])
    assert [reference.cost(sizes, test.values) for sizes in lists.values()] == pytest.approx([0.1, 5.8, 3.4])
    mine = {"mine": lambda count: schedules.fixed(lists[count])}
    for judged, fewest in ((test, 7), (fit, 5)):
        best = advice.recommend(fit, judged, mine, kl=4.0, candidates={"mine": [5, 6, 7]}, choice="mine")[0]
        assert best.name == "mine" and best.schedule.num_steps == fewest


def test_one_token_a_step_is_no_advice_unless_all_else_is_shown_to_miss():
    steep = np.linspace(8.0, 1.0, LENGTH)  # any two tokens at once cost 1 nat
    for error, shown in ((0.3, True), (0.6, False)):  # 1 - 0.99 * sqrt(2) * error is above or below the goal
        measured = CurveEstimate(steep, np.full(LENGTH, error), 100)
        best = advice.recommend(measured, measured, {}, kl=0.5)[0]
        if shown:
            assert best.schedule.num_steps == LENGTH and best.cost.value == 0.0 and best.sequences is None
        else:
            assert best.schedule is None and best.cost is None and best.sequences > 100
    no_other = advice.recommend(measured, measured, BUILDERS, kl=0.5, candidates={"uniform": [8], "cosine": [1]})
    assert {offer.name: offer.schedule is None for offer in no_other} == {
        "optimal": True,
        "uniform": False,
        "cosine": True,
    }


def test_the_number_of_sequences_named_does():
    """Where nothing is shown with 8 sequences, the number named shows something: in 90 % by design, at least 75 %."""
    rng, named, shown = np.random.default_rng(8), 0, 0
    for _ in range(80):
        first = advice.recommend(*(nested(rng, 8, curve(), 0.1) for _ in range(2)), {}, kl=0.15)[0]
        if first.schedule is None and first.sequences is not None and first.sequences <= 4_000:
            again = advice.recommend(*(nested(rng, first.sequences, curve(), 0.1) for _ in range(2)), {}, kl=0.15)[0]
            named, shown = named + 1, shown + (again.schedule is not None)
    assert named > 20 and shown / named > 0.75


def test_what_is_called_better_is_so_beyond_chance():
    """Ten schedules of equal cost: one is called better in at most 2.5 % of 1,000 tables (bound: 4.5 errors)."""
    rng, said = np.random.default_rng(9), 0
    equal = Estimate(0.0, 1.0, 12)
    for _ in range(1000):
        drawn = rng.normal(size=(10, 12))
        others = [
            advice.Offer(str(i), None, difference=Estimate(row.mean(), row.std(ddof=1) / np.sqrt(12), 12))
            for i, row in enumerate(drawn)
        ]
        said += bool(advice.clearly_better([advice.Offer("first", None, difference=equal), *others]))
    assert 0 < said < 25 + 4.5 * 5
    clear = advice.Offer("clear", None, difference=Estimate(-1.0, 0.1, 100))
    assert advice.clearly_better([advice.Offer("first", None, difference=equal), clear]) == ["clear"]
    assert advice.clearly_better([clear, advice.Offer("worse", None, difference=Estimate(1.0, 0.1, 100))]) == []
