"""Rows of networks that differ in the seed of their training, and of the mean over them with its standard error.

The seed is part of the predictor's name (``network, seed 1``), and so is the mean (``network, mean of 3 seeds``). Its
error says how much another set of trainings would differ, what each was sampled with included: it is that of their
spread, and never less than what their own errors give.
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Sequence

from jdlm import measure
from jdlm.study import rows
from jdlm.study.rows import Row

__all__ = ["means", "member", "shown"]

_MEMBER = re.compile(r"(?P<base>.+), seed (?P<seed>\d+)(?P<more>(, .*)?)")
_MEAN = re.compile(r"(?P<base>.+), mean of \d+ seeds(?P<more>(, .*)?)")


def member(name: str, seed: int) -> str:
    """The name of the predictor of one seed."""
    return f"{name}, seed {seed}"


def means(table: Iterable[Row]) -> list[Row]:
    """The mean over the seeds of each number that all of them have.

    Its ``n`` counts seeds. What does not depend on the network, and is exact, stays exact.

    Args:
      table: rows with predictors named by `member`.
    """
    table = list(table)
    seeds: dict[str, dict[str, None]] = {}  # names of the members of each family, in order
    places: dict[tuple[str, tuple], list[Row]] = {}
    for row in table:
        found = _MEMBER.fullmatch(row.predictor)
        if found:
            family = found["base"] + "\0" + found["more"]
            seeds.setdefault(family, {})[row.predictor] = None
            places.setdefault((family, dataclasses.replace(row, predictor="").place), []).append(row)
    made = []
    for (family, _), mine in places.items():
        count = len(seeds[family])
        if count > 1 and len(mine) == count:
            base, more = family.split("\0")
            made.append(_mean(mine, f"{base}, mean of {count} seeds{more}"))
    return made


def _mean(mine: Sequence[Row], name: str) -> Row:
    """The mean of one number over the seeds."""
    first = mine[0]
    cell = rows.cell(mean_of=[row.cell for row in mine])
    made = dataclasses.replace(first, cell=cell, predictor=name)
    if all(row.standard_error is None and row.value == first.value for row in mine):
        return made
    found = measure.mean([row.value for row in mine])
    # The spread holds what each was sampled with, of which it is a poor estimate: a few seeds may agree by luck.
    own = math.sqrt(sum((row.standard_error or 0.0) ** 2 for row in mine)) / len(mine)
    error = found.standard_error if math.isnan(own) else max(found.standard_error, own)
    calls = [row.nfe for row in mine if row.nfe is not None]
    nfe = sum(calls) / len(calls) if calls else None
    return dataclasses.replace(made, value=found.value, standard_error=error, n=found.n, nfe=nfe)


def shown(table: Iterable[Row]) -> list[Row]:
    """The rows that figures and tables show: of the seeds of a training their mean alone, where it is there."""
    table = list(table)
    averaged = {found.group("base", "more") for row in table if (found := _MEAN.fullmatch(row.predictor))}

    def is_averaged(row: Row) -> bool:
        found = _MEMBER.fullmatch(row.predictor)
        return found is not None and found.group("base", "more") in averaged

    return [row for row in table if not is_averaged(row)]
