"""Targets as a preset has them: each kind builds what its builder builds, and says what tells it from others."""

import hashlib
import json
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
    """But for those of files, whose law is not known."""
    kinds = [type(member.config) for member in MEMBERS]
    assert len(kinds) == len(set(kinds))
    assert {*kinds, *targets.FileConfig.__subclasses__()} == set(targets.KINDS.values())


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


def test_records_tell_kinds_and_fields_apart_and_are_plain_values():
    configs_of_all = [member.config for member in MEMBERS] + [targets.TextConfig(length=8)]
    records = [config.record() for config in configs_of_all]
    for config, record in zip(configs_of_all, records, strict=True):
        assert record["kind"] == config.kind and set(record) - {"kind"} == set(vars(config)) - {"encoding"}
        assert records.count(record) == 1 and json.loads(json.dumps(record))["kind"] == config.kind


def test_paths_are_anchored_and_pinned_inside_of_blocks_too(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_bytes(b"ab" * 40)
    inner = targets.TextConfig(length=4, path="a.txt")
    for config in (inner, targets.BlocksConfig(copies=2, of=targets.BlocksConfig(copies=1, of=inner))):
        anchored = config.anchored(tmp_path)
        text = anchored if isinstance(anchored, targets.TextConfig) else anchored.of.of
        assert text.path == str(tmp_path / "a.txt") and text.sha256 is None
        assert anchored.anchored(tmp_path / "elsewhere") == anchored  # absolute by now
        monkeypatch.chdir(tmp_path)
        pinned = config.pinned()
        text = pinned if isinstance(pinned, targets.TextConfig) else pinned.of.of
        assert text.path == str(tmp_path / "a.txt") and text.sha256 == hashlib.sha256(b"ab" * 40).hexdigest()
    parity = targets.ParityConfig(length=3)
    assert parity.anchored(tmp_path) is parity.pinned() is parity


def test_a_table_is_filled_with_the_last_token_fastest():
    built = targets.TableConfig(length=2, vocab=2, probabilities=(0.1, 0.2, 0.3, 0.4)).build()
    assert float(np.exp(built.log_prob(np.array([0, 1])))) == pytest.approx(0.2, rel=1e-6)
    with pytest.raises(ValueError, match="vocab=0 and length=2; use at least 1 for both"):
        targets.TableConfig(length=2, vocab=0, probabilities=())
    with pytest.raises(ValueError, match=r"2 probabilities for vocab=4 and length=40; give 4\*\*40 of them"):
        targets.TableConfig(length=40, vocab=4, probabilities=(0.5, 0.5))
