"""Independent tokens: the only target on which no schedule has an error."""

import jax
import numpy as np
import pytest

from jdlm import curves, schedules, targets
from tests.reference import laws
from tests.targets.lanes import conditionals, draw

HALF = [0.5, 0.5]


def test_what_is_revealed_tells_nothing():
    """Rows stay the marginals, bit for bit, until a token of probability 0 is revealed: then all are uniform."""
    marginals = np.array([[0.5, 0.25, 0.25], [0.1, 0.0, 0.9], [0.2, 0.3, 0.5]])
    target = targets.product(marginals)
    found = np.exp(conditionals(target, np.array([[3, 3, 3], [0, 3, 3], [1, 3, 3], [2, 3, 3], [3, 1, 3]])))
    np.testing.assert_array_equal(found[1:4, 1:], found[[0, 0, 0], 1:])
    np.testing.assert_allclose(found[0], marginals, rtol=1e-6)
    np.testing.assert_allclose(found[4], [[1 / 3] * 3, [0, 1, 0], [1 / 3] * 3], rtol=1e-6)


def test_every_schedule_is_exact():
    marginals = np.random.default_rng(0).dirichlet(np.ones(4), 8)
    target = targets.product(marginals)
    curve = target.entropy_curve()
    assert curve.sum() == pytest.approx(sum(map(laws.entropy, marginals)), abs=1e-12)
    for build in (schedules.uniform, schedules.cosine, schedules.random_cuts):
        assert curves.path_kl(build(8, 3).exposure(), curve) == pytest.approx(0.0, abs=1e-12)
    assert curves.total_correlation(curve) == pytest.approx(0.0, abs=1e-12)


def test_rare_tokens_are_drawn_as_often_as_they_should():
    """Of probability 1e-5, in 2^20 draws: 10.5 are expected, 1 to 30 seen with probability 1 - 3e-5 (Poisson)."""
    target = targets.product(np.tile([1 - 1e-5, 1e-5], (1024, 1)))
    tokens = draw(target, jax.random.split(jax.random.key(0), 1024))
    assert 1 <= int(np.asarray(tokens).sum()) <= 30


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.product([HALF, [-0.25, 1.25]]), "marginals[1, 0] = -0.25 is negative"),
        (lambda: targets.product([HALF, [0.5, 0.25]]), "marginals[1] sums to 0.75, not 1; divide it by its sum"),
        (lambda: targets.product([[np.nan, 1.0]]), "marginals[0, 0] = nan is not finite"),
        (lambda: targets.product([[1.0, np.inf]]), "marginals[0, 1] = inf is not finite"),
        (lambda: targets.product(HALF), "marginals has shape [2]; give a non-empty array with 2 axes"),
        (lambda: targets.product(np.zeros((0, 3))), "marginals has shape [0, 3]; give a non-empty array"),
        (lambda: targets.product([HALF, [1.0]]), "marginals[1] has 1 entries but marginals[0] has 2; give"),
        (lambda: targets.product([["a", "b"]]), "marginals is not an array of numbers: could not convert string"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
