"""Memory: estimates against what is measured, and commands that need too much, refused with both figures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jdlm import cli
from jdlm.cli import memory
from jdlm.config import presets
from jdlm.errors import InputError
from jdlm.study import places, studies

ROOT = Path(__file__).parents[2]
LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (6 << 30,) * 2)\n"
LIMITED += "from jdlm import cli; name, *rest = sys.argv[1:]; sys.exit(cli.guarded(getattr(cli, f'run_{name}'), rest))"


def test_more_than_there_is_is_refused_with_both_figures(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2 * 10**9)
    memory.check(2 * 10**9, "a thing; take less")
    with pytest.raises(InputError, match=r"^a thing needs about 2.5 GB of memory, and 2 GB are free here; take less$"):
        memory.check(2_500_000_000, "a thing; take less")
    monkeypatch.setattr(memory, "available", lambda: None)
    memory.check(10**20, "a thing where nobody says what there is")


def test_what_there_is_is_that_of_this_machine():
    found = memory.available()
    assert found is None or 10**7 < found < 10**14


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        (
            "sample",
            ["tokens", "tiny", "--count", "100000000"],
            "100000000 of length 8 needs about 60 GB of memory",
        ),
        ("sample", ["tokens", "tiny", "--count", "2147483648"], "count=2147483648 is out of range"),
        ("sample", ["tiny", "--sweep.samples", "100000000"], "a sweep of 100000000 sequences a cell"),
        ("sample", ["tiny", "--sweep.batch-size", "1000000000"], "a sweep of 256 sequences a cell"),
        (
            "sample",
            ["recommend", "markov", "--kl", "1", "--samples", "1000000000"],
            "--samples 1000000000 of length 32",
        ),
        ("train", ["tiny", "--network.width", "30000"], "a network of width 30000 and depth 2"),
        ("train", ["tiny", "--training.batch-size", "100000000"], "batches of 100000000 sequences"),
        ("train", ["tiny", "--training.evaluation-draws", "100000000"], "a network of width 32"),
    ],
)
def test_commands_that_need_too_much_end_in_one_line(monkeypatch, tmp_path, capsys, command, words, message):
    """Before they compute, allocate or write anything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory, "available", lambda: 20 * 10**9)
    assert cli.guarded(getattr(cli, f"run_{command}"), words) == 2
    error = capsys.readouterr().err
    assert message in error.replace("│", ""), error
    assert os.listdir(tmp_path) == []


def test_a_process_with_a_limit_is_told_before_it_meets_it(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = [sys.executable, "-c", LIMITED, "sample", "tokens", "tiny", "--count", "20000000"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (
        done.returncode == 2 and "needs about 12 GB of memory, and " in done.stderr and "Traceback" not in done.stderr
    )


def test_estimates_grow_with_each_size():
    config = presets.load("tiny")
    target = config.target.build()
    small = memory.of_training(config, target), memory.of_sweep(config, target)
    import dataclasses

    for section, field, value in (
        ("network", "width", 64),
        ("network", "depth", 4),
        ("network", "kind", "causal"),
        ("training", "batch_size", 640),
        ("training", "evaluation_draws", 80),
    ):
        more = dataclasses.replace(config, **{section: dataclasses.replace(getattr(config, section), **{field: value})})
        assert memory.of_training(more, target) > small[0], field
    for field, value in (("samples", 10**6), ("curve_samples", 10**4), ("batch_size", 4096)):
        more = dataclasses.replace(config, sweep=dataclasses.replace(config.sweep, **{field: value}))
        assert memory.of_sweep(more, target) > small[1], field
    assert memory.of_tokens(2000, 8) == 2 * memory.of_tokens(1000, 8) < memory.of_tokens(1000, 32) * 2


@pytest.mark.parametrize("words", [["study", "presets"], ["verify", "presets"]])
def test_studies_and_their_verification_are_refused_by_what_they_took(monkeypatch, tmp_path, capsys, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory, "available", lambda: 3 * 10**8)
    assert cli.guarded(cli.run_sample, words) == 2
    need = f"{studies.STUDIES['presets'].gigabytes:.3g}"
    error = capsys.readouterr().err
    assert error.startswith(f"error: the study presets needs about {need} GB of memory, and 0.3 GB are free"), error
    assert os.listdir(tmp_path) == []


def test_what_reads_files_needs_more_for_larger_ones(tmp_path):
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(bytes(10**3))
    large.write_bytes(bytes(10**6))
    assert memory.of_rows([large]) - memory.of_rows([small]) == 16 * 999_000
    assert memory.of_rows([small, large, tmp_path / "none"]) > memory.of_rows([large])
    assert memory.of_checkpoint(tmp_path) == memory.of_rows([]) + 4 * 1_001_000


@pytest.mark.parametrize("words", [["figures", "made"], ["doctor", "made"]])
def test_figures_and_doctor_refuse_files_too_large_for_the_machine(monkeypatch, tmp_path, capsys, words):
    monkeypatch.chdir(tmp_path)
    training = ["--training.steps", "2", "--training.warmup-steps", "0"]
    assert cli.guarded(cli.run_train, ["tiny", "--name", "made", *training]) == 0
    places.write(places.Place(tmp_path / "runs/made"), [], {"rows": 0, "finished": None})
    monkeypatch.setattr(memory, "available", lambda: 2 * 10**8)
    capsys.readouterr()
    assert cli.guarded(cli.run_sample, words) == (2 if words[0] == "figures" else 1)
    out, error = capsys.readouterr()
    assert "of memory, and 0.2 GB are free here; use a machine with more" in out + error
