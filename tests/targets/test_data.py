"""Targets that can only be sampled: their splits, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jdlm import targets
from tests.targets.lanes import draw

ROWS = np.arange(120).reshape(40, 3) % 100  # all rows differ


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


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.data([1, 2, 3]), "tokens is int64[3]; give integers [count, length]"),
        (lambda: targets.data([[0.5, 2.0]]), "tokens is float64[1, 2]; give integers [count, length]"),
        (lambda: targets.data([[0, -1]] * 9), "tokens[0, 1] holds -1; use 0 to 0"),
        (lambda: targets.data([[0, 1, 2], [0, 1]]), "tokens[1] has 2 entries but tokens[0] has 3; give seq"),
        (lambda: targets.data([np.arange(2), np.arange(3)]), "tokens[1] has 3 entries but tokens[0] has 2"),
        (lambda: targets.data(np.array([[0, 2**31]] * 9)), "tokens[0, 1] holds 2147483648; use 0 to 2147483646"),
        (lambda: targets.data(np.array([[2**40, 0]] * 9)), "tokens[0, 0] holds 1099511627776; use 0 to"),
        (lambda: targets.data(np.array([[2**31 - 1, 0]] * 9)), "tokens[0, 0] holds 2147483647; use 0 to"),
        (lambda: targets.data([[0, 1]] * 9, vocab=2**40), "vocab=1099511627776 is too large; use at most 2147483647"),
        (lambda: targets.data([[True, False]] * 9), "tokens is bool[9, 2]; give integers"),
        (lambda: targets.data(np.full((9, 2), 2**64 - 1, np.uint64)), "holds 18446744073709551615; use 0"),
        (lambda: targets.data([[0, 5]] * 9, vocab=4), "tokens[0, 1] holds 5; use 0 to 3"),
        (lambda: targets.data([[0, 5]] * 2), "tokens has 2 sequences, too few to hold out 1 twice"),
        (lambda: targets.data([[0, 5]] * 9, held_out=0.5), "held_out=0.5 is out of range; use at least 0"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
