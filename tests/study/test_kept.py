import os

import pytest

from jdlm.study.kept import Kept
from jdlm.study.rows import Row

NAME, OTHER = "a" * 64, "b" * 64


def row(value):
    return Row("0" * 12, "toy", "", "", "", None, None, "x", None, value, None, None, "exact", None)


def test_parts_are_found_by_their_names_in_another_process_too(tmp_path):
    kept = Kept(tmp_path / "cells")
    assert kept.get(NAME) is None and not kept.folder.exists()
    kept.put(NAME, [row(0.1), row(1 / 3)])
    kept.put(OTHER, [])
    again = Kept(tmp_path / "cells")
    assert again.get(NAME) == [row(0.1), row(1 / 3)] and again.get(OTHER) == [] and again.get("c" * 64) is None
    assert (kept.taken, again.taken) == (0, 2)
    kept.put(NAME, [row(0.1), row(1 / 3)])
    assert len(os.listdir(kept.folder)) == 2
    kept.clear()
    assert again.get(NAME) is None and not kept.folder.exists()


def test_a_part_in_which_a_bit_has_changed_is_not_used(tmp_path):
    kept = Kept(tmp_path)
    kept.put(NAME, [row(0.1)])
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(bytes(content))
        assert kept.get(NAME) is None
    path.write_bytes(whole)
    assert kept.get(NAME) == [row(0.1)]


def test_a_full_disk_is_told_and_leaves_what_was_kept(tmp_path, monkeypatch):
    kept = Kept(tmp_path)
    kept.put(NAME, [row(0.1)])

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        kept.put(OTHER, [row(0.2)])
    assert kept.get(NAME) == [row(0.1)] and kept.get(OTHER) is None and len(os.listdir(tmp_path)) == 1
