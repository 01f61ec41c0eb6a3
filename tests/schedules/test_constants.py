"""Worst-case constants: the golden table, the equalizer, the best fixed lists, and the continuum formula."""

import json

import numpy as np
import pytest

from jdlm import curves, schedules
from tests.schedules.make_worst_cases import GOLDEN

TABLE = json.loads(GOLDEN.read_text(encoding="utf-8"))
PUBLISHED = {  # the table of docs/theory.md, as printed there
    (16, 4): [1, 3, 1, 1.5, 0.5333, 1.0, 1.0, 0.3802, 0.31226, 0.39237, 0.60286],
    (32, 8): [1, 3, 1, 0.667, 0.3333, 0.4, 0.6667, 0.2249, 0.15576, 0.17249, 0.30575],
    (64, 8): [1, 7, 1, 1.5, 0.4167, 0.5294, 0.875, 0.2924, 0.20606, 0.25002, 0.41963],
    (64, 16): [1, 3, 1, 0.333, 0.1818, 0.2, 0.3571, 0.1260, 0.07743, 0.08114, 0.15343],
}
rng = np.random.default_rng(5)


def constant(schedule, weight):
    return curves.worst_case(schedule.exposure(), weight)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['length']}-{row['num_steps']}")
def test_the_table(row):
    shape = row["length"], row["num_steps"]
    takes_weight = ("best_fixed", "minimax")
    values = []
    for name in ("uniform", "cosine", "best_fixed", "tc_equalizer", "minimax"):
        for weight, golden in row[name].items():
            builder = getattr(schedules, name)
            schedule = builder(*shape, weight) if name in takes_weight else builder(*shape)
            values.append(constant(schedule, weight))
            np.testing.assert_allclose(values[-1], golden, rtol=1e-4 if name == "minimax" else 1e-9)
    np.testing.assert_allclose(values, PUBLISHED[shape], atol=5e-4, rtol=0)
    np.testing.assert_allclose(values[-3:], PUBLISHED[shape][-3:], atol=1e-5 + 1e-4 * values[-1], rtol=0)


def test_a_schedule_tuned_for_one_weight_is_bad_for_the_other():
    poor = [schedules.best_fixed(64, 8, "tc"), schedules.minimax(64, 8, "tc"), schedules.tc_equalizer(64, 8)]
    assert [round(constant(schedule, "dtc")) for schedule in poor] == [26, 13, 18]
    np.testing.assert_allclose(constant(schedules.minimax(64, 8, "dtc"), "tc"), 1.0, atol=1e-9)
