import ast
import dataclasses
import inspect
import itertools
import random
import textwrap

import pytest

from jdlm.config import (
    BlocksConfig,
    Config,
    MixtureConfig,
    ParityConfig,
    ProductConfig,
    SweepConfig,
    TextConfig,
    presets,
)
from jdlm.config.settings import NetworkConfig, TrainingConfig

TEXT = """
[target]
kind = "reed_solomon"
length = 8
dimension = 3
prime = 11
[network]
width = 16
[training]
learning_rate = 1
labels = "oracle"
[sweep]
num_steps = [2, 4]
"""


def test_shipped_presets_say_their_command_time_and_result():
    assert {"mixture", "reed-solomon", "tiny"} <= set(presets.names())
    for name in presets.names():
        assert presets.load(name).name == name
        lines = (presets.folder() / f"{name}.toml").read_text().splitlines()
        assert lines[0].startswith("# python ") and name in lines[0]
        assert all(line.startswith("# ") and "TODO" not in line for line in lines[:3])


def test_values_and_defaults():
    config = presets.parse(TEXT, "mine")
    assert (config.name, config.target.prime, config.sweep.num_steps) == ("mine", 11, (2, 4))
    assert config.network == NetworkConfig(width=16)
    assert config.training == TrainingConfig(learning_rate=1.0, labels="oracle")
    assert isinstance(config.training.learning_rate, float)


@pytest.mark.parametrize(
    "target",
    [
        ProductConfig(marginals=((0.5, 0.5), (1 / 3, 2 / 3))),
        MixtureConfig(length=8, weights=(1.0,), marginals=((1e-9, 1 - 1e-9),)),
        TextConfig(length=8),
        TextConfig(length=8, path="a file"),
        BlocksConfig(copies=2, of=BlocksConfig(copies=3, of=ParityConfig(length=2))),
    ],
)
def test_dump_reads_back_the_same(target):
    sweep = SweepConfig(num_steps=(1, 2), batch_size=7)
    config = Config(name='odd "name" \\ ü', target=target, sweep=sweep)
    trained = dataclasses.replace(config, network=NetworkConfig(), training=TrainingConfig(learning_rate=1 / 3e5))
    for each in (config, trained):
        assert presets.parse(presets.dump(each), "other") == each


def test_every_text_is_written_so_that_it_reads_back():
    """All characters to U+00FF alone and in pairs with those that TOML escapes; 300 random ones; no hypothesis here."""
    generator = random.Random(0)
    characters = [chr(code) for code in range(256)]
    texts = [before + each + after for each in characters for before, after in (("", ""), ("\\", ""), ('"', '"'))]
    odd = ["\\", '"', "'", "\n", "\r", "\t", "\x7f", "\x00", "\x1b", "\u2028", "\ufeff", "ü", "🙂", "u0041", "#", "a"]
    texts += ["".join(generator.choices(odd, k=generator.randrange(12))) for _ in range(300)]
    config = presets.parse(TEXT, "mine")
    for number in range(0, len(texts), 50):
        some = dataclasses.replace(config, target=TextConfig(4, "".join(texts[number : number + 50]), texts[number]))
        some = dataclasses.replace(some, sweep=SweepConfig(num_steps=(2,)))
        written = presets.dump(some)
        assert presets.parse(written, "other") == some
        assert written.encode().decode() == written and "\x7f" not in written and "\x00" not in written


@pytest.mark.parametrize("number", [1e-300, 5e-324, 1.7976931348623157e308, 0.1, 1 / 3, 1.0, 123456789012345680.0])
def test_numbers_are_written_with_all_their_digits(number):
    config = dataclasses.replace(
        presets.parse(TEXT, "mine"), training=TrainingConfig(learning_rate=number, seed=2**32 - 1)
    )
    assert presets.parse(presets.dump(config), "mine") == config


def docstrings(cls) -> dict[str, str]:
    """The string below each field in the source of a dataclass."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
    pairs = [pair for pair in itertools.pairwise(body) if isinstance(pair[0], ast.AnnAssign)]
    return {field.target.id: text.value.value for field, text in pairs if isinstance(text, ast.Expr)}


def test_each_field_has_its_help_as_a_comment():
    config = dataclasses.replace(
        presets.parse(TEXT, "mine"), sweep=SweepConfig(num_steps=(2,), batch_size=3, top_k=2, nucleus=0.5)
    )
    lines = presets.dump(config).splitlines()
    checked = 0
    for title in ("target", "network", "training", "sweep"):
        for name, text in docstrings(type(getattr(config, title))).items():
            start = lines.index(f"[{title}]")
            key = next(i for i in range(start, len(lines)) if lines[i].startswith(f"{name} = "))
            first = max(i for i in range(key) if not lines[i].startswith("# ")) + 1
            assert " ".join(line[2:] for line in lines[first:key]) == " ".join(text.split()), name
            checked += 1
    assert checked > 25 and max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("prime = 11", "primes = 11", r"unknown key 'primes' in \[target\] of kind 'reed_solomon'; .*'prime'"),
        ("prime = 11", "", "lacks 'prime'"),
        ("prime = 11", "prime = 11.0", r"target\.prime = 11\.0 is not a whole number"),
        ("prime = 11", "prime = true", r"target\.prime = True is not a whole number"),
        ("prime = 11", 'prime = "11"', r"target\.prime = '11' is not a whole number"),
        ('"reed_solomon"', '"reed-solomon"', "unknown target kind 'reed-solomon'; .*'reed_solomon'"),
        ('kind = "reed_solomon"', "", "no target"),
        ('kind = "reed_solomon"', "kind = 3", "unknown target kind 3"),
        ('"reed_solomon"', '"mixture"', r"unknown key 'dimension' in \[target\] of kind 'mixture'"),
        ("[network]", "[netwrk]", "unknown key 'netwrk' in the file; the nearest valid one is 'network'"),
        ("[network]\nwidth = 16", "", r"lacks \[network\]"),
        ("learning_rate = 1", "learning_rate = -1", r"\[training\]: learning_rate=-1\.0"),
        ('labels = "oracle"', 'labels = "exact"', r"labels = 'exact' is unknown; use one of 'sampled', 'oracle'"),
        ("num_steps = [2, 4]", "num_steps = 2", r"sweep\.num_steps = 2 is not a list"),
        ("num_steps = [2, 4]", "num_steps = [2, 4.5]", r"sweep\.num_steps\[1\] = 4\.5 is not a whole number"),
        ("num_steps = [2, 4]", "num_steps = [9]", r"sweep\.num_steps=9 exceeds length=8; use at most 8"),
        ("[sweep]", "[sweep", "line 12"),
    ],
)  # fmt: skip
def test_bad_presets_are_refused(tmp_path, old, new, message):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as caught:
        presets.load(str(path))
    assert str(caught.value).startswith("mine.toml: ") and "\n" not in str(caught.value)


def test_a_bad_target_inside_another():
    with pytest.raises(ValueError, match=r"\[target\.of\] of kind 'parity' lacks 'length'"):
        presets.parse('[target]\nkind="blocks"\ncopies=2\n[target.of]\nkind="parity"', "a")


def test_a_section_that_is_no_table():
    with pytest.raises(ValueError, match="sweep = 3 is not a section"):
        presets.parse('sweep = 3\n[target]\nkind="product"\nmarginals=[[1.0]]', "a")


def test_missing_presets():
    with pytest.raises(ValueError, match="no preset 'mixtur'; the nearest valid one is 'mixture'"):
        presets.load("mixtur")
    with pytest.raises(ValueError, match=r"no preset file 'mixture\.toml'"):
        presets.load("mixture.toml")


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"^a\.toml: "):
        presets.load(str(tmp_path / "a.toml"))
