"""Mixtures of products: count vectors in chunks, float32 far from every component, bounds by the label."""

import importlib
import math

import jax
import numpy as np
import pytest

from jdlm import curves, targets
from tests.reference import laws
from tests.targets.lanes import LENGTH, conditionals, draw, masked

HALF = [0.5, 0.5]


def test_mixture_in_float32():
    rng = np.random.default_rng(0)
    target = targets.mixture(rng.dirichlet(np.ones(5)), rng.dirichlet(np.full(16, 0.2), 5), LENGTH)
    states = masked(rng, np.asarray(draw(target, jax.random.split(jax.random.key(0), 30))), 16)
    states[:2] = rng.integers(0, 17, (2, LENGTH))  # of probability far below the smallest float32
    rows = conditionals(target, states)
    with jax.enable_x64(True):
        wanted = conditionals(target, states)
    np.testing.assert_allclose(np.exp(rows), np.exp(wanted), atol=2e-3)


def test_too_many_count_vectors_names_the_estimate():
    target = targets.mixture(HALF, np.full((2, 9), 1 / 9), 32)
    with pytest.raises(targets.Unavailable, match=r"count vectors.*jdlm\.evaluate\.cross_entropy_curve"):
        target.entropy_curve()
    assert not target.has("entropy_curve")


module = importlib.import_module("jdlm.targets.mixture")  # the name means the builder


@pytest.mark.parametrize("chunk", [1, 7, 2**16])
def test_count_vectors_are_all_there_once_whatever_the_chunk(chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    for total, parts in ((0, 3), (5, 1), (4, 3), (3, 4)):
        found = np.concatenate(list(module._count_vectors(total, parts)))
        assert found.shape == (math.comb(total + parts - 1, parts - 1), parts)
        assert (found.sum(axis=1) == total).all() and found.min() >= 0
        assert len(np.unique(found, axis=0)) == len(found)


def test_the_curve_does_not_depend_on_the_chunk(monkeypatch):
    target = targets.mixture([0.3, 0.7], np.random.default_rng(1).dirichlet(np.ones(3), 2), 6)
    whole = target.entropy_curve()
    monkeypatch.setattr(module, "_CHUNK", 2)
    np.testing.assert_allclose(target.entropy_curve(), whole, atol=1e-14)


def test_dual_total_correlation_is_at_most_the_entropy_of_the_label():
    """And comes up to it where few tokens tell the label, not where even 23 do not."""
    weights = np.array([0.2, 0.3, 0.5])
    for own, share in ((0.9, 0.99), (0.4, 0.2)):
        marginals = (1 - own) / 3 + (own - (1 - own) / 3) * np.eye(4)[:3]
        dual = curves.dual_total_correlation(targets.mixture(weights, marginals, 24).entropy_curve())
        assert share * laws.entropy(weights) < dual <= laws.entropy(weights) + 1e-12


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.mixture([0.5, 0.6], [HALF, HALF], 3), "weights sums to 1.1, not 1"),
        (lambda: targets.mixture([1.0], [HALF, HALF], 3), "weights has 1 components but marginals has 2"),
        (lambda: targets.mixture(HALF, [HALF, HALF]), "length=None with marginals of shape"),
        (lambda: targets.mixture([1.0], [[HALF, HALF]], 2), "length=2 does not apply to marginals by"),
        (lambda: targets.mixture([1.0], [HALF], 0), "length=0 is too small; use at least 1"),
        (lambda: targets.mixture([1.0], [[HALF, [1.0]]]), "marginals[0][1] has 1 entries but marginals[0][0]"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
