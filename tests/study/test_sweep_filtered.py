"""Sweeps with temperature and filters: their rows against enumeration of the filtered sampler, their names and files.

Each estimate is within 4.5 standard errors (7e-6 each, 14 of them); the seed is fixed.
"""

import dataclasses
import json
import math

import numpy as np
import pytest

from jdlm import cli, exact, measure, planners, schedules, targets
from jdlm.config import SweepConfig
from jdlm.keys import key
from jdlm.predictor import is_oracle_of, oracle
from jdlm.sampling import Draw, filtered, sample_with_info
from jdlm.study import places, rows, runs
from jdlm.study.figures import kl_split, path_kl
from jdlm.study.sweep import sweep
from tests.sampling.ordered import causal

TARGET = targets.sticky_markov(4, 3, 0.7)
HOT = Draw(temperature=1.5, nucleus=0.999)
SETTINGS = {"target_name": "chain", "n": 2000, "curve_n": 500, "seed": 3, "batch_size": 256}


PREDICTORS = {"oracle": oracle(TARGET), "causal": causal()}
PLANS = [schedules.minimax(4, 2, "both"), schedules.first_hitting(4)]
PLANNERS = [planners.random(), planners.confidence()]


@pytest.fixture(scope="module")
def table():
    return sweep(TARGET, PREDICTORS, PLANS, planners=PLANNERS, draw=HOT, speculative=True, **SETTINGS)


def near(row, value):
    return abs(row.value - value) < 4.5 * row.standard_error + 1e-5


@pytest.mark.parametrize("name", PREDICTORS)
def test_costs_are_those_of_the_filtered_sampler(table, name):
    mine = [row for row in table if row.predictor == f"{name}, temperature 1.5, nucleus 0.999"]
    assert {row.predictor for row in table} == {"", *(f"{each}, {HOT.words}" for each in PREDICTORS)}
    cells = 0
    for planner in PLANNERS:
        for plan in PLANS:
            truth = exact.path_kl(TARGET, PREDICTORS[name], plan, planner, draw=HOT)
            plain = exact.path_kl(TARGET, PREDICTORS[name], plan, planner)
            assert abs(truth.path - plain.path) > 0.01
            here = {
                (row.metric, row.method): row
                for row in mine
                if (row.schedule, row.num_steps, row.planner) == (plan.name, plan.num_steps, planner.name)
            }
            assert here["path_kl_nats", "exact"].value == pytest.approx(truth.path, abs=1e-9)
            assert here["output_kl_nats", "exact"].value == pytest.approx(truth.output, abs=1e-9)
            assert near(here["path_kl_nats", "monte_carlo"], truth.path)
            if planner.name == "random":
                assert near(here["path_kl_nats", "identity"], truth.path)
            cells += 1
    assert cells == 4
    (quick,) = [row for row in mine if (row.schedule, row.metric) == ("speculative", "path_kl_nats")]
    assert near(quick, exact.path_kl(TARGET, PREDICTORS[name], PLANS[1], draw=HOT).path)


@pytest.mark.parametrize("name", PREDICTORS)
def test_a_filtered_predictor_has_the_law_of_the_sampler_with_filters(name):
    own = PREDICTORS[name]
    for draw in (HOT, Draw(top_k=2), Draw(temperature=0.5)):
        for plan in PLANS:
            mine = exact.output_law(filtered(own, draw), plan).law
            np.testing.assert_allclose(mine, exact.output_law(own, plan, draw=draw).law, atol=1e-7)
    assert filtered(own, HOT) == filtered(own, Draw(temperature=1.5, nucleus=0.999))  # so that nothing compiles anew
    assert filtered(own, Draw(top_k=None)) is own and not is_oracle_of(filtered(own, HOT), TARGET)
    with pytest.raises(ValueError, match=r"^draw has final=Draw"):
        filtered(own, Draw(final=Draw(top_k=1)))


def test_a_predictor_that_keeps_its_cache_is_filtered_through_it():
    sizes = np.full((64, 2), 2, np.int32)
    draw = Draw(top_k=1)
    mine, info = sample_with_info(key(0), filtered(PREDICTORS["causal"], draw), sizes)
    other, theirs = sample_with_info(key(0), PREDICTORS["causal"], sizes, draw=draw)
    np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(info.path_log_prob, theirs.path_log_prob)


def test_a_filter_that_cuts_the_target_costs_infinitely_much_and_is_drawn():
    table = sweep(TARGET, {"oracle": oracle(TARGET)}, PLANS[:2], draw=Draw(top_k=1), **SETTINGS)
    found = [row for row in table if row.metric == "path_kl_nats"]
    assert len(found) == 6 and all(math.isinf(row.value) for row in found)
    assert {row.method for row in found} == {"identity", "exact", "monte_carlo"}
    for figure in (path_kl(table), kl_split(table)):
        figure.draw_without_rendering()


def test_plain_filters_change_nothing():
    known = {"oracle": oracle(TARGET)}
    plain = sweep(TARGET, known, PLANS[:1], **SETTINGS)
    assert sweep(TARGET, known, PLANS[:1], draw=Draw(temperature=1.0), **SETTINGS) == plain
    measured = measure.cross_entropy_curve(key(0), filtered(known["oracle"], Draw(temperature=2.0)), TARGET, 64)
    assert measured.learning_error.values.sum() > 0.1


def test_old_settings_are_those_without_filters():
    """Runs of versions before there were filters have none in their records."""
    assert not {"temperature", "top_k", "nucleus"} & set(SweepConfig().record())
    hot = dataclasses.replace(SweepConfig(), temperature=0.5, top_k=3)
    assert (hot.record()["temperature"], hot.record()["top_k"]) == (0.5, 3)
    for wrong_value in ({"temperature": 0.0}, {"temperature": 1e-40}, {"top_k": 0}, {"nucleus": 1.5}):
        with pytest.raises(ValueError, match=rf"^{next(iter(wrong_value))}=.*; "):
            SweepConfig(**wrong_value)


PRESET = """
[target]
kind = "sticky_markov"
length = 6
vocab = 3
stay = 0.8
[sweep]
schedules = ["uniform", "first_hitting"]
num_steps = [2]
samples = 32
"""


def test_the_command_takes_them_and_its_files_say_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(PRESET)
    made = ["small.toml", "--name", "mine"]
    assert cli.guarded(cli.run_sample, made) == 0
    first = rows.read("runs/mine/sweep.csv")
    assert cli.guarded(cli.run_sample, ["mine", "--temperature", "0.5", "--top_k=2"]) == 0
    assert rows.read("runs/mine/sweep.csv") == first  # another sweep, in a folder of its own
    place = places.find(tmp_path / "runs/mine", "sweep-2")
    assert {row.predictor for row in places.read(place)} == {"", "oracle, temperature 0.5, top-k 2"}
    entry = runs.read_manifest(tmp_path / "runs/mine")["sweeps"]["sweep-2"]
    assert (entry["options"]["temperature"], entry["options"]["top_k"]) == (0.5, 2)
    page = (place.folder / "report.html").read_text()
    assert "temperature 0.5, top-k 2" in page
    scene = json.loads(page.split('id="scene">')[1].split("</script>")[0])
    assert scene["schedules"] and "inf" in capsys.readouterr().out
    assert cli.guarded(cli.run_sample, ["mine", "--nucleus", "7"]) == 2
    assert "nucleus=7.0 is not a probability above 0" in capsys.readouterr().err
