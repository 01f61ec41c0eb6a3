"""What schedules cost: the best value of each cell, at its place."""

from jdlm.study.pages import costs
from tests.study.pages.test_report import ROWS, row


def test_a_table_has_the_value_without_an_error_where_there_is_one():
    extra = [
        row("uniform", "path_kl_nats", 0.4, predictor="oracle", method="exact"),
        row("uniform", "path_kl_nats", 0.6, planner="confidence", error=0.05, method="monte_carlo"),
        row("uniform", "worst_case_tc", 1.0, predictor="", planner="", method="exact"),
    ]
    heads, lines = costs.costs(ROWS + extra, "random")
    assert heads == ["schedule", "steps", "calls", "path KL, network", "path KL, oracle", "worst / TC"]
    found = {(line[0][0], line[1][0]): line[2:] for line in lines}
    assert found["uniform", "4"] == [(4.0, None), (0.5, None), (0.4, None), (1.0, None)]
    assert found["minimax_both", "4"] == [(4.0, None), (0.125, None), (None, None), (None, None)]
    heads, lines = costs.costs(ROWS + extra, "confidence")
    assert heads == ["schedule", "steps", "calls", "path KL, network"] and lines[0][3] == (0.6, 0.05)
    assert costs.costs(ROWS, "entropy")[1] == []
