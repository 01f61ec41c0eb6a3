"""``sample.py table``: the table of a sweep, for a paper, a page or a spreadsheet."""

import csv
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jdlm.cli import options, output
from jdlm.cli.resource import resolve
from jdlm.errors import InputError
from jdlm.study import numbers, places

__all__ = ["Options", "main"]

_ESCAPED = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_ESCAPED |= {letter: f"\\{letter}" for letter in "&%$#_{}"}


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions):
    """Prints the table of a sweep: what each schedule costs by each predictor, and in the worst case.

    Costs are nats per sequence: the path KL where it is known, else the NELBO; without error where there is an identity
    or an enumeration, else with the standard error.
    """

    run: options.Run = None
    format: Literal["markdown", "latex", "csv"] = "markdown"
    """How it is written; csv has the standard errors in columns of their own, and all digits."""
    planner: str = "random"
    """Word of the planner whose cells are shown."""
    sweep_name: str | None = None
    """Name of the sweep, where the run has several; by default the one in the run's own folder."""
    output: Path | None = None
    """File for the table; - or nothing prints it."""


def main(arguments: list[str]) -> int:
    """Prints or writes the table."""
    given = options.parse(Options(), arguments, "table")
    resource = resolve(given.run, given.runs_folder)
    if resource.folder is None:
        raise InputError(f"{given.run!r} is a preset, which has no rows; name a run")
    output.check(given.output, "--output")
    from jdlm.study import over_seeds
    from jdlm.study.pages.costs import costs

    rows = over_seeds.shown(places.read(places.find(resource.folder, given.sweep_name)))
    heads, lines = costs(rows, given.planner)
    if not lines:
        planners = ", ".join(dict.fromkeys(row.planner for row in rows if row.planner))
        raise InputError(f"the sweep has no cells of planner {given.planner!r}; it has {planners}")
    write = {"markdown": _markdown, "latex": _latex, "csv": _csv}[given.format]
    output.write(given.output, write(heads, lines))
    return 0


Cell = tuple[float | str | None, float | None]
"""A value and its standard error."""


def _shown(cell: Cell, plus_minus: str) -> str:
    value, error = cell
    if not isinstance(value, float):
        return "-" if value is None else str(value)
    return numbers.written(value, error, plus_minus)


def _markdown(heads: Sequence[str], lines: Sequence[Sequence[Cell]]) -> str:
    def line(words: Sequence[str]) -> str:
        return "| " + " | ".join(word.replace("|", "\\|") for word in words) + " |\n"

    rule = line(["---"] * 1 + ["---:"] * (len(heads) - 1))
    return line(heads) + rule + "".join(line([_shown(cell, "±") for cell in cells]) for cells in lines)


def _latex(heads: Sequence[str], lines: Sequence[Sequence[Cell]]) -> str:
    def line(words: Sequence[str]) -> str:
        return " & ".join(words) + r" \\" + "\n"

    def escaped(word: str) -> str:
        return "".join(_ESCAPED.get(letter, letter) for letter in word)

    body = ""
    for cells in lines:
        shown = [escaped(_shown(cell, "+-")).replace("+-", r"$\pm$") for cell in cells]
        body += line(shown)
    columns = "l" + "r" * (len(heads) - 1)
    head = line([escaped(head) for head in heads])
    return f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head}\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n"


def _csv(heads: Sequence[str], lines: Sequence[Sequence[Cell]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    with_error = [any(cells[i][1] is not None for cells in lines) for i in range(len(heads))]
    pairs = [[head, f"{head}, standard error"] if has else [head] for head, has in zip(heads, with_error, strict=True)]
    writer.writerow(itertools.chain(*pairs))
    for cells in lines:
        row = []
        for (value, error), has in zip(cells, with_error, strict=True):
            row += [value, error] if has else [value]
        writer.writerow(["" if value is None else value for value in row])
    return stream.getvalue()
