"""Times programs in turn in one process, and reports medians, ratios and rows.

Absolute times mean nothing on a shared machine. So the programs to compare take turns, in an order that is reversed
from round to round, and a ratio is the median of the ratios within the rounds, given with the range that holds the
middle half of them. The pattern of every benchmark here::

    seconds = timing.in_turn({"this": run_this, "other": run_other}, rounds=7)
    rows = timing.compare(seconds, baseline="other", case="length 256")
    timing.report(rows)                                 # a table on the screen
    timing.write(args.out, "training", rows)            # a CSV file, machine and versions in every row

A run must end only when its result is there: ``jax.block_until_ready``. What compiles belongs before the rounds, for
which `in_turn` calls each program once, untimed. Other figures (counts, exponents, shares) become rows by `figure`.
"""

import argparse
import csv
import datetime
import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np


class Row(NamedTuple):
    """One measured figure: ``value`` is a median over ``n`` rounds, ``low`` and ``high`` its quartiles."""

    case: str
    name: str
    metric: str
    value: float
    low: float
    high: float
    n: int


def parser(docstring: str, name: str) -> argparse.ArgumentParser:
    """The options that every benchmark has: ``--out``, ``--quick`` and ``--rounds``."""
    made = argparse.ArgumentParser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = pathlib.Path(__file__).parent / "results" / f"{name}.csv"
    made.add_argument("--out", type=pathlib.Path, default=default, help="CSV file to write (benchmarks/results/...)")
    made.add_argument("--quick", action="store_true", help="tiny shapes and few rounds: shows that it runs, no result")
    made.add_argument("--rounds", type=int, default=7, help="times that each program runs (%(default)s; 2 if --quick)")
    return made


def in_turn(programs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, np.ndarray]:
    """Wall seconds ``[rounds]`` of each program, run in turn after one untimed call each."""
    for program in programs.values():
        program()
    seconds = {name: np.zeros(rounds) for name in programs}
    names = list(programs)
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            start = time.perf_counter()
            programs[name]()
            seconds[name][turn] = time.perf_counter() - start
    return seconds


def compare(seconds: Mapping[str, np.ndarray], baseline: str, case: str = "") -> list[Row]:
    """Rows of the seconds of each program and of its ratio to ``baseline``, round by round."""
    rows = [figure(name, "seconds", values, case) for name, values in seconds.items()]
    other = seconds[baseline]
    return rows + [
        figure(name, f"ratio to {baseline}", values / other, case)
        for name, values in seconds.items()
        if name != baseline
    ]


def figure(name: str, metric: str, values: float | np.ndarray, case: str = "") -> Row:
    """The row of one figure, or of one measured in several rounds."""
    values = np.atleast_1d(np.asarray(values, np.float64))
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Row(case, name, metric, float(middle), float(low), float(high), len(values))


def machine() -> dict[str, str]:
    """What a figure depends on: processor, load, versions, date."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    wide = "AVX-512" if any("avx512f" in line for line in lines) else ""
    kind = models[0] if models else platform.processor() or platform.machine()
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("jax", "torch", "numpy")
        if importlib.util.find_spec(name) is not None
    ]
    return {
        "machine": " ".join(filter(None, [f"{os.cpu_count()} cores", kind, wide])),
        # Ours alone comes to the number of cores at most; more means that others ran too.
        "load": f"{os.getloadavg()[0]:.1f}",
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
        "date": datetime.date.today().isoformat(),
    }


def report(rows: Iterable[Row]) -> None:
    """Prints the rows as a table."""
    rows = list(rows)
    print("; ".join(f"{key} {value}" if key == "load" else value for key, value in machine().items()))
    widths = [max(len(str(row[column])) for row in rows) for column in range(3)]
    for row in rows:
        labels = "  ".join(str(cell).ljust(width) for cell, width in zip(row[:3], widths, strict=True))
        spread = f"  [{row.low:.3g}, {row.high:.3g}] n={row.n}" if row.n > 1 else ""
        print(f"{labels}  {row.value:10.4g}{spread}", flush=True)


def write(path: pathlib.Path, benchmark: str, rows: Iterable[Row]) -> None:
    """Writes the rows to a CSV file, the machine, its load, versions and date in each; an older file is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    where = machine()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["benchmark", *Row._fields, *where])
        writer.writerows([benchmark, *row, *where.values()] for row in rows)
    print(f"rows written to {path}")
