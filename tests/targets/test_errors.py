"""Bad input is refused when a target is built: one line with the offending value and the remedy."""

import numpy as np
import pytest

from jdlm import targets

HALF = [0.5, 0.5]

REFUSED = [
    ("negative", lambda: targets.product([HALF, [-0.25, 1.25]]), "marginals[1, 0] = -0.25 is negative"),
    ("sum", lambda: targets.product([HALF, [0.5, 0.25]]), "marginals[1] sums to 0.75, not 1; divide it by its sum"),
    ("nan", lambda: targets.product([[np.nan, 1.0]]), "marginals[0, 0] = nan is not finite"),
    ("infinite", lambda: targets.product([[1.0, np.inf]]), "marginals[0, 1] = inf is not finite"),
    ("axes", lambda: targets.product(HALF), "marginals has shape [2]; give a non-empty array with 2 axes"),
    ("empty", lambda: targets.product(np.zeros((0, 3))), "marginals has shape [0, 3]; give a non-empty array"),
    ("weights", lambda: targets.mixture([0.5, 0.6], [HALF, HALF], 3), "weights sums to 1.1, not 1"),
    ("components", lambda: targets.mixture([1.0], [HALF, HALF], 3), "weights has 1 components but marginals has 2"),
    ("no length", lambda: targets.mixture(HALF, [HALF, HALF]), "length=None with marginals of shape"),
    ("two lengths", lambda: targets.mixture([1.0], [[HALF, HALF]], 2), "length=2 does not apply to marginals by"),
    ("length 0", lambda: targets.mixture([1.0], [HALF], 0), "length=0 is too small; use at least 1"),
    ("dimension", lambda: targets.reed_solomon(4, 5, 5), "dimension=5 exceeds length=4; use at most 4"),
    ("dimension 0", lambda: targets.reed_solomon(4, 0, 5), "dimension=0 is too small; use at least 1"),
    ("not prime", lambda: targets.reed_solomon(4, 2, 6), "prime=6 is not prime; the next prime is 7"),
    ("square", lambda: targets.reed_solomon(4, 2, 25), "prime=25 is not prime; the next prime is 29"),
    ("small field", lambda: targets.reed_solomon(8, 3, 5), "length=8 exceeds prime=5; use a prime of at least 8"),
    ("overflow", lambda: targets.reed_solomon(64, 3, 7919), "prime=7919 overflows int32 at length=64; use a prime"),
    ("one bit", lambda: targets.parity(1), "length=1 is too small; use at least 2"),
    ("one value", lambda: targets.repetition(3, 1), "vocab=1 is too small; use at least 2"),
    ("ragged", lambda: targets.table(np.full((2, 3), 1 / 6)), "probabilities has shape [2, 3]; give one axis per"),
    ("scalar", lambda: targets.table(np.ones(())), "probabilities has shape []; give one axis per token"),
    ("table sum", lambda: targets.table(np.full((2, 2), 0.2)), "probabilities sums to 0.8, not 1"),
    ("table size", lambda: targets.table(np.full((2,) * 21, 2.0**-21)), "probabilities has 2097152 entries; give at"),
    ("no matrix", lambda: targets.linear_code([1, 0], 2), "generator is int64[2]; give integers [rows, length]"),
    ("no integers", lambda: targets.linear_code([[0.5, 1]], 2), "generator is float64[1, 2]; give integers"),
    ("zero code", lambda: targets.linear_code([[0, 0]], 2), "generator is all zero; give at least one other entry"),
    ("field", lambda: targets.linear_code([[1, 3]], 3), "generator has the entry 3; use 0 to 2"),
    ("code prime", lambda: targets.linear_code([[1, 3]], 4), "prime=4 is not prime; the next prime is 5"),
    ("code overflow", lambda: targets.linear_code([[1, 3]], 46337), "prime=46337 overflows int32 at length=2"),
    ("chain", lambda: targets.markov(HALF, np.full((3, 3), 1 / 3), 4), "transition has shape [3, 3]; with 2 initial"),
    ("row", lambda: targets.markov(HALF, [HALF, [0.5, 0.4]], 4), "transition[1] sums to 0.9, not 1"),
    ("initial", lambda: targets.markov([0.5, 0.6], [HALF, HALF], 4), "initial sums to 1.1, not 1"),
    ("hidden", lambda: targets.hidden_markov(HALF, [[1.0]], [HALF], 4), "transition has shape [1, 1]; with 2 initial"),
    ("emission", lambda: targets.hidden_markov(HALF, [HALF] * 2, [HALF], 4), "emission has 1 rows; with 2 states give"),
    ("stay", lambda: targets.sticky_markov(4, 3, 1.5), "stay=1.5 is not a probability; use a number from 0 to 1"),
    ("copies", lambda: targets.blocks(targets.parity(2), 0), "copies=0 is too small; use at least 1"),
    ("permutation", lambda: targets.permutation(1), "length=1 is too small; use at least 2"),
    ("walk axes", lambda: targets.walk(3, [0, 1]), "adjacency has shape [2]; give a square matrix"),
    ("walk weight", lambda: targets.walk(3, [[0, 2], [2, 0]]), "adjacency[0, 1] = 2; use 1 for an edge and 0 elsew"),
    ("walk one way", lambda: targets.walk(3, [[0, 1], [0, 1]]), "adjacency[0, 1] = 1; an edge leads both ways"),
    ("walk alone", lambda: targets.walk(3, [[1, 0], [0, 0]]), "vertex 1 of adjacency has no neighbour; join it"),
    ("path", lambda: targets.graphs.path(1), "vertices=1 is too small; use at least 2"),
    ("cycle", lambda: targets.graphs.cycle(2), "vertices=2 is too small; use at least 3"),
    ("grid", lambda: targets.graphs.grid(1, 1), "rows=1 and columns=1 make one vertex; use at least 2"),
    ("degree", lambda: targets.graphs.random_regular(4, 4, 0), "degree=4 with vertices=4; use at most 3"),
    ("odd graph", lambda: targets.graphs.random_regular(5, 3, 0), "degree=3 and vertices=5 are both odd"),
    ("dense graph", lambda: targets.graphs.random_regular(20, 9, 0), "takes too long; use at most 6, or at least 13"),
    ("graph seed", lambda: targets.graphs.random_regular(4, 3, -1), "seed=-1 is too small; use at least 0"),
    ("copy length", lambda: targets.copy(5, 2), "length=5 is odd; a string and its copy have an even length, use 6"),
    ("copy vocab", lambda: targets.replace_random(6, 1), "vocab=1 is too small; use at least 2"),
    ("shuffle axes", lambda: targets.shuffle([[0, 1]]), "tokens is int64[1, 2]; give integers [length]"),
    ("shuffle range", lambda: targets.shuffle([0, 2], 2), "tokens[1] holds 2; use 0 to 1"),
    ("data axes", lambda: targets.data([1, 2, 3]), "tokens is int64[3]; give integers [count, length]"),
    ("data type", lambda: targets.data([[0.5, 2.0]]), "tokens is float64[1, 2]; give integers [count, length]"),
    ("data range", lambda: targets.data([[0, -1]] * 9), "tokens[0, 1] holds -1; use 0 to 0"),
    ("data ragged", lambda: targets.data([[0, 1, 2], [0, 1]]), "tokens[1] has 2 entries but tokens[0] has 3; give seq"),
    ("data arrays", lambda: targets.data([np.arange(2), np.arange(3)]), "tokens[1] has 3 entries but tokens[0] has 2"),
    (
        "data 2^31",
        lambda: targets.data(np.array([[0, 2**31]] * 9)),
        "tokens[0, 1] holds 2147483648; use 0 to 2147483646",
    ),
    ("data 2^40", lambda: targets.data(np.array([[2**40, 0]] * 9)), "tokens[0, 0] holds 1099511627776; use 0 to"),
    ("data mask", lambda: targets.data(np.array([[2**31 - 1, 0]] * 9)), "tokens[0, 0] holds 2147483647; use 0 to"),
    ("data vocab 2^40", lambda: targets.data([[0, 1]] * 9, vocab=2**40), "vocab=1099511627776 is too large for int32"),
    ("data bools", lambda: targets.data([[True, False]] * 9), "tokens is bool[9, 2]; give integers"),
    ("data unsigned", lambda: targets.data(np.full((9, 2), 2**64 - 1, np.uint64)), "holds 18446744073709551615; use 0"),
    ("laws ragged", lambda: targets.product([HALF, [1.0]]), "marginals[1] has 1 entries but marginals[0] has 2; give"),
    (
        "deep ragged",
        lambda: targets.mixture([1.0], [[HALF, [1.0]]]),
        "marginals[0][1] has 1 entries but marginals[0][0]",
    ),
    ("code ragged", lambda: targets.linear_code([[1, 0], [1]], 2), "generator[1] has 1 entries but generator[0] has 2"),
    ("table ragged", lambda: targets.table([HALF, [0.5]]), "probabilities[1] has 1 entries but probabilities[0] has 2"),
    ("words", lambda: targets.product([["a", "b"]]), "marginals is not an array of numbers: could not convert string"),
    ("length True", lambda: targets.permutation(True), "length=True is not an integer; use one of at least 2"),
    ("data vocab", lambda: targets.data([[0, 5]] * 9, vocab=4), "tokens[0, 1] holds 5; use 0 to 3"),
    ("data count", lambda: targets.data([[0, 5]] * 2), "tokens has 2 sequences, too few to hold out 1 twice"),
    ("held out", lambda: targets.data([[0, 5]] * 9, held_out=0.5), "held_out=0.5 is out of range; use at least 0"),
]


@pytest.mark.parametrize(("build", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text


def test_rounding_of_float32_input_is_divided_out():
    marginals = np.random.default_rng(0).dirichlet(np.ones(5), 3).astype(np.float32)
    target = targets.product(marginals)
    np.testing.assert_allclose(np.exp(target.log_marginals).sum(1), 1, atol=1e-15)


def test_too_many_count_vectors_names_the_estimate():
    target = targets.mixture(HALF, np.full((2, 9), 1 / 9), 32)
    with pytest.raises(targets.Unavailable, match=r"count vectors.*jdlm\.evaluate\.cross_entropy_curve"):
        target.entropy_curve()
    assert not target.has("entropy_curve")
