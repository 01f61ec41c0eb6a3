"""Slow: how often right samplers fail an audit, and wrong ones; prints the tables of docs/reliability.md (-s)."""

import functools

import jax
import numpy as np
import pytest

from jdlm import targets
from jdlm.measure import audit, draw_tokens, exact, log_prob, marginals, report
from jdlm.predictor import oracle
from tests.reference import samplers as reference

RUNS = 1000


def p_values(truth, draw, n, runs=RUNS):
    """Of audits of sequences by ``draw(generator, n)``, with what is known of the truth computed once."""
    generator, found = np.random.default_rng(0), []
    law = None if isinstance(truth, targets.Target) else truth
    known = marginals.of_law(law) if law is not None else marginals.of_target(jax.random.key(0), truth)
    for run in range(runs):
        tokens = draw(generator, n)
        if law is not None:
            outside = (law[tuple(tokens.T)] == 0.0).any()
            checks = audit._checks(tokens, law, known, tokens, generator)
        else:
            floor = draw_tokens(jax.random.fold_in(jax.random.key(1), run), truth, n)
            log_probs = log_prob(truth, np.concatenate([tokens, floor]))
            outside = np.isneginf(log_probs[:n]).any()
            checks = audit._checks(tokens, tuple(np.split(log_probs, 2)), known, floor, generator)
        found.append(0.0 if outside else report._together(checks))
    return np.array(found)


def of_law(law):
    def draw(generator, n):
        flat = generator.choice(law.size, size=n, p=law.ravel() / law.sum())
        return np.stack(np.unravel_index(flat, law.shape), axis=1)

    return draw


def of_target(target):
    return lambda generator, n: draw_tokens(jax.random.key(int(generator.integers(2**31))), target, n)


@functools.cache
def table():
    weights = np.random.default_rng(1).gamma(0.6, size=[3] * 4)
    weights[0] = 0.0
    return weights / weights.sum()


def mixture():
    return targets.mixture([0.5, 0.3, 0.2], np.random.default_rng(0).dirichlet(np.ones(4), size=3), 20)


RIGHT = {
    "table of 54 outcomes, n = 2,000": lambda: (table(), 2000),
    "(0.6, 0.4, 3e-6), n = 10,000": lambda: (np.array([0.6, 0.4 - 3e-6, 3e-6]), 10_000),
    "sticky Markov, L = 8, V = 3, stay 0.33, n = 10,000": lambda: (
        exact.target_law(targets.sticky_markov(8, 3, 0.33)),
        10_000,
    ),
    "parity of 6 bits, n = 1,000": lambda: (exact.target_law(targets.parity(6)), 1000),
    "mixture of 3 products, L = 20, V = 4, n = 1,000": lambda: (mixture(), 1000),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_right_samplers_fail_as_often_as_asked(name):
    """Of 1,000; at most the alarm and 4 standard errors (one-sided 1 in 30,000), at least two fifths of it."""
    truth, n = RIGHT[name]()
    draw = of_target(truth) if isinstance(truth, targets.Target) else of_law(truth)
    found = p_values(truth, draw, n)
    shares = {alarm: np.mean(found < alarm) for alarm in (0.1, 0.01)}
    print(f"\n| {name} | {shares[0.1]:.3f} | {shares[0.01]:.3f} |")
    for alarm, share in shares.items():
        assert share <= alarm + 4 * np.sqrt(alarm * (1 - alarm) / RUNS)
    assert shares[0.1] > 0.04 - 4 * np.sqrt(0.04 / RUNS)


def argmax_at_end(law):
    """Output law of a sampler in random order that takes the most likely token for the last one, by enumeration."""
    out = np.zeros_like(law)
    length, vocab = law.ndim, law.shape[0]
    for last in range(length):
        others = np.moveaxis(law, last, -1)
        for cell in np.ndindex(others.shape[:-1]):
            state = [*cell[:last], vocab, *cell[last:]]
            best = int(np.argmax(reference.conditionals(law, tuple(state))[last]))
            state[last] = best
            out[tuple(state)] += others[cell].sum() / length
    return out


def wrong_laws(law):
    one = np.zeros_like(law)
    one[(0,) * law.ndim] = 1.0
    single = [law.sum(axis=tuple(k for k in range(law.ndim) if k != i)) for i in range(law.ndim)]
    cold = law ** (1 / 0.9)
    return {
        "one sequence": one,
        "independent tokens": functools.reduce(np.multiply.outer, single),
        "argmax at the end": argmax_at_end(law),
        "temperature 0.9": cold / cold.sum(),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("length", "vocab", "stay"), [(6, 3, 0.5), (8, 3, 0.5), (8, 4, 0.4), (10, 3, 0.5)])
def test_wrong_samplers_fail(length, vocab, stay):
    """All of 20 audits of 10,000 sequences at the default alarm."""
    law = exact.target_law(targets.sticky_markov(length, vocab, stay))
    shares = []
    for wrong in wrong_laws(law).values():
        shares.append(np.mean(p_values(law, of_law(wrong), 10_000, runs=20) < 1e-4))
    print(f"\n| L = {length}, V = {vocab}, stay {stay} | " + " | ".join(f"{share:.2f}" for share in shares) + " |")
    assert min(shares) == 1.0


@pytest.mark.slow
def test_wrong_samplers_fail_where_the_space_is_too_large():
    """The same four at L = 24, V = 4; 10 audits of 20,000 sequences (argmax at the end: 9 of 10 fail with 10,000)."""
    stay = 0.6 ** (1 / 0.9) / (0.6 ** (1 / 0.9) + 3 * (0.4 / 3) ** (1 / 0.9))
    target = targets.sticky_markov(24, 4, 0.6)
    conditionals = jax.jit(jax.vmap(oracle(target)))

    def at_end(generator, n):
        tokens = np.array(of_target(target)(generator, n))
        last = generator.integers(0, 24, n)
        tokens[np.arange(n), last] = 4
        best = np.asarray(conditionals(tokens)).argmax(axis=2)
        tokens[np.arange(n), last] = best[np.arange(n), last]
        return tokens

    wrong = {
        "one sequence": lambda generator, n: np.zeros((n, 24), np.int32),
        "independent tokens": lambda generator, n: generator.integers(0, 4, (n, 24), dtype=np.int32),
        "argmax at the end": at_end,
        "temperature 0.9": of_target(targets.sticky_markov(24, 4, stay)),
    }
    shares = [np.mean(p_values(target, draw, 20_000, runs=10) < 1e-4) for draw in wrong.values()]
    print("\n| L = 24, V = 4, stay 0.6 | " + " | ".join(f"{share:.2f}" for share in shares) + " |")
    assert min(shares) == 1.0
