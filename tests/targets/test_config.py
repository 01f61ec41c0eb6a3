"""Targets as a preset has them: each kind builds what its builder builds, and says what tells it from others."""

from dataclasses import FrozenInstanceError, fields

import jax
import numpy as np
import pytest

from jdlm import config as configs
from jdlm import targets
from tests.targets.family import FAMILY

MEMBERS = [member for member in FAMILY if member.config is not None]
MEMBERS_OF_KINDS = pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.config.kind)


def test_every_kind_is_in_the_registry():
    """But for a text, whose law is not known."""
    kinds = [type(member.config) for member in MEMBERS]
    assert len(kinds) == len(set(kinds))
    assert {*kinds, targets.TextConfig} == set(targets.KINDS.values())


@MEMBERS_OF_KINDS
def test_a_kind_builds_what_its_builder_builds(member):
    built, expected = configs.build_target(member.config), member.target()
    assert type(built) is type(expected)
    assert jax.tree.structure(built) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(built), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)
    assert built.length == member.config.length == expected.length


def test_a_text_is_built():
    target = targets.TextConfig(length=8).build()
    assert isinstance(target, targets.text(length=8).__class__) and target.length == 8


@pytest.mark.parametrize("kind", targets.KINDS.values(), ids=lambda kind: kind.kind)
def test_a_kind_is_a_frozen_dataclass_named_after_its_builder(kind):
    assert targets.KINDS[kind.kind] is kind and kind.__doc__
    assert kind.kind in targets.__all__ and kind.__name__ in targets.__all__
    assert getattr(targets, kind.kind).__module__ == f"jdlm.targets.{kind.builder.rpartition('.')[0]}"
    with pytest.raises(FrozenInstanceError):
        kind.__setattr__(kind.__new__(kind), fields(kind)[0].name, 1)


def test_the_old_home_of_the_classes_stays():
    assert configs.TARGETS is targets.KINDS
    for kind in targets.KINDS.values():
        assert getattr(configs, kind.__name__) is kind
    with pytest.raises(AttributeError, match="no attribute 'NonsenseConfig'"):
        _ = configs.NonsenseConfig


def test_records_stay():
    """They are part of the cells of a training's rows."""
    chain = targets.StickyMarkovConfig(length=4, vocab=3, stay=0.7)
    assert chain.record() == {"kind": "sticky_markov", "length": 4, "vocab": 3, "stay": 0.7}
    assert targets.BlocksConfig(copies=2, of=chain).record() == {"kind": "blocks", "copies": 2, "of": chain.record()}
    text = targets.TextConfig(length=8)
    assert text.record() == {"kind": "text", "length": 8, "path": None, "sha256": None}


def test_ragged_rows_are_refused():
    with pytest.raises(ValueError, match="transition has rows of different lengths"):
        targets.MarkovConfig(length=3, initial=(0.5, 0.5), transition=((0.9, 0.1), (1.0,))).build()


def test_a_table_of_a_wrong_size_is_refused():
    with pytest.raises(ValueError, match=r"give 2\*\*3 = 8 of them"):
        targets.TableConfig(length=3, vocab=2, probabilities=(0.5, 0.5))
