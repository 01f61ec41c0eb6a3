"""A user who may read a run but not write its folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jdlm import cli

ROOT = Path(__file__).parent.parent
_COMMANDS = """if True:
    import contextlib, io, json, sys
    from jdlm import cli

    def one(name, words):
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            code = cli.guarded(getattr(cli, f"run_{name}"), words)
        return [code, out.getvalue(), error.getvalue()]

    print(json.dumps([one(name, words) for name, words in json.loads(sys.argv[1])]))
"""


def without_rights(folder: Path) -> list[str]:
    """How a command starts that may only read a folder: root gives up what lets it write everywhere."""
    if os.geteuid() != 0:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everything, and setpriv, which drops that, is not here")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_who_may_not_write_reads_all_and_is_told_the_rest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.guarded(cli.run_train, ["tiny", "--name", "made", "--training.steps", "60"]) == 0
    before, start = files(tmp_path), without_rights(tmp_path / "runs")
    reads = [["tokens", "made", "--count", "2"], ["manifest", "made"]]
    writes = [["sweep", "made"], ["figures", "made"], ["study", "presets", "--quick"]]
    trains = [["--resume", "made"], ["tiny"], ["--from", "made"]]
    commands = [("sample", each) for each in reads + writes] + [("train", each) for each in trains]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = [*start, sys.executable, "-c", _COMMANDS, json.dumps(commands)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    for (name, command), (code, out, error) in zip(commands, json.loads(done.stdout), strict=True):
        if command in reads:
            assert code == 0 and out, (name, command, error)
        elif command == ["figures", "made"]:
            assert code == 2 and error.startswith("error: runs/made has no sweep.csv yet; make one with"), error
        else:
            assert code == 2 and error.count("\n") == 1, (name, command, code, error)
            assert "cannot be written" in error and "runs" in error, error
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    assert files(tmp_path) == before
