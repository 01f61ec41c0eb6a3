"""Linear codes over a prime field: dependence of any shape, still with exact conditionals and entropies."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Key
from numpy.typing import ArrayLike
from scipy.special import comb

from jdlm import keys, pytrees
from jdlm.errors import InputError
from jdlm.targets import validation
from jdlm.targets.target import Leaf, Target, Tokens, Unavailable

__all__ = ["MAX_CURVE_LENGTH", "LinearCode", "linear_code"]

MAX_CURVE_LENGTH = 20


@pytrees.register
@dataclass(frozen=True, eq=False)
class LinearCode(Target):
    """Uniform over the codewords of a linear code; see `linear_code`.

    The generator is held in reduced form: row r is 1 in column ``information[r]``, where all other rows are 0. The
    remaining columns are the checks.
    """

    generator: Leaf  # [dimension, length]
    inverses: Leaf  # [vocab] of the field's elements, 0 at 0
    information: tuple[int, ...] = field(metadata={"static": True})
    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    @property
    def dimension(self) -> int:
        """Number of free tokens."""
        return len(self.information)

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """A random codeword: its information tokens are drawn, the rest follow; int32 ``[length]``."""
        keys.check(key)
        return self._encode(jax.random.randint(key, (self.dimension,), 0, self.vocab_size, jnp.int32))

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """``-dimension log vocab`` on codewords, ``-inf`` elsewhere, nats."""
        tokens = self.checked(tokens)
        tokens = tokens.astype(jnp.int32)
        is_codeword = (self._encode(tokens[np.array(self.information)]) == tokens).all()
        return jnp.where(is_codeword, -self.dimension * np.log(self.vocab_size), -jnp.inf)

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """Gaussian elimination: each masked token is then either fixed or uniform.

        The unknowns are the masked information tokens u; each revealed check is an equation ``u . column = value``.
        Equation by equation, one unknown in it is solved for and removed from all other columns. The columns of masked
        checks are reduced along with them, so a check is fixed where nothing is left of its column. About
        ``dimension * (length-dimension) ** 2`` operations.
        """
        tokens = self.checked(tokens)
        prime, tokens = self.vocab_size, tokens.astype(jnp.int32)
        information, checks = np.array(self.information), self._checks()
        log_uniform = -jnp.log(jnp.full((self.length, prime), float(prime)))
        if not len(checks):
            return log_uniform, jnp.array(True)
        unknown, given = tokens[information] == prime, tokens[checks] != prime
        columns = jnp.asarray(self.generator)[:, checks]
        values = jnp.where(given, tokens[checks], 0) - jnp.where(unknown, 0, tokens[information]) @ columns % prime
        columns = jnp.where(unknown[:, None], columns, 0)
        inverses = jnp.asarray(self.inverses)
        unknown_ids, check_ids = jnp.arange(self.dimension), jnp.arange(len(checks))
        small = np.min_scalar_type(prime - 1)  # elimination is bound by memory, so its state is held in few bytes

        def eliminate(state, check):
            system, pivots = state
            column = system[:, check].astype(jnp.int32)
            chosen = jnp.argmax(column[:-1] != 0)
            found = (column[chosen] != 0) & given[check]
            # In the column itself, the unknown is left with factor 1.
            factors = (system[chosen].astype(jnp.int32) - (check_ids == check)) * inverses[column[chosen]] % prime
            factors = jnp.where(found, prime - factors, 0)
            system = ((system + column[:, None] * factors[None, :]) % prime).astype(small)
            return (system, jnp.where(found & (unknown_ids == chosen), check, pivots)), None

        system = jnp.concatenate([columns, values[None] % prime]).astype(small)
        pivots = jnp.full(self.dimension, -1, check_ids.dtype)
        (system, pivots), _ = jax.lax.scan(eliminate, (system, pivots), check_ids)
        values, left = system[-1].astype(jnp.int32), (system[:-1] != 0).sum(0)

        order = np.argsort(np.concatenate([information, checks]))
        codeword = jnp.concatenate([values[pivots], -values % prime])[order]
        fixed = jnp.concatenate([(pivots >= 0) & (left[pivots] == 1), left == 0])[order]
        certain = codeword[:, None] == jnp.arange(prime, dtype=jnp.int32)[None, :]
        log_probs = jnp.where(fixed[:, None], jnp.where(certain, 0.0, -jnp.inf), log_uniform)
        return log_probs, (~given | (left > 0) | (values == 0)).all()

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """``H(X_S) = rank(generator[:, S]) log vocab``, averaged over all sets S of each size; nats ``[length]``.

        Raises:
          Unavailable: the length is above 20.
        """
        if lacks := self._curve_lacks():
            raise Unavailable(lacks)
        # All sets at once, column by column: each state is left as it is (column not in the set), or the column's
        # pivot row, if it has one, is eliminated and counted (column in the set).
        prime = self.vocab_size
        rows, size, rank = self.generator[None].astype(np.int32), np.zeros(1, int), np.zeros(1, int)
        for _ in range(self.length):
            column, rest = rows[:, :, 0], rows[:, :, 1:]
            chosen = (column != 0).argmax(1)
            state = np.arange(len(rows))
            pivot_row = rest[state, chosen] * self.inverses[column[state, chosen]][:, None] % prime
            reduced = (rest - column[:, :, None] * pivot_row[:, None]) % prime
            rows = np.concatenate([rest, reduced])
            rank = np.concatenate([rank, rank + (column != 0).any(1)])
            size = np.concatenate([size, size + 1])
        counts = comb(self.length, np.arange(self.length + 1))
        return np.diff(np.bincount(size, rank) / counts) * np.log(prime)

    def _curve_lacks(self) -> str | None:
        if self.length <= MAX_CURVE_LENGTH:
            return None
        return (
            f"the exact entropy curve of a linear code of length {self.length} needs the ranks of 2^{self.length} "
            f"sets; above length {MAX_CURVE_LENGTH} estimate it with jdlm.evaluate.cross_entropy_curve on "
            "jdlm.predictor.oracle(target)"
        )

    def _checks(self):
        return np.setdiff1d(np.arange(self.length), self.information)

    def _encode(self, message):
        return message @ jnp.asarray(self.generator) % self.vocab_size


def linear_code(generator: ArrayLike, prime: int) -> LinearCode:
    """Uniform over the codewords ``message @ generator`` over the field of ``prime`` elements.

    Args:
      generator: integers ``[rows, length]`` from 0 to prime-1; its rows may depend on each other.
      prime: size of the field and of the vocabulary.

    Returns:
      The target; its entropy is the rank of the generator times ``log prime``.

    Raises:
      ValueError: prime not prime or too large for int32 arithmetic, or a generator that is not a matrix, all zero, or
        has entries outside the field.
    """
    prime = validation.prime("prime", prime)
    matrix = validation.array("generator", generator)
    if matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.integer):
        raise InputError(f"generator is {matrix.dtype}{list(matrix.shape)}; give integers [rows, length]")
    if not matrix.any():
        raise InputError("generator is all zero; give at least one other entry")
    if matrix.min() < 0 or matrix.max() >= prime:
        wrong = matrix[(matrix < 0) | (matrix >= prime)][0]
        raise InputError(f"generator has the entry {wrong}; use 0 to {prime - 1}, or take it modulo {prime}")
    if matrix.shape[1] * prime**2 >= 2**31:
        largest = int((2**31 / matrix.shape[1]) ** 0.5)
        raise InputError(f"prime={prime} overflows int32 at length={matrix.shape[1]}; use a prime of at most {largest}")
    rows, information = matrix.astype(np.int64), []
    for column in range(rows.shape[1]):
        rank = len(information)
        candidates = np.flatnonzero(rows[rank:, column])
        if candidates.size:
            rows[[rank, rank + candidates[0]]] = rows[[rank + candidates[0], rank]]
            rows[rank] = rows[rank] * pow(int(rows[rank, column]), -1, prime) % prime
            others = np.arange(len(rows)) != rank
            rows[others] = (rows[others] - np.outer(rows[others, column], rows[rank])) % prime
            information.append(column)
    inverses = np.array([0] + [pow(element, -1, prime) for element in range(1, prime)], np.int32)
    reduced = rows[: len(information)].astype(np.int32)
    return LinearCode(reduced, inverses, tuple(information), matrix.shape[1], prime)
