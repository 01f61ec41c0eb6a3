"""One writer: real processes that want the same folder or name."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jdlm.study import drafts, locks

ROOT = Path(__file__).parents[2]
HOLD = "import sys, time; from jdlm.study import locks; from pathlib import Path\n"
HOLD += "with locks.lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_says_who_holds_it(holder, tmp_path):
    with pytest.raises(ValueError, match=rf"is in use by process {holder.pid} on .* since 20.*; wait for its end"):
        with locks.lock(tmp_path):
            raise AssertionError("both write")


def test_the_kernel_releases_the_lock_of_a_process_that_dies(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / ".lock").exists()
    with locks.lock(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_what_the_dead_left_unfinished_is_removed(tmp_path):
    """In the folder and below it; a file that somebody is writing right now is not, nor what has another name."""
    (tmp_path / "checkpoint").mkdir()
    for name in (
        ".a.json.12345678.partial",
        "checkpoint/.model.json.12345678.partial",
        "checkpoint/.hidden",
        "x.partial",
    ):
        (tmp_path / name).write_text("half")
    with locks.lock(tmp_path):
        left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
        assert left == [".lock", "checkpoint/.hidden", "x.partial"]


def test_a_lock_is_given_back_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), locks.lock(tmp_path):
            raise KeyError
    assert os.listdir(tmp_path) == []


def test_the_holder_of_a_damaged_lock_is_another_process(tmp_path):
    for content in ("", "[]", '{"pid": 1}'):
        (tmp_path / ".lock").write_text(content)
        assert locks.holder(tmp_path / ".lock") == "another process"


def test_a_draft_is_locked_before_and_after_it_has_its_name(tmp_path):
    with drafts.draft(tmp_path, "mine") as draft:
        for move in (lambda: draft.folder, draft.publish):
            folder = move()
            with pytest.raises(ValueError, match=f"{folder} is in use by process {os.getpid()}"):
                locks.Lock(folder / ".lock")
    locks.Lock(tmp_path / "mine/.lock").release()
    assert os.listdir(tmp_path / "mine") == []
