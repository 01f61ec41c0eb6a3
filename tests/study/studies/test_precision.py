"""The study of precision: its ways of drawing against their laws, its numbers against second derivations."""

import functools
import re
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

import jdlm
from jdlm.study import rows, studies
from jdlm.study.studies import precision
from tests.reference import token_draws as twin

RESULTS = Path(jdlm.__file__).parent.parent / "docs" / "results" / "precision.csv"


@functools.cache
def table():
    return rows.read(RESULTS)


@functools.cache
def quick():
    told = []
    made = list(studies.load("precision").measure(1, True, lambda *now: told.append(now)))
    assert told[-1][0] == told[-1][1] and all(0 <= done <= total for done, total, _ in told)
    return made


def value(target, way, metric, index=None):
    (row,) = (
        row
        for row in table()
        if (row.target, row.predictor, row.metric, row.index, row.method) == (target, way, metric, index, "exact")
    )
    return row.value


def test_the_quick_rows_are_those_of_the_results():
    results = {row.place: row for row in table()}
    assert len({row.place for row in quick()}) == len(quick()) > 50 and len(results) == len(table())
    for row in quick():
        assert row.value == pytest.approx(results[row.place].value, rel=1e-6, abs=1e-9)
        assert row.seed is None


@pytest.mark.parametrize("way", precision.WAYS)
def test_a_way_draws_from_its_law(way):
    """Chi-square with the rare tokens pooled; a false alarm has probability 1e-6 each, the seed is fixed."""
    n = 2**15
    law = np.array([value("ladder", way, "token_probability", level) for level in range(precision.LEVELS)])
    tokens = precision.WAYS[way].draw(jax.random.key(3), precision.ladder().logits(), n)
    assert tokens.shape == (n,)
    observed = np.bincount(tokens, minlength=precision.LEVELS)
    observed, expected = (np.append(counts[:4], counts[4:].sum()) for counts in (observed, law * n))
    assert stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), 4) > 1e-6


def test_temperature_of_tokens_drawn_together_with_staying():
    """Each token by its own uniforms against a continuous rest, and the temperature by another solver."""
    words = 0.5 ** np.arange(1, precision.WORDS + 1)
    words /= words.sum()
    for steps in (100_000, 1_000_000):
        drawn = np.array([twin.rare_token(word / steps, 2.0**-23, (1, 2**13)) for word in words])
        mean = drawn @ np.log(words) / drawn.sum()

        def gap(inverse, mean=mean):
            weights = words**inverse
            return weights @ np.log(words) / weights.sum() - mean

        found = value("drawn_together", "gumbel_low_float32", "effective_temperature", steps)
        assert found == pytest.approx(1 / brentq(gap, 0.1, 10), rel=2e-4)
        revealed = value("drawn_together", "gumbel_low_float32", "revealed_ratio", steps)
        assert revealed == pytest.approx(drawn.sum() * steps, rel=2e-4)


@pytest.mark.parametrize("size", precision.CROWDS)
def test_share_of_a_crowd(size):
    """The crowd's smallest x is above j cells with probability (1 - j / 2^23)^size; the one token is continuous."""
    cells = np.arange(1, 10 * 2**23 // size + 20)
    above = (1 - np.minimum(np.append(0, cells) / 2.0**23, 1)) ** size
    times = -np.log1p(-np.minimum(cells / 2.0**23, 1 - 2.0**-24))
    wanted = (-np.diff(above) * np.exp(-size * times)).sum()
    assert value("crowd", "gumbel_low_float32", "crowd_share", size) == pytest.approx(wanted, rel=2e-4)
    assert value("crowd", "jdlm", "crowd_share", size) == pytest.approx(0.5, rel=2e-6)


def test_floors_of_both_modes():
    """In mode high every token has the probability that its own x is 0: 2^-14 in bfloat16, half of 2^-46 more here."""
    for level in range(7, 13):
        assert value("ladder", "gumbel_high_bfloat16", "token_probability", level) == pytest.approx(2.0**-14, rel=2e-3)
    for way in ("jdlm", "gumbel_high_float32"):
        extra = value("ladder", way, "token_probability", 12) - precision.ladder().probabilities[12]
        assert extra == pytest.approx(2.0**-47, rel=0.05, abs=0)
    assert value("ladder", "gumbel_low_float32", "token_ratio", 9) == 0
    assert value("ladder", "gumbel_low_bfloat16", "token_ratio", 5) == 0


def test_sampled_temperatures_agree_with_the_exact_ones():
    """Ten points within 3.5 standard errors: one of them fails by chance with probability 0.5 %, with a fixed seed."""
    sampled = [row for row in table() if row.metric == "effective_temperature" and row.n]
    assert len(sampled) == len(precision.WAYS) + len(precision.SAMPLED_CROWD)
    for row in sampled:
        exact = value(row.target, row.predictor, row.metric, row.index)
        assert abs(row.value - exact) < 3.5 * row.standard_error


@pytest.mark.parametrize("made", [table, quick], ids=["results", "quick"])
def test_words_and_figures(made):
    study = studies.load("precision")
    lines = study.conclude(made())
    assert 1 <= len(lines) <= 10 and all(re.search(r"\[cell [0-9a-f]{6}\]", line) for line in lines)
    drawn = {name: make(made()) for name, make in study.figures.items()}
    missing = [name for name, figure in drawn.items() if figure is None]
    assert missing == ([] if made is table else ["precision_temperature"])
    for figure in filter(None, drawn.values()):
        assert all(f"{letter} = " in figure.get_suptitle() for letter in "LVK")
