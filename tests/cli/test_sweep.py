"""``sample.py sweep`` and ``figures`` around the library: files, table, messages. No test computes a sweep."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jdlm import cli, sampling
from jdlm.cli import cache, interrupt, progress, summary
from jdlm.cli import recorder as recorder_module
from jdlm.config import presets
from jdlm.study import figures, places, rows, runs
from jdlm.study import sweep as sweeps
from jdlm.study.rows import Row

ROOT = Path(__file__).parents[2]
PRESET = """
[target]
kind = "parity"
length = 4
[sweep]
schedules = ["uniform"]
num_steps = [2]
"""


def row(metric, value, predictor="oracle", schedule="uniform", planner="random", k=2, error=None, method="identity"):
    return Row(
        cell="0" * 12, target="toy", predictor=predictor, schedule=schedule, planner=planner, num_steps=k,
        nfe=None if k is None else float(k), metric=metric, index=None, value=value, standard_error=error,
        n=None if error is None else 100, method=method, seed=0,
    )  # fmt: skip


TABLE = [
    row("worst_case_tc", 1.0, predictor="", planner="", method="exact"),
    row("path_kl_nats", 0.25),
    row("path_kl_nats", 0.3, error=0.01, method="monte_carlo"),
    dataclasses.replace(row("entropy_curve_nats", 0.5, predictor="", planner="", schedule="", k=None), index=0),
]


@pytest.fixture
def at_work(tmp_path, monkeypatch):
    """A folder with a preset, where a sweep is a few rows made by hand and two figures are drawn of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "compiled_programs", lambda: None)
    (tmp_path / "small.toml").write_text(PRESET)

    def sweep(*_, progress, **__):
        progress(438_272, 876_544, "half")
        return TABLE

    monkeypatch.setattr(sweeps, "sweep", sweep)
    two = {"entropy_curve": figures.entropy_curve, "path_kl": figures.entropy_curve}
    monkeypatch.setattr(figures, "FIGURES", two)
    return tmp_path


def run(*arguments):
    return cli.guarded(cli.run_sample, list(arguments))


def ctrl_c(times=1):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)


def with_ctrl_c(function, times=1, before=False):
    """The function, during which the user presses Ctrl-C."""

    def wrapped(*arguments, **options):
        if before:
            ctrl_c(times)
        result = function(*arguments, **options)
        ctrl_c(0 if before else times)
        return result

    return wrapped


def test_rows_and_table_come_before_the_figures(at_work, monkeypatch, capsys):
    order = []
    monkeypatch.setattr(figures, "draw", lambda *_, **__: order.append(capsys.readouterr().out) or [])
    assert run("small.toml") == 0
    (out,) = order
    assert "wrote runs/small/sweep.csv" in out and "uniform" in out and "0.2500" in out
    drawn, written = capsys.readouterr().out.splitlines()
    assert drawn == "drew 0 files in runs/small/figures"
    assert written == "wrote runs/small/report.html; open it in a browser"


def test_progress_counts_predictor_calls(at_work, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    assert run("small.toml") == 0
    assert "sweep: 50 % (438,272/876,544 predictor calls), just begun, half" in capsys.readouterr().err


def test_ctrl_c_while_figures_are_drawn_says_what_is_there(at_work, monkeypatch, capsys):
    whole = dict(figures.FIGURES)
    monkeypatch.setitem(figures.FIGURES, "entropy_curve", with_ctrl_c(figures.entropy_curve))
    for word in ("small.toml", "small"):  # a new run, and one that is swept again
        assert run(word) == 130
        out, error = capsys.readouterr()
        assert "nothing" not in error and "0.2500" in out
        assert error.splitlines()[-1] == (
            "interrupted; runs/small/sweep.csv is written, the figures are not complete. "
            "Draw them with: python sample.py figures runs/small"
        )
        assert rows.read("runs/small/sweep.csv") == TABLE and runs.read_manifest(Path("runs/small"))["finished"]
        assert {path.name for path in Path("runs/small/figures").iterdir()} == {
            "entropy_curve.png",
            "entropy_curve.svg",
        }
    assert run("figures", "small") == 130
    assert "the figures are not complete" in capsys.readouterr().err
    monkeypatch.setattr(figures, "FIGURES", whole)
    assert run("figures", "runs/small") == 0
    assert len(list(Path("runs/small/figures").iterdir())) == 4
    assert capsys.readouterr().out == "drew 4 files in runs/small/figures\n"


def test_ctrl_c_while_rows_are_written_waits_until_they_are(at_work, monkeypatch, capsys):
    write = places.write
    monkeypatch.setattr(places, "write", with_ctrl_c(write, before=True))
    assert run("small.toml", "--name", "my run") == 130
    error = capsys.readouterr().err
    assert error.splitlines()[-1].endswith("Draw them with: python sample.py figures 'runs/my run'")
    assert rows.read("runs/my run/sweep.csv") == TABLE
    assert runs.read_manifest(Path("runs/my run"))["sweep"]["options"]["num_steps"] == [2]
    monkeypatch.setattr(places, "write", with_ctrl_c(write, times=2))
    for words in (("small.toml", "--name", "other"), ("my run",)):
        assert run(*words) == 130
        error = capsys.readouterr().err
        assert f"runs/{words[-1]}/sweep.csv was being written: it holds the old rows, or all new" in error
        assert places.read(places.Place(Path("runs", words[-1]))) == TABLE


def test_ctrl_c_after_the_figures_says_that_all_is_there(at_work, monkeypatch, capsys):
    monkeypatch.setattr(
        figures, "draw", lambda *_, **__: type("Files", (list,), {"__len__": lambda _: ctrl_c() or 4})()
    )
    assert run("small.toml") == 130
    assert "interrupted; runs/small/sweep.csv and runs/small/figures are written" in capsys.readouterr().err


def test_ctrl_c_before_rows_are_written_says_so(at_work, monkeypatch, capsys):
    monkeypatch.setattr(sweeps, "sweep", with_ctrl_c(sweeps.sweep))
    assert run("small.toml") == 130  # heard at the first safe place, before a file is touched
    assert "interrupted; nothing was written" in capsys.readouterr().err and not Path("runs").exists()


def test_a_message_does_not_outlive_its_command():
    with interrupt.watched():
        interrupt.remains("everything is there")
        assert interrupt.message() == "interrupted; everything is there"
    with interrupt.watched():
        assert interrupt.message() == "interrupted; nothing was written"


def test_ctrl_c_during_a_training_says_how_to_go_on(tmp_path):
    config = presets.load("tiny")
    folder = tmp_path / "my run"
    folder.mkdir()
    recorder = recorder_module.Recorder(runs.Draft(folder, folder, exact=True, published=True), config)
    recorder.go_on(10, {})  # as on resuming
    assert interrupt.message() == (
        f"interrupted; step 10 of 300 is saved. Continue with: python train.py --resume '{folder}'"
    )
    recorder.go_on(300, {})
    assert interrupt.message() == f"interrupted; {folder} is trained: all 300 steps are saved"


def test_ctrl_c_during_tokens(at_work, monkeypatch, capsys):
    monkeypatch.setattr(sampling, "sample", with_ctrl_c(sampling.sample, before=True))
    assert run("tokens", "small.toml", "--count", "1") == 130
    assert "interrupted; not all tokens were written" in capsys.readouterr().err


def test_a_figure_that_fails_costs_neither_rows_nor_table_nor_the_others(at_work, monkeypatch, capsys):
    def fails(table):
        raise ValueError("Axis limits\ncannot be NaN")

    monkeypatch.setitem(figures.FIGURES, "entropy_curve", fails)
    assert run("small.toml") == 1
    out, error = capsys.readouterr()
    assert "0.2500" in out and "wrote runs/small/sweep.csv" in out
    assert error.splitlines()[-1] == (
        "error: 1 of 2 figures could not be drawn: entropy_curve (ValueError: Axis limits cannot be NaN); "
        "runs/small/sweep.csv is whole"
    )
    assert {path.name for path in Path("runs/small/figures").iterdir()} == {"path_kl.png", "path_kl.svg"}
    assert rows.read("runs/small/sweep.csv") == TABLE
    assert run("figures", "small") == 1
    (at_work / "runs/small/sweep.csv").write_text("nonsense")
    assert run("figures", "small") == 2, "rows that cannot be read are bad input"


def test_without_matplotlib_there_are_rows_and_a_table(at_work, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jdlm.study.figures", None)
    monkeypatch.delattr("jdlm.study.figures")
    assert run("small.toml") == 1
    out, error = capsys.readouterr()
    assert "0.2500" in out and error.splitlines()[-1].startswith("error: ") and error.count("error: ") == 1


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense"])
def test_figures_need_no_backend(tmp_path, backend):
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "small.toml").write_text(PRESET)
    runs.write_config(folder, presets.load(str(tmp_path / "small.toml")))
    (folder / "manifest.json").write_text(json.dumps({"schema": 1}))
    places.write(places.Place(folder), TABLE, {})
    environment = os.environ | {"MPLBACKEND": backend, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "sample.py"), "figures", "run"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "drew 4 files in run/figures\n"), done.stderr


def cells(*names):
    return [row("worst_case_tc", 1.0, predictor="", planner="", schedule=n, method="exact") for n in names]


def test_the_table_says_the_method_of_each_number():
    table = cells("uniform", "cosine")
    for schedule, value in (("uniform", 0.25), ("cosine", 0.125)):
        table.append(row("path_kl_nats", value, schedule=schedule))
        table.append(row("path_kl_nats", value + 0.01, schedule=schedule, method="exact"))
        table.append(row("path_kl_nats", value + 1, schedule=schedule, error=0.02, method="monte_carlo"))
        table.append(row("path_kl_nats", value + 2, "mine", schedule=schedule, error=0.01))
        table.append(row("path_kl_nats", value + 3, "mine", schedule=schedule, error=0.02, method="monte_carlo"))
    out = summary.lines(table, "toy")
    assert out[0] == "KL(target || sampler) along the path on toy, nats per sequence"
    assert [line.split() for line in out[2:-1]] == [
        ["random", "positions", "steps", "NFE", "oracle,", "identity", "mine,", "Monte", "Carlo", "worst", "/", "TC"],
        ["uniform", "2", "2.00", "0.2500", "3.2500", "±", "0.0200", "1.0000"],
        ["cosine", "2", "2.00", "0.1250", "3.1250", "±", "0.0200", "1.0000"],
    ]
    assert {len(line) for line in out[2:-1]} == {len(out[2])}, "columns stand under their heads"
    enumerated = table + [row("path_kl_nats", 5.0, "mine", schedule=s, method="exact") for s in ("uniform", "cosine")]
    assert "mine, enumeration" in summary.lines(enumerated, "toy")[2]
    assert summary.lines(enumerated, "toy")[3].split()[-2] == "5.0000"


def test_the_table_of_an_oracle_without_a_curve_is_not_empty():
    table = [*cells("uniform"), row("nelbo_nats", 3.0, error=0.1)]
    table += [row("path_kl_nats", 0.31, error=0.02, method="monte_carlo")]
    assert summary.lines(table, "hidden")[2:] == [
        "random positions  steps     NFE  oracle, Monte Carlo   worst / TC",
        "uniform               2    2.00" + "0.3100 ± 0.0200".rjust(21) + "1.0000".rjust(13),
        "worst: the largest share over all targets, with exact conditionals",
    ]


def test_the_table_has_the_worst_case_over_all_targets_beside_the_share_here():
    table = [dataclasses.replace(r, value=v) for r, v in zip(cells("uniform", "cosine"), (1.0, 0.5), strict=True)]
    table += [dataclasses.replace(r, metric="worst_case_dtc", value=3.0 * r.value) for r in table]
    facts = {"predictor": "", "planner": "", "schedule": "", "k": None, "method": "exact"}
    table += [row("total_correlation_nats", 2.0, **facts), row("dual_total_correlation_nats", 0.5, **facts)]
    table += [row("path_kl_nats", 0.25), row("path_kl_nats", 0.3, "network", error=0.01)]
    table += [row("path_kl_nats", 0.2, planner="confidence", method="exact")]
    out = summary.lines(table, "toy")
    assert out[2].split()[-10:] == ["/", "TC", "worst", "/", "TC", "/", "DTC", "worst", "/", "DTC"]
    assert out[3].split()[-4:] == ["0.1250", "1.0000", "0.5000", "3.0000"]
    assert out[4].split()[-4:] == ["-", "0.5000", "-", "1.5000"], "cosine has no exact value here"
    assert len({*map(len, out[2:5])}) == 1
    assert out[5:7] == [
        "TC = 2.0000 nats and DTC = 0.5000 nats here, of which the path KL takes these shares",
        "worst: the largest share over all targets, with exact conditionals",
    ]
    assert not any("worst" in line for line in out[7:]), "which holds for random positions alone"


def test_the_table_where_planners_omit_random():
    table = cells("uniform")
    table += [row("path_kl_nats", 0.31, planner="confidence", error=0.02, method="monte_carlo")]
    table += [row("path_kl_nats", 0.4, planner="left_to_right", method="exact")]
    out = summary.lines(table, "toy")
    assert out[2].startswith("positions by confidence ") and out[2].endswith("oracle, Monte Carlo")
    assert out[3].split() == ["uniform", "2", "2.00", "0.3100", "±", "0.0200"]
    assert out[5].startswith("positions by left_to_right ") and out[5].endswith("oracle, enumeration")
    assert out[6].split() == ["uniform", "2", "2.00", "0.4000"]


def test_the_table_of_planners_with_step_sizes_of_their_own():
    table = [row("path_kl_nats", 0.31, planner="threshold:0.9", schedule="", k=None, error=0.02, method="monte_carlo")]
    table += [row("measured_nfe", 3.456, planner="threshold:0.9", schedule="", k=None, error=0.1, method="monte_carlo")]
    out = summary.lines(table, "toy")
    assert out[2] == "planner threshold:0.9, step sizes of its own"
    assert out[3].split() == ["oracle,", "Monte", "Carlo", "NFE", "3.46", "0.3100", "±", "0.0200"]


def test_the_table_of_a_target_without_probabilities():
    table = [*cells("uniform"), row("nelbo_nats", 3.0, "network", error=0.1)]
    table += [row("single_marginal_tv", 0.1, "network", planner=p, error=0.1) for p in ("random", "confidence")]
    out = summary.lines(table, "text")
    assert out[0] == "negative evidence lower bound on text, nats per sequence"
    assert out[2].endswith("network, identity   worst / TC")
    assert out[3].split()[-4:] == ["3.0000", "±", "0.1000", "1.0000"]
    assert out[6].startswith("positions by confidence: neither KL nor NELBO is known")


def test_numbers_of_the_table():
    table = cells("uniform", "cosine", "minimax_both")
    table += [row("path_kl_nats", -1e-9), row("path_kl_nats", np.inf, schedule="cosine", error=np.nan)]
    out = summary.lines(table, "toy")
    assert [line.split()[-2] for line in out[3:-1]] == ["0.0000", "inf", "-"]
    table = [dataclasses.replace(r, num_steps=k, value=r.value / k) for r in table for k in (2, 4)]
    assert [
        line.split()[-2]
        for line in summary.lines(table[:2] + [row("path_kl_nats", 2.0 / k, k=k) for k in (2, 4)], "x")[3:-1]
    ] == ["1.0000", "0.5000"]
