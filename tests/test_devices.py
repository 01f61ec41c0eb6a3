"""Work spread over devices: eight of one process, and those of two processes on the loopback address."""

import contextlib
import csv
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jdlm import devices
from jdlm.cli import cores
from jdlm.cli.hosts import HostOptions
from jdlm.study import runs

ROOT = Path(__file__).parent.parent


def start(arguments: list[str], count: int, **options) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(count)}
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT, **options,
    )  # fmt: skip


def finish(process: subprocess.Popen) -> str:
    out, error = process.communicate(timeout=240)
    assert process.returncode == 0, error
    return out


@pytest.fixture(scope="module")
def spread(tmp_path_factory) -> dict:
    """What one device and eight have to say, and four of two processes that go on from a checkpoint of the eight."""
    folder = tmp_path_factory.mktemp("spread")
    hosts = [f"127.0.0.1:{free_port()}", "2"]
    with contextlib.ExitStack() as stack:

        def begin(name: str, count: int, here: int, *more: str) -> subprocess.Popen:
            process = start(["tests/spread.py", str(count), str(folder / name), *more], here)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        one, eight = begin("one", 1, 1), begin("eight", 8, 8)
        said = {"one": finish(one), "eight": finish(eight)}
        pair = [begin("eight", 4, 2, *hosts, str(number)) for number in range(2)]
        said["pair"], said["other of the pair"] = (finish(process) for process in pair)
    return {name: json.loads(text.splitlines()[-1]) for name, text in said.items()}


SPREAD = ["eight", "pair", "other of the pair"]


@pytest.mark.parametrize("name", SPREAD)
def test_samples_of_the_oracle_have_the_same_bits_on_any_devices(spread, name):
    assert np.shape(spread["one"]["oracle"]) == (2, 500, 8)
    assert spread[name]["oracle"] == spread["one"]["oracle"]
    assert spread[name]["oracle share"] > 0.8


def test_samples_of_a_network_differ_in_less_than_one_token_in_a_thousand(spread):
    assert (np.array(spread["one"]["network"]) != spread["eight"]["network"]).mean() < 1e-3


@pytest.mark.parametrize("name", ["one", *SPREAD])
def test_each_kind_of_planner_compiles_once_on_any_devices(spread, name):
    assert spread[name]["oracle programs"] == 2 and spread[name].get("network programs", 1) == 1


def test_measured_curves_agree_on_any_devices(spread):
    for name in SPREAD:
        np.testing.assert_allclose(spread[name]["oracle curve"], spread["one"]["oracle curve"], rtol=1e-6)
    np.testing.assert_allclose(spread["eight"]["network curve"], spread["one"]["network curve"], rtol=1e-5)


@pytest.mark.parametrize("name", SPREAD)
def test_losses_agree_to_rounding_also_after_a_checkpoint_of_other_devices(spread, name):
    one, other = spread["one"], spread[name]
    assert other["steps"] == ([10, 20, 30, 40] if name == "eight" else [30, 40])
    assert one["losses"][-1] < one["losses"][0] - 0.2  # it learns, so that an update lost or doubled shows
    np.testing.assert_allclose(other["losses"], one["losses"][-len(other["losses"]) :], rtol=3e-6)


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
    # Gloo's threads write to the same stream, and into each other's lines.
    gloo = re.compile(r"\[Gloo\]|peer ranks")
    lines = [[line for line in text.splitlines() if line and not gloo.search(line)] for text in said]
    assert lines[0] and not lines[1]  # one speaks for all


def table(run: Path, name: str) -> dict:
    with open(run / name) as file:
        rows = list(csv.DictReader(file))
    keys = ("predictor", "schedule", "planner", "num_steps", "metric", "index", "method")
    return {tuple(row[key] for key in keys): float(row["value"]) for row in rows}


@pytest.mark.slow
def test_commands_of_two_processes_train_and_sweep_like_one(tmp_path):
    small = ["--training.steps", "20", "--training.chunk-steps", "10", "--training.warmup-steps", "5"]
    small += ["--network.width", "16", "--network.depth", "1", "--training.batch-size", "32"]
    sweep = ["--sweep.samples", "64", "--sweep.curve-samples", "8", "--sweep.num-steps", "4"]
    sweep += ["--sweep.schedules", "uniform", "tc_equalizer", "--sweep.planners", "random"]
    both, alone, nowhere = (tmp_path / name for name in ("both", "alone", "nowhere"))
    together("train.py", ["tiny", "--name", "run", *small], [both, nowhere])
    assert not nowhere.exists()  # process 0 alone writes
    together("train.py", ["--resume", "run"], [both, both])  # finished: nothing to do for either
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
        ({"coordinator": "here"}, "is not an address; use HOST:PORT"),
        ({"coordinator": "here:1", "num_processes": 2, "process_id": 2}, "process_id from 0 to"),
        ({"coordinator": "here:1", "num_processes": 2}, "give both with --coordinator"),
    ],
)
def test_host_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        HostOptions(**options)


_CORES = """
import jax
from jdlm import devices, network
from jdlm.cli.hosts import HostOptions, connect
from jdlm.config.settings import NetworkConfig

wide = NetworkConfig(width=128, depth=4, heads=4)
meshes = [connect(HostOptions(devices=6)), connect(HostOptions(), 33), connect(HostOptions(), 7)]
print(len(jax.devices()), *map(devices.size, meshes), network.chunk_size(wide, 256))
"""


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, "6 6 3 1 4"),
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=7"}, "7 6 3 7 4"),
        ({"JAX_NUM_CPU_DEVICES": "7"}, "7 6 3 7 4"),
    ],
)
def test_cores_are_devices_as_far_as_they_divide_a_batch_unless_the_user_chose(chosen, found):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    environment = {name: value for name, value in environment.items() if name != "JAX_NUM_CPU_DEVICES"} | chosen
    done = subprocess.run([sys.executable, "-c", _CORES], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout.strip() == found, done.stderr


@pytest.mark.parametrize(("quota", "found"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("", 8)])
def test_cores_are_those_that_a_container_leaves(monkeypatch, tmp_path, quota, found):
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    monkeypatch.setattr(cores, "_QUOTA", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert cores.number() == found


def test_more_devices_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="devices=99, but there are"):
        devices.mesh(99)
    with pytest.raises(ValueError, match="devices=0, but there are"):
        devices.mesh(0)
    assert devices.mesh(1) is None


def test_meshes_of_this_process():
    """Two devices, as all tests have."""
    both = devices.mesh()
    assert devices.size(both) == devices.size(devices.mesh(2)) == devices.size_here(both) == 2
    assert devices.size(None) == devices.size_here(None) == 1
    assert not devices.on_many_hosts(both) and not devices.on_many_hosts(None) and devices.is_main()


@pytest.mark.parametrize(("rows", "most", "parts"), [(64, 6, 4), (33, 2, 1), (6, 6, 6), (5, 9, 5), (7, 1, 1)])
def test_rows_are_cut_into_as_many_equal_parts_as_may_be(rows, most, parts):
    assert devices.num_parts(rows, most) == parts


def test_rows_are_spread_and_whole_arrays_copied():
    both = devices.mesh(2)
    rows = np.arange(12.0, dtype=np.float32).reshape(6, 2)
    cut, whole = devices.spread(both, {"a": rows})["a"], devices.replicate(both, {"a": rows})["a"]
    assert [part.data.shape for part in cut.addressable_shards] == [(3, 2), (3, 2)]
    assert [part.data.shape for part in whole.addressable_shards] == [(6, 2), (6, 2)]
    for array in (cut, whole):
        np.testing.assert_array_equal(devices.fetch([array])[0], rows)
    np.testing.assert_array_equal(devices.own_copy(whole), rows)
    add = devices.sharded(both, lambda mine, shift: mine + shift[: len(mine)], (True, False), result_cut=True)
    np.testing.assert_array_equal(add(cut, whole), rows + np.concatenate([rows[:3], rows[:3]]))
    same = devices.sharded(both, lambda mine: mine[:1] * 0 + len(mine), (True,), result_cut=False)
    assert same(cut).shape == (1, 2) and same(cut)[0, 0] == 3
