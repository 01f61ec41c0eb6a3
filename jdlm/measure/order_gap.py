"""The order gap of a predictor: whether its conditionals belong to one joint distribution, whatever the order.

In a state with the revealed tokens S, two masked positions i and k can be revealed in either order. For their tokens

    gap = |log q(x_i | S) + log q(x_k | S, x_i) - log q(x_k | S) - log q(x_i | S, x_k)|,

which is 0 everywhere exactly if the conditionals are those of one distribution (arXiv 2605.09303, 2606.00997). Its mean
is over states that a sampler of random order and one token per step visits, at uniformly random revealed counts 0 to
``length - 2``, and over the two tokens that are revealed next. The sampler draws from the predictor, or is forced to
reveal sequences of a target.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Key

from jdlm import devices, keys
from jdlm.errors import InputError
from jdlm.measure.estimate import Estimate, mean
from jdlm.measure.exact import target_law
from jdlm.measure.state_space import StateSpace
from jdlm.planners import random
from jdlm.predictor import Predictor, check_pair, map_lanes
from jdlm.sampling import sample
from jdlm.schedules import uniform
from jdlm.targets import Target, validation

__all__ = ["exact_order_gap", "order_gap"]

_WIDTH = 128  # states evaluated together


def order_gap(
    key: Key[Array, ""], predictor: Predictor, target: Target | None, n: int, *, batch_size: int | None = None
) -> Estimate:
    """Mean order gap of a predictor in nats, by Monte Carlo; 0 up to rounding for an oracle.

    Args:
      key: typed key.
      predictor: the mask predictor, of at least 2 tokens.
      target: the distribution whose sequences are revealed; None for tokens that the predictor's own sampler draws.
      n: states, each from a sequence of its own, at least 2.
      batch_size: states evaluated together; chosen here if None. No number depends on it.

    Returns:
      The mean with its standard error. Infinite where one order excludes a pair of tokens that the other one allows; a
      pair that both exclude has no gap.

    Raises:
      ValueError: n < 2, one token, a key that is not threefry's, broken logits, or predictor and target differ.
    """
    keys.check(key)
    if predictor.is_ordered:
        raise InputError(
            "the predictor depends on the order of reveal, so its conditionals are those of one distribution for each "
            "order and no gap is defined; use a bidirectional one"
        )
    length = _at_least_two(predictor, target)
    n = validation.integer("n", n, 2)
    width = _WIDTH if batch_size is None else validation.integer("batch_size", batch_size)
    key_counts, key_states, key_pairs = _three(key)
    counts = np.asarray(jax.random.randint(key_counts, (n,), 0, length - 1))
    if target is None:
        sizes = (np.arange(max(length - 2, 1)) < counts[:, None]).astype(np.int32)
        states = np.asarray(sample(key_states, predictor, sizes, allow_leftover=True))
        gaps = devices.in_batches(lambda indices: _drawn(key_pairs, predictor, states, indices), n, width)
    else:
        gaps = devices.in_batches(lambda indices: _forced(key_pairs, predictor, target, counts, indices), n, width)
    if np.isnan(gaps).any():
        raise InputError("the predictor returned NaN, +inf or -inf for all tokens of a position; check its parameters")
    return mean(gaps)


@jax.jit
def _three(key: Array) -> tuple[Array, ...]:
    return tuple(jax.random.split(key, 3))


@jax.jit
def _drawn(key: Array, predictor: Predictor, states: Array, indices: Array) -> Array:
    """Gaps ``[lanes]`` in given states, between two tokens that are drawn there one after the other."""
    states = states[jnp.minimum(indices, len(states) - 1)]
    lane_keys = jax.vmap(lambda key: jax.random.split(key, 2))(keys.lane_keys(key, indices))
    pairs = jax.vmap(_two_masked)(lane_keys[:, 0], states == predictor.vocab_size)
    noise = jax.vmap(lambda key: jax.random.gumbel(key, (2, predictor.vocab_size), mode="high"))(lane_keys[:, 1])
    return _gaps(predictor, states, pairs, noise)


@jax.jit
def _forced(key: Array, predictor: Predictor, target: Target, counts: Array, indices: Array) -> Array:
    """Gaps ``[lanes]`` where the target's sequences are revealed, between their own next two tokens."""

    def draw(lane_key: Array, count: Array) -> tuple[Array, Array, Array]:
        key_tokens, key_order = jax.random.split(lane_key)
        tokens, order = target.sample(key_tokens), jax.random.permutation(key_order, predictor.length)
        masked = jnp.zeros(predictor.length, bool).at[order].set(jnp.arange(predictor.length) >= count)
        pair = jax.lax.dynamic_slice_in_dim(order, count, 2)
        return jnp.where(masked, predictor.vocab_size, tokens), pair, tokens[pair]

    counts = counts[jnp.minimum(indices, len(counts) - 1)]
    states, pairs, tokens = jax.vmap(draw)(keys.lane_keys(key, indices), counts)
    return _gaps(predictor, states, pairs, tokens)


def _two_masked(key: Array, masked: Array) -> Array:
    """Two different masked positions, uniformly random in this order."""
    order = jax.random.permutation(key, len(masked))
    return order[jnp.argsort(~masked[order], stable=True)[:2]]


def _gaps(predictor: Predictor, states: Array, pairs: Array, given: Array) -> Array:
    """Gaps ``[lanes]`` between the tokens at pairs of positions ``[lanes, 2]``.

    The tokens are given ``[lanes, 2]``, or drawn one after the other by given noise ``[lanes, 2, vocab]``.
    """
    lanes = jnp.arange(len(states))

    def rows(states: Array) -> Array:
        return jax.nn.log_softmax(map_lanes(predictor, states, pairs))  # [lanes, 2, vocab]

    def token(place: int, rows: Array) -> Array:
        if given.ndim == 2:
            return given[:, place]
        return jnp.argmax(rows[:, place] + given[:, place].astype(rows.dtype), axis=1).astype(states.dtype)

    before = rows(states)
    first = token(0, before)
    first_known = rows(states.at[lanes, pairs[:, 0]].set(first))
    second = token(1, first_known)
    second_known = rows(states.at[lanes, pairs[:, 1]].set(second))
    forwards = before[lanes, 0, first] + first_known[lanes, 1, second]
    backwards = before[lanes, 1, second] + second_known[lanes, 0, first]
    return jnp.where(forwards == backwards, 0.0, jnp.abs(forwards - backwards))  # also where both are -inf


def exact_order_gap(predictor: Predictor, target: Target | None) -> float:
    """Mean order gap of a predictor in nats, by enumeration of a small space.

    Args:
      predictor: the mask predictor, of at least 2 tokens.
      target: the distribution whose sequences are revealed; None for tokens that the predictor's own sampler draws.

    Raises:
      ValueError: the space is too large, one token, broken logits, or predictor and target differ.
    """
    length = _at_least_two(predictor, target)
    space = StateSpace(predictor, random())
    reached = _reached_by_sampler(space) if target is None else _reached_by(target_law(target))
    with np.errstate(divide="ignore"):
        log_q = np.log(space.marginals)
    total = 0.0
    for i, k in itertools.permutations(range(length), 2):
        states = np.flatnonzero(space.masked[:, i] & space.masked[:, k] & (reached > 0))
        with_i, with_k = (
            states[:, None] + space.weights[place] * np.arange(-space.vocab_size, 0)[None, :] for place in (i, k)
        )
        both = with_i[:, :, None] + (with_k - states[:, None])[:, None, :]
        # Of states [n], the token at i and the token at k.
        forwards = log_q[states, i][:, :, None] + log_q[with_i, k]
        backwards = log_q[states, k][:, None, :] + np.swapaxes(log_q[with_k, i], 1, 2)
        with np.errstate(invalid="ignore"):
            gap = np.where(forwards == backwards, 0.0, np.abs(forwards - backwards))
        pair = np.exp(forwards) if target is None else reached[both] / reached[states][:, None, None]
        masks = length - space.revealed[states]
        sets = 1.0 if target is None else scipy.special.comb(length, masks)
        weight = (reached[states] / (sets * masks * (masks - 1)))[:, None, None] * pair
        total += float(np.sum(weight[weight > 0] * gap[weight > 0]))
    return total / (length - 1)


def _reached_by_sampler(space: StateSpace) -> np.ndarray:
    """Probability ``[states]`` that the sampler of random order visits a state, one token per step."""
    reached = np.zeros(len(space.revealed))
    for weight, kernels in space.kernels(uniform(space.length, space.length)):
        mass = space.start(weight)
        for kernel in kernels:
            reached += mass
            after = np.zeros_like(mass)
            for _, probability, successors, product in space.moves(mass, kernel):
                after[successors] += probability * product
            mass = after
    return reached


def _reached_by(law: np.ndarray) -> np.ndarray:
    """Probability ``[states]`` of each state's revealed tokens."""
    for axis in range(law.ndim):
        law = np.concatenate([law, law.sum(axis=axis, keepdims=True)], axis=axis)
    return law.ravel()


def _at_least_two(predictor: Predictor, target: Target | None) -> int:
    if target is not None:
        check_pair(predictor, target)
    if predictor.length < 2:
        raise InputError(f"length={predictor.length} has no two orders; use a predictor of at least 2 tokens")
    return predictor.length
