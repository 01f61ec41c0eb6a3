"""Work spread over devices: eight of one process, and those of two processes on the loopback address."""

import contextlib
import csv
import functools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jdlm import devices, runs
from jdlm.cli.hosts import HostOptions

ROOT = Path(__file__).parent.parent


def start(arguments: list[str], count: int, **options) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] += f" --xla_force_host_platform_device_count={count}"
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT, **options,
    )  # fmt: skip


def finish(process: subprocess.Popen) -> str:
    out, error = process.communicate(timeout=240)
    assert process.returncode == 0, error
    return out


@functools.cache
def spread() -> dict:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return json.loads(finish(start(["tests/spread.py", folder], 8)))


def test_samples_of_the_oracle_have_the_same_bits_on_any_number_of_devices():
    one, *others = spread()["oracle"]
    assert np.shape(one) == (2, 500, 8)
    assert all(other == one for other in others)
    assert all(share > 0.8 for share in spread()["shares"])


def test_samples_of_a_network_differ_in_no_more_than_one_token_in_a_thousand():
    one, *others = map(np.array, spread()["network"])
    for other in others:
        assert (one != other).mean() < 1e-3


def test_training_losses_agree_to_rounding():
    one, *others = map(np.array, spread()["losses"])
    assert one[-1] < one[0]  # it learns, so that an update which is lost or doubled shows
    for other in others:
        np.testing.assert_allclose(other, one, rtol=2e-6)


def test_a_checkpoint_goes_on_with_another_number_of_devices():
    two, one = spread()["continued"]
    np.testing.assert_allclose(two, one, rtol=1e-5)


def free_port() -> int:
    with contextlib.closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def together(program: str, arguments: list[str], folders: list[Path]) -> None:
    """Runs a command in two connected processes of two devices each, each with a runs folder."""
    port = free_port()
    hosts = ["--coordinator", f"127.0.0.1:{port}", "--num-processes", "2", "--process-id"]
    with contextlib.ExitStack() as stack:
        processes = []
        for number, folder in enumerate(folders):
            process = start([program, *arguments, "--runs-folder", str(folder), *hosts, str(number)], 2)
            stack.enter_context(process)
            stack.callback(process.kill)
            processes.append(process)
        said = [finish(process) for process in processes]
    lines = [[line for line in text.splitlines() if not line.startswith("[Gloo]")] for text in said]
    assert lines[0] and not lines[1]  # one speaks for all


def table(run: Path, name: str) -> dict:
    with open(run / name) as file:
        rows = list(csv.DictReader(file))
    keys = ("predictor", "schedule", "planner", "num_steps", "metric", "index", "method")
    return {tuple(row[key] for key in keys): float(row["value"]) for row in rows}


def test_two_processes_train_and_sweep_like_one(tmp_path):
    small = ["--training.steps", "20", "--training.chunk-steps", "10", "--training.warmup-steps", "5"]
    small += ["--network.width", "16", "--network.depth", "1", "--training.batch-size", "32"]
    sweep = ["--sweep.samples", "64", "--sweep.curve-samples", "8", "--sweep.num-steps", "4"]
    sweep += ["--sweep.schedules", "uniform", "tc_equalizer", "--sweep.planners", "random"]
    both, alone, nowhere = (tmp_path / name for name in ("both", "alone", "nowhere"))
    together("train.py", ["tiny", "--name", "run", *small], [both, nowhere])
    assert not nowhere.exists()  # process 0 alone writes
    finish(start(["train.py", "tiny", "--name", "run", *small, "--runs-folder", str(alone)], 1))
    curves = [table(folder / "run", "metrics.csv") for folder in (both, alone)]
    for key, value in curves[0].items():
        if key[4] in ("loss_nats", "learning_error_nats"):
            np.testing.assert_allclose(value, curves[1][key], rtol=1e-5)
    assert runs.read_manifest(both / "run")["device"]["count"] == 4

    finish(start(["sample.py", "run", *sweep, "--runs-folder", str(both), "--devices", "1"], 2))
    alone_rows = table(both / "run", "sweep.csv")
    together("sample.py", ["run", *sweep], [both, both])
    rows = table(both / "run", "sweep.csv")
    assert rows.keys() == alone_rows.keys()
    sampled = [key for key in rows if key[0] == "oracle" and key[6] == "monte_carlo"]
    assert len(sampled) > 10
    assert all(rows[key] == alone_rows[key] for key in sampled)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices": 0}, "devices=0 is less than 1"),
        ({"num_processes": 2}, "need --coordinator HOST:PORT"),
        ({"coordinator": "here"}, "no address; use HOST:PORT"),
        ({"coordinator": "here:1", "num_processes": 2, "process_id": 2}, "process_id from 0 to"),
        ({"coordinator": "here:1", "num_processes": 2}, "give both with --coordinator"),
    ],
)
def test_host_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        HostOptions(**options)


def test_more_devices_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="devices=99, but there are"):
        devices.mesh(99)
    assert devices.mesh(1) is None
