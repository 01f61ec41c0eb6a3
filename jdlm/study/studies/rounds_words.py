"""What the rows of the study ``rounds`` say, in words."""

from collections.abc import Iterator, Sequence

from jdlm.study.rows import Row
from jdlm.study.studies.study import cite, find

__all__ = ["conclude"]


def conclude(rows: Sequence[Row]) -> list[str]:
    """At most ten lines of what was found, each number with its cell."""
    parts = (_default, _chains, _codes, _length, _bound, _networks, _checked)
    return [line for part in parts for line in part(rows)]


def _find(rows: Sequence[Row], metric: str, target: str, **wanted) -> list[Row]:
    return find(rows, metric, target=target, **wanted)


def _compared(rows: Sequence[Row], target: str) -> str:
    """Rounds beside the steps of the best list and of equal sizes."""
    (rounds,) = _find(rows, "rounds", target, predictor="oracle", method="monte_carlo")
    steps = [cite(_find(rows, f"steps_until_kl_{goal}", target, schedule="best")[0]) for goal in (0.1, 0.01)]
    return f"{cite(rounds)} rounds; the best list takes {steps[0]} steps to 0.1 nats and {steps[1]} to 0.01"


def _default(rows: Sequence[Row]) -> Iterator[str]:
    yield f"Default mixture (L = 32), exact in law: {_compared(rows, 'mixture:3')}."


def _chains(rows: Sequence[Row]) -> Iterator[str]:
    if _find(rows, "rounds", "markov:0.95"):
        for name in ("markov:0.8", "markov:0.95"):
            yield f"Sticky chain {name} (L = 32, V = 4): {_compared(rows, name)}."


def _codes(rows: Sequence[Row]) -> Iterator[str]:
    found = _find(rows, "rounds", "reed_solomon")
    if found:
        yield (
            f"On the [32, 11] code it takes {cite(found[0])} rounds: the draft from masks is refused at the 12th "
            "token, and the next one knows the code word. Two strings take "
            f"{cite(_find(rows, 'rounds', 'two_strings')[0])}."
        )


def _length(rows: Sequence[Row]) -> Iterator[str]:
    slope = _find(rows, "rounds_exponent_in_length", "flip")
    if slope:
        ends = [cite(_find(rows, "rounds", f"flip:{length}")[0]) for length in (32, 2048)]
        equal = cite(_find(rows, "steps_until_kl_0.1", "flip:512", schedule="equal")[0])
        yield (
            f"The chain with flip 2/L takes {ends[0]} rounds at L = 32 and {ends[1]} at L = 2048 (power of L "
            f"{cite(slope[0], 2)}); equal sizes need {equal} steps to 0.1 nats at L = 512."
        )


def _bound(rows: Sequence[Row]) -> Iterator[str]:
    (refusals,) = _find(rows, "pinsker_refusals", "mixture:3")
    yield (
        f"Pinsker's bound on the refusals of one draft from masks is {cite(refusals)} of 32 on the default mixture, "
        "above the rounds: a second draft knows what the first has left."
    )


def _networks(rows: Sequence[Row]) -> Iterator[str]:
    for target in ("mixture:3", "markov:0.8"):
        both = [_find(rows, metric, target, predictor=kind) for metric in ("rounds", "learning_error_nats")
                for kind in ("bidirectional", "causal")]  # fmt: skip
        if all(both):
            first, second, error, other = (cite(found[0], 3) for found in both)
            yield (
                f"Networks on {target}: {first} rounds (bidirectional, learning error {error} nats), {second} (causal, "
                f"two passes each, {other} nats)."
            )


def _checked(rows: Sequence[Row]) -> Iterator[str]:
    (apart,) = _find(rows, "rounds_deviation", "small")
    yield f"Counted rounds differ from their enumerated mean by {cite(apart, 3, error=False)} standard errors (L = 6)."
