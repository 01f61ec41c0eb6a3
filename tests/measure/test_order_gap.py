"""Order gaps: enumeration against the definition, Monte Carlo against enumeration, 0 for what is one distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import evaluate, targets
from jdlm.predictor import Predictor, oracle
from tests.measure import tables
from tests.reference import gaps

LENGTH, VOCAB = 3, 2
LAW = np.random.default_rng(1).dirichlet(np.full(VOCAB**LENGTH, 0.7)).reshape([VOCAB] * LENGTH)


def logits(spread=1.0):
    """Of a predictor that agrees with the law up to independent noise in each state."""
    table = np.asarray(tables.tabulate(oracle(targets.table(LAW))).params)
    return table + spread * np.random.default_rng(2).normal(size=table.shape).astype(np.float32)


def looked_up(table):
    return Predictor(jnp.asarray(table), tables.look_up, LENGTH, VOCAB)


def twin(table, law=None):
    shaped = np.exp(np.asarray(table, np.float64)).reshape([VOCAB + 1] * LENGTH + [LENGTH, VOCAB])
    return gaps.order_gap(lambda state: shaped[state] / shaped[state].sum(axis=1, keepdims=True), LENGTH, VOCAB, law)


SOURCES = {"sampler": None, "data": LAW}


@pytest.mark.parametrize("source", SOURCES)
def test_enumeration_is_the_definition_and_samples_agree(source):
    """The sampled mean is within 4.5 standard errors, which fails by chance with probability 7e-6."""
    table, law = logits(), SOURCES[source]
    target = None if law is None else targets.table(law)
    truth = evaluate.exact_order_gap(looked_up(table), target)
    assert truth == pytest.approx(twin(table, law), rel=1e-6) and truth > 0.5
    estimate = evaluate.order_gap(jax.random.key(0), looked_up(table), target, 6000)
    assert estimate.n == 6000 and estimate.standard_error < 0.02
    assert abs(estimate.value - truth) < 4.5 * estimate.standard_error


def test_both_sources_differ():
    assert abs(twin(logits()) - twin(logits(), LAW)) > 0.01


@pytest.mark.parametrize("target", [targets.walk(5, targets.graphs.cycle(4)), targets.replace_random(4, 2)])
def test_the_oracle_has_none(target):
    assert max(evaluate.exact_order_gap(oracle(target), source) for source in (None, target)) < 1e-12
    estimate = evaluate.order_gap(jax.random.key(1), oracle(target), target if target.length == 5 else None, 300)
    assert 0 <= estimate.value < 1e-5


def test_no_number_depends_on_the_batch():
    table = looked_up(logits())
    for target in (None, targets.table(LAW)):
        values = [evaluate.order_gap(jax.random.key(2), table, target, 100, batch_size=b) for b in (100, 7)]
        assert values[0].value == pytest.approx(values[1].value, rel=1e-6)


def test_a_pair_that_one_order_excludes_is_infinitely_wrong():
    table = logits(0.0)
    table[-1, 0] = [0.0, -np.inf]  # the first token alone is certain, and is not where another one is revealed
    for target in (None, targets.table(LAW)):
        assert evaluate.exact_order_gap(looked_up(table), target) == np.inf
        assert evaluate.order_gap(jax.random.key(0), looked_up(table), target, 100).value == np.inf


def test_a_pair_that_both_orders_exclude_has_no_gap():
    table = np.zeros(((VOCAB + 1) ** LENGTH, LENGTH, VOCAB), np.float32)
    table[..., 1] = -np.inf
    assert evaluate.exact_order_gap(looked_up(table), targets.table(LAW)) == 0
    assert evaluate.order_gap(jax.random.key(0), looked_up(table), targets.table(LAW), 100).value == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda key: evaluate.order_gap(key, oracle(targets.repetition(1, 3)), None, 9), "length=1 has no two orders"),
        (lambda key: evaluate.order_gap(key, oracle(targets.parity(3)), None, 1), "n=1 is too small; use at least 2"),
        (lambda key: evaluate.order_gap(key, oracle(targets.parity(3)), targets.parity(4), 9), "for this target"),
        (lambda key: evaluate.order_gap(key, looked_up(logits() * np.nan), targets.table(LAW), 9), "returned NaN"),
        (lambda key: evaluate.exact_order_gap(oracle(targets.parity(30)), None), "use a shorter length"),
    ],
)
def test_bad_requests_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(jax.random.key(0))
