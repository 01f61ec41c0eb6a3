"""The study of the order: its numbers against closed forms and the slow twin, and what the results say."""

import functools
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.special import entr, gammaln

import jdlm
from jdlm import targets
from jdlm.measure import exact
from jdlm.study import rows, studies
from jdlm.study.studies import order
from tests.reference import laws, samplers

RESULTS = Path(jdlm.__file__).parent.parent / "docs" / "results" / "order.csv"


@functools.cache
def table():
    return rows.read(RESULTS)


@functools.cache
def quick():
    told = []
    made = list(studies.load("order").measure(1, True, lambda *now: told.append(now)))
    assert told[-1][0] == told[-1][1] and all(0 <= done <= total for done, total, _ in told)
    return made


def values(found, target, metric, **wanted):
    """Planner -> value."""
    return {
        row.planner: row.value
        for row in found
        if (row.target, row.metric, row.method) == (target, metric, "exact")
        and row.schedule in ("", "uniform")
        and all(getattr(row, name) == value for name, value in wanted.items())
    }


def test_the_quick_rows_are_those_of_the_results():
    results = {row.place: row for row in table()}
    assert len({row.place for row in quick()}) == len(quick()) > 50 and len(results) == len(table())
    for row in quick():
        assert row.value == pytest.approx(results[row.place].value, rel=1e-6, abs=1e-9)
        assert row.seed is None


def test_confident_copies_by_hand_and_by_the_twin():
    """Confidence reveals two copies, or all three, in its first step; random order by enumeration of all orders."""
    bit = entr(0.7) + entr(0.3)
    for steps, at_once in ((2, 3), (3, 2), (4, 2)):
        found = values(quick(), "confident_copies", "output_kl_nats", num_steps=steps)
        assert found["confidence"] == pytest.approx((at_once - 1) * bit)
    law = laws.mixture([0.7, 0.3], [[bits] * 3 + [[0.5, 0.5]] * 3 for bits in ([1, 0], [0, 1])])
    out = samplers.output_law(lambda state: samplers.conditionals(law, state), 6, 2, [(1.0, (2, 2, 2))])
    support = law > 0
    found = values(quick(), "confident_copies", "output_kl_nats", num_steps=3)
    assert found["random"] == pytest.approx((law[support] * np.log(law[support] / out[support])).sum())
    shares = values(quick(), "confident_copies", "outside_support_share", num_steps=3)
    assert shares["random"] == pytest.approx(out[~support].sum())


def test_two_strings_and_copies_in_the_results():
    for steps, first in ((2, 4), (3, 3), (4, 2)):
        shares = values(table(), "two_strings", "outside_support_share", num_steps=steps)
        assert len(shares) == 6 and set(np.round(list(shares.values()), 12)) == {1 - 2.0 ** (1 - first)}
        assert values(table(), "copy", "output_kl_nats", num_steps=steps)["left_to_right"] == pytest.approx(
            0, abs=1e-12
        )


def test_correlations_are_the_closed_forms():
    def facts(name):
        words = ("total_correlation_nats", "dual_total_correlation_nats")
        return [next(r.value for r in table() if (r.target, r.metric) == (name, word)) for word in words]

    three = np.log(3)
    assert facts("copy") == pytest.approx([3 * three, 3 * three])
    assert facts("replace_random") == pytest.approx([3 * three - np.log(3 * 2), 3 * three + np.log(3 / 2)])
    orders = gammaln(7) - 3 * gammaln(3)
    assert facts("shuffle") == pytest.approx([6 * three - orders, orders])
    assert facts("two_strings") == pytest.approx([7 * np.log(2), np.log(2)])


def test_what_every_exact_row_obeys():
    """The path bounds the output, which can be impossible only as far as it is off."""
    found = {row.place: row.value for row in table() if row.method == "exact"}
    for place, value in found.items():
        if "output_kl_nats" in place:
            path, tv, outside = (
                found[tuple(name if part == "output_kl_nats" else part for part in place)]
                for name in ("path_kl_nats", "output_tv", "outside_support_share")
            )
            assert -1e-9 < value < path + 1e-9
            assert outside <= tv + 1e-12 <= np.sqrt(max(value, 0) / 2) + 1e-6  # Pinsker


def test_moves_of_an_output():
    """A chain against itself, independent tokens of its stationary law, and a move followed by such a token."""
    chain = targets.walk(4, targets.graphs.path(3))
    assert order._kernel_tv(chain, exact.target_law(chain)) == pytest.approx(0, abs=1e-12)
    free = laws.product([[0.25, 0.5, 0.25]] * 4)
    assert order._kernel_tv(chain, free) == pytest.approx(0.5)
    half = np.multiply.outer(laws.walk([[1], [0, 2], [1]], 2), [0.25, 0.5, 0.25])
    assert order._kernel_tv(chain, half) == pytest.approx(0.25)


def test_counts_of_lower_and_higher_divergences():
    pairs = {(row.target, row.num_steps) for row in table() if row.schedule == "uniform"}
    gains = []
    for name, steps in pairs:
        found = values(table(), name, "output_kl_nats", num_steps=steps)
        gains.append(found["confidence"] - found["random"])
    said = values(table(), "all", "than_random_lower_count"), values(table(), "all", "than_random_higher_count")
    assert (said[0]["confidence"], said[1]["confidence"]) == (
        (np.array(gains) < -1e-9).sum(),
        (np.array(gains) > 1e-9).sum(),
    )
    assert values(table(), "all", "than_random_compared_count")["confidence"] == len(pairs) == 42


def test_sampled_shares_agree_with_the_exact_ones():
    """Twelve points within 3.5 standard errors: one fails by chance with probability 0.6 %, with a fixed seed."""
    sampled = {row.place[:-1]: row for row in table() if row.metric == "outside_support_share" and row.n}
    exact_rows = {row.place[:-1]: row for row in table() if row.metric == "outside_support_share" and not row.n}
    assert len(sampled) == 12
    for place, row in sampled.items():
        assert abs(row.value - exact_rows[place].value) < 3.5 * row.standard_error


@pytest.mark.parametrize("made", [table, quick], ids=["results", "quick"])
def test_words_and_figures(made):
    study = studies.load("order")
    lines = study.conclude(made())
    assert len(lines) == (10 if made is table else 1) and all(
        re.search(r"\[cell [0-9a-f]{6}\]", line) for line in lines
    )
    drawn = {name: make(made()) for name, make in study.figures.items()}
    assert [name for name, figure in drawn.items() if figure is None] == ([] if made is table else ["order_kernel"])
    for figure in filter(None, drawn.values()):
        assert all(f"{letter} = " in figure.get_suptitle() for letter in "LVK")
    assert ("n = 20,000" in drawn["order_validity"].get_suptitle()) == (made is table)


def test_the_law_of_the_docstring():
    law = exact.target_law(order.confident_copies())
    for word in itertools.product(range(2), repeat=6):
        assert law[word] == pytest.approx((len(set(word[:3])) == 1) * (0.7, 0.3)[word[0]] / 8)
