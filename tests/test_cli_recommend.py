"""``sample.py recommend`` on the oracle of a preset: its table, its export and its refusals."""

import json
from functools import partial

import numpy as np
import pytest

from jdlm import cli
from jdlm.cli import recommend
from jdlm.measure.evaluate import CurveEstimate
from jdlm.schedules import uniform
from jdlm.study import advice


def run(*arguments: str) -> int:
    return cli.guarded(cli.run_sample, ["recommend", *arguments])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_goal_in_nats_is_reached_in_the_fewest_steps(capsys, tmp_path):
    """Two steps do for a Reed-Solomon code of dimension 11: first eleven free tokens, then all that they determine."""
    assert run("reed-solomon", "--kl", "0.5", "--export", "sizes.json") == 0
    printed = capsys.readouterr().out
    assert "recommended: optimal with 2 steps" in printed and "tokens per step: 11 21" in printed
    assert all(name in printed for name in ("uniform", "cosine", "best_fixed_both", "minimax_both"))
    written = json.loads((tmp_path / "sizes.json").read_text())
    assert written["tokens_per_step"] == [11, 21] and written["length"] == 32
    assert written["goal"] == {"kl_nats": 0.5} and abs(written["cost_nats"]) < 1e-9


def test_a_number_of_steps_is_used_as_well_as_it_can_be(capsys):
    assert run("mixture", "--num-steps", "8") == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("schedule"))
    costs, above = np.array([line.split()[2:4] for line in lines[start + 1 : start + 8]], float).T
    np.testing.assert_allclose(above, costs - costs[0], atol=1.1e-4)
    assert lines[start + 1].startswith("optimal") and (np.diff(costs) >= 0).all() and 0 < costs[0] < costs[-1]


def test_a_choice_that_another_part_of_the_data_refutes_is_said(capsys):
    """A curve on which equal steps are best, after one on which a first single token seemed worth a lot."""
    error = np.full(8, 0.001)
    straight = CurveEstimate(np.linspace(2.0, 1.3, 8), error, 100)
    misleading = straight._replace(values=straight.values + np.eye(8)[0])
    given = recommend.RecommendOptions(num_steps=4)
    for fit, said in ((misleading, True), (straight, False)):
        offers = advice.recommend(fit, straight, {"uniform": partial(uniform, 8)}, num_steps=4)
        recommend._print(offers, straight, given, "a test")
        assert ("note: on the second part uniform cost less" in capsys.readouterr().out) is said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reed-solomon"], "give a goal: either --kl NATS or --num-steps K"),
        (["reed-solomon", "--kl", "1", "--num-steps", "3"], "give a goal"),
        (["reed-solomon", "--kl", "-1"], "--kl -1.0 is no goal"),
        (["reed-solomon", "--num-steps", "40"], "--num-steps=40 exceeds length=32"),
        (["reed-solomon", "--kl", "1", "--samples", "1"], "samples=1"),
        (["reed-solomon", "--kl", "1", "--export", "no/such/file"], "does not exist"),
        (["no-such-run", "--kl", "1"], "no-such-run"),
        (["--kl", "1"], "no run under"),
    ],
)
def test_bad_requests_are_one_line_and_code_2(arguments, message, capsys):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
