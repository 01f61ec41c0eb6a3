"""Marginals against counts by hand; their errors and standard errors over repeats, on both sides of the noise floor."""

import itertools
import subprocess
import sys

import jax
import numpy as np
import pytest

from jdlm import schedules, targets
from jdlm.measure import marginals
from jdlm.predictor import oracle
from jdlm.study import rows
from jdlm.study import sweep as sweeps

REPEATS = 300
SLOW = pytest.param("sticky_markov(length, vocab, 0.5)", marks=pytest.mark.slow)


def law_of(length: int, vocab: int, seed: int = 1) -> np.ndarray:
    weights = np.random.default_rng(seed).gamma(0.6, size=[vocab] * length)
    return weights / weights.sum()


def draw(generator: np.random.Generator, law: np.ndarray, n: int) -> np.ndarray:
    return np.stack(np.unravel_index(generator.choice(law.size, size=n, p=law.ravel()), law.shape), axis=1)


@pytest.mark.parametrize("n", [500, 5000])
@pytest.mark.parametrize("wrong", ["right", "a little", "far"])
def test_standard_errors_are_right_for_right_and_for_wrong_samplers(n, wrong):
    """Their root mean square over 300 repeats is the spread of the values within 20 %: 5 standard errors.

    Between the two sides ("a little" at n = 500) they may be up to 1.3 times too small: half-samples are closer to the
    floor than the whole.
    """
    law, generator = law_of(4, 3), np.random.default_rng(3)
    other = law ** {"right": 1.0, "a little": 0.8, "far": 0.2}[wrong]
    other /= other.sum()
    truth = marginals.of_law(law)
    found = [marginals.errors(draw(generator, other, n), truth) for _ in range(REPEATS)]
    for place in (0, 1):
        values, errors = (np.array([getattr(f[place], name) for f in found]) for name in ("value", "standard_error"))
        ratio = values.std(ddof=1) / np.sqrt(np.mean(errors**2))
        assert 0.8 < ratio < (1.3 if wrong == "a little" else 1.2), (place, ratio)
        assert np.std(errors) < 0.35 * errors.mean()
        assert {f[place].n for f in found} == {n}


def by_hand(tokens: np.ndarray, law: np.ndarray, places: tuple[int, ...]) -> float:
    """Total variation of the frequencies of tokens at some places, one cell at a time."""
    truth = law.sum(axis=tuple(i for i in range(law.ndim) if i not in places))
    total = 0.0
    for cell in itertools.product(range(law.shape[0]), repeat=len(places)):
        share = sum(tuple(row[list(places)]) == cell for row in tokens) / len(tokens)
        total += 0.5 * abs(share - truth[cell])
    return total


@pytest.mark.parametrize("n", [2, 3, 5, 30, 67])
def test_errors_are_the_mean_distance_of_all_places(n):
    """With fewer sequences than cells (9 of a pair) as well as with more."""
    law = law_of(3, 3)
    tokens = draw(np.random.default_rng(n), law, n)
    single, pair = marginals.errors(tokens, marginals.of_law(law))
    assert single.value == pytest.approx(np.mean([by_hand(tokens, law, (i,)) for i in range(3)]))
    assert pair.value == pytest.approx(np.mean([by_hand(tokens, law, p) for p in ((0, 1), (0, 2), (1, 2))]))
    assert single.n == pair.n == n and single.standard_error >= 0 and np.isfinite(pair.standard_error)


def test_standard_errors_of_few_sequences_by_hand():
    """Two blocks: (T1 - T2)^2 / 2 is the variance of a half's distance, that of the whole half / n times it."""
    law = law_of(2, 3)
    for n, size in ((2, 1), (3, 1), (7, 3), (8, 4), (15, 7)):
        tokens = draw(np.random.default_rng(n), law, n)
        halves = tokens[0 : 2 * size : 2], tokens[1 : 2 * size : 2]
        for estimate, places in zip(
            marginals.errors(tokens, marginals.of_law(law)), (((0,), (1,)), ((0, 1),)), strict=True
        ):
            first, second = (np.mean([by_hand(half, law, place) for place in places]) for half in halves)
            expected = np.sqrt((first - second) ** 2 / 2 * size / n)
            assert estimate.standard_error == pytest.approx(expected), (n, places)


def test_splits_are_balanced():
    """Each takes half of the blocks, each two share a quarter; then linear statistics have the usual variance."""
    for blocks in (2, 4, 32):
        splits = marginals._halves(blocks)
        assert splits.shape == (blocks - 1, blocks) and set(splits.ravel()) == {0.0, 1.0}
        shared = splits @ splits.T
        assert (np.diag(shared) == blocks / 2).all()
        assert (shared[~np.eye(blocks - 1, dtype=bool)] == blocks / 4).all()
    tokens = (np.random.default_rng(0).random((3200, 1)) < 0.3).astype(int)
    never = marginals.Marginals(np.array([[1.0, 0.0]]), np.empty((0, 2), int), np.empty((0, 2, 2)))
    single, _ = marginals.errors(tokens, never)  # the distance is the share of ones
    means = tokens[:, 0].reshape(100, 32).mean(axis=0)
    assert single.standard_error == pytest.approx(means.std(ddof=1) / np.sqrt(32))


def test_of_target_is_of_law():
    law = law_of(4, 3)
    one, other = marginals.of_law(law), marginals.of_target(jax.random.key(0), targets.table(law))
    assert one.pairs.tolist() == other.pairs.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    np.testing.assert_allclose(one.single, other.single, atol=1e-14)
    np.testing.assert_allclose(one.joint, other.joint, atol=1e-14)
    for (i, j), joint in zip(one.pairs, one.joint, strict=True):
        for a, b in itertools.product(range(3), repeat=2):
            cells = [law[x] for x in itertools.product(range(3), repeat=4) if (x[i], x[j]) == (a, b)]
            assert joint[a, b] == pytest.approx(sum(cells))


def test_of_tokens_counts():
    tokens = np.array([[0, 2, 1], [0, 2, 2], [1, 0, 1]])
    found = marginals.of_tokens(tokens, 3, np.array([[0, 1], [0, 2]]))
    np.testing.assert_allclose(found.single * 3, [[2, 1, 0], [1, 0, 2], [0, 2, 1]])
    expected = np.zeros((2, 3, 3))
    expected[0, 0, 2], expected[0, 1, 0] = 2, 1
    expected[1, 0, 1], expected[1, 0, 2], expected[1, 1, 1] = 1, 1, 1
    np.testing.assert_allclose(found.joint * 3, expected)


@pytest.mark.parametrize(
    ("length", "vocab", "pairs"), [(1, 3, 0), (2, 3, 1), (32, 4, 496), (33, 4, 496), (64, 256, 128), (64, 5000, 0)]
)
def test_tables_of_pairs_are_bounded(length, vocab, pairs):
    found = marginals._pairs(length, vocab)
    assert found.shape == (pairs, 2) and (found[:, 0] < found[:, 1]).all()
    assert len(np.unique(found, axis=0)) == pairs
    assert pairs <= 1 or (pairs * vocab**2 <= 2**23 and found.max() == length - 1)


@pytest.mark.parametrize("kind", ["product(np.full((length, vocab), 1 / vocab))", SLOW])
def test_many_positions_and_tokens_take_little_memory(kind):
    """At V = 256, L = 64: tables, errors and true sequences, in a process that has done the same on a small target."""
    program = f"""
import jax, numpy as np, resource
from jdlm import evaluate, marginals, targets
for length, vocab in ((2, 2), (64, 256)):
    target = targets.{kind}
    reference = marginals.of_target(jax.random.key(0), target)
    single, pair = marginals.errors(evaluate.draw_tokens(jax.random.key(1), target, 300), reference)
    assert abs(reference.joint.sum(axis=(1, 2)) - 1).max() < 1e-9
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    lines = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert int(lines[1]) - int(lines[0]) < 2**19 * (2**10 if sys.platform == "darwin" else 1)  # 0.5 GiB


def test_no_pairs_at_length_one():
    target = targets.product([[0.2, 0.3, 0.5]])
    for reference in (
        marginals.of_target(jax.random.key(0), target),
        marginals.of_law(np.array([0.2, 0.3, 0.5])),
        marginals.of_target(jax.random.key(0), targets.data(np.zeros((9, 1), int), 3), n=5),
    ):
        assert reference.pairs.shape == (0, 2) and reference.joint.shape == (0, 3, 3)
        single, pair = marginals.errors(np.array([[0], [2]]), reference)
        assert pair is None and single.value == pytest.approx(0.3 if reference.single[0, 1] else 0.5)
    made = sweeps.sweep(
        target,
        {"oracle": oracle(target)},
        [schedules.uniform(1, 1)],
        target_name="one",
        n=16,
        curve_n=2,
        seed=0,
    )
    assert not [row for row in made if "pair" in row.metric or np.isnan(row.value)]
    assert {"single_marginal_tv", "single_marginal_tv_floor"} <= {row.metric for row in made}
    assert isinstance(made[0], rows.Row)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([[0, 1]], "n=1 sequences"),
        ([[0, 3], [0, 1]], "tokens holds 3; .* 0 to 2"),
        ([[0, -1], [0, 1]], "tokens holds -1"),
    ],
)
def test_what_has_no_marginals_is_refused(tokens, message):
    with pytest.raises(ValueError, match=message):
        marginals.errors(tokens, marginals.of_law(law_of(2, 3)))


def test_pairs_of_a_vocabulary_whose_table_does_not_fit_are_left_out():
    target = targets.product(np.full((3, 4096), 1 / 4096))
    reference = marginals.of_target(jax.random.key(0, impl="threefry2x32"), target)
    assert reference.pairs.shape == (0, 2) and reference.joint.size == 0
    single, pair = marginals.errors(np.zeros((50, 3), int), reference)
    assert pair is None and single.value == pytest.approx(4095 / 4096)
