"""Speculative sampling beside the schedules of a sweep: its rows against exact laws, its table, its figure.

Each mean is within 4.5 standard errors (7e-6 each); the seed is fixed.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import exact, schedules, targets
from jdlm.cli import summary
from jdlm.predictor import Predictor, oracle
from jdlm.study.figures import path_kl
from jdlm.study.sweep import sweep
from tests.sampling.ordered import causal

TARGET = targets.sticky_markov(4, 3, 0.7)


def _look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


def wrong():
    logits = np.random.default_rng(3).normal(size=[4] * 4 + [4, 3])
    return Predictor(jnp.asarray(logits, jnp.float32), _look_up, 4, 3)


PREDICTORS = {"oracle": oracle(TARGET), "wrong": wrong(), "causal": causal()}


@pytest.fixture(scope="module")
def rows():
    settings = {"target_name": "chain", "n": 2000, "curve_n": 64, "seed": 3, "batch_size": 256}
    return sweep(TARGET, PREDICTORS, [schedules.uniform(4, 2)], speculative=True, **settings)


@pytest.mark.parametrize("name", PREDICTORS)
def test_rows_agree_with_the_exact_laws(rows, name):
    mine = {row.metric: row for row in rows if (row.schedule, row.predictor) == ("speculative", name)}
    law = exact.speculative_law(PREDICTORS[name])
    rounds, single = law.nfe @ np.arange(5), schedules.first_hitting(4)
    assert abs(mine["rounds"].value - rounds) < 4.5 * mine["rounds"].standard_error
    path = exact.path_kl(TARGET, PREDICTORS[name], single).path
    assert abs(mine["path_kl_nats"].value - path) < 4.5 * mine["path_kl_nats"].standard_error + 1e-6
    assert all(row.nfe == mine["rounds"].value and row.num_steps is None for row in mine.values())
    assert mine["calls"].value >= mine["rounds"].value and mine["accepted_tokens"].value > 0
    assert {"single_marginal_tv", "pair_marginal_tv", "outside_support_share"} <= set(mine)
    if name == "oracle":
        assert mine["single_marginal_tv"].value < 0.05 and mine["path_kl_nats"].value < 1e-5


def test_other_rows_are_those_without_it(rows):
    settings = {"target_name": "chain", "n": 2000, "curve_n": 64, "seed": 3, "batch_size": 256}
    without = sweep(TARGET, PREDICTORS, [schedules.uniform(4, 2)], **settings)
    assert without == [row for row in rows if row.schedule != "speculative"]


def test_the_table_and_the_figure_name_it(rows):
    lines = summary.lines(rows, "chain")
    assert sum("rounds" in line and "calls" in line for line in lines) == 3
    labels = [text.get_text() for legend in path_kl(rows).legends for text in legend.get_texts()]
    assert "speculative (at its rounds)" in labels
