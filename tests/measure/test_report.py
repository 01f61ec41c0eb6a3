"""The report of an audit: when it passes, and what it says."""

import functools

import jax
import numpy as np
import pytest

from jdlm import targets
from jdlm.measure import Estimate, audit
from jdlm.measure.alarms import ChiSquare
from jdlm.measure.report import Check, Report

LENGTH, VOCAB = 4, 3


@functools.cache
def law() -> np.ndarray:
    weights = np.random.default_rng(1).gamma(0.6, size=[VOCAB] * LENGTH)
    weights[0] = 0.0
    return weights / weights.sum()


@functools.cache
def target() -> targets.Target:
    return targets.table(law())


def sampler_of(law: np.ndarray, calls: list | None = None):
    """One that draws 1,000 sequences a call from a law ``[vocab] * length``."""

    def draw(key):
        if calls is not None:
            calls.append(key)
        generator = np.random.default_rng(int(jax.random.bits(key)))
        flat = generator.choice(law.size, size=1000, p=law.ravel() / law.sum())
        return np.stack(np.unravel_index(flat, law.shape), axis=1)

    return draw


def test_a_report_passes_only_if_all_checks_do():
    right = audit.audit(jax.random.key(0), sampler_of(law()), target(), n=1000)
    assert right.passes() and right.p_value > 0.01
    for place, check in enumerate(right.checks):
        checks = list(right.checks)
        checks[place] = check._replace(p_value=0.002)
        report = right._replace(checks=tuple(checks))
        assert report.p_value == 0.008 and report.passes(0.008) and not report.passes(0.0081)
    idle = tuple(check._replace(tables=0, p_value=1.0) for check in right.checks[1:])
    assert right._replace(checks=(right.checks[0]._replace(p_value=0.002), *idle)).p_value == 0.002
    assert right._replace(checks=tuple(c._replace(p_value=0.9) for c in right.checks)).p_value == 1.0
    assert not right._replace(masks_left=right.masks_left._replace(value=0.001)).passes()
    assert not right._replace(outside_support=right.outside_support._replace(value=0.001)).passes()
    for alarm in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=f"alarm={alarm} is not a valid probability"):
            right.passes(alarm)


def made(**changes):
    """A report by hand: 2,000 sequences, single and pair marginals, and the law."""
    none, tv, floor = Estimate(0.0, 0.0, 2000), Estimate(0.0123, 0.001, 2000), Estimate(0.0119, 0.001, 2000)
    checks = (
        Check("single marginals", 4, ChiSquare(3.0, 2, 0.2), 0.8, 0.05),
        Check("pair marginals", 6, ChiSquare(9.0, 4, 0.05), 0.3, 0.07),
        Check("law", 1, ChiSquare(81.5, 80, 0.43), 0.43, 0.09),
    )
    return Report(2000, none, none, tv, tv, floor, floor, checks)._replace(**changes)


def test_the_text_says_each_check_once_and_all_together():
    assert str(made()).splitlines() == [
        "sequences sampled              2000",
        "masks left                     0.00 % +- 0.00 %",
        "outside the support            0.00 % +- 0.00 %",
        "single marginals               TV 0.0123 (noise floor 0.0119), p = 0.8",
        "pair marginals                 TV 0.0123 (noise floor 0.0119), p = 0.3",
        "law                            chi-square 81.5 at 80 degrees of freedom, p = 0.43",
        "all together                   p = 0.9",
        "smallest error surely seen     TV 0.0900 of the law (9 of 10 audits, alarm 0.0001)",
    ]


def test_what_decides_is_the_law_then_pairs_then_single_tokens():
    single, pair, law = made().checks
    for checks, name in (((single, pair, law), "law"), ((single, pair), "pair's law"), ((single,), "token's law")):
        report = made(checks=checks)
        assert report.detectable_tv == checks[-1].detectable_tv and name in str(report).splitlines()[-1]
        assert report.chi_square == (law.worst if name == "law" else None)


def test_where_one_outcome_alone_is_possible_no_error_is_called_surely_seen():
    sure = tuple(check._replace(tables=0, p_value=1.0, detectable_tv=1.0) for check in made().checks)
    report = made(checks=sure)
    assert report.p_value == 1.0 and "surely seen" not in str(report)
