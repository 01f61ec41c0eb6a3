"""What the rows of the study ``correctors`` say, in words."""

from collections.abc import Iterator, Sequence

from jdlm.study.rows import Row
from jdlm.study.studies.study import cite, find

__all__ = ["conclude"]


def conclude(rows: Sequence[Row]) -> list[str]:
    """At most ten lines of what was found, each number with its cell."""
    parts = (_random_laws, _equal_calls, _rounds, _places, _sizes, _filters, _conf, _networks, _checked)
    return [line for part in parts for line in part(rows)]


def _one(rows: Sequence[Row], metric: str, target: str, **wanted) -> Row:
    return find(rows, metric, target=target, **wanted)[0]


def _kl(rows: Sequence[Row], target: str, who: str, schedule: str, num_steps: int) -> str:
    return cite(_one(rows, "output_kl_nats", target, predictor=who, schedule=schedule, num_steps=num_steps), 3)


def _random_laws(rows: Sequence[Row]) -> Iterator[str]:
    plain = cite(_one(rows, "mean_output_kl_nats", "bits-3", schedule="ancestral:linear"), 3)
    shares = [
        cite(_one(rows, "raised_share", "bits-3", schedule=f"remdm_cap:{eta}:linear"), 3) for eta in ("0.1", "0.3")
    ]
    more = [
        cite(_one(rows, "mean_output_kl_nats", "bits-3", schedule=f"remdm_cap:{eta}:linear"), 3)
        for eta in ("0.1", "0.3")
    ]
    yield (
        f"Random laws of three bits, oracle, 5 equal times: cap raises the mean KL from {plain} to {more[0]} (eta 0.1) "
        f"and {more[1]} (eta 0.3) nats; it raises that of a law in a share {shares[0]} and {shares[1]} of them."
    )


def _equal_calls(rows: Sequence[Row]) -> Iterator[str]:
    said = []
    for target in ("chain-6", "mixture-6", "parity-6"):
        for who in ("oracle", "wrong"):
            if found := find(rows, "remdm_compared_count", target=target, predictor=who):
                lower = cite(_one(rows, "remdm_lower_count", target, predictor=who), 3)
                least = cite(_one(rows, "remdm_least_ratio", target, predictor=who), 3)
                said.append(f"{target}, {who}: {lower} of {cite(found[0], 3)}, at best {least}")
    what = "ReMDM (cap, rescale, loop) below plain thinning at as many calls, and the ratio of its KL"
    yield f"{what}: {'; '.join(said)}."


def _rounds(rows: Sequence[Row]) -> Iterator[str]:
    said = []
    for target in ("chain-6", "mixture-6", "parity-6"):
        for who in ("oracle", "wrong"):
            if found := find(rows, "best_rounds_minus_best_list_nats", target=target, predictor=who, num_steps=5):
                said.append(f"{target}, {who}: {cite(found[0], 2)}")
    yield f"5 calls, best placement of Gibbs rounds less the best list without any, nats: {'; '.join(said)}."


def _places(rows: Sequence[Row]) -> Iterator[str]:
    if find(rows, "length", target="mixture-6"):
        plain = _kl(rows, "mixture-6", "oracle", "uniform", 5)
        spread = _kl(rows, "mixture-6", "oracle", "uniform+gibbs:1x1@0-2", 7)
        end = _kl(rows, "mixture-6", "oracle", "uniform+gibbs:2x1", 7)
        best = _kl(rows, "mixture-6", "oracle", "optimal", 5)
        yield (
            f"Mixture, oracle, 5 calls: two rounds at the end {end} nats, after the first step and the last {spread}; "
            f"equal sizes without rounds {plain}, the best list {best}."
        )


def _sizes(rows: Sequence[Row]) -> Iterator[str]:
    if find(rows, "length", target="parity-6"):
        one, two, three = (_kl(rows, "parity-6", "oracle", f"uniform+gibbs:2x{size}", 8) for size in (1, 2, 3))
        yield f"Parity, oracle, 4 steps and 2 rounds of size 1, 2, 3 at the end: {one}, {two}, {three} nats."


def _filters(rows: Sequence[Row]) -> Iterator[str]:
    target = "mixture-6"
    if not find(rows, "length", target=target):
        return

    def both(who: str, schedule: str) -> str:
        wanted = {"predictor": who, "schedule": schedule, "num_steps": 8}
        surprise, kl = (_one(rows, metric, target, **wanted) for metric in ("surprise_nats", "output_kl_nats"))
        return f"{cite(surprise)} and {cite(kl, 3)}"

    thin, cap = "ancestral:linear", "remdm_cap:0.3:linear"
    yield (
        f"Mixture, oracle, 8 times, surprise (H = {cite(_one(rows, 'entropy_nats', target))}) and KL in nats: thinning "
        f"{both('oracle', thin)}; cap 0.3 {both('oracle', cap)}; nucleus 0.9 {both('oracle, nucleus', thin)}; both "
        f"{both('oracle, nucleus', cap)}; both and an argmax {both('oracle, nucleus and argmax', cap)}."
    )


def _conf(rows: Sequence[Row]) -> Iterator[str]:
    for who in ("oracle", "wrong"):
        wanted = {"predictor": who, "schedule": "remdm_conf:0.3:linear", "num_steps": 6}
        for ratio in find(rows, "kl_over_thinning_ratio", target="chain-6", **wanted):
            yield f"Kind conf, eta 0.3, 6 times, chain, {who}: KL over thinning's at as many calls {cite(ratio, 3)}."


def _networks(rows: Sequence[Row]) -> Iterator[str]:
    said = []
    for target in ("chain-6", "mixture-6"):
        if find(rows, "learning_error_nats", target=target):
            said.append(
                f"{target}: {_kl(rows, target, 'network', 'uniform', 6)} nats in 6 steps, "
                f"{_kl(rows, target, 'network', 'uniform+gibbs:2x1', 10)} with 2 rounds more, "
                f"{_kl(rows, target, 'network', 'remdm_cap:0.3:linear', 16)} by cap 0.3 in 16 times"
            )
    if said:
        yield f"Trained networks, {'; '.join(said)}."


def _checked(rows: Sequence[Row]) -> Iterator[str]:
    if found := find(rows, "surprise_deviation"):
        worst = max(found, key=lambda row: abs(row.value))
        yield (
            f"Sampled tokens: the mean surprise of {len(found)} samplers is at most {cite(worst, 3, error=False)} of "
            "its standard errors from the exact one."
        )
