"""``sample.py verify``: makes the committed results of the studies again and compares."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from jdlm.cli import cache, memory, options
from jdlm.cli.study import made
from jdlm.config import nearest
from jdlm.config.settings import check_seed
from jdlm.errors import InputError
from jdlm.study import rows, studies, verify

__all__ = ["Options", "main"]

_SHOWN = 10  # differences of a study that are printed


Names = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="[NAME ...]", help="The studies.", help_behavior_hint="(default: all that have results)"),
]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Makes the committed results of the studies again and compares; the exit code is 1 if a number differs.

    Exact numbers are compared to a relative 1e-6 (`precision`: 1e-3), estimates within their joint error, with a false
    alarm in one of 1,000 runs of each study.
    """

    studies: Names = ()
    seed: int = 1
    """Seed of all random numbers; another one than that of the results."""
    quick: bool = False
    """Only the part of the rows that takes seconds."""

    def __post_init__(self):
        check_seed(self.seed)


def main(arguments: list[str]) -> int:
    """Verifies some studies, or all that have results; returns 1 if a number differs."""
    given = options.parse(Options(), arguments, "verify")
    words = given.studies
    known = verify.names()
    for word in words:
        if word not in known:
            raise InputError(f"no results of {word!r} in {verify.folder()}; {nearest(word, known, what='studies')}")
    if not known:
        raise InputError(f"no results in {verify.folder()}; use a checkout of the project, or install it again")
    for word in words or known:
        memory.check(memory.of_study(word, given.quick), f"the study {word}; use --quick, or name other studies")
    cache.compiled_programs()
    found = {name: _compared(name, given) for name in words or known}
    print("\n".join(_table(found)))
    return int(any(result.differences for result in found.values()))


def _compared(name: str, given: Options) -> verify.Comparison:
    study, reference = studies.load(name), rows.read(verify.folder() / f"{name}.csv")
    if given.seed in {row.seed for row in reference if row.n}:
        raise InputError(f"--seed {given.seed} is that of the results of {name}, which tells nothing; use another one")
    rows_now = made(study, given.seed, given.quick)
    return verify.compare(reference, rows_now, partial=given.quick, relative=study.relative)


def _table(found: dict[str, verify.Comparison]) -> list[str]:
    """A line for each study, and what differs."""
    width = max(map(len, found)) + 2
    lines = [f"{'study':<{width}}{'exact':>7}{'worst':>11}{'sampled':>9}{'least p':>10}{'limit':>10}"]
    for name, result in found.items():
        p = f"{result.worst_sampled:.2g}" if result.sampled else "-"
        limit = f"{result.limit:.2g}" if result.sampled else "-"
        line = f"{name:<{width}}{result.exact:>7}{result.worst_exact:>11.2g}{result.sampled:>9}{p:>10}{limit:>10}"
        lines.append(line + ("  same" if not result.differences else f"  {len(result.differences)} differ"))
    lines.append("worst: of the exact rows, in units of the tolerance")
    for name, result in found.items():
        lines += [f"{name}: {line}" for line in result.differences[:_SHOWN]]
        if len(result.differences) > _SHOWN:
            lines.append(f"{name}: and {len(result.differences) - _SHOWN} more")
    return lines
