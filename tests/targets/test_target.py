"""What the base class makes of the members of a target, and what it says of those that are missing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import targets
from jdlm.targets import Target, Unavailable
from jdlm.targets.table import Table


def test_what_a_member_has_is_one_of_three_words():
    with pytest.raises(ValueError, match="member='entropy' is not known; use 'log_prob', 'conditionals' or"):
        targets.parity(3).has("entropy")


def test_nothing_is_computed_to_know_that_there_is_a_curve(monkeypatch):
    monkeypatch.setattr(Table, "entropy_curve", None)
    assert targets.table(np.full((2, 2), 0.25)).has("entropy_curve")


class Sampled(Target):
    """A law that can only be sampled."""

    length, vocab_size = 3, 2

    def sample(self, key):
        return jax.random.randint(key, (3,), 0, 2, jnp.int32)


class Odd(Sampled):
    """Any row for what is masked, NaN for what is revealed, and patterns that begin with 1 are impossible."""

    def infer(self, tokens):
        tokens = self.checked(tokens)
        rows = jnp.log(jnp.array([[0.25, 0.75]] * 3))
        return jnp.where((tokens < 2)[:, None], jnp.nan, rows), tokens[0] != 1


def test_conditionals_are_what_infer_says_of_masked_positions_alone():
    """Point masses where a token is revealed, whatever infer says there; uniform rows for an impossible pattern."""
    rows = np.exp(Odd().conditionals(np.array([2, 0, 2])))
    np.testing.assert_allclose(rows, [[0.25, 0.75], [1, 0], [0.25, 0.75]], rtol=1e-6)
    rows = np.exp(Odd().conditionals(np.array([1, 2, 0])))
    np.testing.assert_allclose(rows, [[0, 1], [0.5, 0.5], [1, 0]], rtol=1e-6)


def test_what_is_missing_says_what_to_use():
    target = Sampled()
    assert [target.has(name) for name in ("log_prob", "conditionals", "entropy_curve")] == [False] * 3
    tokens = np.zeros(3, int)
    for call, message in (
        (lambda: target.log_prob(tokens), r"^Sampled has no log_prob; measure with jdlm\.evaluate\."),
        (lambda: target.infer(tokens), r"^Sampled has no exact conditionals; train a network on it instead$"),
        (lambda: target.conditionals(tokens), "no exact conditionals"),
        (target.entropy_curve, r"^Sampled has no exact entropy curve; measure one with"),
    ):
        with pytest.raises(Unavailable, match=message):
            call()
    assert Odd().has("conditionals") and not Odd().has("log_prob")


def test_a_curve_of_ones_own_is_there_without_another_word():
    class Known(Sampled):
        def entropy_curve(self):
            return np.full(3, np.log(2))

    assert Known().has("entropy_curve") and Known().entropy_curve().tolist() == [np.log(2)] * 3


def test_a_target_is_its_own_every_split():
    target = targets.parity(3)
    assert all(target.on(split) is target for split in ("train", "validation", "test"))


def test_tokens_are_checked_and_int32():
    target = Sampled()
    for tokens in (np.array([0, 2, 1], np.uint8), jnp.array([0, 2, 1])):
        checked = target.checked(tokens)
        assert isinstance(checked, jax.Array) and checked.dtype == jnp.int32 and checked.tolist() == [0, 2, 1]
    check = getattr(Target.checked, "__wrapped__", Target.checked)  # without the types of the tests
    for wrong, message in (
        ([0, 1], r"tokens is int64\[2\]; give integers \[3\]"),
        ([0.0, 1.0, 1.0], r"tokens is float64\[3\]; give integers \[3\]"),
        (np.zeros((1, 3), int), r"int64\[1, 3\]"),
        ([[0, 1], [1]], r"tokens\[1\] has 1 entries but tokens\[0\] has 2"),
    ):
        with pytest.raises(ValueError, match=message):
            check(target, wrong)
