"""The audit of a foreign sampler: a right one passes (alarm 1e-4, fixed seeds), what is wrong with others is named."""

import functools

import jax
import numpy as np
import pytest

from jdlm import planners, schedules, targets
from jdlm.measure import alarms, audit, exact, marginals
from jdlm.measure import report as reports
from jdlm.predictor import oracle
from jdlm.sampling import draw_sizes, sample

LENGTH, VOCAB = 4, 3


@functools.cache
def law() -> np.ndarray:
    weights = np.random.default_rng(1).gamma(0.6, size=[VOCAB] * LENGTH)
    weights[0] = 0.0
    return weights / weights.sum()


@functools.cache
def target() -> targets.Target:
    return targets.table(law())


def numpy_sampler(key, *, argmax_at_end: bool = False, forget_last: bool = False, redraw: bool = False) -> np.ndarray:
    """One token a step in random order, as one would write it with numpy or PyTorch; with three known bugs."""
    generator = np.random.default_rng(int(jax.random.bits(key)))
    tokens = np.full((500, LENGTH), VOCAB)
    for row in tokens:
        order = generator.permutation(LENGTH)
        for step, i in enumerate(order):
            seen = law()[tuple(slice(None) if v == VOCAB else slice(v, v + 1) for v in row)]
            weights = seen.sum(axis=tuple(k for k in range(LENGTH) if k != i))
            last = step == LENGTH - 1
            if last and forget_last:
                break
            row[i] = weights.argmax() if last and argmax_at_end else generator.choice(VOCAB, p=weights / weights.sum())
            if redraw and last:
                other = order[0]
                marginal = law().sum(axis=tuple(k for k in range(LENGTH) if k != other))
                row[other] = generator.choice(VOCAB, p=marginal)
    return tokens


def test_a_right_sampler_passes():
    report = audit.audit(jax.random.key(0), numpy_sampler, target(), n=4000)
    assert report.passes() and report.n == 4000
    assert report.chi_square.p_value > 1e-4 and report.outside_support.value == 0.0
    assert "noise floor" in str(report) and "p = " in str(report)


@pytest.mark.parametrize("bug", ["argmax_at_end", "redraw"])
def test_a_planted_bug_is_caught(bug):
    report = audit.audit(jax.random.key(0), functools.partial(numpy_sampler, **{bug: True}), target(), n=4000)
    assert not report.passes()
    if bug == "argmax_at_end":
        assert report.chi_square.p_value < 1e-10
        assert report.single_marginal_tv.value > 2 * report.single_marginal_tv_floor.value
    else:
        assert report.outside_support.value > 0.0 or report.chi_square.p_value < 1e-10


def test_a_sampler_that_leaves_a_mask_everywhere_is_refused():
    with pytest.raises(ValueError, match=r"1000 of 1000 sequences hold masks or ids above \d+ or below 0"):
        audit.audit(jax.random.key(0), functools.partial(numpy_sampler, forget_last=True), target(), n=1000)


def test_some_masks_left_are_counted():
    def forgetful(key):
        tokens = numpy_sampler(key)
        tokens[::10, 0] = VOCAB
        return tokens

    report = audit.audit(jax.random.key(0), forgetful, target(), n=1000)
    assert report.masks_left.value == pytest.approx(0.1) and not report.passes()
    assert report.outside_support.value == report.masks_left.value and report.p_value == 0.0


def whole_law(target: targets.Target) -> np.ndarray:
    return exact.target_law(target)


def sampler_of(law: np.ndarray, calls: list | None = None):
    """One that draws 1,000 sequences a call from a law ``[vocab] * length``."""

    def draw(key):
        if calls is not None:
            calls.append(key)
        generator = np.random.default_rng(int(jax.random.bits(key)))
        flat = generator.choice(law.size, size=1000, p=law.ravel() / law.sum())
        return np.stack(np.unravel_index(flat, law.shape), axis=1)

    return draw


def one_sequence(shape: tuple[int, ...]) -> np.ndarray:
    return (np.arange(np.prod(shape)) == 0).reshape(shape).astype(float)


@pytest.mark.parametrize(("length", "vocab", "stay"), [(8, 3, 0.33), (8, 4, 0.4), (10, 3, 0.5)])
def test_wrong_samplers_are_caught_where_every_outcome_is_rare(length, vocab, stay):
    """No one of 6,561 to 65,536 outcomes expects 5 of 10,000, or hardly one does."""
    target = targets.sticky_markov(length, vocab, stay)
    right = whole_law(target)
    wrong = {"always one": one_sequence(right.shape)}
    if stay > 0.35:  # at 0.33 the tokens are all but independent
        wrong |= {"independent": np.ones(right.shape), "temperature 0.9": right ** (1 / 0.9)}
    for name, law in wrong.items():
        report = audit.audit(jax.random.key(1), sampler_of(law), target)
        assert not report.passes() and report.p_value < 1e-7, name
    report = audit.audit(jax.random.key(1), sampler_of(right), target)
    assert report.passes(0.001)
    assert [check.name for check in report.checks] == [
        "single marginals",
        "pair marginals",
        "law",
        "log probabilities",
    ]
    assert 500 < report.chi_square.degrees_of_freedom < 2000


def test_wrong_samplers_are_caught_where_the_space_is_too_large():
    """Repetitions alone tell a sampler of 2,000 memorized sequences; log probabilities a temperature."""
    target = targets.sticky_markov(20, 4, 0.6)
    seen = np.asarray(jax.vmap(target.sample)(jax.random.split(jax.random.key(5), 1000)))
    stay = 0.6 ** (1 / 0.9) / (0.6 ** (1 / 0.9) + 3 * (0.4 / 3) ** (1 / 0.9))
    colder = targets.sticky_markov(20, 4, stay)

    def of_memory(key):
        return seen[np.random.default_rng(int(jax.random.bits(key))).integers(0, 1000, 500)]

    def cold(key):
        return jax.vmap(colder.sample)(jax.random.split(key, 2000))

    for sample_wrong, name in ((of_memory, "log probabilities and repeats"), (cold, "pair marginals")):
        report = audit.audit(jax.random.key(0), sample_wrong, target, n=4000)
        assert not report.passes()
        assert next(check for check in report.checks if check.name == name).p_value < 1e-6
    always = audit.audit(jax.random.key(0), lambda key: np.zeros(20, int), target, n=200)
    assert all(check.p_value < 1e-6 for check in always.checks)


def test_a_family_counts_its_tables():
    few = alarms.ChiSquare(3.0, 2, 0.2), alarms.ChiSquare(9.0, 2, 0.01), alarms.ChiSquare(0.0, 0, 1.0)
    check = audit._check("pair marginals", list(few), 1000, 4)
    assert check.tables == 2 and check.worst == few[1] and check.p_value == 0.02
    assert check.detectable_tv == alarms.detectable_tv(2, 1000, 1e-4 / 8)
    idle = audit._check("pair marginals", [few[2]] * 3, 1000, 4)
    assert idle.tables == 0 and idle.p_value == 1.0 and idle.detectable_tv == 1.0
    assert audit._check("law", [few[0]] * 9, 1000, 1).p_value == 1.0


def test_log_probability_bins_hold_equal_outcomes_together():
    law = np.array([0.0, 0.3, 0.1, 0.1 * (1 + 1e-12), 0.2, 0.0, 0.3 * (1 - 1e-12)])
    bins = audit._log_probability_bins(law / law.sum())
    assert bins[0] == bins[5] == 0 and bins[2] == bins[3] < bins[4] < bins[1] == bins[6]
    many = np.random.default_rng(0).dirichlet(np.ones(5000))
    bins = audit._log_probability_bins(many)
    assert set(bins) == set(range(1, 21)) and np.abs(np.bincount(bins, weights=many)[1:] - 0.05).max() < 0.002
    order = np.argsort(many)
    assert (np.diff(bins[order]) >= 0).all()


def test_the_comparison_with_true_sequences_counts_repeats_and_log_probabilities():
    """By hand: the counts that `alarms.of_two` gets."""
    tokens, floor = np.array([[0], [0], [1], [2]]), np.array([[0], [2], [3], [4]])
    log_probs = np.array([-1.0, -1.0, -2.0, -3.0]), np.array([-1.0, -3.0, -4.0, -5.0])
    got = []
    with pytest.MonkeyPatch.context() as patch:
        idle = audit.ChiSquare(0.0, 0, 1.0)
        patch.setattr(alarms, "of_two", lambda first, second, generator: [got.extend((first, second)), idle][1])
        audit._against_floor(tokens, floor, log_probs, np.random.default_rng(0))
    first, second = got
    # Token 0 is there three times, token 2 twice: label 20 + 1. Those seen once are in the bins of their own values.
    assert first[21] == 3 and second[21] == 2 and first.sum() == second.sum() == 4
    assert np.count_nonzero(first) == 2 and np.count_nonzero(second) == 3 and (first * second)[:20].sum() == 0


def test_the_sampler_the_floor_and_the_tests_have_keys_of_their_own(monkeypatch):
    calls, floors, scores = [], [], []
    real_floor, real_generator = audit._true_tokens, audit._generator
    monkeypatch.setattr(audit, "_true_tokens", lambda key, truth, n: [floors.append(key), real_floor(key, truth, n)][1])
    monkeypatch.setattr(audit, "_generator", lambda key: [scores.append(key), real_generator(key)][1])
    key = jax.random.key(3)
    audit.audit(key, sampler_of(law(), calls), target(), n=2500)
    keys = [*calls, *(jax.random.fold_in(floors[0], i) for i in range(3)), *floors, *scores, key]
    assert len(calls) == 3 and len(floors) == len(scores) == 1
    assert len({tuple(jax.random.key_data(k).tolist()) for k in keys}) == len(keys)


def test_length_one_has_no_pairs():
    one = targets.product([[0.2, 0.3, 0.5]])
    report = audit.audit(jax.random.key(0), sampler_of(np.array([0.2, 0.3, 0.5])), one, n=1000)
    assert report.pair_marginal_tv is None and report.pair_marginal_tv_floor is None
    assert [check.name for check in report.checks] == ["law"] and report.passes()
    assert "nan" not in str(report) and "pair" not in str(report) and "single marginals" in str(report)
    assert not audit.audit(jax.random.key(0), sampler_of(np.array([0.3, 0.2, 0.5])), one, n=1000).passes()
    single = report.checks[0]._replace(name="single marginals", detectable_tv=0.25)
    large = report._replace(checks=(single, single._replace(name="log probabilities and repeats", detectable_tv=0.1)))
    assert large.detectable_tv == 0.25 and "TV 0.2500 of a token's law" in str(large)


def test_a_target_of_one_sequence_is_passed_by_it_alone():
    sure = targets.product([[1.0, 0.0], [0.0, 1.0]])
    report = audit.audit(jax.random.key(0), lambda key: np.array([[0, 1]] * 50), sure, n=100)
    assert report.passes() and report.detectable_tv == 1.0
    assert not audit.audit(jax.random.key(0), lambda key: np.array([[0, 1]] * 49 + [[1, 1]]), sure, n=100).passes()


def test_the_stated_power_is_the_share_of_audits_that_see_such_an_error():
    """A sampler off by the stated TV, half of the outcomes up by a factor, half down; 200 audits at an alarm of 1e-4.

    The test of the law alone sees at least 0.9 of them (0.8 to 0.98: 4.5 standard errors and 3.8).
    """
    right = whole_law(targets.sticky_markov(4, 3, 0.5))
    reference, generator, n = marginals.of_law(right), np.random.default_rng(4), 3000
    report = audit.audit(jax.random.key(0), sampler_of(right), targets.sticky_markov(4, 3, 0.5), n=n)
    distance = report.detectable_tv
    sign = np.where(generator.permutation(81) < 40, 1.0, -1.0).reshape(right.shape)
    up = right[sign > 0].sum()
    wrong = right * np.where(sign > 0, 1 + distance / up, 1 - distance / (1 - up))
    assert 0.5 * np.abs(wrong - right).sum() == pytest.approx(distance) and 0.05 < distance < 0.12
    p_values, of_law = [], []
    for _ in range(200):
        flat = generator.choice(81, size=n, p=wrong.ravel())
        tokens = np.stack(np.unravel_index(flat, right.shape), axis=1)
        checks = audit._checks(tokens, right, reference, tokens, generator)
        p_values.append(reports._together(checks))
        of_law.append(checks[2].p_value * len(checks))
    assert 0.8 < np.mean(np.array(of_law) < 1e-4) < 0.98
    assert np.mean(np.array(p_values) < 1e-4) > 0.8
    shown = next(line for line in str(report).splitlines() if line.startswith("smallest error"))
    assert f"TV {distance:.4f} of the law (9 of 10 audits, alarm 0.0001)" in shown


def test_a_large_target_without_conditionals_is_refused():
    stream = targets.data(np.zeros((40, 30), int), 4)
    with pytest.raises(ValueError, match="the target has no conditionals"):
        audit.audit(jax.random.key(0), lambda key: np.zeros(30, int), stream, n=100)


def test_a_parallel_sampler_is_tested_against_its_own_output_law():
    schedule = schedules.uniform(LENGTH, 2)

    def own(key):
        key_sizes, key_tokens = jax.random.split(key)
        return sample(key_tokens, oracle(target()), draw_sizes(key_sizes, schedule, 4000), batch_size=4000)

    assert audit.audit(jax.random.key(1), own, exact.output_law(oracle(target()), schedule), n=4000).passes()
    assert not audit.audit(jax.random.key(1), own, target(), n=4000).passes()


def test_a_space_too_large_for_chi_square_is_judged_by_its_marginals():
    wide = targets.product(np.random.default_rng(0).dirichlet(np.ones(4), size=24))

    def right(key):
        return jax.vmap(wide.sample)(jax.random.split(key, 2000))

    def tilted(key):
        tokens = np.array(right(key))
        tokens[: len(tokens) // 5] = 0
        return tokens

    report = audit.audit(jax.random.key(2), right, wide, n=2000)
    assert report.chi_square is None and report.passes()
    assert [check.tables for check in report.checks] == [24, 276, 1]
    assert report.detectable_tv == report.checks[1].detectable_tv
    assert "of a pair's law" in str(report) and "log probabilities and repeats" in str(report)
    assert not audit.audit(jax.random.key(2), tilted, wide, n=2000).passes()


@pytest.mark.parametrize(
    ("sampler", "n", "message"),
    [
        (numpy_sampler, 10, "n=10"),
        (lambda key: np.zeros((5, 3), int), 100, r"shape \(5, 3\); return tokens \[4\]"),
        (lambda key: np.zeros((5, 4)), 100, "dtype float64"),
    ],
)
def test_bad_samplers_are_refused(sampler, n, message):
    with pytest.raises(ValueError, match=message):
        audit.audit(jax.random.key(0), sampler, target(), n=n)
    leaky = exact.OutputLaw(law() * 0.5, 0.5, np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="leaves a mask"):
        audit.audit(jax.random.key(0), numpy_sampler, leaky)


def test_chi_square_counts_a_sample_of_probability_0_as_impossible():
    fair = np.array([[0.5, 0.0], [0.0, 0.5]])
    right = np.repeat([[0, 0], [1, 1]], 50, axis=0)
    found = audit.chi_square(right, fair)
    assert found.statistic < 0.01 and found.degrees_of_freedom == 1 and found.p_value > 0.92
    assert audit.chi_square(np.vstack([right, [[0, 1]]]), fair).p_value == 0.0
    lopsided = audit.chi_square(np.repeat([[0, 0], [1, 1]], [60, 40], axis=0), fair)
    assert 0.0352 < lopsided.p_value < 0.0569  # exact: 2 P(N >= 61) to 2 P(N >= 60)


def test_chi_square_does_not_trust_counts_that_expect_too_little():
    """A law (0.6, 0.4, r) that expects 0.03 sequences of r, which Pearson's test fails in 2.6 % at an alarm of 1e-4."""
    r = 3e-6
    law, generator = np.array([0.6, 0.4 - r, r]), np.random.default_rng(2)
    drawn = generator.multinomial(10_000, law, size=1500)
    p_values = [audit.chi_square(np.repeat(np.arange(3), c)[:, None], law, generator).p_value for c in drawn]
    assert np.sum(np.array(p_values) < 1e-4) <= 3  # more in 2 of 100,000
    assert abs(np.mean(np.array(p_values) < 0.1) - 0.1) < 4.5 * np.sqrt(0.09 / 1500)


def test_planners_are_values():
    assert planners.threshold(0.5) == planners.threshold(0.5) != planners.threshold(0.6)
    assert planners.random() != planners.confidence()
