"""Targets that can only be sampled: their splits, and text."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jdlm import targets

ROWS = np.arange(120).reshape(40, 3) % 100  # all rows differ


@jax.jit
def draw(target, keys):
    return jax.vmap(target.sample)(keys)


def covered(target):
    """Places of the stream that a split's windows reach."""
    place = ("train", "validation", "test").index(target.split)
    first = sum(target.counts[:place])
    starts = target.starts[first : first + target.counts[place]]
    return set((starts[:, None] + np.arange(target.length)).ravel().tolist())


def test_splits_are_disjoint_complete_and_each_drawn_evenly():
    """Chi-square test of each split; the seed is fixed, and a false alarm has probability 1e-6 a split."""
    target = targets.data(ROWS)
    assert (target.split, target.counts, target.length, target.vocab_size) == ("train", (32, 4, 4), 3, 100)
    seen = []
    for split, count in zip(("train", "validation", "test"), target.counts, strict=True):
        tokens = np.asarray(draw(target.on(split), jax.random.split(jax.random.key(0), 4000)))
        assert tokens.dtype == np.int32 and tokens.shape == (4000, 3)
        rows, counts = np.unique(tokens, axis=0, return_counts=True)
        assert len(rows) == count
        assert stats.chisquare(counts).pvalue > 1e-6
        seen.extend(map(tuple, rows))
    assert sorted(seen) == sorted(map(tuple, ROWS))


def test_splits_are_the_same_every_time():
    first, second = targets.data(ROWS), targets.data(ROWS)
    assert np.array_equal(first.starts, second.starts)
    assert not np.array_equal(first.starts, np.sort(first.starts))  # not the rows' own order


def test_nothing_held_out():
    target = targets.data(ROWS, vocab=120, held_out=0.0)
    assert target.counts == (40, 0, 0) and target.vocab_size == 120
    with pytest.raises(ValueError, match="split='test' is empty; build the target with a positive held_out"):
        target.on("test")
    with pytest.raises(ValueError, match="split='held' is not known; use one of train, validation, test"):
        target.on("held")


@pytest.mark.parametrize("member", ["log_prob", "conditionals", "entropy_curve"])
def test_data_can_only_be_sampled(member):
    target = targets.data(ROWS)
    assert not target.has(member) and not targets.blocks(target, 2).has(member)


def test_what_is_unavailable_names_what_to_use():
    target, tokens = targets.data(ROWS), jnp.asarray(ROWS[0], jnp.int32)
    with pytest.raises(targets.Unavailable, match="cross_entropy_curve"):
        target.log_prob(tokens)
    with pytest.raises(targets.Unavailable, match="train a network"):
        target.conditionals(tokens)
    with pytest.raises(targets.Unavailable, match="cross_entropy_curve"):
        target.entropy_curve()
    with pytest.raises(targets.Unavailable, match="train a network"):
        targets.blocks(target, 2).conditionals(jnp.concatenate([tokens, tokens]))


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


def test_the_largest_vocabulary_that_int32_holds():
    target = targets.data(np.array([[0, 2**31 - 2], [2**31 - 2, 5]] * 5, np.int64))
    assert target.vocab_size == 2**31 - 1
    tokens = np.asarray(draw(target, jax.random.split(jax.random.key(0), 50)))
    assert set(map(tuple, tokens.tolist())) == {(0, 2**31 - 2), (2**31 - 2, 5)}


def test_sequences_of_one_token():
    target = targets.data([[token] for token in range(20)])
    assert (target.length, target.counts) == (1, (16, 2, 2))
    splits = ("train", "validation", "test")
    seen = [draw(target.on(split), jax.random.split(jax.random.key(0), 300)) for split in splits]
    assert sorted(set(np.concatenate(seen)[:, 0].tolist())) == list(range(20))


def test_no_two_splits_share_a_row():
    """The held-out rows are those at the ends of a permutation: 16, then 2, then 2."""
    target = targets.data([[token] for token in range(20)])
    seen = [set(np.asarray(draw(target.on(s), jax.random.split(jax.random.key(1), 300)))[:, 0].tolist())
            for s in ("train", "validation", "test")]  # fmt: skip
    assert [len(rows) for rows in seen] == [16, 2, 2]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
