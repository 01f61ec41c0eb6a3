"""``sample.py recommend`` on the oracle of a preset: its table, its export and its refusals."""

import contextlib
import json
import re
from functools import partial

import numpy as np
import pytest

from jdlm import cli, targets
from jdlm.cli import interrupt, recommend
from jdlm.cli import offers as offers_text
from jdlm.config import build_schedule, presets
from jdlm.measure import CurveEstimate
from jdlm.predictor import Predictor, oracle
from jdlm.schedules import uniform
from jdlm.study import advice
from tests.reference import advice as reference
from tests.reference import laws, samplers


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
    given = recommend.Options(num_steps=4)
    for fit, said in ((misleading, True), (straight, False)):
        offers = advice.recommend(fit, straight, {"uniform": partial(uniform, 8)}, num_steps=4)
        offers_text.show(offers, straight, given, "a test")
        printed = capsys.readouterr().out
        assert ("note: on the second part uniform cost less" in printed) is said
        assert ("--samples 2048" in printed) is said


HIDDEN = """
[target]
kind = "hidden_markov"
length = 8
initial = [0.5, 0.5]
transition = [[0.9, 0.1], [0.1, 0.9]]
emission = [[0.9, 0.1], [0.2, 0.8]]

[sweep]
num_steps = [2]
"""


def numbers(printed: str) -> dict[str, list[str]]:
    lines = printed.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("schedule"))
    return {line.split()[0]: line.split() for line in lines[start + 1 : lines.index("", start)]}


def test_a_goal_that_is_not_shown_is_said_with_code_1_and_nothing_is_written(capsys, tmp_path):
    """On a target without a known curve; as many sequences as the answer names do, and file and print agree then."""
    (tmp_path / "hidden.toml").write_text(HIDDEN)
    arguments = ("hidden.toml", "--kl", "0.08", "--seed", "1", "--export", "sizes.json")
    assert run(*arguments, "--samples", "4") == 1
    printed = capsys.readouterr().out
    assert "no schedule is shown to reach 0.08 with 4 sequences; nothing is written" in printed
    assert "recommended" not in printed and not (tmp_path / "sizes.json").exists()
    needed = int(re.search(r"about (\d+) would do: use --samples \1\n", printed)[1])
    assert 8 < needed < 500 and run(*arguments, "--samples", str(needed)) == 0
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "sizes.json").read_text())
    sizes = written["tokens_per_step"]
    assert f"recommended: optimal with {len(sizes)} steps" in printed
    assert "tokens per step: " + " ".join(map(str, sizes)) in printed.splitlines()
    row = numbers(printed)["optimal"]
    assert row[1] == str(len(sizes)) and row[2] == f"{written['cost_nats'] + 0.0:.4f}".replace("-0.0000", "0.0000")
    assert row[4] == f"{written['cost_standard_error']:.4f}" and f"{written['cost_limit_nats']:.4f}" in row
    assert written["cost_limit_nats"] <= 0.08 and written["confidence"] == 0.84 and sum(sizes) == 8


@pytest.mark.parametrize(
    ("word", "kl"), [("minimax_both", 0.3), ("tc_equalizer", 0.3), ("euler:linear", 0.6), ("geometric:2", 0.3)]
)
def test_a_named_schedule_is_recommended_and_written(word, kl, capsys, tmp_path):
    """The fewest steps whose cost, by the identity, is within the goal; what is written has that exposure."""
    target = presets.load("tiny").target.build()
    curve = target.entropy_curve()
    assert run("tiny", "--kl", str(kl), "--schedule", word, "--export", "sizes.json") == 0
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "sizes.json").read_text())
    if "chain" in written:
        exposure, complete = reference.chain_exposure(written["chain"], 8)
        steps = written["num_steps"]
        assert complete == pytest.approx(1.0)
    else:
        atoms = written.get("atoms", [{"weight": 1.0, "tokens_per_step": written.get("tokens_per_step")}])
        exposure, steps = np.zeros(8), max(len(atom["tokens_per_step"]) for atom in atoms)
        for atom in atoms:
            before = np.cumsum([0, *atom["tokens_per_step"]])[:-1]
            exposure[before] += atom["weight"] * np.array(atom["tokens_per_step"])
    assert written["schedule"] == word and written["cost_nats"] <= kl
    assert written["cost_nats"] == pytest.approx((exposure - 1) @ curve)
    assert printed.count(f"recommended: {word} with {steps} steps") == 1
    fewer = range(2, steps)
    assert fewer and all((build_schedule(word, 8, k).exposure() - 1) @ curve > kl for k in fewer if k != 5)
    assert next(iter(numbers(printed))) == word and "optimal" in numbers(printed)


def test_the_two_halves_are_measured_on_different_sequences(monkeypatch, tmp_path):
    """Also where both splits are one law, as on every target that is not data; the seed decides both."""
    (tmp_path / "hidden.toml").write_text(HIDDEN)
    seen = []

    def spy(fit, test, *given, **options):
        seen.append((fit.values, test.values))
        return real(fit, test, *given, **options)

    real = advice.recommend
    monkeypatch.setattr(advice, "recommend", spy)
    for seed in ("0", "0", "1"):
        assert run("hidden.toml", "--num-steps", "4", "--samples", "8", "--seed", seed) == 0
    (fit, test), again, other = seen
    assert not np.isclose(fit, test).any() and not np.isclose(fit, other[0]).any()
    np.testing.assert_array_equal((fit, test), again)


def test_more_steps_than_tokens_are_for_thinning(capsys):
    """Euler in 64 steps at 8 tokens: calls are counted, and `optimal` beside it takes a step a token."""
    assert run("tiny", "--num-steps", "64", "--schedule", "euler:linear") == 0
    rows = numbers(printed := capsys.readouterr().out)
    calls = sum(1 - (1 - 1 / 64) ** 8 for _ in range(64))
    assert rows["euler:linear"][1] == "64" and float(rows["euler:linear"][-1]) == pytest.approx(calls, abs=5e-3)
    assert f"with 64 steps, {calls:.4g} predictor calls on average" in printed
    assert list(rows) == ["euler:linear", "optimal"] and rows["optimal"][1] == rows["optimal"][-1] == "8"
    assert float(rows["optimal"][2]) == 0.0


def test_where_more_steps_gain_nothing_the_true_number_is_said(capsys):
    assert run("reed-solomon", "--num-steps", "6") == 0
    printed = capsys.readouterr().out
    assert "recommended: optimal with 2 steps (6 were asked for; more than 2 gain nothing)" in printed
    assert "tokens per step: 11 21\n" in printed


def test_a_known_target_is_judged_by_its_own_curve_and_the_learning_error(capsys, monkeypatch, tmp_path):
    """With a wrong predictor of a known target: 16 sequences tell the numbers of steps as its exact curve does.

    The predictor is the oracle at temperature 1.11, whose exact curve comes from enumeration. Five standard errors of
    two numbers: a false alarm in a million; four digits are printed.
    """
    law = laws.markov(np.full(3, 1 / 3), np.where(np.eye(3), 0.8, 0.1), 5)
    flat = targets.sticky_markov(5, 3, 0.8)
    exact = oracle(flat)
    wrong = Predictor(exact.params, lambda *given: 0.9 * exact.apply(*given), 5, 3)

    def predict(state):
        p = samplers.conditionals(law, state) ** 0.9
        return p / p.sum(axis=-1, keepdims=True)

    truth = samplers.cross_entropy_curve(law, predict)
    monkeypatch.setattr(recommend, "load_network", lambda *_: wrong)
    (tmp_path / "chain.toml").write_text(
        '[target]\nkind = "sticky_markov"\nlength = 5\nvocab = 3\nstay = 0.8\n[sweep]\nnum_steps = [2]\n'
    )
    for num_steps in (2,):
        assert run("chain.toml", "--num-steps", str(num_steps), "--samples", "16") == 0
        printed = capsys.readouterr().out
        assert "the exact entropy curve of the target plus the learning error of 16 sequences" in printed
        cost, error = float(numbers(printed)["optimal"][2]), float(numbers(printed)["optimal"][4])
        best = reference.cheapest(truth, num_steps)
        assert abs(cost - best) < 5 * error + 1e-4 and error < 0.02


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reed-solomon"], "give a goal: either --kl NATS or --num-steps K"),
        (["reed-solomon", "--kl", "1", "--num-steps", "3"], "give a goal"),
        (["reed-solomon", "--kl", "-1"], "--kl -1.0 is not a valid goal"),
        (["reed-solomon", "--num-steps", "40"], "--num-steps=40 exceeds length=32"),
        (["reed-solomon", "--kl", "1", "--schedule", "cosin"], "unknown schedule 'cosin'; the nearest valid one is"),
        (["reed-solomon", "--num-steps", "40", "--schedule", "minimax_both"], "--num-steps=40 exceeds length=32"),
        (["reed-solomon", "--num-steps", "4", "--schedule", "first_hitting"], "first_hitting takes 32 steps"),
        (["reed-solomon", "--kl", "1", "--export", "no/such/file"], "does not exist"),
        (["no-such-run", "--kl", "1"], "no-such-run"),
        (["--kl", "1"], "no run under"),
    ],
)
def test_bad_requests_are_one_line_and_code_2(arguments, message, capsys):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "1"], "samples=1 gives no standard error; use at least 2"),
        (["--confidence", "0.3"], "confidence=0.3 is not a probability from 0.5"),
        (["--kl", "small"], "'small'"),
    ],
)
def test_values_out_of_range_are_named_with_code_2(arguments, message, capsys):
    assert run("reed-solomon", *arguments) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_an_interruption_says_whether_the_file_is_there(capsys, monkeypatch, tmp_path):
    def stopped(*_):
        raise KeyboardInterrupt(interrupt.message())

    monkeypatch.setattr(offers_text, "show", stopped)
    assert run("reed-solomon", "--kl", "0.5", "--export", "sizes.json") == 130
    assert "interrupted; nothing was written" in capsys.readouterr().err and not (tmp_path / "sizes.json").exists()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        recommend.output,
        "beside",
        lambda path: stopped() if (tmp_path / "sizes.json").exists() else contextlib.nullcontext(),
    )
    assert run("reed-solomon", "--kl", "0.5", "--export", "sizes.json") == 130
    assert "interrupted; sizes.json is written" in capsys.readouterr().err
    assert json.loads((tmp_path / "sizes.json").read_text())["tokens_per_step"] == [11, 21]


def test_a_thinning_that_needs_more_steps_than_were_tried_says_so(capsys):
    assert run("parity", "--oracle", "--kl", "0.001", "--schedule", "euler:cosine") == 1
    said = "no euler:cosine schedule of at most 384 steps reaches the goal; try more steps with --num-steps, or give"
    assert said in capsys.readouterr().out
    assert run("parity", "--oracle", "--kl", "0.05", "--schedule", "euler:cosine") == 0  # in more steps than 4 a token
    assert "recommended: euler:cosine with" in capsys.readouterr().out
