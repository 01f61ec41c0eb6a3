"""The registry of targets: one line here puts a target through every common check of test_family.py."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jdlm import targets
from tests.reference import laws


class Member(NamedTuple):
    """A target with at most 4096 sequences, its joint law by the independent twin, and what it does not have."""

    name: str
    target: Callable[[], targets.Target]
    law: Callable[[], np.ndarray]  # [vocab] * length
    curve: bool = True
    config: targets.TargetConfig | None = None  # the same target as a preset has it; one member of each kind


def random_laws(seed, *shape):
    """Random probabilities along the last axis; some are 0."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(shape[-1], 0.7), shape[:-1])
    probabilities[..., 0] *= rng.random(shape[:-1]) < 0.6
    return probabilities / probabilities.sum(-1, keepdims=True)


def rows(array):
    """Tuples of a matrix, as a preset has it."""
    return tuple(map(tuple, np.asarray(array).tolist()))


def repeated(marginals, length):
    return np.repeat(marginals[:, None], length, axis=1)


ROWS, PAIR, TRIPLE = random_laws(1, 5, 3), random_laws(2, 2, 3), random_laws(3, 3, 4)
DISJOINT = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.25, 0.75]])  # the first token tells the component
BY_POSITION = random_laws(4, 3, 4, 3)
JOINT = random_laws(5, 243).reshape([3] * 5)
CHAIN = random_laws(7, 4, 3)  # the initial law, then the transition matrix: not stationary, with zeros
HAMMING = [[1, 0, 0, 0, 0, 1, 1], [0, 1, 0, 0, 1, 0, 1], [0, 0, 1, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1, 1]]
TERNARY = [[0, 2, 1, 0, 1, 2], [0, 1, 1, 2, 0, 0], [0, 0, 2, 2, 1, 2]]  # a constant token, dependent rows
QUINARY = [[1, 2, 3, 0], [0, 4, 1, 3]]
EMISSION = random_laws(8, 3, 4)
FORWARD = [[0.0, 0.4, 0.6], [0.0, 0.0, 1.0], [0.0, 0.3, 0.7]]  # a state that is left for good, and certain steps
BLIND = [[0.0, 1.0, 0.0, 0.0], [0.5, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0]]  # each state emits tokens of its own
DRIFT = [[0.0, 0.3, 0.7], [0.0, 0.5, 0.5], [0.0, 0.9, 0.1]]  # the first value is left and never seen again
SPARSE = np.where(random_laws(6, 256) > 0.004, 1.0, 0.0).reshape([4] * 4)
SPARSE /= SPARSE.sum()

FAMILY = [
    Member(
        "product",
        lambda: targets.product(ROWS),
        lambda: laws.product(ROWS),
        config=targets.ProductConfig(marginals=rows(ROWS)),
    ),
    Member("product-one-token", lambda: targets.product([[0.25, 0.75]]), lambda: laws.product([[0.25, 0.75]])),
    Member(
        "mixture",
        lambda: targets.mixture([0.3, 0.7], PAIR, 5),
        lambda: laws.mixture([0.3, 0.7], repeated(PAIR, 5)),
        config=targets.MixtureConfig(length=5, weights=(0.3, 0.7), marginals=rows(PAIR)),
    ),
    Member(
        "mixture-with-an-empty-component",
        lambda: targets.mixture([0.4, 0.0, 0.6], TRIPLE, 4),
        lambda: laws.mixture([0.4, 0.0, 0.6], repeated(TRIPLE, 4)),
    ),
    Member(
        "mixture-disjoint",
        lambda: targets.mixture([0.2, 0.8], DISJOINT, 4),
        lambda: laws.mixture([0.2, 0.8], repeated(DISJOINT, 4)),
    ),
    Member(
        "mixture-by-position",
        lambda: targets.mixture([0.2, 0.5, 0.3], BY_POSITION),
        lambda: laws.mixture([0.2, 0.5, 0.3], BY_POSITION),
        curve=False,
    ),
    Member("reed-solomon-4-2-5", lambda: targets.reed_solomon(4, 2, 5), lambda: laws.reed_solomon(4, 2, 5)),
    Member("reed-solomon-4-3-7", lambda: targets.reed_solomon(4, 3, 7), lambda: laws.reed_solomon(4, 3, 7)),
    Member(
        "reed-solomon-5-2-5",
        lambda: targets.reed_solomon(5, 2, 5),
        lambda: laws.reed_solomon(5, 2, 5),
        config=targets.ReedSolomonConfig(length=5, dimension=2, prime=5),
    ),
    Member("reed-solomon-free", lambda: targets.reed_solomon(3, 3, 3), lambda: laws.reed_solomon(3, 3, 3)),
    Member("reed-solomon-one-free", lambda: targets.reed_solomon(6, 1, 3), lambda: laws.reed_solomon(6, 1, 3)),
    Member("reed-solomon-one-check", lambda: targets.reed_solomon(6, 5, 3), lambda: laws.zero_sum(6, 3)),
    Member(
        "repetition",
        lambda: targets.repetition(5, 4),
        lambda: laws.repetition(5, 4),
        config=targets.RepetitionConfig(length=5, vocab=4),
    ),
    Member("parity", lambda: targets.parity(8), lambda: laws.zero_sum(8, 2), config=targets.ParityConfig(length=8)),
    Member(
        "table",
        lambda: targets.table(JOINT),
        lambda: JOINT,
        config=targets.TableConfig(length=5, vocab=3, probabilities=tuple(JOINT.ravel().tolist())),
    ),
    Member("table-sparse", lambda: targets.table(SPARSE), lambda: SPARSE),
    Member("table-one-token", lambda: targets.table([0.2, 0.0, 0.8]), lambda: np.array([0.2, 0.0, 0.8])),
    Member("linear-code-hamming", lambda: targets.linear_code(HAMMING, 2), lambda: laws.linear_code(HAMMING, 2)),
    Member(
        "linear-code-ternary",
        lambda: targets.linear_code(TERNARY, 3),
        lambda: laws.linear_code(TERNARY, 3),
        config=targets.LinearCodeConfig(generator=rows(TERNARY), prime=3),
    ),
    Member(
        "linear-code-free", lambda: targets.linear_code(np.eye(3, dtype=int), 3), lambda: laws.reed_solomon(3, 3, 3)
    ),
    Member("linear-code-quinary", lambda: targets.linear_code(QUINARY, 5), lambda: laws.linear_code(QUINARY, 5)),
    Member(
        "markov",
        lambda: targets.markov(CHAIN[0], CHAIN[1:], 6),
        lambda: laws.markov(CHAIN[0], CHAIN[1:], 6),
        config=targets.MarkovConfig(length=6, initial=rows(CHAIN)[0], transition=rows(CHAIN[1:])),
    ),
    Member("markov-drift", lambda: targets.markov([1, 0, 0], DRIFT, 5), lambda: laws.markov([1, 0, 0], DRIFT, 5)),
    Member("markov-one-token", lambda: targets.markov([1, 0, 0], DRIFT, 1), lambda: np.array([1.0, 0.0, 0.0])),
    Member(
        "sticky-markov",
        lambda: targets.sticky_markov(5, 4, 0.7),
        lambda: laws.markov(np.full(4, 0.25), 0.6 * np.eye(4) + 0.1, 5),
        config=targets.StickyMarkovConfig(length=5, vocab=4, stay=0.7),
    ),
    Member(
        "blocks-of-parity",
        lambda: targets.blocks(targets.parity(3), 3),
        lambda: laws.blocks(laws.zero_sum(3, 2), 3),
        config=targets.BlocksConfig(copies=3, of=targets.ParityConfig(length=3)),
    ),
    Member(
        "blocks-of-markov",
        lambda: targets.blocks(targets.markov(CHAIN[0], CHAIN[1:], 3), 2),
        lambda: laws.blocks(laws.markov(CHAIN[0], CHAIN[1:], 3), 2),
    ),
    Member(
        "hidden-markov",
        lambda: targets.hidden_markov(CHAIN[0], CHAIN[1:], EMISSION, 4),
        lambda: laws.hidden_markov(CHAIN[0], CHAIN[1:], EMISSION, 4),
        curve=False,
        config=targets.HiddenMarkovConfig(
            length=4, initial=rows(CHAIN)[0], transition=rows(CHAIN[1:]), emission=rows(EMISSION)
        ),
    ),
    Member(
        "hidden-markov-with-zeros",
        lambda: targets.hidden_markov([0.7, 0.3, 0.0], FORWARD, BLIND, 5),
        lambda: laws.hidden_markov([0.7, 0.3, 0.0], FORWARD, BLIND, 5),
        curve=False,
    ),
    Member(
        "hidden-markov-one-token",
        lambda: targets.hidden_markov([0.7, 0.3, 0.0], FORWARD, BLIND, 1),
        lambda: laws.hidden_markov([0.7, 0.3, 0.0], FORWARD, BLIND, 1),
        curve=False,
    ),
    Member(
        "permutation",
        lambda: targets.permutation(4),
        lambda: laws.permutation(4),
        config=targets.PermutationConfig(length=4),
    ),
    Member("permutation-of-two", lambda: targets.permutation(2), lambda: laws.permutation(2)),
    Member(
        "walk",
        lambda: targets.walk(4, targets.graphs.grid(2, 3)),
        lambda: laws.walk([[1, 3], [0, 2, 4], [1, 5], [0, 4], [1, 3, 5], [2, 4]], 4),
        config=targets.WalkConfig(length=4, adjacency=rows(targets.graphs.grid(2, 3))),
    ),
    Member(
        "two-strings",
        lambda: targets.walk(6, targets.graphs.path(2)),
        lambda: laws.uniform_over([(0, 1, 0, 1, 0, 1), (1, 0, 1, 0, 1, 0)], 2),
    ),
    Member(
        "copy",
        lambda: targets.copy(6, 3),
        lambda: laws.copy(6, 3),
        config=targets.CopyConfig(length=6, vocab=3),
    ),
    Member(
        "replace-random",
        lambda: targets.replace_random(6, 3),
        lambda: laws.replace_random(6, 3),
        config=targets.ReplaceRandomConfig(length=6, vocab=3),
    ),
    Member("replace-random-one-token", lambda: targets.replace_random(2, 3), lambda: laws.replace_random(2, 3)),
    Member(
        "shuffle",
        lambda: targets.shuffle([2, 0, 2, 1, 0, 2]),
        lambda: laws.shuffle([0, 0, 1, 2, 2, 2], 3),
        config=targets.ShuffleConfig(tokens=(2, 0, 2, 1, 0, 2)),
    ),
    Member("shuffle-of-few", lambda: targets.shuffle([1, 1, 3, 1], 5), lambda: laws.shuffle([1, 1, 1, 3], 5)),
    Member("parity-of-two", lambda: targets.parity(2), lambda: laws.zero_sum(2, 2)),
    Member("repetition-one-token", lambda: targets.repetition(1, 4), lambda: laws.repetition(1, 4)),
    Member("reed-solomon-one-token", lambda: targets.reed_solomon(1, 1, 3), lambda: laws.repetition(1, 3)),
    Member("linear-code-one-token", lambda: targets.linear_code([[2]], 3), lambda: laws.repetition(1, 3)),
    Member("sticky-markov-one-token", lambda: targets.sticky_markov(1, 3, 0.7), lambda: laws.repetition(1, 3)),
    Member(
        "mixture-one-token",
        lambda: targets.mixture([0.3, 0.7], PAIR, 1),
        lambda: laws.mixture([0.3, 0.7], repeated(PAIR, 1)),
    ),
    Member(
        "blocks-of-one-token",
        lambda: targets.blocks(targets.table([0.2, 0.0, 0.8]), 3),
        lambda: laws.blocks(np.array([0.2, 0.0, 0.8]), 3),
    ),
]
