"""Reports: their table and sentences are those of the rows."""

import math
import re

import pytest

from jdlm.study import pages
from jdlm.study.pages.report import conclude
from jdlm.study.rows import Row

FACTS = pages.Facts("<script>title", {"run": '"quoted"'}, ["python sample.py 'a b'"])


def row(schedule, metric, value, *, steps=4, predictor="network", planner="random", error=None, method="identity"):
    n = None if error is None else 100
    return Row(
        "0123456789ab", "toy", predictor, schedule, planner, steps, 4.0, metric, None, value, error, n, method, None
    )


ROWS = [
    row("", "total_correlation_nats", 2.0, steps=None, predictor="", planner="", method="exact"),
    row("", "entropy_nats", 8.0, steps=None, predictor="", planner="", method="exact"),
    row("uniform", "worst_case_both", 7.0, predictor="", planner="", method="exact"),
    row("minimax_both", "worst_case_both", 0.25, predictor="", planner="", method="exact"),
    row("uniform", "path_kl_nats", 0.5),
    row("uniform", "path_kl_nats", 0.53, error=0.04, method="monte_carlo"),
    row("minimax_both", "path_kl_nats", 0.125),
    row("minimax_both", "learning_kl_nats", 0.0625),
    row("uniform", "path_kl_nats", 3.0, steps=1),
    row("minimax_both", "path_kl_nats", 3.0, steps=1),
    row("", "learning_error_nats", 0.1, steps=None, planner="", error=0.01, method="monte_carlo"),
]


def cells(page):
    body = page.split("<tbody>")[1].split("</tbody>")[0]
    return [
        ("best" in line.split(">")[0], [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", line)])
        for line in body.split("<tr")[1:]
    ]


def test_the_table_holds_each_number_at_its_place_and_marks_the_best_of_each_number_of_steps():
    found = {(line[0], line[2]): (best, line[3:]) for best, line in cells(pages.report(ROWS, FACTS, {}))}
    assert found["uniform", "4"] == (False, ["4.00", "0.5000", "0.5300 ± 0.0400", "-", "-", "-"])
    assert found["minimax_both", "4"] == (True, ["4.00", "0.1250", "-", "0.0625", "-", "-"])
    assert not found["uniform", "1"][0] and not found["minimax_both", "1"][0], "all cost the same"


def test_the_sentences_are_those_of_the_rows():
    first, second, third = conclude(ROWS)
    assert first.startswith(
        "With 4 steps, random positions and the network, minimax_both costs least: 0.1250 nats of path KL"
    )
    assert first.endswith("uniform 0.5000.")
    assert "the network costs 0.1000 ± 0.0100 nats of path KL (5.0 % of TC and 1.2 % of H)" in second
    assert "of minimax_both is at most 0.25 times the effective correlation D, that of uniform 7 times." in third
    unclear = [row("uniform", "nelbo_nats", 0.5, error=0.1, method="monte_carlo"),
               row("cosine", "nelbo_nats", 0.4, error=0.1, method="monte_carlo")]  # fmt: skip
    (only,) = conclude(unclear)
    assert "cosine costs least: 0.4000 ± 0.1000 nats of NELBO" in only and "within two standard errors" in only
    assert conclude([]) == []
    never = [row("uniform", "path_kl_nats", math.inf), row("cosine", "path_kl_nats", math.inf)]
    never.append(row("", "learning_error_nats", math.inf, steps=None, planner="", error=math.nan, method="monte_carlo"))
    (infinite,) = conclude([*ROWS[:2], *never])
    assert infinite.startswith(
        "With 4 steps and random positions every schedule costs infinitely many nats: the network"
    )
    single = [row("first_hitting", "nelbo_nats", 0.5, steps=8, error=3e-5, method="monte_carlo")]
    assert conclude(single) == [
        "One token per step has a NELBO of 0.50000 ± 0.00003 nats, the yardstick for the others."
    ]


def test_names_from_outside_are_text(tmp_path):
    hostile = [row("<img src=x onerror=alert(1)>", "path_kl_nats", 0.5), row("\"'&", "path_kl_nats", 0.25)]
    page = pages.report(hostile, FACTS, {"<b>": "<svg id='x'></svg>"})
    assert "<img" not in page and "<script>title" not in page and "&lt;b&gt;" in page
    assert "python sample.py &#x27;a b&#x27;" in page


def test_a_study_shows_its_sentences_and_rows():
    facts = FACTS._replace(conclusions=["one < two"])
    page = pages.report(ROWS * 60, facts, {})
    assert "one &lt; two" in page and f"{60 * len(ROWS)} rows; 500 of {60 * len(ROWS)} are shown" in page
    assert len(cells(page)) == 500


def test_a_page_has_a_largest_size():
    with pytest.raises(ValueError, match=r"the report has \d+ bytes, more than 5000000"):
        pages.report(ROWS, FACTS, {"figure": f"<svg>{'x' * 5_000_000}</svg>"})
