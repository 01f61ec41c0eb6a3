"""What the rows of the study ``adaptation`` say, in words."""

from collections.abc import Iterator, Sequence

from jdlm.study.rows import Row
from jdlm.study.studies.study import cite, find

__all__ = ["conclude"]

_LISTS = ("uniform", "cosine", "best_fixed_both")


def conclude(rows: Sequence[Row]) -> list[str]:
    """At most ten lines of what was found, each number with its cell."""
    parts = (_shares, _outputs, _rates, _never_visited, _thinning, _alignment, _sampled, _smooth)
    return [line for part in parts for line in part(rows)]


def _largest(rows: Sequence[Row], metric: str, **wanted) -> str:
    return cite(max(find(rows, metric, **wanted), key=lambda row: row.value))


def _shares(rows: Sequence[Row]) -> Iterator[str]:
    where = {"target": "mds-32"}
    equalizer = find(rows, "code_path_kl_over_tc", schedule="tc_equalizer", **where)
    low, high = (pick(equalizer, key=lambda row: row.value) for pick in (min, max))

    def worst(name: str) -> str:
        shares = (_largest(rows, f"code_path_kl_over_{weight}", schedule=name, **where) for weight in ("tc", "dtc"))
        return "{} of TC and {} of DTC".format(*shares)

    yield (
        f"Path KL at L = 32, K = 8, wherever the dependence sits: the TC equalizer takes {cite(low)} to {cite(high)} "
        f"of TC, minimax (both) at most {worst('minimax_both')}; equal sizes up to {worst('uniform')}, the best list "
        f"up to {worst('best_fixed_both')}."
    )


def _outputs(rows: Sequence[Row]) -> Iterator[str]:
    where = {"target": "mds-64", "num_steps": 8}

    def largest(what: str, name: str) -> str:
        return cite(find(rows, f"largest_{what}_kl_nats", schedule=name, **where)[0])

    yield (
        "Output KL, largest over all codes at L = 64, K = 8: "
        f"{largest('output', 'uniform')} nats under equal sizes, {largest('output', 'random_phase_equal')} with a "
        f"random phase, whose path KL is {largest('path', 'random_phase_equal')}: the path KL hides most of what "
        "randomizing buys on codes."
    )


def _rates(rows: Sequence[Row]) -> Iterator[str]:
    where = {"target": "mds-64", "index": 29}
    path = find(rows, "path_kl_exponent", schedule="tc_equalizer", **where)[0]
    output = find(rows, "output_kl_exponent", schedule="random_cuts", **where)[0]
    ends = find(rows, "path_kl_steps_over_tc", schedule="tc_equalizer", **where)
    yield (
        f"Rate at L = 64, k = 29, K = 4 to 32: the path KL of the equalizer falls like K to the power {cite(path, 3)}; "
        f"KL K / TC is not flat but goes from {cite(ends[0], 3)} to {cite(ends[-1], 3)}, for K = L costs nothing. The "
        f"output KL of random cuts falls like K to the power {cite(output, 3)}: it is near log((L-1)/(K-1)), not TC/K."
    )


def _never_visited(rows: Sequence[Row]) -> Iterator[str]:
    where = {"target": "mds-64", "num_steps": 8}
    yield (
        "A guarantee for DTC is none for the output: minimax (DTC) at L = 64, K = 8 has an output KL of up to "
        f"{_largest(rows, 'output_kl_nats', schedule='minimax_dtc', **where)} nats, at dimensions that it never "
        f"visits, minimax (both) {_largest(rows, 'output_kl_nats', schedule='minimax_both', **where)}."
    )


def _thinning(rows: Sequence[Row]) -> Iterator[str]:
    where = {"target": "mds-64", "num_steps": 8}

    def largest(name: str) -> str:
        both = (find(rows, f"largest_{what}_kl_nats", schedule=name, **where)[0] for what in ("path", "output"))
        return " / ".join(map(cite, both))

    yield (
        "Thinning at K = 8, largest path / output KL over all codes of L = 64: "
        f"{largest('thinning_uniform')} on equal time steps, {largest('thinning_adaptive')} with steps "
        "kappa min(1, T - t): at few steps the rule for low dependence is no gain on codes."
    )


def _alignment(rows: Sequence[Row]) -> Iterator[str]:
    where = {"target": "mds-64", "num_steps": 8, "schedule": "uniform"}
    aligned, next_one = (find(rows, "path_kl_nats", index=k, **where)[0] for k in (32, 33))
    yield (
        f"The trap: equal sizes cost {cite(aligned)} nats at k = 32, a multiple of their step 8, and "
        f"{cite(next_one)} at k = 33."
    )


def _sampled(rows: Sequence[Row]) -> Iterator[str]:
    apart = find(rows, "inside_code_deviation")
    worst = max(apart, key=lambda row: abs(row.value))
    yield (
        f"Sampled tokens: the share inside the code agrees with E[q^-R] at {len(apart)} points; the largest difference "
        f"is {cite(worst, 3, error=False)} standard errors of {worst.n:,} samples."
    )


def _smooth(rows: Sequence[Row]) -> Iterator[str]:
    for target in dict.fromkeys(row.target for row in find(rows, "total_correlation_nats")):
        found = []
        for what in ("path", "output"):
            mine = sorted(find(rows, f"{what}_kl_nats", target=target), key=lambda row: row.value)
            best = [next(row for row in mine if (row.schedule in _LISTS) == is_list) for is_list in (True, False)]
            found.append(f"{what} KL {cite(best[0])} ({best[0].schedule}) against {cite(best[1])} ({best[1].schedule})")
        yield f"Smooth target {target}, best list against best random sizes: {', '.join(found)}."
