"""The study of the presets: its numbers against printed ones and a slow twin, and its figures and words."""

import functools
import math

import numpy as np
import pytest

from jdlm.config import presets as config_presets
from jdlm.config import words
from jdlm.study import rows, studies, verify
from jdlm.study.cells import Origin
from jdlm.study.figures.presets import FIGURES
from jdlm.study.studies import presets, presets_words
from tests.reference import laws


@functools.cache
def table():
    return rows.read(verify.folder() / "presets.csv")


@functools.cache
def quick():
    return list(studies.load("presets").measure(1, True, lambda *now: None))


def value(metric, target, **wanted):
    wanted = {"metric": metric, "target": target, "n": None} | wanted
    (row,) = [row for row in table() if all(getattr(row, k) == v for k, v in wanted.items())]
    return row.value


def test_the_quick_rows_are_those_of_the_results():
    """A schedule or a preset that has changed shows here, and is named."""
    result = verify.compare(table(), quick(), partial=True)
    assert not result.differences, result.differences[:5]
    assert result.sampled == 0 and {row.place for row in quick()} == {row.place for row in table() if row.n is None}


# Printed in the tables of the theory, which were made elsewhere.
def test_known_numbers():
    assert value("total_correlation_nats", "mixture") == pytest.approx(2.714, abs=5e-4)
    assert value("dual_total_correlation_nats", "mixture") == pytest.approx(0.7838, abs=5e-5)
    assert value("path_kl_nats", "mixture", schedule="uniform", num_steps=8) == pytest.approx(0.19, abs=5e-3)
    assert value("calls", "thinning", schedule="euler:linear", num_steps=64) == pytest.approx(5.77, abs=5e-3)


def test_the_thinning_rows_against_a_slow_twin():
    """Path KL and calls of binomial sizes, from an enumerated law."""
    length, stay, steps = 6, 0.8, 8
    law = laws.markov([0.5, 0.5], [[stay, 1.0 - stay], [1.0 - stay, stay]], length)
    curve = laws.entropy_curve(law)
    masked, exposure, calls = np.eye(length + 1)[length], np.zeros(length), 0.0
    for t in range(steps):  # each masked token is revealed with probability 1 / (steps left)
        p, after = 1.0 / (steps - t), np.zeros(length + 1)
        for m in range(1, length + 1):
            exposure[length - m] += masked[m] * m * p
            calls += masked[m] * (1.0 - (1.0 - p) ** m)
            for kept in range(m + 1):
                after[kept] += masked[m] * math.comb(m, kept) * (1.0 - p) ** kept * p ** (m - kept)
        after[0] += masked[0]
        masked = after
    where = {"schedule": "euler:linear", "num_steps": steps}
    assert value("calls", "thinning", **where) == pytest.approx(calls, rel=1e-9)
    wanted = exposure @ curve - laws.entropy(law.ravel())
    assert value("path_kl_nats", "thinning", **where) == pytest.approx(wanted, rel=1e-9)


def test_sampled_numbers_agree_with_exact_ones():
    """84 deviations within 4 standard errors: false alarm 5e-3, of fixed rows."""
    apart = [row.value for row in table() if row.metric.endswith("_deviation")]
    assert len(apart) == 84 and max(map(abs, apart)) < 4.0


def test_what_is_sampled_agrees_with_exact_numbers_of_its_own_schedule():
    """Four deviations within 4 standard errors: false alarm 3e-4, of a fixed seed."""
    target = config_presets.load("thinning").target.build()
    plan = [words.build_schedule("euler:linear", 6, steps) for steps in (2, 8)]
    made = list(presets._sampled(Origin("thinning", 1), target, target.entropy_curve(), plan, 512))
    apart = {(row.metric, row.num_steps): row.value for row in made if row.metric.endswith("_deviation")}
    assert len(apart) == 4 and max(map(abs, apart.values())) < 4.0
    calls = {row.num_steps: row.value for row in made if row.metric == "calls"}
    assert calls[2] == pytest.approx(1.97, abs=0.05) and calls[8] == pytest.approx(4.41, abs=0.2)


def test_figures_and_words():
    assert set(FIGURES) == {f"path_kl_{case.preset}" for case in presets.CASES}
    assert all(make(table()) is not None for make in FIGURES.values())
    assert all(make([]) is None for make in FIGURES.values())
    assert len(presets_words.conclude(table())) == 7
    assert len(presets_words.conclude(quick())) == 6
