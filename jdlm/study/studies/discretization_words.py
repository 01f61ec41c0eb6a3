"""What the rows of the study ``discretization`` say, in words."""

from collections.abc import Iterator, Sequence
from typing import Any

from jdlm.study.rows import Row
from jdlm.study.studies.study import cite

__all__ = ["conclude"]


def conclude(rows: Sequence[Row]) -> list[str]:
    """At most ten lines of what was found, each number with its cell; those whose rows are there."""
    parts = (_parity, _calls, _powers, _places, _rules, _smooth, _leftover, _wrong, _tight, _sampled)
    return [line for part in parts for line in part(_Found(rows))]


class _Found:
    """Rows by what they are."""

    def __init__(self, rows: Sequence[Row]):
        self._rows = rows

    def all(self, metric: str, **wanted: Any) -> list[Row]:
        """Those of a metric whose other fields are as wanted."""
        return [r for r in self._rows if r.metric == metric and all(getattr(r, k) == v for k, v in wanted.items())]

    def text(self, metric: str, digits: int = 4, /, **wanted: Any) -> str:
        """The one number, as it is quoted."""
        (row,) = self.all(metric, **wanted)
        return cite(row, digits)

    def power(self, name: str, digits: int = 4, /, **wanted: Any) -> str:
        """The power of the length with which the steps grow, up to the longest parity check."""
        last = name.rpartition("-")[2]
        rows = [
            r for r in self.all("steps_until_tv_0.01_exponent_in_length", **wanted) if r.target.endswith(f"-{last}")
        ]
        return cite(rows[0], digits)

    def longest(self) -> str:
        """The name of the longest parity check."""
        names = [row.target for row in self.all("length") if row.target.startswith("parity-")]
        return max(names, key=lambda name: int(name.split("-")[1]))


def _parity(found: _Found) -> Iterator[str]:
    name = found.longest()
    euler: dict[str, Any] = {"schedule": "euler:linear"}
    length = int(name.split("-")[1])
    shares = [found.text("tv_steps_over_length", target=name, num_steps=c * length, **euler) for c in (4, 16)]
    power = found.power(name, **euler)
    yield (
        f"Parity check, L = {length}, Euler with linear masking: TV K / L = {shares[0]} at K = 4 L and {shares[1]} at "
        f"16 L, on the way to 1/4. TV <= 0.01 takes {found.text('steps_until_tv_0.01', 7, target=name, **euler)} "
        f"steps, and over all lengths steps grow like L to the {power}; first hitting has TV 0 in {length} calls."
    )


def _calls(found: _Found) -> Iterator[str]:
    name = found.longest()
    length = int(name.split("-")[1])
    yield (
        f"These steps make only {found.text('calls_until_tv_0.01', target=name, schedule='euler:linear')} predictor "
        f"calls where empty steps are skipped, fewer than the {length} of first hitting: its gain is in loops that "
        "call the predictor in each step."
    )


def _powers(found: _Found) -> Iterator[str]:
    name = found.longest()

    def steps(word: str) -> str:
        power = found.power(name, 3, schedule=word)
        return f"{found.text('steps_until_tv_0.01', 7, target=name, schedule=word)}, L to the {power}"

    yield (
        "How steps grow with L is a matter of the times, too: for TV <= 0.01 on the same check Euler takes "
        f"{steps('euler:polynomial')} for polynomial masking, {steps('euler:exponential-geometric')} for "
        f"geometric times, {steps('euler:exponential-constant')} for exponential masking in equal steps."
    )


def _places(found: _Found) -> Iterator[str]:
    worst = found.all("largest_output_tv", target="mds-64")
    if len(worst) > 1:
        ordered = sorted(worst, key=lambda row: row.value)
        yield (
            "But a grid that is good for parity is bad for other codes: over all dimensions at L = 64, K = 256 the "
            "largest TV is smallest for " + ", ".join(f"{row.schedule} ({cite(row, 3)})" for row in ordered[:2])
            + f", and {found.text('largest_output_tv', 3, target='mds-64', schedule='euler:exponential-geometric')}"
            " for geometric times."
        )  # fmt: skip


def _rules(found: _Found) -> Iterator[str]:
    limits = found.all("output_tv_times_steps", target="sticky_markov-8")
    if limits:
        groups = []
        for masking in ("linear", "cosine", "exponential-constant"):
            mine = [row for row in limits if row.schedule.endswith(f":{masking}")]
            groups.append(f"{masking} " + ", ".join(f"{row.schedule.split(':')[0]} {cite(row, 3)}" for row in mine))
        yield (
            "Many steps forget the rule and keep the masking schedule: TV K at K = 256 on the Markov chain is "
            f"{'; '.join(groups)}."
        )


def _smooth(found: _Found) -> Iterator[str]:
    if found.all("output_tv_exponent_in_length"):
        where = {"target": "mixture-8", "schedule": "euler:linear"}
        yield (
            "Smooth targets are far from that: Euler's TV grows like L to the "
            f"{found.text('output_tv_exponent_in_length', 3, target='mixture')} on a mixture of coins, to the "
            f"{found.text('output_tv_exponent_in_length', 3, target='sticky_markov')} on a Markov chain; the output KL "
            f"falls like K to the {found.text('output_kl_nats_exponent', 3, **where)} (mixture, L = 8) where the path "
            f"KL falls like K to the {found.text('path_kl_nats_exponent', 3, **where)}."
        )


def _leftover(found: _Found) -> Iterator[str]:
    powers = found.all("expected_leftover_masks_exponent")
    if powers:
        listed = ", ".join(f"{row.schedule.removesuffix('-open')} {cite(row, 3)}" for row in powers)
        yield f"Masks left over without a last reveal fall with a power of K that differs, L = 64: {listed}."


def _wrong(found: _Found) -> Iterator[str]:
    ratios = [
        row for row in found.all("output_tv_over_accumulated_tv") if row.predictor.startswith("perturbed:")
    ]  # fmt: skip
    low, high = (pick(ratios, key=lambda row: row.value) for pick in (min, max))
    beyond = found.all("output_tv_beyond_first_hitting", schedule="euler:linear")
    yield (
        "With a wrong predictor first hitting adds nothing of its own: its TV is "
        f"{cite(low, 3)} to {cite(high, 3)} of the accumulated TV of its conditionals, for errors without a direction "
        f"cancel. Euler lies above it by {cite(beyond[0], 3)} at K = {beyond[0].num_steps} and {cite(beyond[-1], 3)} "
        f"at K = {beyond[-1].num_steps}."
    )


def _tight(found: _Found) -> Iterator[str]:
    bit: dict[str, Any] = {"target": "fair_bits-6"}
    code: dict[str, Any] = {"target": "repetition-6"}
    yield (
        "Both bounds are nearly met: a biased bit taken for a fair one has "
        f"{found.text('output_tv_over_accumulated_tv', **bit)} of the accumulated TV and "
        f"{found.text('output_tv_over_score_error_bound', **bit)} of the square root of half the score error; on a "
        "repetition code, heard through a noisy channel, they are "
        f"{found.text('output_tv_over_accumulated_tv', **code)} and "
        f"{found.text('output_tv_over_score_error_bound', **code)}."
    )


def _sampled(found: _Found) -> Iterator[str]:
    apart = found.all("sampled_tv_deviation")
    worst = max(apart, key=lambda row: abs(row.value))
    yield (
        f"Sampled tokens: TV agrees with the exact value at {len(apart)} points of n = {worst.n:,}; the largest "
        f"difference is {cite(worst, 3, error=False)} standard errors."
    )
