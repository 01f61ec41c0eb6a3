"""The study of adaptation: its numbers against printed tables, its samples against closed forms, its own schedule."""

import re

import numpy as np
import pytest

from jdlm import schedules
from jdlm.study import rows, verify
from jdlm.study.studies import adaptation
from jdlm.study.studies.study import Counted, cite


@pytest.fixture(scope="module")
def table():
    return rows.read(verify.folder() / "adaptation.csv")


def found(table, metric, **wanted):
    return [row for row in table if row.metric == metric and all(getattr(row, k) == v for k, v in wanted.items())]


def test_the_codes_are_those_of_the_results(table):
    """The part of `verify` that is made at once: it sees a schedule whose sizes have changed, and names it."""
    begun = []
    made = [
        *adaptation.glance(1),
        *adaptation.of_codes(1, adaptation.CODES[0], Counted(lambda *what: begun.append(what[2]), 9)),
    ]
    result = verify.compare(table, made, partial=True)
    assert not result.differences, result.differences[:5]
    assert result.exact > 4000 and result.sampled == 0 and len(begun) == 4


# Worst case at length 32 in 8 steps, as a share of TC and of DTC, found elsewhere.
SHARES = {
    "uniform": (1.0, 3.0),
    "cosine": (1.0, 0.667),
    "best_fixed_both": (0.6667, 0.6667),
    "tc_equalizer": (0.2249, None),
    "minimax_tc": (0.15576, None),
    "minimax_dtc": (None, 0.17249),
    "minimax_both": (0.30575, 0.30575),
}


@pytest.mark.parametrize("name", SHARES)
def test_shares_of_tc_and_dtc(table, name):
    for weight, expected in zip(("tc", "dtc"), SHARES[name], strict=True):
        values = [row.value for row in found(table, f"code_path_kl_over_{weight}", schedule=name)]
        assert len(values) == 31
        if expected is not None:
            assert max(values) == pytest.approx(expected, abs=6e-5 if expected < 0.6 else 6e-4)
    if name == "tc_equalizer":
        values = [row.value for row in found(table, "code_path_kl_over_tc", schedule=name)]
        assert max(values) - min(values) < 1e-12


# Mean and largest of path KL and of output KL at length 64 in 8 steps, found elsewhere.
LARGEST = {
    "uniform": (14.95, 29.43, 14.95, 29.43),
    "cosine": (18.89, 46.25, 18.89, 46.25),
    "best_fixed_both": (35.24, 113.5, 35.24, 113.5),
    "minimax_both": (28.68, 56.46, 2.52, 3.66),
    "random_cuts": (26.58, 29.43, 2.182, 2.184),
    "random_phase_equal": (16.20, 16.82, 2.181, 2.182),
}


@pytest.mark.parametrize("name", LARGEST)
def test_means_and_maxima_over_all_codes(table, name):
    where = {"target": "mds-64", "num_steps": 8, "schedule": name}
    names = ("mean_path", "largest_path", "mean_output", "largest_output")
    for what, expected in zip(names, LARGEST[name], strict=True):
        (row,) = found(table, f"{what}_kl_nats", **where)
        digits = len(str(expected).partition(".")[2])
        assert abs(row.value - expected) <= 0.5001 * 10.0**-digits
    for what in ("path", "output"):
        values = [row.value for row in found(table, f"{what}_kl_nats", **where)]
        assert len(values) == 63
        (largest,) = found(table, f"largest_{what}_kl_nats", **where)
        assert max(values) == pytest.approx(largest.value, rel=1e-12)


def test_samples_lie_inside_the_code_as_often_as_they_should(table):
    """15 points within 3.5 standard errors of the closed form; a false alarm in 140 seeds, with a fixed one."""
    exact = {row.place[:-1]: row.value for row in found(table, "inside_code_share", method="exact")}
    sampled = found(table, "inside_code_share", method="monte_carlo")
    assert len(sampled) == len(exact) >= 12
    for row in sampled:
        share = exact[row.place[:-1]]
        apart = (row.value - share) / np.sqrt(share * (1 - share) / row.n)
        assert abs(apart) <= 3.5
        (said,) = [r for r in found(table, "inside_code_deviation", index=row.index) if r.schedule == row.schedule]
        assert said.value == pytest.approx(apart, rel=1e-9)


def test_exponents_are_fitted_through_the_rows(table):
    (row,) = found(table, "path_kl_exponent", target="mds-128", schedule="tc_equalizer", index=61)
    points = found(table, "path_kl_nats", target="mds-128", schedule="tc_equalizer", index=61)
    slope = np.polyfit(np.log([p.num_steps for p in points]), np.log([p.value for p in points]), 1)[0]
    assert len(points) == 4 and row.value == pytest.approx(slope, rel=1e-9) and row.method == "fit"
    ends = {p.num_steps: p.value for p in points}
    (scaled,) = found(table, "path_kl_steps_over_dtc", target="mds-128", schedule="tc_equalizer", index=61, num_steps=8)
    assert scaled.value == pytest.approx(ends[8] * 8 / (61 * np.log(131)), rel=1e-12)


@pytest.mark.parametrize(("length", "num_steps"), [(64, 8), (64, 32), (8, 4)])
def test_adaptive_thinning_takes_the_smallest_kappa_with_so_few_steps(length, num_steps):
    (schedule,) = adaptation.built(length, num_steps, ["thinning_adaptive"])
    assert schedule.num_steps == num_steps and schedule.leftover < 1e-12
    start, stop = np.log(2 * length), -np.log(1 - 1 / (2 * length))
    fits = []
    for kappa in np.linspace(0.02, 0.98, 4000):
        times = [start]
        while times[-1] > stop:
            times.append(max(times[-1] - kappa * min(1.0, times[-1]), stop))
        if len(times) <= num_steps:  # as many steps as times but one, and the final reveal
            fits.append(times)
    near = schedules.ancestral(length, fits[0], "exponential")
    np.testing.assert_allclose(schedule.exposure(), near.exposure(), atol=0.02 * length)


def test_where_no_kappa_is_small_enough_there_is_no_adaptive_thinning():
    assert [s.name for s in adaptation.built(64, 4)] == [name for name in adaptation.BUILDERS if "adaptive" not in name]


def test_words_cite_rows(table):
    """Every number with a cell in the words is that of a row, at the printed digits."""
    cells = {}
    for row in table:
        cells.setdefault(row.cell[:6], []).append(row)
    cited = 0
    for line in adaptation.STUDY.conclude(table):
        for number, cell in re.findall(
            r"(-?[\d.]+(?:e-?\d+)?)(?: ± [\d.e-]+)?(?: \(n = [\d,]+\))? \[cell (\w{6})\]", line
        ):
            assert any(float(f"{row.value:.{d}g}") == float(number) for row in cells[cell] for d in (3, 4)), line
            cited += 1
        assert line.count("[cell ") <= 16
    assert cited >= 30


def test_a_row_is_cited_with_its_error_and_its_cell(table):
    (row,) = found(table, "inside_code_share", schedule="random_cuts", index=13, method="monte_carlo")
    assert re.fullmatch(r"0\.\d+ ± 0\.\d+ \(n = 2,048\) \[cell [0-9a-f]{6}\]", cite(row))
    assert re.fullmatch(r"0\.\d+ \[cell [0-9a-f]{6}\]", cite(row, error=False))
