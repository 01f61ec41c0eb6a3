"""The study of rounds: its bound, its steps and its counts against numbers from elsewhere, its figures and words."""

import functools

import numpy as np
import pytest

from jdlm import curves, exact, schedules, targets
from jdlm.predictor import oracle
from jdlm.study import rows, verify
from jdlm.study.figures.rounds import FIGURES
from jdlm.study.studies import rounds, rounds_words


@functools.cache
def table():
    return rows.read(verify.folder() / "rounds.csv")


def found(metric, target, **wanted):
    wanted = {"metric": metric, "target": target} | wanted
    return [row for row in table() if all(getattr(row, k) == v for k, v in wanted.items())]


def test_rounds_of_an_independent_simulation():
    """Printed beside the theory: 3.75 +- 0.05, 4.8 and 5.9 (to 0.05); within 4 standard errors of both together."""
    for target, value, error in (("mixture:3", 3.75, 0.05), ("markov:0.5", 4.8, 0.05), ("markov:0.8", 5.9, 0.05)):
        (row,) = found("rounds", target, predictor="oracle")
        assert abs(row.value - value) < 4 * np.hypot(row.standard_error, error)


def test_no_sequence_needs_more_rounds_than_tokens_and_calls_are_at_least_the_tokens():
    for row in (row for row in table() if row.metric == "rounds" and row.target != "small"):
        (length,) = found("length", row.target)
        assert 1.0 <= row.value <= length.value
        if row.predictor == "oracle":
            (calls,) = found("calls", row.target, predictor="oracle")
            assert calls.value >= length.value - 1e-9


def test_counted_rounds_are_those_of_the_enumerated_law():
    (value,) = found("rounds", "small", method="exact")
    law = exact.speculative_law(oracle(targets.sticky_markov(6, 2, 0.8))).nfe
    assert value.value == pytest.approx(law @ np.arange(7), rel=1e-12)
    (apart,) = found("rounds_deviation", "small")
    assert abs(apart.value) < 4.0  # false alarm 6e-5, of fixed rows


def test_fewest_steps_are_the_fewest():
    curve = targets.sticky_markov(12, 3, 0.6).entropy_curve()
    for goal in (0.1, 0.01):
        steps = rounds._fewest(curve, goal, schedules.optimal)
        costs = [curves.path_kl(schedules.optimal(curve, k).exposure(), curve) for k in range(1, 13)]
        assert costs[steps - 1] <= goal and all(cost > goal for cost in costs[: steps - 1])
        steps = rounds._fewest(curve, goal, None)
        costs = [curves.path_kl(schedules.uniform(12, k).exposure(), curve) for k in range(1, 13)]
        assert all(cost <= goal for cost in costs[steps - 1 :]) and (steps == 1 or costs[steps - 2] > goal)


def test_pinskers_bound_is_above_the_refusals_that_are_enumerated():
    """The mean number of positions whose draft from masks would be refused, given what is revealed before them."""
    target = targets.sticky_markov(4, 2, 0.7)
    law = exact.target_law(target)
    refusals = 0.0
    for count in range(1, 4):
        terms = []
        for seen in np.ndindex(*(2,) * 4):
            positions = [i for i in range(4)][:count]
            tokens = np.full(4, 2)
            tokens[positions] = [seen[i] for i in positions]
            index = tuple(t if t < 2 else slice(None) for t in tokens)
            rest = law[index].reshape(2, -1).sum(axis=1) / law[index].sum()
            terms.append(law[seen] * 0.5 * np.abs(rest - 0.5).sum())
        refusals += sum(terms)  # the next position in the order, from left to right, where dependence is largest
    assert 0.0 < refusals / 3 <= rounds.pinsker(target.entropy_curve())
    assert rounds.pinsker(targets.product(np.full((5, 3), 1 / 3)).entropy_curve()) == pytest.approx(0.0, abs=1e-6)
    assert rounds.pinsker(targets.repetition(5, 4).entropy_curve()) == pytest.approx(4 * min(np.sqrt(np.log(4) / 2), 1))


def test_figures_and_words():
    assert all(make(table()) is not None for make in FIGURES.values())
    assert all(make([]) is None for make in FIGURES.values())
    assert len(rounds_words.conclude(table())) == 9
