"""Targets as a preset writes them, and what they build."""

import hashlib
import json

import numpy as np
import pytest

from jdlm import config as configs
from jdlm.config import MixtureConfig, build_target

MIXTURE = MixtureConfig(length=8, weights=(0.5, 0.5), marginals=((0.9, 0.1), (0.2, 0.8)))


TARGETS = [
    configs.ProductConfig(marginals=((0.5, 0.5), (0.1, 0.9))),
    MIXTURE,
    configs.ReedSolomonConfig(length=5, dimension=2, prime=7),
    configs.LinearCodeConfig(generator=((1, 0, 1), (0, 1, 2)), prime=3),
    configs.RepetitionConfig(length=3, vocab=4),
    configs.ParityConfig(length=4),
    configs.MarkovConfig(length=3, initial=(0.5, 0.5), transition=((0.9, 0.1), (0.4, 0.6))),
    configs.StickyMarkovConfig(length=4, vocab=3, stay=0.7),
    configs.HiddenMarkovConfig(
        length=3, initial=(0.5, 0.5), transition=((0.9, 0.1), (0.4, 0.6)), emission=((0.7, 0.3), (0.2, 0.8))
    ),
    configs.PermutationConfig(length=4),
    configs.TableConfig(length=2, vocab=2, probabilities=(0.1, 0.2, 0.3, 0.4)),
    configs.TextConfig(length=8),
    configs.BlocksConfig(copies=2, of=configs.ParityConfig(length=3)),
]


@pytest.mark.parametrize("config", TARGETS, ids=lambda config: config.kind)
def test_every_target_kind_is_built(config):
    target = build_target(config)
    assert target.length == config.length
    assert target.vocab_size == getattr(config, "vocab", target.vocab_size)


def test_every_kind_has_a_case_here():
    assert {type(config) for config in TARGETS} == set(configs.TARGETS.values())


def test_ragged_rows_are_refused():
    with pytest.raises(ValueError, match="transition has rows of different lengths"):
        configs.MarkovConfig(length=3, initial=(0.5, 0.5), transition=((0.9, 0.1), (1.0,))).build()


def test_a_table_of_a_wrong_size_is_refused():
    with pytest.raises(ValueError, match=r"give 2\*\*3 = 8 of them"):
        configs.TableConfig(length=3, vocab=2, probabilities=(0.5, 0.5))


@pytest.mark.parametrize("config", TARGETS, ids=lambda config: config.kind)
def test_records_tell_kinds_and_fields_apart_and_are_plain_values(config):
    record = config.record()
    assert record["kind"] == config.kind and set(record) - {"kind"} == set(vars(config))
    assert [other.record() == record for other in TARGETS].count(True) == 1
    assert json.loads(json.dumps(record))["kind"] == config.kind


def test_paths_are_anchored_and_pinned_inside_of_blocks_too(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_bytes(b"ab" * 40)
    inner = configs.TextConfig(length=4, path="a.txt")
    for config in (inner, configs.BlocksConfig(copies=2, of=configs.BlocksConfig(copies=1, of=inner))):
        anchored = config.anchored(tmp_path)
        text = anchored if isinstance(anchored, configs.TextConfig) else anchored.of.of
        assert text.path == str(tmp_path / "a.txt") and text.sha256 is None
        assert anchored.anchored(tmp_path / "elsewhere") == anchored  # absolute by now
        monkeypatch.chdir(tmp_path)
        pinned = config.pinned()
        text = pinned if isinstance(pinned, configs.TextConfig) else pinned.of.of
        assert text.path == str(tmp_path / "a.txt") and text.sha256 == hashlib.sha256(b"ab" * 40).hexdigest()
    parity = configs.ParityConfig(length=3)
    assert parity.anchored(tmp_path) is parity.pinned() is parity


def test_a_table_is_filled_with_the_last_token_fastest():
    built = configs.TableConfig(length=2, vocab=2, probabilities=(0.1, 0.2, 0.3, 0.4)).build()
    assert float(np.exp(built.log_prob(np.array([0, 1])))) == pytest.approx(0.2, rel=1e-6)
    with pytest.raises(ValueError, match="vocab=0 and length=2; use at least 1 for both"):
        configs.TableConfig(length=2, vocab=0, probabilities=())
    with pytest.raises(ValueError, match=r"2 probabilities for vocab=4 and length=40; give 4\*\*40 of them"):
        configs.TableConfig(length=40, vocab=4, probabilities=(0.5, 0.5))
