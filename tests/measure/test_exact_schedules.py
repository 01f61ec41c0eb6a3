"""Every schedule of the registry in the exact laboratory, with the oracle and with a network trained here.

The chi-square tests alarm falsely with probability 1e-6 each; there are about 60 of them.
"""

import functools

import jax
import numpy as np
import pytest

from jdlm import curves, planners, targets, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.measure import exact
from jdlm.measure.state_space import StateSpace
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import draw_sizes, sample
from jdlm.training import network
from tests.measure import tables
from tests.reference import samplers as reference
from tests.schedules.family import FAMILY

LENGTH, NUM_STEPS, VOCAB, LANES, ALARM = 5, 3, 2, 8192, 1e-6


@functools.cache
def target() -> targets.Target:
    weights = np.random.default_rng(8).gamma(0.4, size=[VOCAB] * LENGTH)
    return targets.table(weights / weights.sum())


@functools.cache
def trained() -> Predictor:
    shape = NetworkConfig(width=8, depth=1, heads=1)
    state = training.train(shape, target(), TrainingConfig(steps=60, batch_size=32, warmup_steps=5, chunk_steps=60))
    return tables.tabulate(network.predictor(shape, state.ema, LENGTH, VOCAB))


@functools.cache
def space(name: str) -> StateSpace:
    return StateSpace(oracle(target()) if name == "oracle" else trained(), planners.random())


@functools.cache
def lookup(name: str) -> Predictor:
    """Both predictors as tables, so that one compiled sampler serves them."""
    return tables.tabulate(oracle(target())) if name == "oracle" else trained()


@pytest.mark.parametrize("member", FAMILY, ids=lambda member: member.name)
def test_samples_have_the_output_law_and_the_path_kl_is_the_identity(member):
    schedule = member.build(LENGTH, NUM_STEPS)
    law = exact.target_law(target())
    for name in ("oracle", "network"):
        out = exact.output_law_of(space(name), schedule)
        assert out.law.sum() + out.leftover == pytest.approx(1.0, abs=1e-12)
        assert out.leftover == pytest.approx(schedule.leftover, abs=1e-12)
        sizes = draw_sizes(jax.random.key(1), schedule, LANES)
        tokens = np.asarray(
            sample(jax.random.key(2), lookup(name), sizes, batch_size=LANES, allow_leftover=not member.complete)
        )
        whole = tokens[(tokens < VOCAB).all(axis=1)]
        assert reference.chi_square_p_value(whole, out.law / out.law.sum()) > ALARM
        if not member.complete:
            assert abs(1 - len(whole) / LANES - out.leftover) < 5 * np.sqrt(0.25 / LANES)
            continue
        both = exact.path_kl_of(space(name), schedule, law)
        assert both.output <= both.path + 1e-12
        if name == "oracle":
            identity = curves.path_kl(schedule.exposure(), target().entropy_curve())
            assert both.path == pytest.approx(identity, abs=1e-10)
        else:
            rows = {state: probabilities for state, probabilities in _tabulated()}
            curve = reference.cross_entropy_curve(law, rows.__getitem__)
            assert both.path == pytest.approx(curves.nelbo(schedule.exposure(), curve) - exact.entropy(law), abs=1e-6)


@functools.cache
def _tabulated() -> list:
    logits = np.asarray(trained().params, np.float64)
    probabilities = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    return list(zip(reference.states(LENGTH, VOCAB), probabilities, strict=True))
