"""The words in the lists of schedules and planners: each has a builder and a help that `--help` shows."""

import inspect
import re
import typing

import pytest
from typing_extensions import Doc

from jdlm import planners, schedules
from jdlm.config import SweepConfig, words
from jdlm.config.words import SAMPLERS
from jdlm.schedules import thinning
from jdlm.words import nearest

EVERY = [(package, name, word) for package in (schedules, planners) for name, word in package.WORDS.items()]
every_word = pytest.mark.parametrize(("package", "name", "word"), EVERY, ids=[name for _, name, _ in EVERY])


def help_of(field):
    """What `--help` says of a field of the sweep."""
    (doc,) = typing.get_type_hints(SweepConfig, include_extras=True)[field].__metadata__
    assert isinstance(doc, Doc)
    return doc.documentation


@every_word
def test_a_word_names_a_public_builder_and_what_it_takes(package, name, word):
    builder = getattr(package, word.name)
    assert word.name in package.__all__ and inspect.isfunction(builder)
    assert builder.__module__ == f"{package.__name__}.{word.builder.rpartition('.')[0]}"
    called = word.function(package.__name__)
    assert called.__module__ == builder.__module__ and called.__name__ == (word.call or word.name)
    parameters = inspect.signature(called).parameters
    assert set(word.takes) <= set(parameters)
    assert bool(word.parameter) == bool(word.example)
    assert word.parameter is None or word.parameter in parameters
    assert not word.choices or word.example in word.choices


@every_word
def test_a_word_has_a_line_in_the_help(package, name, word):
    assert 0 < len(word.help) <= 80 and "\n" not in word.help and not word.help.endswith(".")
    written = f"{name}:{word.parameter.upper()}" if word.parameter else name
    lines = help_of("schedules" if package is schedules else "planners").splitlines()
    assert f"- {written}: {word.help}" in lines


def test_the_help_lists_nothing_else():
    for field, listed in (("schedules", [*schedules.WORDS, *SAMPLERS]), ("planners", planners.WORDS)):
        assert len(help_of(field).splitlines()) == 1 + len(listed)


def test_the_help_says_which_words_are_special():
    num_steps, first, second = (help_of(f).splitlines()[0] for f in ("num_steps", "schedules", "planners"))
    assert {"ancestral", "euler", "tau_leaping", "first_hitting"} <= set(re.findall(r"\w+", num_steps))
    assert "uniform" not in num_steps
    assert "MASKING: linear, cosine, polynomial, exponential" in first
    assert {"threshold", "entropy_bounded", "entropy_sum"} <= set(re.findall(r"\w+", second)) and "margin" not in second


def test_the_masking_of_a_word_is_one_of_the_builders():
    for name in ("ancestral", "euler", "tau_leaping"):
        assert schedules.WORDS[name].choices == typing.get_args(thinning.Masking)


@pytest.mark.parametrize(
    ("word", "valid", "expected"),
    [
        ("uniforn", ["uniform", "cosine"], "the nearest valid one is 'uniform' (known: cosine, uniform)"),
        ("swep", ["text", "tiny"], "use one of text, tiny"),
        ("prime", [], "none is valid here"),
        ("word7", [f"word{i}" for i in range(17)], "the nearest valid one is 'word7'"),
        ("x", [f"word{i}" for i in range(33)], "none of the 33 valid ones is similar"),
    ],
)
def test_the_nearest_word_is_named_where_there_is_one(word, valid, expected):
    assert nearest(word, valid) == expected


def test_traits_make_the_lists_that_commands_use():
    """Whatever is added, these words and those stay in them and out of them."""
    lists = {
        "first_hitting": words.ONE_TOKEN_A_STEP,
        "threshold": words.SELF_SIZED_PLANNERS,
        "entropy_bounded": words.SELF_SIZED_PLANNERS,
        "entropy_sum": words.SELF_SIZED_PLANNERS,
        "ancestral": words.MORE_STEPS,
        "euler": words.MORE_STEPS,
        "tau_leaping": words.MORE_STEPS,
    }
    for word, names in lists.items():
        assert word in names and not {"uniform", "optimal", "random", "entropy"} & set(names)
