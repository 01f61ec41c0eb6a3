"""The audit of a foreign sampler: a right one passes (alarm 1e-4, fixed seeds), what is wrong with others is named."""

import functools

import jax
import numpy as np
import pytest

from jdlm import planners, schedules, targets
from jdlm.measure import audit, exact, marginals
from jdlm.predictor import oracle
from jdlm.sampling import draw_sizes, sample

LENGTH, VOCAB = 4, 3


@functools.cache
def law() -> np.ndarray:
    weights = np.random.default_rng(1).gamma(0.6, size=[VOCAB] * LENGTH)
    weights[0] = 0.0
    return weights / weights.sum()


@functools.cache
def target() -> targets.Target:
    return targets.table(law())


def numpy_sampler(key, *, argmax_at_end: bool = False, forget_last: bool = False, redraw: bool = False) -> np.ndarray:
    """One token a step in random order, as one would write it with numpy or PyTorch; with three known bugs."""
    generator = np.random.default_rng(int(jax.random.bits(key)))
    tokens = np.full((500, LENGTH), VOCAB)
    for row in tokens:
        order = generator.permutation(LENGTH)
        for step, i in enumerate(order):
            seen = law()[tuple(slice(None) if v == VOCAB else slice(v, v + 1) for v in row)]
            weights = seen.sum(axis=tuple(k for k in range(LENGTH) if k != i))
            last = step == LENGTH - 1
            if last and forget_last:
                break
            row[i] = weights.argmax() if last and argmax_at_end else generator.choice(VOCAB, p=weights / weights.sum())
            if redraw and last:
                other = order[0]
                marginal = law().sum(axis=tuple(k for k in range(LENGTH) if k != other))
                row[other] = generator.choice(VOCAB, p=marginal)
    return tokens


def test_a_right_sampler_passes():
    report = audit.audit(numpy_sampler, target(), jax.random.key(0), n=4000)
    assert report.passes() and report.n == 4000
    assert report.chi_square.p_value > 1e-4 and report.outside_support.value == 0.0
    assert "noise floor" in str(report) and "p = " in str(report)


@pytest.mark.parametrize("bug", ["argmax_at_end", "redraw"])
def test_a_planted_bug_is_caught(bug):
    report = audit.audit(functools.partial(numpy_sampler, **{bug: True}), target(), jax.random.key(0), n=4000)
    assert not report.passes()
    if bug == "argmax_at_end":
        assert report.chi_square.p_value < 1e-10
        assert report.single_marginal_tv.value > 2 * report.single_marginal_tv_floor.value
    else:
        assert report.outside_support.value > 0.0 or report.chi_square.p_value < 1e-10


def test_a_sampler_that_leaves_a_mask_everywhere_is_refused():
    with pytest.raises(ValueError, match="1000 of 1000 sequences hold masks"):
        audit.audit(functools.partial(numpy_sampler, forget_last=True), target(), jax.random.key(0), n=1000)


def test_some_masks_left_are_counted():
    def forgetful(key):
        tokens = numpy_sampler(key)
        tokens[::10, 0] = VOCAB
        return tokens

    report = audit.audit(forgetful, target(), jax.random.key(0), n=1000)
    assert report.masks_left.value == pytest.approx(0.1) and not report.passes()


def test_a_parallel_sampler_is_tested_against_its_own_output_law():
    schedule = schedules.uniform(LENGTH, 2)

    def own(key):
        key_sizes, key_tokens = jax.random.split(key)
        return sample(key_tokens, oracle(target()), draw_sizes(key_sizes, schedule, 4000), batch_size=4000)

    assert audit.audit(own, exact.output_law(oracle(target()), schedule), jax.random.key(1), n=4000).passes()
    assert not audit.audit(own, target(), jax.random.key(1), n=4000).passes()


def test_a_space_too_large_for_chi_square_is_judged_by_its_marginals():
    wide = targets.product(np.random.default_rng(0).dirichlet(np.ones(4), size=24))

    def right(key):
        return jax.vmap(wide.sample)(jax.random.split(key, 2000))

    def tilted(key):
        tokens = np.array(right(key))
        tokens[: len(tokens) // 5] = 0
        return tokens

    report = audit.audit(right, wide, jax.random.key(2), n=2000)
    assert report.chi_square is None and report.passes()
    assert not audit.audit(tilted, wide, jax.random.key(2), n=2000).passes()


def test_marginals_of_a_law_are_those_of_the_target():
    one, other = marginals.of_law(law()), marginals.of_target(target(), jax.random.key(0))
    np.testing.assert_allclose(one.single, other.single, atol=1e-6)
    np.testing.assert_allclose(one.joint, other.joint, atol=1e-6)


@pytest.mark.parametrize(
    ("sampler", "n", "message"),
    [
        (numpy_sampler, 10, "n=10"),
        (lambda key: np.zeros((5, 3), int), 100, r"shape \(5, 3\); return tokens \[4\]"),
        (lambda key: np.zeros((5, 4)), 100, "dtype float64"),
    ],
)
def test_bad_samplers_are_refused(sampler, n, message):
    with pytest.raises(ValueError, match=message):
        audit.audit(sampler, target(), jax.random.key(0), n=n)
    leaky = exact.OutputLaw(law() * 0.5, 0.5, np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="leaves a mask"):
        audit.audit(numpy_sampler, leaky, jax.random.key(0))


def test_chi_square_counts_a_sample_of_probability_0_as_impossible():
    fair = np.array([[0.5, 0.0], [0.0, 0.5]])
    right = np.repeat([[0, 0], [1, 1]], 50, axis=0)
    assert audit.chi_square(right, fair) == audit.ChiSquare(0.0, 1, 1.0)
    assert audit.chi_square(np.vstack([right, [[0, 1]]]), fair).p_value == 0.0
    lopsided = audit.chi_square(np.repeat([[0, 0], [1, 1]], [60, 40], axis=0), fair)
    assert lopsided.statistic == pytest.approx(4.0) and lopsided.p_value == pytest.approx(0.0455, abs=1e-4)


def test_planners_are_values():
    assert planners.threshold(0.5) == planners.threshold(0.5) != planners.threshold(0.6)
    assert planners.random() != planners.confidence()
