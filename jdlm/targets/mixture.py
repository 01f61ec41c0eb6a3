"""Mixtures of products: the tokens depend on each other through one hidden label."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Float64, Int, Key
from numpy.typing import ArrayLike
from scipy.special import gammaln

from jdlm import keys, pytrees
from jdlm.errors import InputError
from jdlm.targets import validation
from jdlm.targets.target import Leaf, Target, Tokens, Unavailable

__all__ = ["MAX_COUNT_VECTORS", "Mixture", "mixture"]

MAX_COUNT_VECTORS = 10**7
_CHUNK = 2**16  # count vectors handled at once


@pytrees.register
@dataclass(frozen=True, eq=False)
class Mixture(Target):
    """A hidden component, then independent tokens from its marginals; see `mixture`."""

    log_weights: Leaf  # [components]
    log_marginals: Leaf  # [components, length, vocab], or [components, 1, vocab] where positions are exchangeable
    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One sequence: a component, then its tokens; int32 ``[length]``."""
        keys.check(key)
        # Adding Gumbel noise and taking the largest draws from a categorical law.
        log_weights, components = jnp.asarray(self.log_weights), self.log_weights.shape[0]
        noise = jax.random.gumbel(key, (self.length + 1, max(components, self.vocab_size)), mode="high")
        component = jnp.argmax(log_weights + noise[-1, :components])
        log_probs = self._expanded()[component]
        return jnp.argmax(log_probs + noise[:-1, : self.vocab_size], axis=1).astype(jnp.int32)

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """Log of the weighted sum over components, nats."""
        tokens = self.checked(tokens)
        return logsumexp(self._log_joint(tokens))

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """Each component's marginals, weighted by its posterior given the revealed tokens; nats ``[length, vocab]``."""
        tokens = self.checked(tokens)
        log_joint = self._log_joint(tokens)
        log_evidence = logsumexp(log_joint)
        possible = log_evidence > -jnp.inf
        log_posterior = log_joint - jnp.where(possible, log_evidence, 0.0)
        predictive = logsumexp(log_posterior[:, None, None] + self._expanded(), axis=0)
        return predictive, possible

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """Entropy curve by summing over the counts of each token among the revealed ones; nats ``[length]``.

        Raises:
          Unavailable: the marginals differ by position, or there are more than 10^7 count vectors.
        """
        if lacks := self._curve_lacks():
            raise Unavailable(lacks)
        return np.array([self._mean_entropy(revealed) for revealed in range(self.length)])

    def _curve_lacks(self) -> str | None:
        estimate = "estimate it with jdlm.evaluate.cross_entropy_curve on jdlm.predictor.oracle(target)"
        if self.log_marginals.shape[1] != 1 and self.length != 1:
            return f"a mixture with marginals by position has no exact entropy curve; {estimate}"
        size = math.comb(self.length + self.vocab_size - 1, self.vocab_size)
        if size > MAX_COUNT_VECTORS:
            return f"the exact entropy curve needs {size} count vectors, more than {MAX_COUNT_VECTORS}; {estimate}"
        return None

    def _mean_entropy(self, revealed: int) -> float:
        """Mean entropy of one more token after ``revealed`` ones: over their counts n, sum p(n) H(next | n)."""
        floor = -1e300  # for log 0: 0 * floor is 0, and any other multiple still has exp(.) = 0
        log_marginals = np.maximum(self.log_marginals[:, 0], floor)
        log_weights = np.maximum(self.log_weights, floor)
        marginals = np.exp(log_marginals)
        total = 0.0
        for counts in _count_vectors(revealed, self.vocab_size):
            log_arrangements = gammaln(revealed + 1) - gammaln(counts + 1).sum(1)
            log_joint = log_weights + counts @ log_marginals.T
            peak = log_joint.max(1, keepdims=True)
            posterior = np.exp(log_joint - peak)
            evidence = posterior.sum(1)
            probability = np.exp(log_arrangements + peak[:, 0]) * evidence
            total += probability @ validation.entropies(posterior @ marginals / evidence[:, None])
        return total

    def _expanded(self):
        shape = (self.log_weights.shape[0], self.length, self.vocab_size)
        return jnp.broadcast_to(jnp.asarray(self.log_marginals), shape)

    def _log_joint(self, tokens):
        """Log probability of each component together with the revealed tokens, ``[components]``."""
        picked = jnp.minimum(tokens, self.vocab_size - 1)[None, :, None]
        at_tokens = jnp.take_along_axis(self._expanded(), picked, axis=2)[..., 0]
        at_tokens = jnp.where((tokens == self.vocab_size)[None, :], 0.0, at_tokens)
        return jnp.asarray(self.log_weights) + at_tokens.sum(1)


def _count_vectors(total: int, parts: int) -> Iterator[Float64[np.ndarray, "chunk parts"]]:
    """All vectors of ``parts`` counts that sum to ``total``, in chunks of bounded size."""
    if parts == 1:
        yield np.full((1, 1), float(total))
    elif math.comb(total + parts - 1, parts - 1) <= _CHUNK:
        rows, left = np.zeros((1, 0)), np.array([total])
        for _ in range(parts - 1):
            ends = np.cumsum(left + 1)
            head = np.arange(ends[-1]) - np.repeat(ends - left - 1, left + 1)
            rows = np.column_stack([np.repeat(rows, left + 1, axis=0), head])
            left = np.repeat(left, left + 1) - head
        yield np.column_stack([rows, left])
    else:
        for head in range(total + 1):
            for tail in _count_vectors(total - head, parts - 1):
                yield np.column_stack([np.full(len(tail), float(head)), tail])


def mixture(weights: ArrayLike, marginals: ArrayLike, length: int | None = None) -> Mixture:
    """A mixture of products, ``p(x) = sum_c weights[c] prod_i marginals[c, i, x_i]``.

    Its dual total correlation is at most the entropy of the label.

    Args:
      weights: ``[components]`` probabilities.
      marginals: ``[components, vocab]`` for exchangeable positions (exact entropy curve), together with ``length``;
        or ``[components, length, vocab]`` for marginals that differ by position (no exact entropy curve).
      length: number of tokens; only with exchangeable positions.

    Returns:
      The target.

    Raises:
      ValueError: shapes that do not fit, or a law that is negative, not finite or does not sum to 1.
    """
    weights = validation.laws("weights", weights, (1,))
    marginals = validation.laws("marginals", marginals, (2, 3))
    if len(weights) != len(marginals):
        raise InputError(f"weights has {len(weights)} components but marginals has {len(marginals)}; give one law each")
    if marginals.ndim == 3:
        if length is not None:
            raise InputError(f"length={length} does not apply to marginals by position; leave it out")
        length = int(marginals.shape[1])
    elif length is None:
        raise InputError("length=None with marginals of shape [components, vocab]; give the number of tokens")
    else:
        length = validation.length(length)
        marginals = marginals[:, None]
    return Mixture(validation.log(weights), validation.log(marginals), length, marginals.shape[2])
