import os
from pathlib import Path

import pytest

from jdlm import files


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
