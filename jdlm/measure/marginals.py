"""Laws of single tokens and of pairs of tokens: a target's, those of sampled tokens, and the distance between them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from numpy.typing import ArrayLike

from jdlm.measure.evaluate import Estimate, draw_tokens, has_oracle
from jdlm.targets import Target

_JACKKNIFE_GROUPS = 20
_MAX_PAIRS = 496  # all pairs of 32 positions


class Marginals(NamedTuple):
    """Laws of single positions and of pairs of positions.

    Attributes:
      single: ``[length, vocab]``.
      pairs: int ``[pairs, 2]`` the positions of each pair: all of them, or 496 random ones if there are more.
      joint: ``[pairs, vocab, vocab]``.
    """

    single: Float[np.ndarray, "length vocab"]
    pairs: Int[np.ndarray, "pairs 2"]
    joint: Float[np.ndarray, "pairs vocab vocab"]


def _pairs(length: int) -> np.ndarray:
    pairs = np.stack(np.triu_indices(length, k=1), axis=1)
    if len(pairs) > _MAX_PAIRS:
        pairs = pairs[np.sort(np.random.default_rng(0).choice(len(pairs), _MAX_PAIRS, replace=False))]
    return pairs


@jax.jit
def _pair_conditionals(target: Target, first: Array) -> tuple[Array, Array]:
    """Single marginals ``[length, vocab]``, and ``[first, vocab, length, vocab]`` the law given one token."""
    length, mask = target.length, target.vocab_size
    hidden = jnp.full(length, mask, jnp.int32)
    one = jax.vmap(jax.vmap(lambda i, v: target.conditionals(hidden.at[i].set(v)), (None, 0)), (0, None))
    return jnp.exp(target.conditionals(hidden)), jnp.exp(one(first, jnp.arange(mask)))


def of_target(target: Target, key: Key[Array, ""], n: int = 20_000) -> Marginals:
    """Marginals of the target: exact where it has conditionals, else those of ``n`` sequences drawn from it."""
    pairs = _pairs(target.length)
    if not has_oracle(target):
        return of_tokens(draw_tokens(key, target, n), target.vocab_size, pairs)
    first, row = np.unique(pairs[:, 0], return_inverse=True)
    single, given_one = (np.asarray(x, np.float64) for x in _pair_conditionals(target, first.astype(np.int32)))
    joint = single[pairs[:, 0]][:, :, None] * given_one[row, :, pairs[:, 1]]
    return Marginals(single, pairs, joint)


def of_law(law: Float[np.ndarray, "..."]) -> Marginals:
    """Exact marginals of a law given as an array ``[vocab] * length``."""
    pairs = _pairs(law.ndim)

    def marginal(*kept: int) -> np.ndarray:
        return law.sum(axis=tuple(i for i in range(law.ndim) if i not in kept))

    vocab_size = law.shape[0]
    joint = [marginal(i, j) for i, j in pairs.tolist()]
    return Marginals(
        np.stack([marginal(i) for i in range(law.ndim)]), pairs, np.reshape(joint, (len(pairs), vocab_size, vocab_size))
    )


def of_tokens(tokens: Int[np.ndarray, "n length"], vocab_size: int, pairs: Int[np.ndarray, "pairs 2"]) -> Marginals:
    """Frequencies of single tokens and of pairs among sequences without masks."""
    one_hot = np.asarray(tokens)[..., None] == np.arange(vocab_size)
    single = one_hot.mean(axis=0)
    cells = tokens[:, pairs[:, 0]] * vocab_size + tokens[:, pairs[:, 1]]
    cells = cells + vocab_size**2 * np.arange(len(pairs))
    counts = np.bincount(cells.ravel(), minlength=len(pairs) * vocab_size**2)
    return Marginals(single, pairs, counts.reshape(len(pairs), vocab_size, vocab_size) / len(tokens))


def errors(tokens: ArrayLike, reference: Marginals) -> tuple[Estimate, Estimate]:
    """Total variation of the tokens' single and pair marginals from the reference, each the mean over places.

    Sampling noise alone makes both positive: compare with the same numbers for as many true samples. Standard errors
    are a jackknife's over 20 groups.

    Args:
      tokens: int ``[n, length]`` without masks.
      reference: from `of_target`.
    """
    tokens = np.asarray(tokens)
    vocab_size = reference.single.shape[1]
    groups = [tokens[first::_JACKKNIFE_GROUPS] for first in range(min(_JACKKNIFE_GROUPS, len(tokens)))]
    parts = [of_tokens(group, vocab_size, reference.pairs) for group in groups]
    sizes = np.array([len(group) for group in groups], np.float64)

    def estimate(counts: np.ndarray, truth: np.ndarray) -> Estimate:
        def distance(frequencies: np.ndarray) -> float:
            return float(0.5 * np.abs(frequencies - truth).sum() / len(truth))

        total = counts.sum(axis=0)
        left_out = [distance((total - c) / (sizes.sum() - s)) for c, s in zip(counts, sizes, strict=True)]
        spread = np.var(left_out) * (len(groups) - 1)
        return Estimate(distance(total / sizes.sum()), float(np.sqrt(spread)), len(tokens))

    def counts(name: str) -> np.ndarray:
        return np.stack([getattr(part, name) * size for part, size in zip(parts, sizes, strict=True)])

    return estimate(counts("single"), reference.single), estimate(counts("joint"), reference.joint)
