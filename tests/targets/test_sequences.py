"""Sequences of a file: whole ones are held out, equal ones together, and none is lost or made up."""

import itertools

import jax
import numpy as np
import pytest

from jdlm import keys
from jdlm.targets import sequences
from jdlm.targets.data import SPLITS

FACTS = {"separator": " ", "sha256": "0" * 64}


def made(rows, length, fit, symbols=("a", "b", "c", "d")):
    rows = [np.array(row, np.int64) for row in rows]
    return sequences.from_rows(rows, length, fit, symbols=symbols, pad="PAD", unit="tokens", **FACTS)


def windows(target):
    """All windows of each split, as tuples."""
    found, start = {}, 0
    for split, count in zip(SPLITS, target.counts, strict=True):
        places = target.starts[start : start + count]
        found[split] = [tuple(target.stream[place : place + target.length].tolist()) for place in places]
        start += count
    return found


def rows_of(seed, count, low, high):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 4, generator.integers(low, high + 1)).tolist() for _ in range(count)]


@pytest.mark.parametrize(("fit", "low", "high"), [("exact", 5, 5), ("pad", 1, 5), ("windows", 3, 12)])
def test_each_window_is_in_one_split_and_all_of_them_are_there(fit, low, high):
    """Against a list of them that is made slowly, sequence by sequence."""
    rows, length = rows_of(0, 60, low, high), 5
    wanted = []
    for row in rows:
        row = row + [4] * (length - len(row)) if fit == "pad" else row
        wanted += [tuple(row[start : start + length]) for start in range(len(row) - length + 1)]
    found = windows(made(rows, length, fit))
    assert sorted(itertools.chain(*found.values())) == sorted(wanted)
    assert min(map(len, found.values())) >= 1


@pytest.mark.parametrize("fit", ["exact", "windows"])
def test_equal_sequences_are_in_the_same_split_and_counted(fit):
    different = rows_of(1, 200, 8, 8)
    different = [list(row) for row in dict.fromkeys(map(tuple, different))]
    rows = different + different[::3] + different[::3]
    target = made(rows, 8, fit)
    repeats = len(rows) - len(different)
    assert target.notes == (f"{repeats} of {len(rows)} sequences repeat another one; equal ones are in the same split",)
    found = windows(target)
    sets = [set(found[split]) for split in SPLITS]
    assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])
    assert sum(map(len, found.values())) == len(rows)
    apart = -(-len(different) // 10)
    assert [len(each) for each in sets] == [len(different) - 2 * apart, apart, apart]


def test_what_is_left_out_or_padded_is_said():
    rows = [[0] * 5, [1] * 4, [2] * 6, [3] * 7, [0, 1] * 4]
    assert made(rows, 5, "windows").notes == ("1 of 5 sequences are shorter than 5 tokens and are left out",)
    padded = made(rows, 8, "pad")
    assert padded.notes == ("4 of 5 sequences are padded to 8 tokens with 'PAD'",)
    assert padded.vocab_size == 5 and padded.symbols[-1] == "PAD"


def test_a_sample_is_a_window_of_its_split_and_reads_back():
    target = made(rows_of(2, 40, 3, 9), 9, "pad")
    for split in SPLITS:
        part, allowed = target.on(split), set(windows(target)[split])
        drawn = np.asarray(jax.vmap(part.sample)(jax.random.split(keys.key(0), 64)))
        assert {tuple(row) for row in drawn.tolist()} <= allowed
        for row in drawn[:8]:
            assert target.encode(target.decode(row)).tolist() == row.tolist()
    assert target.encode("a ? PAD", mask="?").tolist() == [0, 5, 4]
    assert target.decode([0, 5], mask="?") == "a ?"
    with pytest.raises(ValueError, match="'x' at place 2 does not occur in the file; use a b c d PAD"):
        target.encode("a x")


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_sequences_are_held_out_in_parts(count):
    target = made(rows_of(3, count, 400, 400), 4, "windows")
    assert min(target.counts) > 0 and any("too few sequences" in note for note in target.notes)
    reach = [set() for _ in SPLITS]
    start = 0
    for places, size in zip(reach, target.counts, strict=True):
        for place in target.starts[start : start + size]:
            places.update(range(place, place + 4))
        start += size
    assert not (reach[0] & reach[1] or reach[0] & reach[2] or reach[1] & reach[2])


@pytest.mark.parametrize(
    ("rows", "length", "fit", "message"),
    [
        ([], 4, "exact", "the file holds no sequence"),
        ([[0, 1], []], 2, "pad", "sequence 2 is empty; leave it out"),
        (
            [[0] * 4, [1] * 4, [2] * 3],
            4,
            "exact",
            "sequence 3 has 3 tokens, not length=4 .*from 3 to 4.*fit = 'pad' or",
        ),
        ([[0] * 4] * 3, 5, "exact", r"sequence 1 has 4 tokens, not length=5 \(all are of 4\); use length = 4"),
        (
            [[0] * 4, [1] * 9],
            5,
            "pad",
            "sequence 2 has 9 tokens, more than length=5; use length = 9, or fit = 'windows'",
        ),
        ([[0] * 4, [1] * 3], 5, "windows", "the longest sequence has 4 tokens, fewer than length=5"),
        ([[0] * 4] * 9, 4, "exact", "holds 1 different sequence, too few to hold one out.*at least 3"),
        ([[0] * 4, [1] * 4], 4, "exact", "holds 2 different sequences, too few"),
        ([[0] * 4] * 3, 4, "cut", "fit='cut' is unknown; use one of exact, pad, windows"),
        ([[0] * 4], 4, "windows", "the sequence has 4 tokens, too few for length=4; give at least 40"),
    ],
)
def test_what_does_not_fit_is_one_line(rows, length, fit, message):
    with pytest.raises(ValueError, match=message):
        made(rows, length, fit)
