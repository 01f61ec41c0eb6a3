"""Hidden Markov models: exact conditionals where the tokens themselves do not form a Markov chain."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int, Key
from numpy.typing import ArrayLike

from jdlm import keys, pytrees
from jdlm.errors import InputError
from jdlm.targets import validation
from jdlm.targets.target import Leaf, Target, Tokens

__all__ = ["HiddenMarkov", "hidden_markov"]


@pytrees.register
@dataclass(frozen=True, eq=False)
class HiddenMarkov(Target):
    """A Markov chain of hidden states, each of which emits a token; see `hidden_markov`."""

    log_initial: Leaf  # [states]
    log_transition: Leaf  # [states, states]
    log_emission: Leaf  # [states, vocab]
    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One sequence, state by state; int32 ``[length]``."""
        keys.check(key)
        log_transition, log_emission = jnp.asarray(self.log_transition), jnp.asarray(self.log_emission)
        states = self.log_initial.shape[0]
        # Adding Gumbel noise and taking the largest draws from a categorical law.
        noise = jax.random.gumbel(key, (self.length, states + self.vocab_size), mode="high")

        def advance(log_probs, noise):
            state = jnp.argmax(log_probs + noise[:states])
            token = jnp.argmax(log_emission[state] + noise[states:])
            return log_transition[state], token.astype(jnp.int32)

        return jax.lax.scan(advance, jnp.asarray(self.log_initial), noise)[1]

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """Log of the sum over all paths of states, nats."""
        tokens = self.checked(tokens)
        seen = self._seen(tokens)
        return logsumexp(self._forward(seen)[-1] + seen[-1])

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """Forward-backward over the states, in logarithms, then the emission; nats ``[length, vocab]``."""
        tokens = self.checked(tokens)
        seen = self._seen(tokens)
        forward = self._forward(seen)
        log_transition = jnp.asarray(self.log_transition)

        def step(log_future, seen):
            return logsumexp(log_transition + (log_future + seen)[None, :], axis=1), log_future

        backward = jax.lax.scan(step, jnp.zeros_like(seen[0]), seen, reverse=True)[1]
        log_evidence = logsumexp(forward[-1] + seen[-1])
        possible = log_evidence > -jnp.inf
        log_states = forward + backward - jnp.where(possible, log_evidence, 0.0)  # of a masked token's state
        log_probs = logsumexp(log_states[:, :, None] + jnp.asarray(self.log_emission)[None], axis=1)
        return log_probs, possible

    def _curve_lacks(self) -> str:
        return (
            "a hidden Markov model has no exact entropy curve; estimate it with jdlm.evaluate.cross_entropy_curve on "
            "jdlm.predictor.oracle(target)"
        )

    def _seen(self, tokens):
        """Log probability of each revealed token in each state, 0 at masks; ``[length, states]``."""
        log_emission = jnp.asarray(self.log_emission).T[jnp.minimum(tokens, self.vocab_size - 1)]
        return jnp.where((tokens == self.vocab_size)[:, None], 0.0, log_emission)

    def _forward(self, seen):
        """Log probability of each state together with the tokens before it; ``[length, states]``."""
        log_transition = jnp.asarray(self.log_transition)

        def step(log_past, seen):
            return logsumexp((log_past + seen)[:, None] + log_transition, axis=0), log_past

        return jax.lax.scan(step, jnp.asarray(self.log_initial), seen)[1]


def hidden_markov(initial: ArrayLike, transition: ArrayLike, emission: ArrayLike, length: int) -> HiddenMarkov:
    """A hidden Markov model, ``p(x) = sum_s initial[s_0] prod_i transition[s_i, s_{i+1}] prod_i emission[s_i, x_i]``.

    Args:
      initial: ``[states]`` law of the first state.
      transition: ``[states, states]``; row s is the law of the state that follows s.
      emission: ``[states, vocab]``; row s is the law of the token in state s.
      length: number of tokens.

    Returns:
      The target, with exact conditionals and no exact entropy curve.

    Raises:
      ValueError: shapes that do not fit, or a law that is negative, not finite or does not sum to 1.
    """
    initial = validation.laws("initial", initial, (1,))
    transition = validation.laws("transition", transition, (2,))
    emission = validation.laws("emission", emission, (2,))
    length, states = validation.length(length), len(initial)
    if transition.shape != (states, states):
        raise InputError(
            f"transition has shape {list(transition.shape)}; with {states} initial states give {[states] * 2}"
        )
    if len(emission) != states:
        raise InputError(f"emission has {len(emission)} rows; with {states} states give one row each")
    log_initial, log_transition, log_emission = (validation.log(law) for law in (initial, transition, emission))
    return HiddenMarkov(log_initial, log_transition, log_emission, length, emission.shape[1])
