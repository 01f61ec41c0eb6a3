"""Text: its windows against a slow list of them, its smallest size, its alphabet and its digest."""

import hashlib

import jax
import numpy as np
import pytest

from jdlm import targets
from tests.targets.lanes import draw


def slow_starts(size: int, length: int) -> dict[str, list[int]]:
    """Where windows of each split start, byte by byte: docs say regions, every ninth and tenth held out."""
    region = min(32 * length, size // 10)
    starts = {"train": [], "validation": [], "test": []}
    for start in range(size):
        number = start // region
        if (number + 1) * region <= size and start + length <= (number + 1) * region:
            starts[{8: "validation", 9: "test"}.get(number % 10, "train")].append(start)
    return starts


@pytest.mark.parametrize(("size", "length"), [(40, 4), (43, 4), (130, 4), (1280, 4), (1283, 4), (3000, 4), (97, 1)])
def test_windows_are_those_of_the_regions(tmp_path, size, length):
    content = np.random.default_rng(0).choice(list(b"\0abz\xff"), size).astype(np.uint8).tobytes()
    (tmp_path / "a").write_bytes(content)
    target = targets.text(tmp_path / "a", length, encoding="bytes")
    found = np.split(target.starts, np.cumsum(target.counts)[:-1])
    for starts, (split, wanted) in zip(found, slow_starts(size, length).items(), strict=True):
        assert starts.tolist() == wanted, split
    assert target.alphabet == bytes(sorted(set(content))) and target.vocab_size == len(target.alphabet)
    assert bytes(target.alphabet[token] for token in target.stream) == content


def test_ten_windows_are_enough(tmp_path):
    (tmp_path / "a").write_bytes(b"ab" * 20)
    assert targets.text(tmp_path / "a", 4).counts == (8, 1, 1)
    (tmp_path / "a").write_bytes(b"ab" * 19 + b"a")
    with pytest.raises(ValueError, match="the text has 39 bytes, too few for length=4; give at least 40"):
        targets.text(tmp_path / "a", 4)


def test_the_digest_that_is_asked_for(tmp_path):
    (tmp_path / "a").write_bytes(b"ab" * 20)
    digest = hashlib.sha256(b"ab" * 20).hexdigest()
    for same in (None, digest, digest.upper()):
        assert targets.text(tmp_path / "a", 4, same).sha256 == digest
    with pytest.raises(
        ValueError, match=rf"is {digest[:16]}\.\.\. instead of 0{{16}}\.\.\.; restore the file, or make"
    ):
        targets.text(tmp_path / "a", 4, "0" * 64)
    with pytest.raises(ValueError, match="the help text of this version of Python is another text than it was"):
        targets.text(length=4, sha256=digest)


def test_an_unfinished_character_is_replaced_and_the_mask_is_shown(tmp_path):
    (tmp_path / "a").write_bytes("aü".encode() * 20)
    target = targets.text(tmp_path / "a", 3)
    assert target.alphabet == b"a\xbc\xc3"
    assert target.decode([0, 2, 1, 3]) == "aü\N{WHITE SQUARE}" and target.decode([2, 0]) == "\ufffda"
    assert target.encode("aü_", "_").tolist() == [0, 2, 1, 3]


def covered(target):
    """Places of the stream that a split's windows reach."""
    place = ("train", "validation", "test").index(target.split)
    first = sum(target.counts[:place])
    starts = target.starts[first : first + target.counts[place]]
    return set((starts[:, None] + np.arange(target.length)).ravel().tolist())


def test_help_texts():
    target = targets.text(length=16)
    assert target.vocab_size == len(target.alphabet) <= 256
    assert b"statement" in bytes(target.alphabet[token] for token in target.stream)
    places = [covered(target.on(split)) for split in ("train", "validation", "test")]
    assert not (places[0] & places[1] or places[0] & places[2] or places[1] & places[2])
    sizes = np.array([len(p) for p in places]) / len(target.stream)
    np.testing.assert_allclose(sizes, [0.8, 0.1, 0.1], atol=0.01)


def test_file(tmp_path):
    content = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. " * 20
    path = tmp_path / "deich.txt"
    path.write_text(content, encoding="utf-8")
    target = targets.text(path, 24)
    assert target.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert target.decode(target.encode("größer")) == "größer"
    tokens = target.encode("Dei?h", mask="?")
    assert tokens.tolist()[3] == target.vocab_size and target.decode(tokens, mask="#") == "Dei#h"
    for split in ("train", "validation", "test"):
        part = target.on(split)
        raw = np.frombuffer(path.read_bytes(), np.uint8)
        windows = {raw[i : i + 24].tobytes() for i in range(len(raw) - 23)}
        tokens = np.asarray(draw(part, jax.random.split(jax.random.key(0), 50)))
        assert {bytes(part.alphabet[t] for t in row) for row in tokens} <= windows
    with pytest.raises(ValueError, match="character '7' does not occur"):
        target.encode("7")


def test_bad_files(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("abc" * 30)
    with pytest.raises(ValueError, match="the text has 90 bytes, too few for length=16; give at least 160"):
        targets.text(path, 16)
    with pytest.raises(ValueError, match=r"no\.txt' cannot be read: No such file"):
        targets.text(tmp_path / "no.txt", 16)
