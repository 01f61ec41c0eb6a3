"""Marginals of single tokens and of pairs: a target's, those of sampled tokens, and the distance between them."""

import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, Int, Key
from numpy.typing import ArrayLike

from jdlm.errors import InputError
from jdlm.measure.estimate import Estimate
from jdlm.measure.sequences import draw_tokens
from jdlm.targets import Target

__all__ = ["Marginals", "cells_of_pairs", "errors", "of_law", "of_target", "of_tokens"]

_BLOCKS = 32
_MAX_PAIRS = 496  # all pairs of 32 positions
_MAX_CELLS = 2**23  # of all tables of pairs together: 64 MiB as float64; beyond 2,896 tokens no table fits
_CHUNK_NUMBERS = 2**20  # probabilities that are computed together: 8 MiB as float64


class Marginals(NamedTuple):
    """Laws of single positions and of pairs of positions.

    Attributes:
      single: ``[length, vocab]``.
      pairs: int ``[pairs, 2]`` the positions of each pair: all of them; or random ones, the same in each call, if there
        are more than 496, or more than 2^23 / vocab^2, whose tables take 64 MiB. None at length 1.
      joint: ``[pairs, vocab, vocab]``.
    """

    single: Float[np.ndarray, "length vocab"]
    pairs: Int[np.ndarray, "pairs 2"]
    joint: Float[np.ndarray, "pairs vocab vocab"]


def _pairs(length: int, vocab_size: int) -> np.ndarray:
    count, most = length * (length - 1) // 2, min(_MAX_PAIRS, _MAX_CELLS // vocab_size**2)
    if count <= most:
        return np.stack(np.triu_indices(length, k=1), axis=1)
    # Numbers of the pairs in their order, of which those of a first position begin at starts[position].
    chosen = np.sort(np.random.default_rng(0).choice(count, most, replace=False))
    positions = np.arange(length, dtype=np.int64)
    starts = positions * length - positions * (positions + 1) // 2
    first = np.searchsorted(starts, chosen, side="right") - 1
    first = np.minimum(first, length - 2)
    return np.stack([first, chosen - starts[first] + first + 1], axis=1)


@jax.jit
def _single(target: Target) -> Array:
    return jnp.exp(target.conditionals(jnp.full(target.length, target.vocab_size, jnp.int32)))


@functools.partial(jax.jit, static_argnames="chunk")
def _given_one(target: Target, first: Array, second: Array, chunk: int) -> Array:
    """``[vocab, second, vocab]``: the law at the second positions given each token at the first one."""
    hidden = jnp.full(target.length, target.vocab_size, jnp.int32)

    def one(token: Array) -> Array:
        return jnp.exp(target.conditionals(hidden.at[first].set(token))[second])

    return jax.lax.map(one, jnp.arange(target.vocab_size, dtype=jnp.int32), batch_size=chunk)


def of_target(key: Key[Array, ""], target: Target, n: int = 20_000) -> Marginals:
    """Marginals of the target: exact where it has conditionals, else those of ``n`` sequences drawn from it."""
    length, vocab_size = target.length, target.vocab_size
    pairs = _pairs(length, vocab_size)
    if not target.has("conditionals"):
        return of_tokens(draw_tokens(key, target, n), vocab_size, pairs)
    joint = np.empty((len(pairs), vocab_size, vocab_size))
    # One program for all first positions: those with fewer partners repeat the last one.
    width = max(np.bincount(pairs[:, 0])) if len(pairs) else 0
    chunk = max(_CHUNK_NUMBERS // (length * vocab_size), 1)
    with jax.enable_x64(True):
        single = np.asarray(_single(target), np.float64)
        for first in np.unique(pairs[:, 0]):
            rows = np.flatnonzero(pairs[:, 0] == first)
            second = np.resize(pairs[rows, 1], width).astype(np.int32)
            given_one = np.asarray(_given_one(target, np.int32(first), second, min(chunk, vocab_size)))
            joint[rows] = single[first][:, None] * given_one[:, : len(rows)].swapaxes(0, 1)
    return Marginals(single, pairs, joint)


def of_law(law: Float[np.ndarray, "..."]) -> Marginals:
    """Exact marginals of a law given as an array ``[vocab] * length``."""
    vocab_size = law.shape[0]
    pairs = _pairs(law.ndim, vocab_size)

    def marginal(*kept: int) -> np.ndarray:
        return law.sum(axis=tuple(i for i in range(law.ndim) if i not in kept))

    joint = [marginal(i, j) for i, j in pairs.tolist()]
    return Marginals(
        np.stack([marginal(i) for i in range(law.ndim)]), pairs, np.reshape(joint, (len(pairs), vocab_size, vocab_size))
    )


def of_tokens(tokens: Int[np.ndarray, "n length"], vocab_size: int, pairs: Int[np.ndarray, "pairs 2"]) -> Marginals:
    """Frequencies of single tokens and of pairs among sequences without masks."""
    tokens = np.asarray(tokens)
    single = np.empty((tokens.shape[1], vocab_size))
    for i in range(len(single)):
        single[i] = np.bincount(tokens[:, i], minlength=vocab_size)
    joint = np.empty((len(pairs), vocab_size**2))
    for table, cells in zip(joint, cells_of_pairs(tokens, vocab_size, pairs), strict=True):
        table[:] = np.bincount(cells, minlength=vocab_size**2)
    single /= len(tokens)
    joint /= len(tokens)
    return Marginals(single, pairs, joint.reshape(len(pairs), vocab_size, vocab_size))


def cells_of_pairs(
    tokens: Int[np.ndarray, "n length"], vocab_size: int, pairs: Int[np.ndarray, "pairs 2"]
) -> Iterator[Int[np.ndarray, " n"]]:
    """For each pair, the cell of its flattened table ``[vocab * vocab]`` that each sequence falls into."""
    for i, j in pairs:
        yield tokens[:, i].astype(np.int64) * vocab_size + tokens[:, j]


def errors(tokens: ArrayLike, reference: Marginals) -> tuple[Estimate, Estimate | None]:
    """Total variation of the tokens' single and pair marginals from the reference, each the mean over places.

    Sampling noise alone makes both positive: compare with the same numbers for as many true samples.

    Standard errors come from balanced half-samples (McCarthy 1969): 31 splits of 32 blocks of sequences, fewer below
    128 sequences. The distances of the two halves of a split are independent, and their spread falls with the root of
    the size in both cases: for a wrong sampler the distance is nearly linear in the frequencies, for a correct one it
    has the size of their noise. (A jackknife would be 1.5 times too large for a correct sampler.)

    Args:
      tokens: int ``[n, length]`` without masks, at least 2 sequences.
      reference: from `of_target`.

    Returns:
      The estimates of single and of pair marginals; None for pairs where there are none, at length 1.

    Raises:
      ValueError: fewer than 2 sequences, or tokens outside the vocabulary.
    """
    tokens = np.asarray(tokens)
    vocab_size = reference.single.shape[1]
    if len(tokens) < 2:
        raise InputError(f"n={len(tokens)} sequences give no standard error; use at least 2")
    if tokens.min() < 0 or tokens.max() >= vocab_size:
        wrong = tokens[(tokens < 0) | (tokens >= vocab_size)][0]
        raise InputError(f"tokens holds {wrong}; marginals are those of sequences of 0 to {vocab_size - 1}")
    single = _distance(tokens.T, reference.single, len(tokens))
    if not len(reference.pairs):
        return single, None
    cells = cells_of_pairs(tokens, vocab_size, reference.pairs)
    return single, _distance(cells, reference.joint.reshape(len(reference.pairs), -1), len(tokens))


def _distance(places: Iterable[np.ndarray], truth: np.ndarray, n: int) -> Estimate:
    """Mean over places of the total variation of the cells' frequencies from the rows of ``truth [places, cells]``.

    Each place has the cells of the same ``n`` sequences.
    """
    whole, apart = 0.0, 0.0
    blocks = min(_BLOCKS, 1 << (max(n // 4, 2).bit_length() - 1))
    size = n // blocks
    # Row b has every blocks-th sequence from the b-th on, ``size`` of them; the last row has what remains.
    rows = np.where(np.arange(n) < blocks * size, np.arange(n) % blocks, blocks)
    for cells, law in zip(places, truth, strict=True):
        unseen = 0.0
        if len(law) > n:  # cells that no sequence falls into differ by their probability, so none is counted
            seen, cells = np.unique(cells, return_inverse=True)
            law, unseen = law[seen], law.sum() - law[seen].sum()
        counts = np.bincount(rows * len(law) + cells, minlength=(blocks + 1) * len(law)).reshape(blocks + 1, len(law))
        whole += 0.5 * (np.abs(counts.sum(axis=0) / n - law).sum() + unseen)
        one = _halves(blocks) @ counts[:blocks]
        halves = np.stack([one, counts[:blocks].sum(axis=0) - one])
        distances = 0.5 * np.abs(halves / (size * blocks / 2) - law).sum(axis=2)
        apart = apart + distances[0] - distances[1]
    spread = np.sqrt(np.mean((apart / len(truth)) ** 2) / 2 * (size * blocks / 2) / n)
    return Estimate(float(whole / len(truth)), float(spread), n)


@functools.cache
def _halves(blocks: int) -> np.ndarray:
    """``[blocks - 1, blocks]`` 1 for the half of the blocks that a split takes; each two splits share a quarter."""
    return (scipy.linalg.hadamard(blocks)[1:] > 0).astype(np.float64)
