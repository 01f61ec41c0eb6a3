"""The report of a run or a study: what was run, what was found, and how to make it again, from its rows alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jdlm.errors import InputError
from jdlm.study import numbers, over_seeds
from jdlm.study.pages import document
from jdlm.study.pages.costs import Place, best_of, cells_of, exact_of, metric_of, value_of
from jdlm.study.pages.document import element, text
from jdlm.study.pages.scene import stage
from jdlm.study.rows import Row

__all__ = ["TITLES", "Facts", "conclude", "report"]

_TOTALS = {
    "entropy_nats": "entropy H",
    "total_correlation_nats": "total correlation TC",
    "dual_total_correlation_nats": "dual total correlation DTC",
    "effective_correlation_nats": "effective correlation D",
}
TITLES = {
    "adaptation": "KL of each schedule on all Reed-Solomon codes: random sizes do not know which one it is",
    "entropy_curve": "The entropy curve: what a token holds, given how many others are known",
    "path_kl": "Path KL against the number of predictor calls",
    "nelbo": "Negative evidence lower bound against the number of predictor calls",
    "kl_split": "What the path KL is made of: factorization and learning",
    "sizes": "Tokens that each step reveals, on average and in ten drawn lists",
    "sampled": "What sampled sequences say: marginals and repeats",
    "exact_laws": "Exact laws of the output: KL and total variation",
    "training": "The training: loss and learning error",
}


class Facts(NamedTuple):
    """What a report says besides numbers, all of it text from outside.

    Attributes:
      title: of the page.
      facts: name -> value, such as the network and the versions.
      commands: how to make it again, one command a line.
      conclusions: sentences; None makes them from the rows of a sweep.
    """

    title: str
    facts: Mapping[str, str]
    commands: Sequence[str]
    conclusions: Sequence[str] | None = None


def report(rows: Sequence[Row], facts: Facts, figures: Mapping[str, str], scene: dict[str, Any] | None = None) -> str:
    """One page of HTML that needs no network.

    Args:
      rows: of a sweep and its training, or of a study.
      facts: what was run.
      figures: name -> file of SVG.
      scene: samples to be watched, see `jdlm.study.pages.scene`.

    Raises:
      ValueError: the page would be larger than `jdlm.study.pages.document.MOST`.
    """
    rows = over_seeds.shown(rows)
    totals = {name: row for row in rows if (name := row.metric) in _TOTALS and not row.schedule}
    entries = [*facts.facts.items(), *((f"{_TOTALS[name]}, nats", _number(row)) for name, row in totals.items())]
    parts = [element("h1", text(facts.title))]
    parts.append(element("dl", *(element("dt", text(name)) + element("dd", text(value)) for name, value in entries)))
    sentences = conclude(rows) if facts.conclusions is None else facts.conclusions
    if sentences:
        parts.append(element("h2", "What to conclude"))
        parts.append(element("ul", *(element("li", text(each)) for each in sentences), id="conclusions"))
    if scene is not None:
        parts += [element("h2", "Watch it sample"), stage(scene)]
    table = _schedules(rows) if facts.conclusions is None else _every(rows)
    parts += [table] if table else []
    if figures:
        parts.append(element("h2", "Figures"))
        for number, (name, svg) in enumerate(figures.items()):
            parts.append(document.inlined(svg, f"f{number}-", TITLES.get(name, name.replace("_", " "))))
    parts += [element("h2", "Make it again"), element("pre", text("\n".join(facts.commands)))]
    scripts = ["sort.js"] + ["watch.js"] * (scene is not None)
    page = document.page(facts.title, *parts, scripts=scripts)
    if len(page.encode()) > document.MOST:
        raise InputError(f"the report has {len(page.encode())} bytes, more than {document.MOST}; use fewer schedules")
    return page


def _number(row: Row | None) -> str:
    if row is None:
        return "-"
    return numbers.written(row.value, row.standard_error)


def _schedules(rows: Sequence[Row]) -> str:
    """The table of a sweep's schedules."""
    metric = metric_of(rows)
    cells, learning = cells_of(rows, metric), cells_of(rows, "learning_kl_nats")
    if not cells:
        return ""
    what = "path KL" if metric == "path_kl_nats" else "NELBO"
    calls = {place: values["monte_carlo"] for place, values in cells_of(rows, "measured_nfe").items()}
    worst = {
        name: {(row.schedule, row.num_steps): row for row in rows if row.metric == f"worst_case_{name}"}
        for name in ("tc", "dtc")
    }
    heads = [
        ("schedule", "how many tokens each step reveals; a star marks the least cost of its number of steps"),
        ("predictor, positions", "who predicts, and which positions a step reveals"),
        ("steps", "number of steps K"),
        ("calls", "predictor calls for one sequence (NFE), on average"),
        (f"{what}, identity", "nats per sequence: exposure times curve, or enumeration"),
        (f"{what}, sampled", "nats per sequence, from sampled paths, with the standard error"),
        ("of it learning", "nats that the predictor's error adds"),
        ("worst / TC", "largest path KL over TC, over all targets, with exact conditionals"),
        ("worst / DTC", "largest path KL over DTC, over all targets, with exact conditionals"),
    ]
    best, lines = best_of(cells), []
    for place, values in cells.items():
        planner, predictor, schedule, steps = place
        count = calls.get(place)
        nfe = count.value if count is not None else value_of(values).nfe
        of_all = [worst[name].get((schedule, steps)) if planner == "random" else None for name in ("tc", "dtc")]
        learned = exact_of(learning.get(place, {}))
        cell = [(schedule or "(its own sizes)", schedule), (f"{predictor}, {planner}", f"{predictor}, {planner}")]
        cell += [("-" if steps is None else steps, "" if steps is None else steps)]
        cell += [("-" if nfe is None else f"{nfe:.2f}", "" if nfe is None else nfe)]
        for row in (exact_of(values), values.get("monte_carlo"), learned, *of_all):
            cell.append((_number(row), "" if row is None else row.value))
        lines.append((place in best, cell))
    whole = document.table(heads, [cell for _, cell in lines], id="schedules")
    marked = iter(is_best for is_best, _ in lines)
    head, _, body = whole.partition("<tbody>")
    body = "".join(
        part if not number else f'<tr class="best">{part}' if next(marked) else f"<tr>{part}"
        for number, part in enumerate(body.split("<tr>"))
    )
    return element("h2", "Schedules") + head + "<tbody>" + body


_SHOWN = 500  # rows of a study


def _every(rows: Sequence[Row]) -> str:
    """The rows of a study, as many as fit."""
    columns = ("metric", "target", "predictor", "schedule", "planner", "num_steps", "nfe", "index", "value",
               "standard_error", "n", "method", "cell")  # fmt: skip
    lines = []
    for row in rows[:_SHOWN]:
        values = [getattr(row, name) for name in columns]
        shown = [("-" if v in (None, "") else f"{v:.6g}" if isinstance(v, float) else v) for v in values]
        lines.append([(s, "" if v is None else v) for s, v in zip(shown, values, strict=True)])
    more = f"; {_SHOWN} of {len(rows)} are shown, all are in rows.csv" if len(rows) > _SHOWN else ""
    table = document.table([(name.replace("_", " "), name) for name in columns], lines, id="rows")
    return element("h2", "Rows") + element("p", text(f"{len(rows)} rows{more}"), class_="note") + table


def conclude(rows: Sequence[Row]) -> list[str]:
    """At most three sentences on a sweep: the least costly schedule, what the network adds, and all targets at once."""
    metric = metric_of(rows)
    cells = {place: values for place, values in cells_of(rows, metric).items() if place[2] and place[0] == "random"}
    if not cells:
        return []
    what = "path KL" if metric == "path_kl_nats" else "NELBO"
    predictors = list(dict.fromkeys(place[1] for place in cells))
    who = predictors[-1]  # the network, where there is one
    return [*_least(cells, who, what), *_learned(rows, cells, who), *_worst(rows)]


def _shared(cells: Mapping[Place, Any], who: str) -> int | None:
    """The largest number of steps at which several schedules are compared."""
    counts = [place[3] for place in cells if place[1] == who and place[3] is not None]
    return max((count for count in counts if counts.count(count) > 1), default=None)


def _least(cells: Mapping[Place, Mapping[str, Row]], who: str, what: str) -> list[str]:
    steps = _shared(cells, who)
    mine = {place[2]: value_of(values) for place, values in cells.items() if place[1] == who and place[3] == steps}
    if steps is None or not mine:
        return []
    name = min(mine, key=lambda each: mine[each].value)
    if not math.isfinite(mine[name].value):
        cut = f"the {who} gives no probability to tokens that the target has"
        return [f"With {steps} steps and random positions every schedule costs infinitely many nats: {cut}."]
    others = [each for each in mine if each != name]
    runner = min(others, key=lambda each: mine[each].value)
    plain = "uniform" if "uniform" in others else runner
    error = math.hypot(mine[name].standard_error or 0.0, mine[plain].standard_error or 0.0)
    gap = mine[plain].value - mine[name].value
    clear = "" if not gap <= 2.0 * error else ", which is within two standard errors"
    return [
        f"With {steps} steps, random positions and the {who}, {name} costs least: {_number(mine[name])} nats of {what} "
        f"per sequence, {plain} {_number(mine[plain])}{clear}."
    ]


def _learned(rows: Sequence[Row], cells: Mapping[Place, Any], who: str) -> list[str]:
    """The learning error, with yardsticks; without one the cost of one token per step."""
    errors = [row for row in rows if row.metric == "learning_error_nats" and row.predictor == who and row.index is None]
    totals = {row.metric: row.value for row in rows if row.metric in _TOTALS and not row.schedule}
    if errors and totals:
        error = errors[-1]
        if not math.isfinite(error.value):
            return []
        shares = [
            f"{numbers.share(error.value, totals[name])} of {short}"
            for name, short in (("total_correlation_nats", "TC"), ("entropy_nats", "H"))
            if totals.get(name, 0.0) > 0.0
        ]
        yard = f" ({' and '.join(shares)})" if shares else ""
        return [
            f"At one token per step the {who} costs {_number(error)} nats of path KL{yard}, all of it its own error; "
            "fewer steps add what the schedule loses."
        ]
    single = [values for place, values in cells.items() if place[2] == "first_hitting"]
    if single and metric_of(rows) == "nelbo_nats":
        return [f"One token per step has a NELBO of {_number(value_of(single[0]))} nats, the yardstick for the others."]
    return []


def _worst(rows: Sequence[Row]) -> list[str]:
    """What the schedules cost at most on any target."""
    worst = {(row.schedule, row.num_steps): row.value for row in rows if row.metric == "worst_case_both"}
    counts = [steps for _, steps in worst if steps is not None]
    steps = max((count for count in counts if counts.count(count) > 1), default=None)
    mine = {schedule: value for (schedule, count), value in worst.items() if count == steps}
    if steps is None:
        return []
    name = min(mine, key=lambda each: mine[each])
    other = "uniform" if "uniform" in mine and name != "uniform" else max(mine, key=lambda each: mine[each])
    return [
        f"Over all targets, with exact conditionals and {steps} steps, the path KL of {name} is at most "
        f"{mine[name]:.4g} times the effective correlation D, that of {other} {mine[other]:.4g} times."
    ]
