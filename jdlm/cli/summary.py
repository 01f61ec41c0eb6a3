"""The table that ends ``sample.py sweep``: the cost of each schedule where it is known, and how it was computed."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from jdlm.study import numbers

if TYPE_CHECKING:
    from jdlm.study.rows import Row

_METHODS = {"identity": "identity", "exact": "enumeration", "monte_carlo": "Monte Carlo"}


def lines(rows: "Iterable[Row]", name: str) -> list[str]:
    """KL along the path of each cell, or the NELBO where it is not known; one block for each planner.

    A column is a predictor, with the method that all its numbers have: an identity without error or an enumeration
    where there is one, else Monte Carlo. With random positions follow the exact predictor's KL as a share of TC and of
    DTC, each beside the largest such share over all targets.

    Args:
      rows: of one sweep.
      name: of the target, for the heading.
    """
    rows = list(rows)
    known = any(row.metric == "path_kl_nats" for row in rows)
    metric = "path_kl_nats" if known else "nelbo_nats"
    what = "KL(target || sampler) along the path" if known else "negative evidence lower bound"
    predictors = list(dict.fromkeys(row.predictor for row in rows if row.predictor))
    planned = list(dict.fromkeys(row.planner for row in rows if row.planner and row.schedule))
    free = list(dict.fromkeys(row.planner for row in rows if row.planner and not row.schedule))
    cells = [row for row in rows if row.metric == "worst_case_tc"]
    values = [row for row in rows if row.metric == metric]
    text = [f"{what} on {name}, nats per sequence"]
    for planner in planned:
        mine = [row for row in values if row.planner == planner]
        positions = "random positions" if planner == "random" else f"positions by {planner}"
        block = _block(mine, cells, predictors, positions) if mine else [_unknown(positions)]
        if mine and planner == "random":
            block = _with_shares(block, mine, cells, rows)
        text += ["", *block]
    for planner in free:
        mine = [row for row in values if row.planner == planner]
        calls = {row.predictor: row for row in rows if row.planner == planner and row.metric == "measured_nfe"}
        text += ["", *(_own_sizes(mine, predictors, calls, planner) if mine else [_unknown(f"planner {planner}")])]
    text += _speculative(rows)
    return text


def _speculative(rows: "Sequence[Row]") -> list[str]:
    """Lines of the sampler that drafts and checks, one for each predictor."""
    mine = [row for row in rows if row.schedule == "speculative"]
    text = []
    for row in mine:
        if row.metric == "rounds":
            others = {other.metric: other for other in mine if other.predictor == row.predictor}
            kl = others.get("path_kl_nats")
            cost = f", path KL {_number(kl)} (learning error alone)" if kl else ""
            text.append(f"{row.predictor}: {_number(row)} rounds, {_number(others['calls'])} calls{cost}")
    return ["", "speculative sampling, one token per step in law", *text] if text else []


def _unknown(what: str) -> str:
    return f"{what}: neither KL nor NELBO is known; the rows hold the marginals of what was sampled"


def _block(values: "Sequence[Row]", cells: "Sequence[Row]", predictors: Sequence[str], positions: str) -> list[str]:
    """Lines of the schedules with one planner."""
    methods = {predictor: _method([row for row in values if row.predictor == predictor]) for predictor in predictors}
    heads = [f"{predictor}, {_METHODS.get(methods[predictor], 'unknown')}" for predictor in predictors]
    width = max(len(row.schedule) for row in cells) if cells else 0
    width = max(width, len(positions)) + 1
    text = [f"{positions:<{width}}{'steps':>6}{'NFE':>8}" + "".join(f"{head:>{_wide(head)}}" for head in heads)]
    for cell in cells:
        line = f"{cell.schedule:<{width}}{cell.num_steps:>6}{cell.nfe:>8.2f}"
        for predictor, head in zip(predictors, heads, strict=True):
            place = (cell.schedule, cell.num_steps, predictor, methods[predictor])
            found = [row for row in values if (row.schedule, row.num_steps, row.predictor, row.method) == place]
            line += f"{_number(found[0]) if found else '-':>{_wide(head)}}"
        text.append(line)
    return text


def _with_shares(block: list[str], values: "Sequence[Row]", cells: "Sequence[Row]", rows: "Sequence[Row]") -> list[str]:
    """The block with the worst case over all targets beside what is lost on this one, as shares of TC and DTC."""
    here = {_place(row): row.value for row in values if row.standard_error is None and row.metric == "path_kl_nats"}
    columns, totals = [], []
    for name, metric in (("TC", "total_correlation_nats"), ("DTC", "dual_total_correlation_nats")):
        worst = {_place(row): row.value for row in rows if row.metric == f"worst_case_{name.lower()}"}
        total = [row.value for row in rows if row.metric == metric and row.value > 0.0]
        if total and here and worst:
            columns.append((f"/ {name}", {place: value / total[0] for place, value in here.items()}))
            totals.append(f"{name} = {total[0]:.4f} nats")
        if worst:
            columns.append((f"worst / {name}", worst))
    for head, shares in columns:
        block[0] += f"{head:>13}"
        for number, cell in enumerate(cells, start=1):
            shown = f"{shares[_place(cell)]:.4f}" if _place(cell) in shares else "-"
            block[number] += f"{shown:>13}"
    notes = [f"{' and '.join(totals)} here, of which the path KL takes these shares"] if totals else []
    notes += ["worst: the largest share over all targets, with exact conditionals"] if columns else []
    return [*block, *notes]


def _place(row: "Row") -> tuple[str, int | None]:
    return row.schedule, row.num_steps


def _own_sizes(values: "Sequence[Row]", predictors: Sequence[str], calls: "dict[str, Row]", planner: str) -> list[str]:
    """Lines of a planner with step sizes of its own, one for each predictor."""
    text = [f"planner {planner}, step sizes of its own"]
    for predictor in predictors:
        mine = [row for row in values if row.predictor == predictor]
        for row in [row for row in mine if row.method == _method(mine)][:1]:
            nfe = calls[predictor].value if predictor in calls else row.nfe
            head = f"{predictor}, {_METHODS[row.method]}"
            text.append(f"{head:<28}{'' if nfe is None else f'NFE {nfe:.2f}':>12}{_number(row):>20}")
    return text


def _method(values: "Sequence[Row]") -> str:
    """The best method of some values: without error if there is one, else the one that assumes least."""
    certain = {row.method for row in values if row.standard_error is None}
    for method in ("identity", "exact"):
        if method in certain:
            return method
    every = {row.method for row in values}
    return "monte_carlo" if "monte_carlo" in every else next(iter(every), "")


def _wide(head: str) -> int:
    return max(len(head) + 2, 20)


def _number(row: "Row") -> str:
    return numbers.written(row.value, row.standard_error)
