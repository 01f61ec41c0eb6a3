"""Files behind targets: encodings that are named, packed files, and where windows begin."""

import bz2
import gzip
import lzma

import numpy as np
import pytest

from jdlm import targets
from jdlm.targets import reading

RUSSIAN = "В лесу родилась ёлочка, в лесу она росла. Зимой и летом стройная, зелёная была. " * 20
FRENCH = "Les élèves étudient à l'école où le français est parlé; déjà vu. Où êtes-vous allés cet été? " * 20
CHINESE = "今天天气很好，我们一起去公园散步吧。人工智能正在改变世界，语言模型越来越大。" * 20


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8-r", "koi8_r"),
        (FRENCH, "latin-1", "cp1252 (like Latin-1)"),
        (CHINESE, "gbk", "gb18030 (like GBK)"),
        (FRENCH, "utf-16", "utf_16"),
        (FRENCH, "utf-16-le", "utf_16_le"),
    ],
    ids=["cp1251", "koi8-r", "latin-1", "gbk", "utf-16", "utf-16-le"],
)
@pytest.mark.parametrize("kind", [targets.text, targets.characters], ids=["text", "characters"])
def test_an_encoding_other_than_utf_8_is_named_and_then_read(tmp_path, text, encoding, named, kind):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(
        ValueError, match=r"is not (UTF-8: line 1 holds the byte 0x|a text in UTF-8: it holds null)"
    ) as one:
        kind(path, 8)
    assert named in str(one.value) and "say encoding = " in str(one.value) and "\n" not in str(one.value)
    target = kind(path, 8, encoding=encoding)
    path.write_text(text, encoding="utf-8")
    right = kind(path, 8)
    assert target.alphabet == right.alphabet if kind is targets.text else target.symbols == right.symbols
    np.testing.assert_array_equal(target.stream, right.stream)
    assert target.sha256 != right.sha256, "the digest is that of the file"


@pytest.mark.parametrize(
    ("pack", "name"),
    [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")],
    ids=["gzip", "bzip2", "xz"],
)
def test_packed_files_are_named_with_what_shows_their_content(tmp_path, pack, name):
    path = tmp_path / "a.gz"
    path.write_bytes(pack(RUSSIAN.encode()))
    with pytest.raises(ValueError, match=rf"is packed by {name}; unpack it, or give <\((zcat|bzcat|xzcat) "):
        targets.text(path, 8)


def test_any_bytes_are_taken_where_that_is_said(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(256)))
    assert targets.text(tmp_path / "a", 4, encoding="bytes").alphabet == bytes(range(256))


@pytest.mark.parametrize("encoding", ["no-such", "hex", "rot13", "", "utf-8\0", "zip"])
def test_what_is_no_encoding_is_one_line(tmp_path, encoding):
    (tmp_path / "a").write_bytes(b"ab" * 40)
    with pytest.raises(
        ValueError, match=r"is not known; use 'utf-8', 'cp1252' or another name of Python|is not .*HEX|ROT13"
    ):
        targets.text(tmp_path / "a", 4, encoding=encoding)


def test_a_mark_of_utf_8_is_no_part_of_a_text(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf" + b"ab" * 40)
    assert targets.text(tmp_path / "a", 4).alphabet == b"ab"
    assert targets.characters(tmp_path / "a", 4).symbols == ("a", "b")


def test_lines_end_as_on_any_system():
    assert reading.lines("a\nb\r\nc\rd\n") == ["a", "b", "c", "d"] and reading.lines("") == []


def test_a_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.txt").write_bytes(b"ab" * 40)
    target = targets.text("~/a.txt", 4)
    config = targets.TextConfig(4, "~/a.txt").pinned()
    assert config.path == str(tmp_path / "a.txt") and config.sha256 == target.sha256
