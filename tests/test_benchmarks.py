"""The benchmarks against PyTorch run, on tiny shapes."""

import os
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parents[1] / "benchmarks"
NAMES = ("peers", "training", "sampling")
RUN_ALL = """
import runpy, sys
for name in {names}:
    sys.argv = [name, "--quick", "--out", "{out}/" + name + ".csv"]
    runpy.run_path(name + ".py", run_name="__main__")
"""


def test_benchmarks_write_rows(tmp_path):
    pytest.importorskip("torch", reason="needs the extra [bench]")
    path = os.pathsep.join([str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(  # all in one process, since the imports take longer than the rest
        [sys.executable, "-c", RUN_ALL.format(names=NAMES, out=tmp_path.as_posix())],
        cwd=FOLDER,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        header, *rows = (tmp_path / f"{name}.csv").read_text().splitlines()
        assert header.startswith("benchmark,case,name,metric,value") and len(rows) > 3
        assert all(row.startswith(name + ",") for row in rows)
