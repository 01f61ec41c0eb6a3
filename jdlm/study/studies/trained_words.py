"""What the rows of the study ``trained`` say, in words."""

from collections.abc import Iterator, Sequence

from jdlm.study.rows import Row
from jdlm.study.studies.study import cite, find

__all__ = ["conclude"]


def conclude(rows: Sequence[Row]) -> list[str]:
    """At most ten lines of what was found, each number with its cell."""
    parts = (_errors, _best, _flips, _shares, _gaps, _sampled)
    return [line for part in parts for line in part(rows)]


def _errors(rows: Sequence[Row]) -> Iterator[str]:
    found = sorted(find(rows, "learning_error_nats"), key=lambda row: row.value)
    yield (
        f"Learning errors of the networks, over {found[0].n} trainings each: from {cite(found[0], 3)} nats "
        f"({found[0].target}) to {cite(found[-1], 3)} ({found[-1].target})."
    )


def _clear(row: Row) -> bool:
    """Whether a difference between two schedules is larger than 3 of its standard errors (4 degrees of freedom)."""
    return abs(row.value) > 3.0 * (row.standard_error or 0.0)


def _cells(rows: Sequence[Row]) -> list[list[Row]]:
    """Differences to the oracle's best schedule, of each target and number of steps."""
    found = find(rows, "output_kl_above_best_nats", predictor="network")
    places = dict.fromkeys((row.target, row.num_steps) for row in found)
    return [[row for row in found if (row.target, row.num_steps) == place] for place in places]


def _best(rows: Sequence[Row]) -> Iterator[str]:
    cells = _cells(rows)
    kept = sum(not any(row.value < 0.0 and _clear(row) for row in cell) for cell in cells)
    yield (
        f"The schedule with the smallest output KL for the oracle has no rival that is clearly better (3 standard "
        f"errors) for the trained network in {kept} of {len(cells)} cases (a target and a number of steps)."
    )


def _flips(rows: Sequence[Row]) -> Iterator[str]:
    better = [row for cell in _cells(rows) for row in cell if row.value < 0.0 and _clear(row)]
    if better:
        row = min(better, key=lambda row: row.value)
        oracles = find(
            rows, row.metric, target=row.target, predictor="oracle", schedule=row.schedule, num_steps=row.num_steps
        )
        yield (
            f"The largest exception: on {row.target} in {row.num_steps} steps {row.schedule} is above the oracle's "
            f"best schedule by {cite(oracles[0], 3)} nats for the oracle and by {cite(row, 3)} for the network."
        )
    near = [row for cell in _cells(rows) for row in cell if not _clear(row)]
    total = sum(map(len, _cells(rows)))
    yield f"{len(near)} of {total} differences to the oracle's best schedule are within 3 standard errors of the seeds."


def _shares(rows: Sequence[Row]) -> Iterator[str]:
    learning = find(rows, "learning_kl_nats", num_steps=3)
    shares = []
    for row in learning:
        (path,) = find(rows, "path_kl_nats", cell=row.cell)
        shares.append((row.value / path.value, row, path))
    small, large = min(shares, key=lambda entry: entry[0]), max(shares, key=lambda entry: entry[0])
    for share, row, path in (small, large):
        yield (
            f"Of the path KL {cite(path, 3)} nats of {row.schedule} on {row.target} in 3 steps, learning is "
            f"{cite(row, 3)}: {100 * share:.0f} %."
        )


def _gaps(rows: Sequence[Row]) -> Iterator[str]:
    found = sorted(find(rows, "order_gap_nats"), key=lambda row: row.value)
    yield (
        f"The networks' conditionals belong to no single distribution: the order gap is {cite(found[0], 3)} "
        f"nats ({found[0].target}) to {cite(found[-1], 3)} ({found[-1].target}); it is 0 for the oracle."
    )


def _sampled(rows: Sequence[Row]) -> Iterator[str]:
    found = find(rows, "sampled_deviation")
    worst = max(found, key=lambda row: abs(row.value))
    yield (
        f"Tokens really sampled from a network of each target: their mean log probability is within "
        f"{abs(worst.value):.2f} standard errors of the exact one (n = {worst.n:,}, {len(found)} targets)."
    )
