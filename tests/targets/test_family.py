"""Every target of the registry against enumeration of its joint law by the independent twin."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jdlm import targets
from jdlm.targets import Target, Unavailable
from jdlm.targets.mds import Separable
from tests.reference import laws
from tests.targets.family import FAMILY

MAX_STATES = 1500
every_target = pytest.mark.parametrize("member", FAMILY, ids=lambda member: member.name)


class Case(NamedTuple):
    target: Target
    law: np.ndarray
    states: np.ndarray  # partly masked sequences: all of them, or a large random subset
    rows: np.ndarray  # the twin's conditionals of each state


@functools.lru_cache(maxsize=1)
def case(member):
    target, law = member.target(), member.law()
    states = laws.sequences(target.vocab_size + 1, target.length)
    if len(states) > MAX_STATES:
        states = np.random.default_rng(0).choice(states, MAX_STATES, replace=False)
    return Case(target, law, states, np.array([laws.conditionals(law, state) for state in states]))


@jax.jit
def evaluate(target, sequences, states):
    """The target is an argument here, so its leaves are tracers."""
    return jax.vmap(target.log_prob)(sequences), jax.vmap(target.conditionals)(states)


@every_target
def test_law_and_conditionals_in_float64(member):
    target, law, states, rows = case(member)
    assert law.shape == (target.vocab_size,) * target.length and law.size <= 4096
    with jax.enable_x64(True):
        log_probs, log_rows = evaluate(target, laws.sequences(target.vocab_size, target.length), states)
    assert log_probs.dtype == log_rows.dtype == jnp.float64
    np.testing.assert_allclose(np.exp(log_probs), law.ravel(), rtol=1e-10, atol=1e-13)
    assert np.array_equal(np.isneginf(log_probs), law.ravel() == 0)
    np.testing.assert_allclose(np.exp(log_rows), rows, rtol=1e-10, atol=1e-12)


@every_target
def test_conditionals_in_float32(member):
    target, _, states, rows = case(member)
    log_rows = jax.jit(jax.vmap(target.conditionals))(states)  # here the leaves are constants
    assert log_rows.dtype == jnp.float32
    assert not np.isnan(log_rows).any()
    np.testing.assert_allclose(np.exp(log_rows), rows, rtol=2e-4, atol=1e-5)


@every_target
def test_arrays_of_numpy_and_of_jax_inside_and_outside_of_jit(member):
    """Any integers will do; the mask id of a vocabulary of 256 would not fit uint8."""
    target, law, states, rows = case(member)
    place, word = len(states) // 2, np.stack(np.unravel_index(law.argmax(), law.shape))
    for state, tokens in (
        (states[place].astype(np.int64), word.astype(np.uint8)),
        (jnp.asarray(states[place]), jnp.asarray(word)),
    ):
        np.testing.assert_allclose(np.exp(target.conditionals(state)), rows[place], rtol=2e-4, atol=1e-5)
        assert float(target.log_prob(tokens)) == pytest.approx(np.log(law.max()), rel=1e-5, abs=1e-6)
        assert target.infer(state)[1].shape == ()
        if isinstance(target, Separable):
            known = np.arange(target.length) < target.dimension
            found = target.complete(known, np.where(known, tokens, 0))
            np.testing.assert_array_equal(found, word)
    for wrong in (word[1:], np.append(word, 0), word[None], word.astype(np.float32)):
        for function in (target.conditionals, target.log_prob, target.infer):
            with pytest.raises((ValueError, TypeError), match=r"give integers \[|Type-check error"):
                function(wrong)


@every_target
def test_samples(member):
    """Chi-square test of the whole joint law; the seed is fixed, and a false alarm has probability 1e-6 a target."""
    target, law, _, _ = case(member)
    number = 20_000
    keys = jax.random.split(jax.random.key(11), number)
    tokens = np.asarray(jax.jit(lambda target, keys: jax.vmap(target.sample)(keys))(target, keys))
    assert tokens.dtype == np.int32 and tokens.shape == (number, target.length)
    counts = np.bincount(np.ravel_multi_index(tokens.T, law.shape), minlength=law.size)
    assert counts[law.ravel() == 0].sum() == 0
    counts, expected = counts[law.ravel() > 0], number * law[law > 0]
    order = np.argsort(expected)  # rare outcomes are pooled into cells of at least 5 expected samples
    cells = np.floor(np.cumsum(expected[order]) / 10).astype(int)
    _, cells = np.unique(np.minimum(cells, max(cells[-1] - 1, 0)), return_inverse=True)
    observed, wanted = np.bincount(cells, counts[order]), np.bincount(cells, expected[order])
    statistic = np.sum((observed - wanted) ** 2 / wanted)
    assert stats.chi2.sf(statistic, max(len(wanted) - 1, 1)) > 1e-6


@every_target
def test_a_member_has_what_it_says(member):
    target = member.target()
    assert target.has("log_prob") and target.has("conditionals")
    assert target.has("entropy_curve") == member.curve == targets.blocks(target, 2).has("entropy_curve")


@every_target
def test_entropy_curve(member):
    target, law, _, _ = case(member)
    if not member.curve:
        with pytest.raises(Unavailable, match="cross_entropy_curve"):
            target.entropy_curve()
        return
    curve = target.entropy_curve()
    assert isinstance(curve, np.ndarray) and curve.dtype == np.float64
    np.testing.assert_allclose(curve, laws.entropy_curve(law), atol=1e-11)
    assert curve.sum() == pytest.approx(laws.entropy(law), abs=1e-11)
