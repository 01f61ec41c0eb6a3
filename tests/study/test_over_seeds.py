"""Means over the seeds of a training: their values and errors by numpy, what stays exact, and what is shown."""

import dataclasses
import math

import numpy as np
import pytest

from jdlm.study import over_seeds
from jdlm.study.rows import Row

BASE = Row(
    cell="0" * 12, target="toy", predictor="network, seed 0", schedule="uniform", planner="random", num_steps=2,
    nfe=2.0, metric="path_kl_nats", index=None, value=1.0, standard_error=0.5, n=100, method="monte_carlo", seed=7,
)  # fmt: skip


def of_seeds(values, seeds=(0, 1, 5), **more):
    return [
        dataclasses.replace(BASE, predictor=f"network, seed {seed}", value=value, cell=f"{seed:012d}", **more)
        for seed, value in zip(seeds, values, strict=False)
    ]


def test_the_mean_and_its_error_are_those_of_the_trainings():
    values = [1.0, 2.0, 4.5]
    (mean,) = over_seeds.means(of_seeds(values))
    assert mean.predictor == "network, mean of 3 seeds" and mean.n == 3
    assert mean.value == pytest.approx(np.mean(values))
    assert mean.standard_error == pytest.approx(np.std(values, ddof=1) / math.sqrt(3))
    kept = ("target", "schedule", "planner", "num_steps", "metric", "index", "method", "seed")
    assert all(getattr(mean, name) == getattr(BASE, name) for name in kept)
    other = over_seeds.means(of_seeds(values, seeds=(0, 1, 6)))[0]
    assert mean.cell != other.cell and mean.cell not in {row.cell for row in of_seeds(values)}


def test_seeds_that_agree_by_luck_have_the_errors_that_each_was_sampled_with():
    """0.5 each, of three: 0.5 / sqrt(3), where their spread alone would say 0.006."""
    (mean,) = over_seeds.means(of_seeds([1.0, 1.01, 1.02]))
    assert mean.standard_error == pytest.approx(0.5 / math.sqrt(3)) and mean.n == 3


def test_what_does_not_depend_on_the_network_stays_exact():
    (mean,) = over_seeds.means(of_seeds([0.25] * 3, standard_error=None, n=None, method="identity"))
    assert (mean.value, mean.standard_error, mean.n) == (0.25, None, None)
    (varied,) = over_seeds.means(of_seeds([0.25, 0.25, 0.3], standard_error=None, n=None, method="exact"))
    assert varied.method == "exact" and varied.standard_error > 0.01 and varied.n == 3


def test_a_number_that_a_seed_lacks_has_no_mean():
    table = [*of_seeds([1.0, 2.0, 3.0]), *of_seeds([1.0, 2.0], metric="distinct_share")]
    assert [row.metric for row in over_seeds.means(table)] == ["path_kl_nats"]
    assert over_seeds.means(of_seeds([1.0], seeds=(3,))) == []
    infinite = over_seeds.means(of_seeds([1.0, math.inf, 2.0]))[0]
    assert math.isinf(infinite.value) and math.isnan(infinite.standard_error)


def test_filters_and_calls_are_part_of_what_is_averaged():
    table = []
    for seed, calls in ((0, 3.0), (1, 4.0)):
        name = over_seeds.member("network", seed) + ", temperature 0.5"
        table.append(dataclasses.replace(BASE, predictor=name, nfe=calls, value=calls))
    (mean,) = over_seeds.means(table)
    assert (mean.predictor, mean.nfe, mean.value) == ("network, mean of 2 seeds, temperature 0.5", 3.5, 3.5)


def test_of_the_seeds_the_mean_alone_is_shown():
    members = of_seeds([1.0, 2.0, 3.0])
    means = over_seeds.means(members)
    others = [dataclasses.replace(BASE, predictor=name) for name in ("", "oracle", "mine, seed 3", "network")]
    assert over_seeds.shown([*others, *members, *means]) == [*others, *means]
    assert over_seeds.shown([*others, *members]) == [*others, *members]  # no mean, so nothing is left out
