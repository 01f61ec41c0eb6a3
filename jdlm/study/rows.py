"""Rows: every number that a sweep, an evaluation or a training run makes, as one line of a CSV file.

One metric per row, with where it comes from (target, predictor, schedule, planner), its place on a curve (``index``),
its standard error and sample size if it is an estimate, and how it was computed (``method``). Figures are drawn from
rows alone. Floats are written with ``repr``, so that a file read back gives the same bits.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from jdlm import files
from jdlm.errors import InputError

__all__ = [
    "COLUMNS",
    "METHODS",
    "MOST",
    "Row",
    "append",
    "calls_of",
    "cell",
    "index_of",
    "parse",
    "read",
    "steps_of",
    "text",
    "write",
]

METHODS = ("identity", "exact", "monte_carlo", "fit")
MOST = 2**30
"""Largest size in bytes of a file of rows."""
_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class Row:
    """One number with its origin.

    Attributes:
      cell: 12 hexadecimal digits that name the settings the number belongs to, see `cell`.
      target: name of the target.
      predictor: name of the predictor, ``""`` where none enters.
      schedule: name of the schedule, ``""`` where none enters.
      planner: name of the planner, ``""`` where none enters.
      num_steps: the schedule's number of steps K.
      nfe: expected number of predictor calls for one sequence.
      metric: what is measured; the unit is part of the name (``path_kl_nats``).
      value: the number itself.
      method: ``"identity"`` (from a curve and an exposure), ``"exact"``, ``"monte_carlo"`` or ``"fit"`` (a slope
        through other values, see `jdlm.study.slopes`).
      index: place on a curve (revealed count, step of the sampler, training step); None for a scalar.
      standard_error: of ``value``; None where it is exact. That of a fit through exact values is how far they lie from
        it, and is exact itself.
      n: number of sequences behind an estimate, or of trainings behind a mean over them; None where no random number
        enters.
      seed: seed of the random numbers; None where there are none.

    Raises:
      ValueError: ``method`` is not one of `METHODS`.
    """

    cell: str
    target: str
    predictor: str
    schedule: str
    planner: str
    num_steps: int | None
    nfe: float | None
    metric: str
    index: int | None
    value: float
    standard_error: float | None
    n: int | None
    method: str
    seed: int | None

    @property
    def place(self) -> tuple[str | int | None, ...]:
        """What tells a row from the others of a sweep or a study, whatever its seed and its value."""
        origin = (self.target, self.predictor, self.schedule, self.planner, self.num_steps)
        return (*origin, self.metric, self.index, self.method)

    def __post_init__(self):
        if self.method not in METHODS:
            raise InputError(f"method={self.method!r} of a row is not one of {', '.join(METHODS)}")


COLUMNS = tuple(field.name for field in fields(Row))
_INTEGERS = ("num_steps", "index", "n", "seed")
_FLOATS = ("nfe", "value", "standard_error")


def cell(**fields) -> str:
    """12 hexadecimal digits that identify a set of settings, the same on every machine and in every process.

    Args:
      **fields: settings as JSON values (text, numbers, lists, None); their order does not matter.

    >>> cell(target="mixture", num_steps=8) == cell(num_steps=8, target="mixture")
    True
    """
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def text(rows: Iterable[Row], header: bool = True) -> str:
    """``rows`` as CSV, with a header line unless it is left out."""
    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator="\n")
    quoting = csv.writer(content, lineterminator="\n", quoting=csv.QUOTE_ALL)
    if header:
        writer.writerow(COLUMNS)
    for row in rows:
        line = _to_text(row)
        # A carriage return ends a line for readers, and writers of Python before 3.13 do not quote it.
        (quoting if any("\r" in entry for entry in line) else writer).writerow(line)
    return content.getvalue()


def write(path: str | Path, rows: Iterable[Row]) -> bytes:
    """Writes ``rows`` to ``path`` as CSV with a header line, in one move; returns what was written."""
    content = text(rows).encode()
    files.write(path, content)
    return content


def append(path: str | Path, rows: Iterable[Row]) -> bytes:
    """Adds ``rows`` to the end of ``path``, after the header where there is no file yet; returns what was written."""
    path = Path(path)
    if not path.exists():
        return write(path, rows)
    content = text(rows, header=False).encode()
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return content


def read(path: str | Path) -> list[Row]:
    """The rows of a file that `write` or `append` made.

    Raises:
      ValueError: it is no regular file of at most `MOST` bytes; the header is not that of a row, or a line has a wrong
        number of columns or a value of another type.
      OSError: there is none, or it cannot be read.
    """
    return parse(files.read(path, MOST), path)


def parse(content: bytes, path: str | Path) -> list[Row]:
    """The rows in the content of a file; see `read`.

    Args:
      content: of the file, or as much of it as counts.
      path: of the file, for errors.
    """
    try:
        reader = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
        header = next(reader, [])
        if tuple(header) != COLUMNS:
            raise InputError(
                f"{path}: the header is {','.join(header)[:80]!r}; a file of rows begins with {','.join(COLUMNS)!r}"
            )
        return [_from_text(path, reader.line_num, line) for line in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged: {error}; restore it, or make it again") from None


def _to_text(row: Row) -> list[str]:
    values = {name: getattr(row, name) for name in COLUMNS}
    values |= {name: "" if values[name] is None else str(int(values[name])) for name in _INTEGERS}
    values |= {name: "" if values[name] is None else repr(float(values[name])) for name in _FLOATS}
    return [values[name] for name in COLUMNS]


def _from_text(path: str | Path, number: int, line: list[str]) -> Row:
    if len(line) != len(COLUMNS):
        raise InputError(f"{path}, line {number}: {len(line)} columns instead of {len(COLUMNS)}; the file is damaged")
    values: dict[str, Any] = dict(zip(COLUMNS, line, strict=True))
    try:
        values |= {name: int(values[name]) if values[name] else None for name in _INTEGERS}
        values |= {name: float(values[name]) if values[name] else None for name in _FLOATS}
        return Row(**values)
    except ValueError as error:
        raise InputError(f"{path}, line {number}: {error}; the file is damaged") from None


def index_of(row: Row) -> int:
    """The ``index`` of a row that must have one; ValueError where it is None."""
    return _known(row, row.index, "index")


def steps_of(row: Row) -> int:
    """The ``num_steps`` of a row that must have one; ValueError where it is None."""
    return _known(row, row.num_steps, "num_steps")


def calls_of(row: Row) -> float:
    """The ``nfe`` of a row that must have one; ValueError where it is None."""
    return _known(row, row.nfe, "nfe")


def _known(row: Row, value: _Number | None, column: str) -> _Number:
    if value is None:
        raise InputError(f"a row of {row.metric} has no {column}, which its figure needs; write one")
    return value
