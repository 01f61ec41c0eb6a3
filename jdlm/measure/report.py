"""What an audit found: its checks, whether they pass together, and the text that says so."""

from typing import NamedTuple

from jdlm.errors import InputError
from jdlm.measure.alarms import ChiSquare
from jdlm.measure.estimate import Estimate

__all__ = ["ALARM", "Check", "Report"]

ALARM = 1e-4
"""False alarm of a report unless another is asked for."""


class Check(NamedTuple):
    """One of the tests of an audit, or a family of tests of one kind.

    Attributes:
      name: what is compared: "single marginals", "pair marginals", "law", "log probabilities", or, where the space is
        too large for the law, "log probabilities and repeats".
      tables: number of tests: positions, pairs, or 1; those that have nothing to tell apart do not count.
      worst: the test of the smallest p-value.
      p_value: the smallest p-value times ``tables``, at most 1.
      detectable_tv: smallest total variation, of the law of any one table's cells, that raises the check's part of an
        alarm of 1e-4 with a probability of at least 0.9; 1 if none is known to.
    """

    name: str
    tables: int
    worst: ChiSquare
    p_value: float
    detectable_tv: float


class Report(NamedTuple):
    """What `audit` found.

    Attributes:
      n: sequences that were sampled.
      masks_left: share of them that hold a mask or any other id outside the vocabulary.
      outside_support: share of them, masks left included, that have probability 0 under the law.
      single_marginal_tv, pair_marginal_tv: total variation of the marginals, means over positions and pairs; None for
        pairs at length 1.
      single_marginal_tv_floor, pair_marginal_tv_floor: the same of as many true samples; sampling noise alone.
      checks: the tests that decide; the alarm is split evenly over those that have something to tell apart.
    """

    n: int
    masks_left: Estimate
    outside_support: Estimate
    single_marginal_tv: Estimate
    pair_marginal_tv: Estimate | None
    single_marginal_tv_floor: Estimate
    pair_marginal_tv_floor: Estimate | None
    checks: tuple[Check, ...]

    @property
    def p_value(self) -> float:
        """The smallest p-value times the number of checks, at most 1; 0 for masks left and impossible outcomes."""
        if self.masks_left.value or self.outside_support.value:
            return 0.0
        return _together(self.checks)

    @property
    def chi_square(self) -> ChiSquare | None:
        """The test of the law; None where the space is too large for it."""
        return next((check.worst for check in self.checks if check.name == "law"), None)

    @property
    def detectable_tv(self) -> float:
        """Smallest total variation that `passes` would see with a probability of at least 0.9, at the alarm of 1e-4.

        Of the sampler's law from the true one, with rare outcomes in groups of like probability that expect at least 5
        sequences; where the space is too large for that, of any one pair's law (of one token's at length 1).
        """
        return self._decisive.detectable_tv

    @property
    def _decisive(self) -> Check:
        checks = {check.name: check for check in self.checks}
        return next(checks[name] for name in ("law", "pair marginals", "single marginals") if name in checks)

    def passes(self, alarm: float = ALARM) -> bool:
        """Whether nothing was found; a correct sampler fails with a probability of at most ``alarm``.

        No masks left, nothing outside the support, and the p-values of all checks together at least ``alarm``.

        Raises:
          ValueError: the alarm is not between 0 and 1.
        """
        if not 0.0 < alarm < 1.0:
            raise InputError(f"alarm={alarm} is not a valid probability of a false alarm; use a number between 0 and 1")
        return self.p_value >= alarm

    def __str__(self) -> str:
        """The report as a few aligned lines of text."""
        lines = [
            f"{'sequences sampled':30} {self.n}",
            f"{'masks left':30} {_percent(self.masks_left)}",
            f"{'outside the support':30} {_percent(self.outside_support)}",
        ]
        checks = {check.name: check for check in self.checks}
        for name in ("single", "pair"):
            error, floor = getattr(self, f"{name}_marginal_tv"), getattr(self, f"{name}_marginal_tv_floor")
            check = checks.pop(f"{name} marginals", None)
            if error is not None:
                p_value = "" if check is None else f", p = {check.p_value:.2g}"
                lines.append(f"{name + ' marginals':30} TV {error.value:.4f} (noise floor {floor.value:.4f}){p_value}")
        for name, check in checks.items():
            shown = f"chi-square {check.worst.statistic:.1f} at {check.worst.degrees_of_freedom} degrees of freedom"
            lines.append(f"{name:30} {shown}, p = {check.p_value:.2g}")
        decisive = self._decisive
        of = {"law": "the law", "pair marginals": "a pair's law", "single marginals": "a token's law"}[decisive.name]
        lines.append(f"{'all together':30} p = {self.p_value:.2g}")
        seen = f"TV {decisive.detectable_tv:.4f} of {of} (9 of 10 audits, alarm {ALARM:g})"
        if decisive.tables:  # else one outcome alone is possible, and any other is seen at once
            lines.append(f"{'smallest error surely seen':30} {seen}")
        return "\n".join(lines)


def _together(checks: tuple[Check, ...]) -> float:
    """The p-value of all checks: by Bonferroni's inequality, so whatever they have to do with each other."""
    parts = len([check for check in checks if check.tables])
    return min(1.0, max(parts, 1) * min(check.p_value for check in checks))


def _percent(share: Estimate) -> str:
    return f"{100 * share.value:.2f} % +- {100 * share.standard_error:.2f} %"
