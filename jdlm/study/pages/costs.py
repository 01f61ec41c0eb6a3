"""What each schedule of a sweep costs, from its rows: the numbers of reports and tables."""

from collections.abc import Mapping, Sequence

from jdlm.study.rows import Row

__all__ = ["Place", "best_of", "cells_of", "costs", "exact_of", "metric_of", "value_of"]

_METHODS = ("identity", "exact", "monte_carlo")


def metric_of(rows: Sequence[Row]) -> str:
    """The metric that says what a schedule costs: the path KL where it is known, else the NELBO."""
    known = any(row.metric == "path_kl_nats" and row.schedule for row in rows)
    return "path_kl_nats" if known else "nelbo_nats"


Place = tuple[str, str, str, int | None]  # planner, predictor, schedule, number of steps


def cells_of(rows: Sequence[Row], metric: str) -> dict[Place, dict[str, Row]]:
    """Of each cell of a sweep its values of a metric, by method."""
    found: dict[Place, dict[str, Row]] = {}
    for row in rows:
        if row.metric == metric and row.planner and (row.schedule or row.predictor) and row.index is None:
            place = row.planner, row.predictor, row.schedule, row.num_steps
            found.setdefault(place, {})[row.method] = row
    return found


def exact_of(values: Mapping[str, Row]) -> Row | None:
    """The best value that was not sampled, if there is one."""
    known = {method: row for method, row in values.items() if method != "monte_carlo"}
    return value_of(known) if known else None


def value_of(values: Mapping[str, Row]) -> Row:
    """The value without an error where there is one, else that of the best method."""
    certain = [values[method] for method in _METHODS if method in values and values[method].standard_error is None]
    return (certain or [values[method] for method in _METHODS if method in values])[0]


def best_of(cells: Mapping[Place, Mapping[str, Row]]) -> set[Place]:
    """The least costly cells of each planner, predictor and number of steps, if there are several."""
    groups: dict[tuple, list[Place]] = {}
    for place in cells:
        groups.setdefault((place[0], place[1], place[3]), []).append(place)
    best = set()
    for places in groups.values():
        values = [value_of(cells[place]).value for place in places]
        if max(values) > min(values) + 1e-9:
            best |= {place for place, value in zip(places, values, strict=True) if value <= min(values) + 1e-9}
    return best


def costs(rows: Sequence[Row], planner: str) -> tuple[list[str], list[list[tuple[float | str | None, float | None]]]]:
    """The table of a sweep for one planner: heads, and of each schedule its cells as (value, standard error).

    A predictor's column is the value without an error where there is one, else that of the best method.

    Args:
      rows: of the sweep.
      planner: its word.
    """
    metric = metric_of(rows)
    cells = {place: values for place, values in cells_of(rows, metric).items() if place[0] == planner}
    what = "path KL" if metric == "path_kl_nats" else "NELBO"
    predictors = list(dict.fromkeys(place[1] for place in cells))
    worst = {
        name: {(row.schedule, row.num_steps): row.value for row in rows if row.metric == f"worst_case_{name}"}
        for name in ("tc", "dtc")
    }
    shown = [name for name in worst if worst[name] and planner == "random"]
    heads = ["schedule", "steps", "calls", *(f"{what}, {predictor}" for predictor in predictors)]
    heads += [f"worst / {name.upper()}" for name in shown]
    lines = []
    for schedule, steps in dict.fromkeys((place[2], place[3]) for place in cells):
        mine = [cells.get((planner, predictor, schedule, steps)) for predictor in predictors]
        values = [None if each is None else value_of(each) for each in mine]
        calls = next((row.nfe for row in values if row is not None), None)
        line: list[tuple[float | str | None, float | None]] = [
            (schedule or planner, None),
            (None if steps is None else str(steps), None),
            (calls, None),
        ]
        line += [(None, None) if row is None else (row.value, row.standard_error) for row in values]
        lines.append(line + [(worst[name].get((schedule, steps)), None) for name in shown])
    return heads, lines
