import os
import signal
from pathlib import Path

import pytest

from jdlm import files
from jdlm.errors import InputError


def test_bytes_and_text_are_written_as_they_are(tmp_path):
    path = tmp_path / "a.txt"
    files.write(path, "ä\r\nb\n")
    assert path.read_bytes() == b"\xc3\xa4\r\nb\n"
    files.write(str(path), b"\x00\n")
    assert path.read_bytes() == b"\x00\n" and os.listdir(tmp_path) == ["a.txt"]


def test_the_permissions_are_the_usual_ones(tmp_path):
    (tmp_path / "usual").touch()
    files.write(tmp_path / "mine", "")
    assert (tmp_path / "mine").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_an_error_at_any_moment_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, name):
    path = tmp_path / "a.txt"
    files.write(path, "old")

    def stops(*arguments):
        (hidden,) = set(os.listdir(tmp_path)) - {"a.txt"}
        assert hidden.startswith(".a.txt.") and (tmp_path / hidden).read_text() == "new"
        assert path.read_text() == "old"
        raise KeyboardInterrupt

    monkeypatch.setattr(os, name, stops)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    order = []
    for name in ("fsync", "replace"):
        whole = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *given, name=name, whole=whole: order.append(name) or whole(*given))
    files.write(tmp_path / "a.txt", "new")
    assert order == ["fsync", "replace"]


def test_text_that_cannot_be_encoded_touches_nothing(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        files.write(tmp_path / "a.txt", "\ud800")
    with pytest.raises(FileNotFoundError):
        files.write(Path(tmp_path, "missing", "a.txt"), "new")
    assert os.listdir(tmp_path) == []


def test_files_of_the_living_are_left_alone(tmp_path):
    """A file that another process is writing is locked by it; one that nobody has locked is of a dead one."""
    living, dead = tmp_path / ".a.txt.11111111.partial", tmp_path / ".a.txt.22222222.partial"
    living.write_text("half")
    dead.write_text("half")
    descriptor = files.acquire(living)
    files.write(tmp_path / "a.txt", "new")
    assert sorted(os.listdir(tmp_path)) == [living.name, "a.txt"]
    os.close(descriptor)
    files.clean(tmp_path)
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.fixture
def impatient():
    """A test that waits ends with an error after 20 seconds."""

    def expired(*_):
        raise TimeoutError("it waits for what never comes")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_only_regular_files_of_bounded_size_are_read(tmp_path, impatient):
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")
    assert files.read(path, 5) == b"12345"
    with pytest.raises(InputError, match=r"a\.txt has 5 bytes; at most 4 are read"):
        files.read(path, 4)
    os.mkfifo(tmp_path / "pipe")
    for other, kind in ((tmp_path / "pipe", "a pipe"), ("/dev/zero", "a device"), (tmp_path, "a folder")):
        with pytest.raises(InputError, match=f"{other} is {kind}; give a regular file"):
            files.read(other, 5)
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "missing", 5)


def test_a_lock_is_held_by_one(tmp_path):
    first = files.acquire(tmp_path / "lock")
    assert first is not None and files.acquire(tmp_path / "lock") is None
    os.close(first)
    again = files.acquire(tmp_path / "lock")
    assert again is not None
    os.close(again)
