"""Maximum distance separable codes: any ``dimension`` tokens are free and uniform, and fix all the others."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Key

from jdlm import keys, pytrees
from jdlm.errors import InputError
from jdlm.targets import validation
from jdlm.targets.target import Known, Leaf, Target, Tokens

__all__ = ["ParityCheck", "ReedSolomon", "Repetition", "Separable", "parity", "reed_solomon", "repetition"]


class Separable(Target):
    """Uniform over the codewords of an MDS code; members say only how a codeword follows from ``dimension`` tokens."""

    dimension: int

    def complete(self, known: Known, tokens: Tokens) -> Int[Array, " length"]:
        """The codeword that agrees with the tokens at the known positions, ``dimension`` in number."""
        raise NotImplementedError

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """A random codeword: its first ``dimension`` tokens are drawn, the rest follow; int32 ``[length]``."""
        keys.check(key)
        tokens = jax.random.randint(key, (self.length,), 0, self.vocab_size, jnp.int32)
        return self.complete(jnp.arange(self.length) < self.dimension, tokens)

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """``-dimension log vocab`` on codewords, ``-inf`` elsewhere, nats."""
        tokens = self.checked(tokens)
        codeword = self.complete(jnp.arange(self.length) < self.dimension, tokens.astype(jnp.int32))
        return jnp.where((codeword == tokens).all(), -self.dimension * np.log(self.vocab_size), -jnp.inf)

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """Uniform while fewer than ``dimension`` tokens are revealed, then certain; nats ``[length, vocab]``."""
        tokens = self.checked(tokens)
        tokens = tokens.astype(jnp.int32)
        revealed = tokens != self.vocab_size
        rank = jnp.cumsum(revealed)  # of each revealed position among the revealed ones, from 1
        codeword = self.complete(revealed & (rank <= self.dimension), jnp.where(revealed, tokens, 0))
        free = rank[-1] < self.dimension
        possible = free | (~revealed | (codeword == tokens)).all()
        certain = codeword[:, None] == jnp.arange(self.vocab_size, dtype=jnp.int32)[None, :]
        log_uniform = -jnp.log(jnp.full(certain.shape, float(self.vocab_size)))
        return jnp.where(free, log_uniform, jnp.where(certain, 0.0, -jnp.inf)), possible

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """``log vocab`` up to ``dimension`` revealed tokens, then 0; nats ``[length]``."""
        return np.where(np.arange(self.length) < self.dimension, np.log(self.vocab_size), 0.0)


@pytrees.register
@dataclass(frozen=True, eq=False)
class Repetition(Separable):
    """All tokens equal; see `repetition`."""

    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})
    dimension = 1

    def complete(self, known: Known, tokens: Tokens) -> Int[Array, " length"]:
        """The known token everywhere."""
        known, tokens = jnp.asarray(known), self.checked(tokens)
        return jnp.full_like(tokens, jnp.where(known, tokens, 0).sum(dtype=tokens.dtype))


@pytrees.register
@dataclass(frozen=True, eq=False)
class ParityCheck(Separable):
    """Tokens that sum to 0 modulo the vocabulary size; see `parity`."""

    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    @property
    def dimension(self) -> int:
        """All tokens but one."""
        return self.length - 1

    def complete(self, known: Known, tokens: Tokens) -> Int[Array, " length"]:
        """The known tokens, and minus their sum in the remaining place."""
        known, tokens = jnp.asarray(known), self.checked(tokens)
        missing = -jnp.where(known, tokens, 0).sum(dtype=tokens.dtype) % self.vocab_size
        return jnp.where(known, tokens, missing)


@pytrees.register
@dataclass(frozen=True, eq=False)
class ReedSolomon(Separable):
    """Values at 0, 1, ..., length-1 of a random polynomial over a prime field; see `reed_solomon`.

    Lagrange interpolation through the nodes K gives ``f(z) = N(z) sum_{i in K} f(i) / (N'(i) (z - i))``, with
    ``N(z) = prod_{j in K} (z - j)``. Products are sums of discrete logarithms, so both the products and the sum are
    one product of a vector with a constant matrix: length^2 integer operations per sequence.
    """

    logarithms: Leaf  # [length, length] discrete logarithm of z - i, 0 where z = i
    inverses: Leaf  # [length, length] 1 / (z - i), 0 where z = i
    powers: Leaf  # [vocab - 1] of the generator
    length: int = field(metadata={"static": True})
    dimension: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def complete(self, known: Known, tokens: Tokens) -> Int[Array, " length"]:
        """Interpolates through the known tokens."""
        known, tokens = jnp.asarray(known), self.checked(tokens)
        prime, order = self.vocab_size, self.vocab_size - 1
        log_nodes = jnp.asarray(self.logarithms) @ known.astype(jnp.int32) % order  # N(z), at a node N'(z)
        powers = jnp.asarray(self.powers)
        scaled = jnp.where(known, tokens * powers[-log_nodes % order] % prime, 0)
        interpolated = (jnp.asarray(self.inverses) @ scaled) % prime * powers[log_nodes] % prime
        return jnp.where(known, tokens, interpolated)


def repetition(length: int, vocab: int) -> Repetition:
    """One uniform token, repeated: ``h = (log vocab, 0, 0, ...)``, TC = ``(length-1) log vocab``, DTC = ``log vocab``.

    Args:
      length: number of tokens.
      vocab: number of values of a token, at least 2.

    Returns:
      The target.

    Raises:
      ValueError: length below 1 or vocab below 2.
    """
    return Repetition(validation.length(length), validation.integer("vocab", vocab, 2))


def parity(length: int) -> ParityCheck:
    """Uniform bits with an even number of ones: every ``length-1`` bits are free, and fix the last one.

    Args:
      length: number of bits, at least 2.

    Returns:
      The target, with TC = ``log 2`` and DTC = ``(length-1) log 2``.

    Raises:
      ValueError: length below 2.
    """
    return ParityCheck(validation.length(length, 2), 2)


def reed_solomon(length: int, dimension: int, prime: int) -> Separable:
    """Uniform over the codewords of a ``[length, dimension]`` MDS code over the field of ``prime`` elements.

    A codeword holds the values at 0, ..., length-1 of a polynomial of degree below ``dimension``, so that any
    ``dimension`` tokens are uniform and fix the rest: ``h[j] = log prime`` for ``j < dimension``, else 0,
    TC = ``(length-dimension) log prime``, DTC = ``dimension log prime``. At dimension 1 this is the repetition code.
    Where the field is too small for that, dimension ``length-1`` stands for the single parity check.

    Args:
      length: number of tokens; at most ``prime``, except at dimension 1 and length-1.
      dimension: number of free tokens, 1 to ``length``.
      prime: size of the field and of the vocabulary.

    Returns:
      The target.

    Raises:
      ValueError: prime not prime, dimension > length, length > prime, or numbers too large for int32 arithmetic.

    >>> reed_solomon(4, 2, 5).entropy_curve().round(3)
    array([1.609, 1.609, 0.   , 0.   ])
    """
    length, dimension = validation.length(length), validation.integer("dimension", dimension)
    prime = validation.prime("prime", prime)
    if dimension > length:
        raise InputError(f"dimension={dimension} exceeds length={length}; use at most {length}")
    if dimension == 1:
        return Repetition(length, prime)
    if length > prime:
        if dimension == length - 1:
            return ParityCheck(length, prime)
        raise InputError(
            f"length={length} exceeds prime={prime}; use a prime of at least {length}, or dimension 1 or {length - 1}"
        )
    if length * prime**2 >= 2**31:
        largest = int((2**31 / length) ** 0.5)
        raise InputError(f"prime={prime} overflows int32 at length={length}; use a prime of at most {largest}")
    powers, logarithms, inverses = _field(prime)
    difference = (np.arange(length)[:, None] - np.arange(length)) % prime
    return ReedSolomon(logarithms[difference], inverses[difference], powers, length, dimension, prime)


def _field(prime: int) -> tuple[Int[np.ndarray, " units"], Int[np.ndarray, " prime"], Int[np.ndarray, " prime"]]:
    """Powers of a generator, discrete logarithms and inverses in a prime field; both 0 at 0 (which has neither)."""
    for generator in range(1, prime):
        powers = [1]
        while (following := powers[-1] * generator % prime) != 1:
            powers.append(following)
        if len(powers) == prime - 1:
            break
    powers = np.array(powers, np.int32)
    logarithms, inverses = np.zeros(prime, np.int32), np.zeros(prime, np.int32)
    logarithms[powers] = np.arange(prime - 1)
    inverses[powers] = powers[-np.arange(prime - 1)]
    return powers, logarithms, inverses
