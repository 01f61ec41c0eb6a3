"""Any explicit distribution over few short sequences: the reference for all other targets."""

from dataclasses import dataclass, field
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Key
from numpy.typing import ArrayLike
from scipy.special import comb, entr

from jdlm import keys, pytrees
from jdlm.errors import InputError
from jdlm.targets import validation
from jdlm.targets.target import Leaf, Target, Tokens

__all__ = ["MAX_ENTRIES", "Table", "table"]

MAX_ENTRIES = 2**20


@pytrees.register
@dataclass(frozen=True, eq=False)
class Table(Target):
    """A law given by the probability of every sequence; see `table`.

    The table is held as a matrix, with the first half of the tokens along its rows, so that the weight that each
    half gives to the other is one product of a matrix with a vector.
    """

    probabilities: Leaf  # [vocab ** (length // 2), vocab ** (length - length // 2)]
    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One sequence: its first half, then its second half given that; int32 ``[length]``."""
        keys.check(key)
        # Adding Gumbel noise and taking the largest draws from a categorical distribution.
        probabilities = jnp.asarray(self.probabilities)
        rows, columns = probabilities.shape
        noise = jax.random.gumbel(key, (rows + columns,), mode="high")
        row = jnp.argmax(jnp.log(probabilities.sum(1)) + noise[:rows])
        column = jnp.argmax(jnp.log(probabilities[row]) + noise[rows:])
        powers = self._powers()
        digits = [
            index // power % self.vocab_size
            for index, axis in zip((row, column), powers, strict=True)
            for power in axis
        ]
        return jnp.stack(digits).astype(jnp.int32)

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """Log of the table's entry, nats."""
        tokens = self.checked(tokens)
        row_powers, column_powers = (np.array(powers, np.int32) for powers in self._powers())
        split, tokens = self.length // 2, tokens.astype(jnp.int32)
        row, column = (tokens[:split] * row_powers).sum(), (tokens[split:] * column_powers).sum()
        return jnp.log(jnp.asarray(self.probabilities)[row, column])

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """The table's sum over all sequences that agree with the revealed tokens; nats ``[length, vocab]``.

        In float32, a pattern whose probability is below about 1e-38 of the largest entry counts as impossible.
        """
        tokens = self.checked(tokens)
        probabilities = jnp.asarray(self.probabilities)
        probabilities = probabilities / probabilities.max()
        ids = jnp.arange(self.vocab_size, dtype=tokens.dtype)[None, :]
        agrees = (tokens[:, None] == ids) | (tokens[:, None] == self.vocab_size)
        halves = jnp.split(agrees.astype(probabilities.dtype), [self.length // 2])
        row_agrees, column_agrees = (
            reduce(lambda a, b: jnp.outer(a, b).ravel(), h, jnp.ones(1, h.dtype)) for h in halves
        )
        row_weights = row_agrees * jnp.matmul(probabilities, column_agrees, precision="highest")
        column_weights = column_agrees * jnp.matmul(row_agrees, probabilities, precision="highest")
        weights = jnp.stack(
            [
                half.reshape((self.vocab_size,) * len(powers)).sum([a for a in range(len(powers)) if a != axis])
                for half, powers in zip((row_weights, column_weights), self._powers(), strict=True)
                for axis in range(len(powers))
            ]
        )
        evidence = column_weights.sum()
        log_probs = jnp.log(weights) - jnp.log(jnp.where(evidence > 0, evidence, 1.0))
        return log_probs, evidence > 0

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """Mean entropies over all ``2 ** length`` sets of positions, and their differences; nats ``[length]``."""
        totals = np.zeros(self.length + 1)

        def visit(table, kept, left):
            # The `left` undecided tokens come first in the flat table; a kept one moves to the end.
            if left == 0:
                totals[kept] += entr(table).sum()
            else:
                table = table.reshape(self.vocab_size, -1)
                visit(table.T.ravel(), kept + 1, left - 1)
                visit(table.sum(0), kept, left - 1)

        visit(self.probabilities.ravel(), 0, self.length)
        return np.diff(totals / comb(self.length, np.arange(self.length + 1)))

    def _powers(self):
        """Place values of the tokens in the row index and in the column index."""
        split = self.length // 2
        sizes = (split, self.length - split)
        return tuple([self.vocab_size**power for power in reversed(range(size))] for size in sizes)


def table(probabilities: ArrayLike) -> Table:
    """A law given by the probability of every sequence; everything by enumeration.

    `Table.entropy_curve` takes about ``(vocab+1) ** length`` operations: seconds for most, minutes for the largest.

    Args:
      probabilities: ``[vocab] * length``, at most 2^20 entries, at least 0, summing to 1 over all of them.

    Returns:
      The target.

    Raises:
      ValueError: axes of different sizes, too many entries, or values that are not probabilities.
    """
    probabilities = validation.array("probabilities", probabilities, np.float64)
    shape = probabilities.shape
    if len(set(shape)) != 1 or shape[0] < 1:
        raise InputError(f"probabilities has shape {list(shape)}; give one axis per token, of the vocabulary's size")
    if probabilities.size > MAX_ENTRIES:
        raise InputError(f"probabilities has {probabilities.size} entries; give at most {MAX_ENTRIES}")
    flat = validation.laws("probabilities", probabilities.ravel(), (1,))
    rows = shape[0] ** (len(shape) // 2)
    return Table(flat.reshape(rows, -1), len(shape), shape[0])
