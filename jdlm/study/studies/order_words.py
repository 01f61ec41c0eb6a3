"""What the rows of the study ``order`` say, in words."""

from collections.abc import Iterator, Sequence

from jdlm.study.rows import Row
from jdlm.study.studies.study import cite

__all__ = ["conclude"]


def conclude(rows: Sequence[Row]) -> list[str]:
    """At most ten lines of what was found, each number with its cell; those whose rows are all there."""
    table = {row.place: row for row in rows}

    def get(target: str, planner: str, num_steps: int | None, metric: str, method: str = "exact") -> Row:
        schedule = "" if num_steps is None else "uniform"
        return table[target, "oracle", schedule, planner, num_steps, metric, None, method]

    lines = []
    for part in (_built, _copies, _compared, _chain, _bisection, _counting, _alike, _strings, _sampled):
        try:
            lines += list(part(get, rows))
        except KeyError:  # a quick study has fewer rows
            continue
    return lines


def _built(get, rows: Sequence[Row]) -> Iterator[str]:
    one, other = (get("confident_copies", name, 3, "output_kl_nats") for name in ("confidence", "random"))
    yield (
        "A law on which confidence is worse than chance (three copies of a biased bit, three fair bits), K = 3: output "
        f"KL {cite(one)} against {cite(other)} nats at random. The certain tokens are those that depend on each other."
    )


def _copies(get, rows: Sequence[Row]) -> Iterator[str]:
    early, late = ([get("copy", name, k, "output_kl_nats") for name in ("confidence", "random")] for k in (3, 4))
    yield (
        f"A string and its copy, K = 3: confidence {cite(early[0])}, random {cite(early[1])}, left to right "
        f"{cite(get('copy', 'left_to_right', 3, 'output_kl_nats'))} nats. Certain tokens cost nothing and tell "
        f"nothing: confidence spends its second step on them. At K = 4 it is {cite(late[0])} against {cite(late[1])}."
    )


def _compared(get, rows: Sequence[Row]) -> Iterator[str]:
    found = {(row.planner, row.metric): row for row in rows if row.target == "all"}

    def counts(planner: str, what: str) -> str:
        lower, higher = (cite(found[planner, f"{what}_{word}_count"]) for word in ("lower", "higher"))
        return f"lower in {lower} and higher in {higher}"

    names = ("confidence", "margin", "entropy", "bisection", "left_to_right")
    said = "; ".join(f"{name.replace('_', ' ')} {counts(name, 'than_random')}" for name in names)
    of = found["confidence", "than_random_compared_count"]
    yield f"Output KL against random positions at equal sizes, in {cite(of)} pairs of target and K: {said}; else equal."
    yield (
        "Random positions at the best list of sizes, against the best planner that looks at the predictor at equal "
        f"sizes: {counts('random', 'best_sizes_than_looking')}. How many counts for more than which."
    )


def _chain(get, rows: Sequence[Row]) -> Iterator[str]:
    names = ("bisection", "random")
    path, output = ([get("sticky_markov", name, 3, f"{what}_kl_nats") for name in names] for what in ("path", "output"))
    yield (
        f"Sticky chain, K = 3: bisection halves the path KL of random positions ({cite(path[0])} against "
        f"{cite(path[1])}) and has the larger output KL ({cite(output[0])} against {cite(output[1])}): an order that "
        "is nearly fixed has little to mix."
    )


def _bisection(get, rows: Sequence[Row]) -> Iterator[str]:
    names = ("bisection", "random", "confidence", "left_to_right")
    shares = [get("walk_on_a_random_graph", name, 2, "outside_support_share") for name in names]
    said = ", ".join(f"{cite(row)} ({row.planner.replace('_', ' ')})" for row in shares)
    yield f"Walk on a random 3-regular graph, K = 2: share of impossible sequences {said}."


def _counting(get, rows: Sequence[Row]) -> Iterator[str]:
    own = get("walk_on_a_path", "entropy_sum(1)", None, "output_kl_nats")
    four = [row for row in rows if (row.target, row.num_steps, row.metric) == ("walk_on_a_path", 4, "output_kl_nats")]
    equal = min((row for row in four if row.schedule == "uniform"), key=lambda row: row.value, default=None)
    best = next((row for row in four if row.schedule.startswith("optimal")), None)
    if equal is None or best is None:
        raise KeyError
    yield (
        f"Walk on a path: an entropy sum of 1 nat has output KL {cite(own)} at {own.nfe:.3f} calls, the best planner "
        f"of equal sizes ({equal.planner}) {cite(equal)} at 4; random positions in the best 4 sizes {cite(best)}."
    )


def _alike(get, rows: Sequence[Row]) -> Iterator[str]:
    names = ("confidence", "left_to_right")
    path, output = ([get("mixture", name, 4, f"{what}_kl_nats") for name in names] for what in ("path", "output"))
    yield (
        "Where all positions are alike (mixture, shuffle, permutation, MDS code) no planner changes the path KL: "
        f"mixture, K = 4, {cite(path[0])} by confidence, {cite(path[1])} left to right. The output KL is "
        f"{cite(output[0])} where ties are broken at random, {cite(output[1])} in a fixed order."
    )


def _strings(get, rows: Sequence[Row]) -> Iterator[str]:
    share = get("two_strings", "confidence", 2, "outside_support_share")
    cure = get("two_strings", "entropy_sum(0.5)", None, "outside_support_share")
    yield (
        f"Two strings 0101... and 1010..., two equal steps: a share of {cite(share)} is impossible by confidence and "
        f"by all others; an entropy sum of 0.5 nats needs {cure.nfe:.0f} calls for {cite(cure)}."
    )


def _sampled(get, rows: Sequence[Row]) -> Iterator[str]:
    apart = [row for row in rows if row.metric == "outside_support_deviation"]
    if apart:
        worst = max(apart, key=lambda row: abs(row.value))
        yield (
            f"Sampled shares of impossible sequences at {len(apart)} points: the one farthest from the exact share is "
            f"{cite(worst, 3)} of its standard errors away ({worst.target}, {worst.planner})."
        )
