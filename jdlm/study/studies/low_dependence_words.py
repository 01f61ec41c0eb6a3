"""What the rows of the study ``low-dependence`` say, in words."""

from collections.abc import Iterator, Sequence
from typing import Any

from jdlm.study.rows import Row
from jdlm.study.studies.study import cite, find

__all__ = ["conclude"]

_NAMES = {"tc": "TC", "dtc": "DTC", "d": "D", "sum": "TC + DTC"}
_STEPS = "steps_until_kl_0.1"
_GROUPS = (
    ("tc", ("best_fixed_tc", "tc_equalizer", "random_phase_tc")),
    ("dtc", ("best_fixed_dtc", "random_phase_dtc")),
    ("d", ("best_fixed_both", "minimax_both", "ancestral:exponential")),
    ("sum", ("uniform", "random_cuts", "random_phase_equal", "ancestral:linear")),
)


def conclude(rows: Sequence[Row]) -> list[str]:
    """At most ten lines of what was found, each number with its cell; those whose rows are there."""
    parts = (_groups, _others, _powers, _example, _length, _grids, _why, _contrast, _calls, _sampled)
    return [line for part in parts for line in part(rows)]


def _one(rows: Sequence[Row], metric: str, digits: int = 3, **wanted) -> str:
    (row,) = find(rows, metric, **wanted)
    return cite(row, digits)


def _groups(rows: Sequence[Row]) -> Iterator[str]:
    if not find(rows, f"{_STEPS}_r_squared_in_tc"):
        return
    told = []
    for which, words in _GROUPS:
        values = ", ".join(f"{word} {_one(rows, f'{_STEPS}_r_squared_in_{which}', schedule=word)}" for word in words)
        told.append(f"{_NAMES[which]} for {values}")
    yield f"What predicts the steps until a path KL of 0.1 depends on the schedule (R^2 of logs): {'; '.join(told)}."


def _others(rows: Sequence[Row]) -> Iterator[str]:
    for word, wrong in (("uniform", "dtc"), ("tc_equalizer", "dtc"), ("random_phase_dtc", "tc")):
        if not find(rows, f"{_STEPS}_r_squared_in_{wrong}", schedule=word):
            return
    told = [
        f"{word} and {_NAMES[wrong]} {_one(rows, f'{_STEPS}_r_squared_in_{wrong}', schedule=word)}"
        for word, wrong in (("uniform", "dtc"), ("tc_equalizer", "dtc"), ("random_phase_dtc", "tc"))
    ]
    best = _one(rows, f"{_STEPS}_r_squared_in_d", schedule="optimal")
    yield f"The wrong one says little: {', '.join(told)}; none predicts the best list for a known curve (D {best})."


def _powers(rows: Sequence[Row]) -> Iterator[str]:
    for word in ("minimax_both", "ancestral:exponential"):
        if not find(rows, f"{_STEPS}_exponent_in_d", schedule=word):
            return
    yield (
        f"Steps grow like D to the {_one(rows, f'{_STEPS}_exponent_in_d', schedule='minimax_both')} for minimax (both) "
        f"and to the {_one(rows, f'{_STEPS}_exponent_in_d', schedule='ancestral:exponential')} for thinning with steps "
        "kappa min(1, T - t); the constants of the first fall faster than 1/K, for K = L costs nothing."
    )


def _example(rows: Sequence[Row]) -> Iterator[str]:
    name = "strings:16"
    if find(rows, _STEPS, target=name):
        words = ("uniform", "cosine", "best_fixed_both", "random_phase_dtc", "optimal")
        told = ", ".join(f"{word} {_one(rows, _STEPS, target=name, schedule=word)}" for word in words)
        dtc, tc = (_one(rows, f"correlation_{which}_nats", target=name) for which in ("dtc", "tc"))
        yield f"16 random strings, L = 128 (DTC {dtc}, TC {tc}), steps until 0.1: {told}."


def _length(rows: Sequence[Row]) -> Iterator[str]:
    found = find(rows, f"{_STEPS}_exponent_in_length", schedule="uniform")
    if found:
        last = max(int(row.target.rpartition("-")[2]) for row in found)
        told = []
        for name, label in (("flip", "chain with flip 2/L"), ("strings:80", "80 strings")):
            where: dict[str, Any] = {"target": f"{name}-64-{last}"}
            powers = [
                _one(rows, f"{_STEPS}_exponent_in_length", schedule=word, **where) + f" ({word})"
                for word in ("uniform", "best_fixed_dtc", "ancestral:exponential")
            ]
            told.append(f"{label} {', '.join(powers)}")
        yield f"Length alone costs equal sizes, not the others; powers of L up to {last}: {'; '.join(told)}."


def _grids(rows: Sequence[Row]) -> Iterator[str]:
    name = "grids:strings:80"
    told = []
    for count in (20, 30):
        where = {"target": name, "num_steps": count}
        constant, geometric, best = (
            _one(rows, "path_kl_nats", schedule=word, **where)
            for word in ("constant", "geometric:0.01", "best_fixed_dtc")
        )
        told.append(f"N = {count}: {constant} constant, {geometric} geometric, {best} the best list for DTC")
    yield f"80 random strings of 2000 bits, exponential masking from T = 8, path KL in nats: {'; '.join(told)}."


def _why(rows: Sequence[Row]) -> Iterator[str]:
    where = {"target": "grids:strings:80", "index": 11}
    share = _one(rows, "dtc_share_up_to", **where)
    constant, geometric = (
        _one(rows, "overshoot_over_place", schedule=word, **where) for word in ("constant", "geometric:0.01")
    )
    yield (
        f"Why: {share} of their DTC sits at the first 11 revealed tokens, where constant times overstep by {constant} "
        f"of the place and geometric times by {geometric}: equal steps of alpha = exp(-tau) multiply the revealed "
        "tokens by one factor, which is what a bound by DTC wants."
    )


def _contrast(rows: Sequence[Row]) -> Iterator[str]:
    where = {"target": "grids:parity:8:1", "num_steps": 30}
    if find(rows, "path_kl_nats", **where):
        constant, geometric = (
            _one(rows, "path_kl_nats", schedule=word, **where) for word in ("constant", "geometric:0.01")
        )
        yield f"Where dependence comes late it is the other way round: blocks of parity {constant} and {geometric}."


def _calls(rows: Sequence[Row]) -> Iterator[str]:
    where: dict[str, Any] = {"target": "mixture:4:1", "schedule": "ancestral:linear"}
    if find(rows, "steps_until_kl_0.01", **where):
        steps, calls = (_one(rows, f"{what}_until_kl_0.01", **where) for what in ("steps", "calls"))
        yield (
            f"Thinning needs more steps than there are tokens, but not calls: a mixture of 4, path KL 0.01, linear "
            f"masking takes {steps} steps and {calls} calls for 128 tokens."
        )


def _sampled(rows: Sequence[Row]) -> Iterator[str]:
    apart = find(rows, "path_kl_deviation")
    worst = max(apart, key=lambda row: abs(row.value))
    yield (
        f"Tokens forced through the sampler have the path KL of the identity at {len(apart)} points, n = {worst.n:,}: "
        f"the largest difference is {cite(worst, 3, error=False)} standard errors."
    )
