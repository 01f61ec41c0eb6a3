"""Predictors known exactly: perturbations are fixed functions of what is seen, of a stated size."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import schedules, targets
from jdlm.config.settings import NetworkConfig
from jdlm.measure import exact
from jdlm.predictor import Predictor, is_of_target, is_oracle_of, logits_dtype, map_lanes, oracle, perturbed
from jdlm.training import network
from tests.predictor.cases import LENGTH, VOCAB, table, target


@functools.cache
def all_states() -> np.ndarray:
    return np.stack(np.unravel_index(np.arange((VOCAB + 1) ** LENGTH), (VOCAB + 1,) * LENGTH), axis=1).astype(np.int32)


def errors(predictor, scale, seed, chunk=None):
    """The logits that a perturbation adds, on all states."""
    states = jnp.asarray(all_states())
    changed, own = (
        jax.jit(functools.partial(map_lanes, chunk=chunk))(each, states)
        for each in (perturbed(predictor, scale, seed), predictor)
    )
    return np.asarray(changed) - np.asarray(own)


def test_a_perturbation_is_a_fixed_function_of_seed_and_state():
    flat = Predictor.wrap(lambda tokens: jnp.zeros((LENGTH, VOCAB)), LENGTH, VOCAB)
    g = errors(flat, 1.0, 3)
    np.testing.assert_array_equal(g, errors(flat, 1.0, 3, chunk=7))  # whatever else is in the batch
    for lane in (0, 100, 255):
        alone = perturbed(flat, 1.0, 3)(jnp.asarray(all_states()[lane]))
        np.testing.assert_array_equal(g[lane], alone)
        some = perturbed(flat, 1.0, 3)(jnp.asarray(all_states()[lane]), jnp.array([2, 0]))
        np.testing.assert_array_equal(g[lane][[2, 0]], some)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(g, errors(flat, 1.0, 3))
    np.testing.assert_allclose(errors(flat, 0.25, 3), 0.25 * g, rtol=1e-6)
    # 3072 numbers: uniform with mean 0 and variance 1, within 4 standard errors each; the seed is fixed.
    assert np.abs(g).max() <= 3**0.5 + 1e-6
    assert abs(g.mean()) < 4 / g.size**0.5 and abs(g.var() - 1) < 4 * (0.8 / g.size) ** 0.5
    others = [g[::-1], errors(flat, 1.0, 4), np.roll(g, 1, axis=0), np.roll(g, 1, axis=1), np.roll(g, 1, axis=2)]
    for other in others:  # other states, seeds, positions and tokens have errors of their own
        assert abs((g * other).mean()) < 4 / g.size**0.5
    assert len(np.unique(g.reshape(len(g), -1), axis=0)) == len(g)


def test_a_perturbation_keeps_impossible_tokens_and_the_predictors_own_shape():
    code = targets.reed_solomon(LENGTH, 2, 5)
    pattern = jnp.array([1, 3, 5, 5])
    found, own = (np.asarray(each(pattern)) for each in (perturbed(oracle(code), 2.0, 1), oracle(code)))
    np.testing.assert_array_equal(np.isneginf(found), np.isneginf(own))
    assert np.isfinite(found[own == 0.0]).all()
    np.testing.assert_array_equal(perturbed(oracle(target()), 0.0, 9)(jnp.array([0, 3, 3, 2])),
                                  oracle(target())(jnp.array([0, 3, 3, 2])))  # fmt: skip
    for batched in (False, True):
        low = dataclasses.replace(table(jnp.bfloat16), batched=batched, selective=True)
        changed = perturbed(low, 0.5, 2)
        assert (changed.batched, changed.selective) == (batched, True) and logits_dtype(changed) == jnp.float32
        np.testing.assert_allclose(errors(low, 0.5, 2), errors(table(jnp.float32), 0.5, 2), atol=2e-6)
        lanes, positions = jnp.asarray(all_states()[:5]), jnp.tile(jnp.array([1, 0]), (5, 1))
        some = map_lanes(changed, lanes, positions)
        np.testing.assert_array_equal(some, map_lanes(changed, lanes)[:, jnp.array([1, 0])])
    assert is_of_target(changed) is False and is_of_target(perturbed(oracle(target()), 0.5, 2))
    assert not is_oracle_of(perturbed(oracle(target()), 0.0, 2), target())
    for arguments, message in {
        (-0.1, 0): "scale=-0.1 is not a size of errors", (np.nan, 0): "scale=nan is not a size",
        (0.1, -1): "seed=-1 is too small", (0.1, 2**32): "seed=4294967296 is too large",
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=message):
            perturbed(oracle(code), *arguments)


def test_perturbations_share_their_program_and_are_exact_in_float64():
    calls = []

    def apply(tokens):
        calls.append(1)
        return jnp.zeros((LENGTH, VOCAB))

    own = Predictor.wrap(apply, LENGTH, VOCAB)
    calls.clear()
    for scale, seed in ((0.1, 0), (0.1, 1), (0.7, 1)):
        exact.output_law(perturbed(own, scale, seed), schedules.uniform(LENGTH, 2))
    assert len(calls) == 1
    # float32 marginals would be off by 1e-7
    law = exact.output_law(perturbed(oracle(target()), 0.0, 0), schedules.first_hitting(LENGTH)).law
    np.testing.assert_allclose(law, exact.target_law(target()), rtol=0, atol=1e-15)


def test_a_predictor_that_looks_at_the_order_is_not_perturbed():
    """The hash is of a set of tokens; it would not know in which order they were revealed."""
    config = NetworkConfig(kind="causal", width=8, depth=1, heads=2)
    params = network.build(config, LENGTH, VOCAB).init(jax.random.key(0))
    with pytest.raises(ValueError, match="depends on the order of reveal, which a perturbation does not know"):
        perturbed(network.predictor(config, params, LENGTH, VOCAB), 0.1, 0)
