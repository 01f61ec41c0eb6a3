"""Comparison of results with what is made again: by hand, and with many seeds."""

import dataclasses
import math

import numpy as np
import pytest

from jdlm.study import rows, verify
from jdlm.study.rows import Row


def row(value, index=0, *, error=None, n=None, seed=None, method="exact", metric="tv", nfe=2.0):
    return Row(
        cell="0" * 12, target="toy", predictor="oracle", schedule="uniform", planner="random", num_steps=2, nfe=nfe,
        metric=metric, index=index, value=value, standard_error=error, n=n, method=method, seed=seed,
    )  # fmt: skip


def estimate(value, index=0, *, error=0.1, n=400, seed=0):
    return row(value, index, error=error, n=n, seed=seed, method="monte_carlo")


def test_exact_rows_agree_to_the_tolerance_whatever_their_cells():
    old = [row(1.0), row(0.0, 1), row(math.inf, 2), row(2.0, 3, error=0.1, method="fit"), row(math.nan, 4)]
    new = [row(1.0 + 0.9e-6), row(0.9e-9, 1), row(math.inf, 2), row(2.0, 3, error=0.1, method="fit"), row(math.nan, 4)]
    result = verify.compare(old, [dataclasses.replace(r, cell="1" * 12) for r in new])
    assert (result.exact, result.sampled, result.differences) == (5, 0, ())
    assert 0.8 < result.worst_exact < 1.0 and result.worst_sampled == 1.0


@pytest.mark.parametrize(
    "change",
    [{"value": 1.0 + 1.2e-6}, {"value": math.nan}, {"value": math.inf}, {"nfe": 2.1}, {"nfe": None}],
    ids=str,
)
def test_an_exact_row_that_differs_is_named(change):
    result = verify.compare([row(1.0), row(5.0, 1)], [dataclasses.replace(row(1.0), **change), row(5.0, 1)])
    (line,) = result.differences
    assert line.startswith("tv, toy, oracle, uniform, random, K = 2, at 0, exact ") and result.worst_exact > 1.0


def test_the_error_of_a_fit_is_exact_too():
    old, new = (row(1.0, error=error, method="fit") for error in (0.1, 0.2))
    assert len(verify.compare([old], [new]).differences) == 1


def test_rows_that_are_missing_or_new_differ_but_for_the_quick_part():
    old, new = [row(1.0), row(2.0, 1)], [row(1.0), row(3.0, 2)]
    assert [line[-21:] for line in verify.compare(old, new).differences] == [
        "not among the results",
        "t was not made again",
    ] or len(verify.compare(old, new).differences) == 2
    quick = verify.compare(old, new, partial=True).differences
    assert len(quick) == 1 and quick[0].endswith("at 2, exact is not among the results")
    assert verify.compare(old, old[:1], partial=True).differences == ()


def test_estimates_differ_beyond_their_joint_error():
    """At 0.1 each the joint error is 0.1414; with one estimate the limit, 1e-3, is 3.30 of them at 798 degrees."""
    old = [estimate(1.0)]
    near, far = (verify.compare(old, [estimate(1.0 + z * 0.1 * math.sqrt(2.0), seed=1)]) for z in (3.2, 3.4))
    assert near.differences == () and len(far.differences) == 1 and "p = " in far.differences[0]
    assert far.worst_sampled < near.limit == 1e-3 < near.worst_sampled
    many = [estimate(1.0, index) for index in range(100)]  # 1e-5 for each of them: 4.4 joint errors
    new = [dataclasses.replace(r, seed=1, value=1.0 + 3.4 * 0.1 * math.sqrt(2.0)) for r in many]
    assert verify.compare(many, new).differences == ()


def test_few_seeds_have_heavy_tails():
    """5 seeds a side: 3.4 joint errors are nothing beyond chance at 1e-3 (t of 8 degrees: 5.04)."""
    old = [estimate(1.0, n=5)]
    assert not verify.compare(old, [estimate(1.0 + 4.9 * 0.1 * math.sqrt(2.0), n=5, seed=1)]).differences
    assert verify.compare(old, [estimate(1.0 + 5.2 * 0.1 * math.sqrt(2.0), n=5, seed=1)]).differences


def test_estimates_without_spread():
    zero = estimate(0.0, error=0.0)
    assert not verify.compare([zero], [estimate(0.0, error=0.0, seed=1)]).differences
    assert verify.compare([zero], [estimate(0.5, error=0.0, seed=1)]).differences
    assert verify.compare([zero], [row(0.0, method="monte_carlo")]).differences, "exact on one side alone"
    infinite = estimate(math.inf, error=math.nan)
    assert not verify.compare([infinite], [dataclasses.replace(infinite, seed=1)]).differences
    assert verify.compare([infinite], [estimate(1.0, seed=1)]).differences


def test_equal_distributions_are_rarely_called_different(monkeypatch):
    """400 comparisons of 20 means of 30 normals at a rate of 5 %: alarms within 3.5 standard errors of at most 20."""
    monkeypatch.setattr(verify, "FALSE_ALARMS", 0.05)
    generator = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        draws = generator.normal(size=(2, 20, 30))
        made = [
            [estimate(x.mean(), i, error=x.std(ddof=1) / math.sqrt(30), n=30, seed=s) for i, x in enumerate(side)]
            for s, side in enumerate(draws)
        ]
        alarms += bool(verify.compare(*made).differences)
    assert abs(alarms - 20) <= 3.5 * math.sqrt(400 * 0.05 * 0.95)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="two rows of one place, tv, toy"):
        verify.compare([row(1.0), row(2.0)], [row(1.0)])
    with pytest.raises(ValueError, match="seed=0 is that of the reference"):
        verify.compare([estimate(1.0)], [estimate(1.0)])
    with pytest.raises(ValueError, match="no row has a counterpart"):
        verify.compare([row(1.0)], [row(1.0, 1)])


def test_the_results_are_found():
    assert "adaptation" in verify.names()
    table = rows.read(verify.folder() / "adaptation.csv")
    assert len({r.place for r in table}) == len(table) > 1000
