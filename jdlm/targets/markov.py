"""Markov chains: dependence between neighbours only."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Float64, Int, Key
from numpy.typing import ArrayLike

from jdlm import keys, pytrees
from jdlm.errors import InputError
from jdlm.targets import validation
from jdlm.targets.target import Leaf, Target, Tokens

__all__ = ["Markov", "markov", "sticky_markov"]


@pytrees.register
@dataclass(frozen=True, eq=False)
class Markov(Target):
    """A Markov chain of a given initial distribution; see `markov`.

    A masked token depends only on the nearest revealed one on either side, through powers of the transition matrix.
    Those are taken once, in float64, so that conditionals are look-ups and do not underflow in float32.
    """

    log_marginals: Leaf  # [length, vocab]
    log_powers: Leaf  # [length + 1, vocab, vocab], of the transition matrix
    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One sequence, token by token; int32 ``[length]``."""
        keys.check(key)
        log_initial, log_transition = jnp.asarray(self.log_marginals[0]), jnp.asarray(self.log_powers[1])
        # Adding Gumbel noise and taking the largest draws from a categorical distribution.
        noise = jax.random.gumbel(key, (self.length, self.vocab_size), mode="high")

        def advance(log_probs, noise):
            token = jnp.argmax(log_probs + noise).astype(jnp.int32)
            return log_transition[token], token

        return jax.lax.scan(advance, log_initial, noise)[1]

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """Log law of the first token plus the log transitions, nats."""
        tokens = self.checked(tokens)
        log_initial, log_transition = jnp.asarray(self.log_marginals[0]), jnp.asarray(self.log_powers[1])
        return log_initial[tokens[0]] + log_transition[tokens[:-1], tokens[1:]].sum()

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """``p(x_i | a, b) ~ P^l[a, x_i] P^r[x_i, b]`` with a, b the nearest revealed tokens, l and r steps away."""
        tokens = self.checked(tokens)
        log_marginals, log_powers = jnp.asarray(self.log_marginals), jnp.asarray(self.log_powers)
        places = jnp.arange(self.length)
        revealed = tokens != self.vocab_size
        left = jax.lax.cummax(jnp.where(revealed, places, -1))  # the nearest revealed place up to each one
        right = jax.lax.cummin(jnp.where(revealed, places, self.length), reverse=True)
        before = jnp.concatenate([jnp.full(1, -1, left.dtype), left[:-1]])  # ... strictly before it
        ids = jnp.minimum(tokens, self.vocab_size - 1)  # anything at masked positions

        # At a revealed place the row is read for its own token alone: its law given the revealed ones before it.
        source = jnp.where(revealed, before, left)
        from_left = log_powers[places - source, ids[source]]
        from_left = jnp.where((source >= 0)[:, None], from_left, log_marginals)
        from_right = log_powers[right - places, :, ids[jnp.minimum(right, self.length - 1)]]
        from_right = jnp.where((right < self.length)[:, None], from_right, 0.0)
        evidence = jnp.take_along_axis(from_left, ids[:, None], axis=1)[:, 0]
        possible = (~revealed | (evidence > -jnp.inf)).all()
        log_probs = from_left + from_right
        return log_probs - logsumexp(log_probs, axis=1, keepdims=True), possible

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """Mean entropies of random sets, and their differences; nats ``[length]``.

        With ``H_g(a) = H(X_{a+g} | X_a)``, the chain rule over neighbours in a set gives

            E H(X_S) = sum_a P(a is first in S) H(X_a) + sum_g P(a, a+g are neighbours in S) sum_a H_g(a),

        where the second probability is ``C(length-g-1, j-2) / C(length, j)`` for ``|S| = j`` and any a.
        """
        length = self.length
        marginals = np.exp(self.log_marginals)
        first = validation.entropies(marginals)
        gaps = np.arange(1, length)
        row_entropies = validation.entropies(np.exp(self.log_powers[gaps]))  # [gap, vocab]
        visits = np.cumsum(marginals, axis=0)[::-1][1:]  # [gap, vocab], summed over the places with a successor
        following = (visits * row_entropies).sum(1)
        sizes = np.arange(length + 1)
        mean = _runs(length, sizes, 1) @ first + _runs(length, sizes, 2)[:, : length - 1] @ following
        return np.diff(mean)


def _runs(length: int, sizes: Int[np.ndarray, " sizes"], ends: int) -> Float64[np.ndarray, "sizes length"]:
    """``C(length-ends-n, size-ends) / C(length, size)`` at n = 0, 1, ...: that a set has given ends, n gaps inside."""
    factors = np.zeros((len(sizes), length))
    factors[:, 0] = sizes / length if ends == 1 else sizes * (sizes - 1) / (length * max(length - 1, 1))
    gaps = np.arange(1, length)
    left = np.maximum(length - ends - gaps + 1, 1)
    factors[:, 1:] = np.maximum(1 - (sizes[:, None] - ends) / left, 0)
    return np.cumprod(factors, axis=1)


def markov(initial: ArrayLike, transition: ArrayLike, length: int) -> Markov:
    """A Markov chain ``p(x) = initial[x_0] prod_i transition[x_i, x_{i+1}]``, from any initial distribution.

    Args:
      initial: ``[vocab]`` law of the first token.
      transition: ``[vocab, vocab]``; row u is the law of the token that follows u.
      length: number of tokens.

    Returns:
      The target, with the exact entropy curve.

    Raises:
      ValueError: shapes that do not fit, or a law that is negative, not finite or does not sum to 1.
    """
    initial = validation.laws("initial", initial, (1,))
    transition = validation.laws("transition", transition, (2,))
    length, vocab = validation.length(length), len(initial)
    if transition.shape != (vocab, vocab):
        raise InputError(
            f"transition has shape {list(transition.shape)}; with {vocab} initial values give {[vocab] * 2}"
        )
    validation.check_numbers(f"a chain of length={length} over {vocab} values", (length + 1) * vocab**2)
    marginals, powers = [initial], [np.eye(vocab)]
    for _ in range(length):
        marginals.append(marginals[-1] @ transition)
        powers.append(powers[-1] @ transition)
    return Markov(validation.log(np.stack(marginals[:length])), validation.log(np.stack(powers)), length, vocab)


def sticky_markov(length: int, vocab: int, stay: float) -> Markov:
    """A stationary Markov chain that keeps its token with probability ``stay`` and else moves to any other.

    Args:
      length: number of tokens.
      vocab: number of values, at least 2; the first token is uniform.
      stay: probability that a token equals the one before, 0 to 1.

    Returns:
      The target.

    Raises:
      ValueError: a number out of range.
    """
    vocab = validation.integer("vocab", vocab, 2)
    stay = validation.real("stay", stay)
    if not 0 <= stay <= 1:
        raise InputError(f"stay={stay} is not a probability; use a number from 0 to 1")
    validation.check_numbers(f"a chain over vocab={vocab} values", vocab**2)
    transition = np.full((vocab, vocab), (1 - stay) / (vocab - 1))
    np.fill_diagonal(transition, stay)
    return markov(np.full(vocab, 1 / vocab), transition, length)
