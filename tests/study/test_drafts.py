"""Drafts of run folders (how they appear and disappear is in test_runs): names, and what dead processes leave."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jdlm.study import drafts, locks

ROOT = Path(__file__).parents[2]
MAKE = "import os, sys, signal; from jdlm.study import drafts\n"
MAKE += "with drafts.draft(sys.argv[1], 'mine', exact=True) as draft:\n"
MAKE += "    (draft.folder / 'file').write_text('x'); os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1b[2Jb", "x" * 201, "ä" * 101, "\ud800"])
def test_names_that_break_rows_or_terminals_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be the name of a run") as caught, drafts.draft(tmp_path, name):
        pass
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300 and os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["größe", "a b", "$x$", "<b>", "a'b", "🙂"])
def test_other_names_are_fine(tmp_path, name):
    with drafts.draft(tmp_path, name, exact=True) as draft:
        draft.publish()
    assert os.listdir(tmp_path) == [name]


def test_drafts_of_dead_processes_are_removed_by_the_next_one(tmp_path):
    done = subprocess.run([sys.executable, "-c", MAKE, tmp_path], env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == -9
    (dead,) = tmp_path.glob(".mine.*.partial")
    assert (dead / "file").exists() and (tmp_path / ".mine.lock").exists()
    with drafts.draft(tmp_path, "other") as draft:
        assert os.listdir(tmp_path) == [draft.folder.name]


def test_drafts_of_the_living_and_those_just_begun_are_left_alone(tmp_path):
    young, old = tmp_path / ".a.1-1.partial", tmp_path / ".b.1-1.partial"
    young.mkdir(), old.mkdir()
    os.utime(old, (time.time() - 3600,) * 2)
    with drafts.draft(tmp_path, "mine") as mine:
        assert young.exists() and not old.exists()  # neither has a lock: one may be about to take it
        os.utime(mine.folder, (time.time() - 3600,) * 2)
        with drafts.draft(tmp_path, "mine") as other:
            assert mine.folder.exists() and other.folder.exists()
            assert (mine.publish().name, other.publish().name) == ("mine", "mine-2")


def test_a_name_is_taken_from_the_start(tmp_path):
    """By the first of two that want it, however long it takes until there is a folder."""
    with drafts.draft(tmp_path, "mine", exact=True) as draft:
        with pytest.raises(ValueError, match=f"{tmp_path / 'mine'} is in use by process {os.getpid()}"):
            with drafts.draft(tmp_path, "mine", exact=True):
                raise AssertionError("two of one name")
        with drafts.draft(tmp_path, "mine") as other:  # which is content with a number
            draft.publish()
            assert other.publish().name == "mine-2"
    assert sorted(os.listdir(tmp_path)) == ["mine", "mine-2"]


def test_two_that_take_a_number_at_the_same_moment(tmp_path, monkeypatch):
    rename, rivals = os.rename, []

    def slow(source, target):
        if not rivals:
            rivals.append(target)
            Path(target).mkdir()
            (Path(target) / "file").touch()
        rename(source, target)

    monkeypatch.setattr(os, "rename", slow)
    with drafts.draft(tmp_path, "mine") as draft:
        assert draft.publish().name == "mine-2"
    assert [path.name for path in rivals] == ["mine"] and not list(tmp_path.glob(".*"))
    assert not (tmp_path / "mine-2" / locks.NAME).exists()
