"""Rows of a toy sweep, and what is drawn of them."""

import dataclasses

import numpy as np
from matplotlib.colors import to_hex

from jdlm.study.figures.look import Look
from jdlm.study.rows import Row

LENGTH, COUNTS = 8, (1, 2, 4)
SCHEDULES = ("uniform", "cosine", "minimax_both", "home_made")
FLOOR = 0.02


def row(
    metric, value, *, predictor="", schedule="", planner=None, num_steps=None, index=None, error=None, method="exact"
):
    planner = planner or ("random" if predictor and schedule else "")
    return Row(
        cell="0" * 12, target="toy", predictor=predictor, schedule=schedule, planner=planner,
        num_steps=num_steps, nfe=None if num_steps is None else float(num_steps), metric=metric, index=index,
        value=float(value), standard_error=error, n=None if error is None else 100, method=method, seed=0,
    )  # fmt: skip


def make_rows(network=True, outside=False, length=LENGTH, counts=COUNTS, schedules=SCHEDULES):
    table = [row("entropy_curve_nats", 1 / (1 + j), index=j) for j in range(length)]
    entropy = sum(1 / (1 + j) for j in range(length))
    table.append(row("total_correlation_nats", length - entropy))
    table.append(row("dual_total_correlation_nats", entropy - 1))  # length * h[-1] = 1
    table += [row(f"{name}_marginal_tv_floor", FLOOR, error=0.001, method="monte_carlo") for name in ("single", "pair")]
    predictors = ["oracle", "network"] if network else ["oracle"]
    if network:
        for j in range(length):
            place = {"predictor": "network", "index": j, "error": 0.01, "method": "monte_carlo"}
            table.append(row("cross_entropy_curve_nats", 1 / (1 + j) + 0.02, **place))
            table.append(row("learning_error_curve_nats", 0.02, **place))
            table.append(row("learning_error_nats", 1.0 / (1 + j), **place))  # as in training
        place = {"predictor": "network", "error": 0.01, "method": "monte_carlo"}
        table.append(row("learning_error_nats", 0.16, **place))
    cells = [(name, k) for name in schedules for k in counts] + [("first_hitting", length)]
    for which, (name, k) in enumerate(cells):
        place = {"schedule": name, "num_steps": k}
        factorization = 0.0 if name == "first_hitting" else (1 + which) / k**2
        for step in range(k + 1):
            table.append(row("expected_revealed", length * step / k, index=step, **place))
        for j in range(length):
            if name == "minimax_both":
                size = 1.5 if j == 0 and length > 1 else 0.5 if j == 1 else 1.0
            else:
                size = length - length // k * (k - 1) if j == length // k * (k - 1) else length // k
                size = size if j % (length // k) == 0 and j <= length // k * (k - 1) else 0.0
            table.append(row("exposure", size, index=j, **place))
        if k == counts[-1]:
            table.append(row("code_field_size", 11, **place))
            for m in range(1, length):
                for metric in ("code_path_kl_over_tc", "code_path_kl_over_dtc", "code_output_kl_nats"):
                    table.append(row(metric, (1.0 if name == "minimax_both" else m % 3) / 4, index=m, **place))
        if name == "minimax_both":
            table.append(row("guarantee_nats", 2 * factorization, method="identity", **place))
        for predictor in predictors:
            learning = 0.16 if predictor == "network" else 0.0
            mine = place | {"predictor": predictor}
            estimate = mine | {"error": 0.01, "method": "monte_carlo"}
            table.append(row("factorization_kl_nats", factorization, method="identity", **mine))
            table.append(row("learning_kl_nats", learning, method="identity", error=0.01 if learning else None, **mine))
            table.append(row("path_kl_nats", factorization + learning, method="identity", **mine))
            table.append(row("path_kl_nats", factorization + learning + 0.005, **estimate))
            table.append(row("reverse_path_kl_nats", np.inf if outside else factorization + learning, **estimate))
            table.append(row("outside_support_share", 0.5 if outside else 0.0, **estimate))
            for planner in ("random", "confidence"):
                exact = mine | {"planner": planner}
                table.append(row("output_kl_nats", 0.5 * (factorization + learning), **exact))
                table.append(row("output_tv", 0.1, **exact))
                table.append(row("path_kl_nats", factorization + learning, **exact))
            table.append(row("single_marginal_tv", FLOOR + 0.1 / k, **estimate))
            table.append(row("pair_marginal_tv", FLOOR + 0.2 / k, **estimate))
    return table


LOOK = Look(make_rows())


def lines(axes, name):
    """Data of the lines in a schedule's colour."""
    return [line for line in axes.get_lines() if to_hex(line.get_color()) == LOOK.color(name)]


def renamed(table, **names):
    """The rows with other names of their predictors."""
    return [dataclasses.replace(r, predictor=names.get(r.predictor, r.predictor)) for r in table]


def labels(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


NASTY = [
    "$x$",
    "a_b^c\\d",
    "<script>alert(1)</script>&amp;",
    "_hidden",
    "n" * 300,
    "漢字🙂",
    "tab\tnew\nline\x1b[0m",
    "a$b",
]
