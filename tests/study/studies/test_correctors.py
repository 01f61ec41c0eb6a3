"""The study of correctors: its numbers against a twin and by another route, its figures and words."""

import functools

import numpy as np
import pytest

from jdlm import curves, exact, schedules, targets
from jdlm.predictor import oracle
from jdlm.study import rows, verify
from jdlm.study.figures.correctors import FIGURES
from jdlm.study.studies import correctors, correctors_cases, correctors_words
from tests.reference import remasking as twin
from tests.reference import samplers as reference


@functools.cache
def table():
    return rows.read(verify.folder() / "correctors.csv")


def found(metric, target, **wanted):
    wanted = {"metric": metric, "target": target} | wanted
    return [row for row in table() if all(getattr(row, k) == v for k, v in wanted.items())]


def test_random_laws_are_those_of_the_twin():
    """Mean KL over 20 of the 200 laws, coin by coin; and as many laws are raised as the rows say, within 5 errors."""
    steps = {eta: twin.remdm_steps(np.linspace(1.0, 0.0, 6), "linear", "cap", eta) for eta in (0.0, 0.1)}
    raised, mean = [], []
    for number in range(20):
        law = correctors_cases.bits(number)
        predict = functools.partial(reference.conditionals, law)
        kls = [exact.kl(law, twin.table(twin.coins(predict, 3, 2, steps[eta]), 3, 2)) for eta in (0.0, 0.1)]
        raised.append(kls[1] > kls[0])
        mean.append(kls[0])
    (plain,) = found("mean_output_kl_nats", "bits-3", schedule="ancestral:linear")
    assert abs(np.mean(mean) - plain.value) < 5 * np.std(mean) / np.sqrt(20)
    (share,) = found("raised_share", "bits-3", schedule="remdm_cap:0.1:linear")
    assert share.value == pytest.approx(0.99) and np.mean(raised) > 0.7


def test_plain_rows_are_the_path_identity_where_nothing_is_lost():
    """One step: the output is the path, so its KL is the total correlation; with one token a step it is 0."""
    for name, build in correctors_cases.TARGETS.items():
        law = exact.target_law(build())
        (one,) = found("output_kl_nats", f"{name}-6", predictor="oracle", schedule="uniform", num_steps=1)
        total = curves.total_correlation(targets.table(law).entropy_curve())
        assert one.value == pytest.approx(total, rel=1e-9)
        (all_,) = found("output_kl_nats", f"{name}-6", predictor="oracle", schedule="uniform", num_steps=6)
        assert all_.value == pytest.approx(0.0, abs=1e-12)


def test_rounds_at_the_end_never_raise_the_kl_of_the_oracle():
    for name in correctors_cases.TARGETS:
        for steps in range(2, 6):
            (plain,) = found("output_kl_nats", f"{name}-6", predictor="oracle", schedule="uniform", num_steps=steps)
            for rounds in range(1, 4):
                more = found(
                    "output_kl_nats", f"{name}-6", predictor="oracle", schedule=f"uniform+gibbs:{rounds}x1",
                    num_steps=steps + 2 * rounds,
                )  # fmt: skip
                assert all(row.value <= plain.value + 1e-12 for row in more)


def test_the_ratio_is_at_equal_calls():
    points = [(2.0, 0.1), (4.0, 0.001), (3.0, 0.02)]
    assert correctors.at_equal_calls(points, 3.0) == pytest.approx(0.02)
    assert correctors.at_equal_calls(points, 3.5) == pytest.approx(np.sqrt(0.02 * 0.001))
    assert correctors.at_equal_calls(points, 1.9) is None and correctors.at_equal_calls(points, 4.1) is None
    (row,) = found(
        "kl_over_thinning_ratio", "chain-6", predictor="wrong", schedule="remdm_cap:0.3:linear", num_steps=4,
    )  # fmt: skip
    (kl,) = found("output_kl_nats", "chain-6", predictor="wrong", schedule=row.schedule, num_steps=4)
    plain = found("output_kl_nats", "chain-6", predictor="wrong", schedule="ancestral:linear")
    below = max((r for r in plain if r.nfe <= row.nfe), key=lambda r: r.nfe)
    above = min((r for r in plain if r.nfe > row.nfe), key=lambda r: r.nfe)
    share = (row.nfe - below.nfe) / (above.nfe - below.nfe)
    expected = below.value ** (1 - share) * above.value**share
    assert kl.value / expected == pytest.approx(row.value, rel=1e-9)


def test_surprise_entropy_and_kl_by_hand():
    """Of equal sizes in 2 steps on the chain: the law by its own enumeration."""
    target = correctors_cases.TARGETS["chain"]()
    law = exact.target_law(target)
    out = exact.output_law(oracle(target), schedules.uniform(6, 2)).law
    for metric, value in (
        ("surprise_nats", -(out * np.log(law)).sum()),
        ("output_entropy_nats", -(out * np.log(out)).sum()),
        ("output_tv", np.abs(law - out).sum() / 2),
    ):
        (row,) = found(metric, "chain-6", predictor="oracle", schedule="uniform", num_steps=2)
        assert row.value == pytest.approx(value, rel=1e-9), metric


def test_counted_kl_is_unbiased_to_first_order_and_its_error_is_true():
    """From 1,000 samples of 300 of a known law: within 5 standard errors; their spread within a quarter."""
    rng = np.random.default_rng(0)
    law, other = rng.dirichlet(np.ones(8)).reshape(2, 2, 2), rng.dirichlet(np.full(8, 4.0)).reshape(2, 2, 2)
    estimates = []
    for _ in range(1000):
        drawn = rng.choice(8, 300, p=other.ravel())
        estimates.append(correctors._kl_of_counts(law, np.stack(np.unravel_index(drawn, (2, 2, 2)), axis=1)))
    values = np.array([e.value for e in estimates])
    assert abs(values.mean() - exact.kl(law, other)) < 5 * values.std() / np.sqrt(1000)
    assert np.mean([e.standard_error for e in estimates]) == pytest.approx(values.std(), rel=0.25)


def test_sampled_tokens_agree_with_the_laws():
    deviations = [row.value for row in table() if row.metric == "surprise_deviation"]
    assert len(deviations) == 20 and max(map(abs, deviations)) < 4.5  # false alarm 1.4e-4, of fixed rows
    for row in (row for row in table() if row.metric == "measured_nfe"):
        assert abs(row.value - row.nfe) <= 5 * row.standard_error + 1e-9


def test_figures_and_words():
    lines = correctors_words.conclude(table())
    assert 8 <= len(lines) <= 10 and all("[cell " in line for line in lines)
    assert all(figure(table()) is not None for figure in FIGURES.values())
    quick = [row for row in table() if row.target in ("bits-3", "chain-6") and row.method == "exact"]
    assert len(correctors_words.conclude(quick)) == 3
    assert all(figure(quick) is not None for figure in FIGURES.values())
