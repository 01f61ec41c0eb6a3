"""What the rows of the study ``precision`` say, in words."""

from collections.abc import Callable, Iterator, Sequence

from jdlm.study.rows import Row
from jdlm.study.studies.study import cite

__all__ = ["conclude"]

_Get = Callable[..., Row]


def conclude(rows: Sequence[Row]) -> list[str]:
    """At most ten lines of what was found, each number with its cell; those whose rows are all there."""
    table = {row.place: row for row in rows}

    def get(target: str, way: str, metric: str, index: int | None = None, method: str = "exact") -> Row:
        return table[target, way, "", "", None, metric, index, method]

    lines = []
    for part in (_jdlm, _low, _bfloat16, _logits, _inverse, _crowd, _ids, _together, _sampled):
        try:
            lines += list(part(get, rows))
        except KeyError:  # a quick study has fewer rows
            continue
    return lines


def _jdlm(get: _Get, rows: Sequence[Row]) -> Iterator[str]:
    last, tv = get("ladder", "jdlm", "token_ratio", 12), get("ladder", "jdlm", "tv")
    yield (
        f"jdlm draws a token of probability 9e-13 {cite(last, 6)} times as often as it should, all others more "
        f"exactly: total variation {cite(tv)} over 13 decades."
    )


def _low(get: _Get, rows: Sequence[Row]) -> Iterator[str]:
    at = [get("ladder", "gumbel_low_float32", "token_ratio", level) for level in (6, 7, 8, 9)]
    heat = get("ladder", "gumbel_low_float32", "effective_temperature")
    yield (
        "float32 Gumbel-max in mode low (JAX's default) draws probabilities of 9e-7, 9e-8, 9e-9 and 9e-10 "
        f"{', '.join(cite(row) for row in at)} times as often as it should. As a temperature of the whole that is "
        f"{cite(heat, 7)}: this number does not see it."
    )


def _bfloat16(get: _Get, rows: Sequence[Row]) -> Iterator[str]:
    least = get("ladder", "gumbel_high_bfloat16", "token_probability", 12)
    low = get("ladder", "gumbel_low_bfloat16", "token_ratio", 3)
    heats = [get("ladder", f"gumbel_{mode}_bfloat16", "effective_temperature") for mode in ("low", "high")]
    yield (
        f"Noise in bfloat16: mode low draws a token of 9e-4 {cite(low)} times as often as it should, mode high one of "
        f"9e-13 with probability {cite(least)}, which is 2^-14. Temperatures {cite(heats[0])} and {cite(heats[1])}: "
        "one errs to the cold, the other to the warm side."
    )


def _logits(get: _Get, rows: Sequence[Row]) -> Iterator[str]:
    tv = get("ladder", "jdlm_bfloat16_logits", "tv")
    one, other = (get("ladder", "jdlm_bfloat16_logits", "token_ratio", level) for level in (9, 11))
    yield (
        f"Logits in bfloat16 with noise in float32 (jdlm): ratios between {cite(one)} and {cite(other)}, total "
        f"variation {cite(tv)}; no token is lost."
    )


def _inverse(get: _Get, rows: Sequence[Row]) -> Iterator[str]:
    ratios = [get("ladder", "inverse_cdf_float32", "token_ratio", level) for level in (6, 7, 8)]
    last = get("ladder", "inverse_cdf_float64", "token_ratio", 12)
    yield (
        f"Inverse CDF in float32: ratios {', '.join(map(cite, ratios))} at 9e-7, 9e-8 and 9e-9, with errors of both "
        f"signs above; in float64 {cite(last, 6)} at 9e-13."
    )


def _places(rows: Sequence[Row], metric: str) -> list[int]:
    """The indices of a metric; KeyError where it has no rows."""
    found = sorted({row.index for row in rows if row.metric == metric and row.index is not None})
    if not found:
        raise KeyError(metric)
    return found


def _crowd(get: _Get, rows: Sequence[Row]) -> Iterator[str]:
    sizes = _places(rows, "crowd_share")
    shares = [get("crowd", "gumbel_low_float32", "crowd_share", size) for size in sizes]
    heats = [get("crowd", "gumbel_low_float32", "effective_temperature", size) for size in sizes]
    said = "; ".join(f"{n:,}: {cite(a)}, T = {cite(b)}" for n, a, b in zip(sizes, shares, heats, strict=True))
    heat, tv = (get("crowd", "inverse_cdf_float32", name, sizes[-1]) for name in ("effective_temperature", "tv"))
    yield (
        f"A crowd that shares one half of the probability, float32 in mode low, its share and temperature by size: "
        f"{said}. Inverse CDF in float32 keeps T = {cite(heat, 8)} in the largest, at a total variation of {cite(tv)}."
    )


def _ids(get: _Get, rows: Sequence[Row]) -> Iterator[str]:
    sizes = _places(rows, "lower_over_higher_ids")
    ratios = [get("crowd", "gumbel_low_float32", "lower_over_higher_ids", size) for size in sizes]
    said = ", ".join(f"{cite(row)} ({size:,})" for size, row in zip(sizes, ratios, strict=True))
    yield (
        f"Equal scores go to the lower id: in mode low the lower half of the crowd's ids is drawn {said} times as "
        "often as the upper half."
    )


def _together(get: _Get, rows: Sequence[Row]) -> Iterator[str]:
    steps = _places(rows, "revealed_ratio")
    heats = [get("drawn_together", "gumbel_low_float32", "effective_temperature", count) for count in steps]
    said = ", ".join(f"{cite(row)} ({count:,} steps)" for count, row in zip(steps, heats, strict=True))
    fewer = get("drawn_together", "gumbel_low_float32", "revealed_ratio", steps[-1])
    high = get("drawn_together", "gumbel_high_float32", "effective_temperature", steps[-1])
    yield (
        f"A token drawn together with the choice to stay masked, float32 in mode low: T = {said}, and {cite(fewer)} of "
        f"the reveals; mode high: T = {cite(high, 8)}. jdlm chooses the positions first, so its T does not depend on "
        "the number of steps."
    )


def _sampled(get: _Get, rows: Sequence[Row]) -> Iterator[str]:
    apart = [row for row in rows if row.metric == "temperature_deviation"]
    if apart:
        worst = max(apart, key=lambda row: abs(row.value))
        drawn = get("ladder", "jdlm", "effective_temperature", None, "monte_carlo")
        yield (
            f"Temperatures of really drawn tokens at {len(apart)} points: the one farthest from the exact one is "
            f"{cite(worst, 3)} of its standard errors away ({worst.target}, {worst.predictor}); jdlm on the ladder "
            f"{cite(drawn)}."
        )
