"""What the rows of the study ``presets`` say, in words."""

from collections.abc import Iterator, Sequence

from jdlm.study.rows import Row
from jdlm.study.studies.study import cite, find

__all__ = ["conclude"]


def conclude(rows: Sequence[Row]) -> list[str]:
    """At most ten lines of what was found, each number with its cell."""
    return [line for part in (_mixture, _optimal, _worst, _thinning, _sampled) for line in part(rows)]


def _one(rows: Sequence[Row], metric: str, target: str, **wanted) -> Row:
    return find(rows, metric, target=target, **wanted)[0]


def _exact(rows: Sequence[Row], target: str, schedule: str, num_steps: int) -> str:
    where = {"schedule": schedule, "num_steps": num_steps, "method": "identity"}
    return cite(_one(rows, "path_kl_nats", target, **where))


def _mixture(rows: Sequence[Row]) -> Iterator[str]:
    where = (rows, "mixture")
    tc, dtc = (cite(_one(rows, f"{name}_correlation_nats", "mixture")) for name in ("total", "dual_total"))
    costs = [f"{name} {_exact(*where, name, 8)}" for name in ("uniform", "cosine", "minimax_dtc")]
    yield f"Default preset, TC {tc} and DTC {dtc} nats, path KL in 8 steps: {', '.join(costs)}."
    costs = [f"{name} {_exact(*where, name, 8)}" for name in ("minimax_tc", "tc_equalizer")]
    yield f"Schedules made for TC alone cost more there: {', '.join(costs)}."


def _optimal(rows: Sequence[Row]) -> Iterator[str]:
    costs = [f"{_exact(rows, 'mixture', 'optimal', steps)} in {steps} steps" for steps in (8, 10)]
    yield f"The best list for that target, which has to know its curve, costs {' and '.join(costs)}."


def _worst(rows: Sequence[Row]) -> Iterator[str]:
    shares = [
        cite(_one(rows, f"worst_case_{weight}", "mixture", schedule=name, num_steps=8))
        for name, weight in (("uniform", "tc"), ("uniform", "dtc"), ("tc_equalizer", "tc"))
    ]
    yield (
        "Worst case over all targets of that length: uniform sizes {} of TC and {} of DTC, the TC equalizer {} of "
        "TC.".format(*shares)
    )


def _thinning(rows: Sequence[Row]) -> Iterator[str]:
    for steps in (8, 64):
        where = {"schedule": "euler:linear", "num_steps": steps}
        kl, calls = (
            cite(_one(rows, metric, "thinning", method=method, **where))
            for metric, method in (("path_kl_nats", "identity"), ("calls", "exact"))
        )
        yield f"Preset thinning, Euler with linear masking in {steps} steps: {calls} calls, path KL {kl} nats."


def _sampled(rows: Sequence[Row]) -> Iterator[str]:
    apart = [row for row in rows if row.metric in ("path_kl_deviation", "calls_deviation")]
    if apart:
        worst = max(apart, key=lambda row: abs(row.value))
        yield (
            f"Sampled: path KL and calls agree with their exact values at {len(apart)} points; the largest difference "
            f"is {cite(worst, 3, error=False)} standard errors of {worst.n:,} sequences."
        )
