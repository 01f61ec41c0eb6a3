"""Public functions with values of every kind: a correct result, by another formula where one is cheap, or one line.

What runs, runs for real: schedules are drawn from, targets are enumerated, predictors sampled, audited and measured.
"""

import functools
import itertools
import math

import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jdlm import advice, curves, draws, evaluate, exact, keys, planners, sampling, schedules, targets
from jdlm import audit as audits
from jdlm.predictor import oracle, perturbed
from tests.fuzz.fuzzing import anything, arrays, attempt, examples, floats, integers, mostly, scalars, verified

SCHEDULES = {
    "uniform": 2, "cosine": 2, "tc_equalizer": 2, "first_hitting": 1, "geometric": 3, "fixed": 1, "random_cuts": 2,
    "random_phase_equal": 2, "best_fixed": 3, "ancestral": 3, "euler": 3, "tau_leaping": 3, "adaptive_times": 3,
    "uniform_times": 1, "exponential_times": 2, "per_block": 2, "optimal": 2, "fixed_pairs": 2, "minimax": 3,
}  # fmt: skip
TARGETS = {
    "parity": 1, "repetition": 2, "reed_solomon": 3, "permutation": 1, "sticky_markov": 3, "copy": 2, "shuffle": 2,
    "replace_random": 2, "product": 1, "table": 1, "mixture": 3, "markov": 3, "hidden_markov": 4, "linear_code": 2,
    "walk": 2, "blocks": 2, "data": 3,
}  # fmt: skip
PLANNERS = {"threshold": 1, "entropy_sum": 1, "entropy_bounded": 1, "confidence_weighted": 1, "blocks": 2}
small = st.one_of(st.integers(1, 5), st.sampled_from(["linear", "cosine", "tc", "both"]), st.floats(0.05, 0.95))
laws = st.sampled_from(
    [[0.5, 0.5], [[0.8, 0.2], [0.1, 0.9]], [[0.5, 0.5], [0.5, 0.5]], [1.0], [[0, 1], [1, 0]], [2, 1, 1]]
)
arguments = st.one_of(small, laws, anything, arrays(), st.just(targets.parity(3)), st.just(schedules.uniform(3, 2)))


@examples(40, 6000)
@given(name=st.sampled_from(list(SCHEDULES)), values=st.lists(arguments, min_size=4, max_size=4))
def test_schedules(name, values):
    made = attempt("schedules", lambda: getattr(schedules, name)(*values[: SCHEDULES[name]]))
    if not isinstance(made, schedules.Schedule) or made.remasks or made.length > 64 or made.num_steps > 64:
        return
    sizes = np.asarray(sampling.draw_sizes(keys.key(0), made, 64))
    assert sizes.shape == (64, made.num_steps) and (sizes >= 0).all() and (sizes.sum(axis=1) <= made.length).all()
    if made.leftover <= 0:
        exposure = made.exposure()
        assert (sizes.sum(axis=1) == made.length).all() and abs(exposure.sum() - made.length) < 1e-6 * made.length
        assert abs((made.nfe_law() @ np.arange(len(made.nfe_law()))) - made.mean_nfe) < 1e-6 * made.num_steps
        verified("schedules")


def enumerated(target):
    """Probabilities of all sequences, by `log_prob`."""
    outcomes = np.array(list(itertools.product(range(target.vocab_size), repeat=target.length)), np.int32)
    return outcomes, np.exp(np.asarray(jax.vmap(target.log_prob)(outcomes), np.float64))


def is_small(target):
    return target.vocab_size**target.length <= 300 and target.length <= 5


@examples(25, 4000)
@given(name=st.sampled_from(list(TARGETS)), values=st.lists(arguments, min_size=4, max_size=4))
def test_targets(name, values):
    target = attempt("targets", lambda: getattr(targets, name)(*values[: TARGETS[name]]))
    if target is None or not is_small(target):
        return
    tokens = np.asarray(target.sample(keys.key(0)))
    assert tokens.shape == (target.length,) and (0 <= tokens).all() and (tokens < target.vocab_size).all()
    if target.has("log_prob"):
        outcomes, law = enumerated(target)
        assert abs(law.sum() - 1) < 1e-4
        assert law[(outcomes == tokens).all(axis=1)][0] > 0
        if target.has("entropy_curve"):
            entropy = -np.sum(law[law > 0] * np.log(law[law > 0]))
            assert abs(target.entropy_curve().sum() - entropy) < 1e-4 * max(1, entropy)
        verified("targets")


@examples(12, 800)
@given(
    name=st.sampled_from(list(PLANNERS)),
    values=st.lists(st.one_of(arguments, st.just(planners.random())), min_size=2, max_size=2),
)
def test_planners(name, values):
    planner = attempt("planners", lambda: getattr(planners, name)(*values[: PLANNERS[name]]))
    if planner is not None and planner.scores is None:
        predictor = oracle(LAWS[0])
        sizes = None if planner.count is not None else [[1, 1, 1]] * 4
        tokens = np.asarray(sampling.sample(keys.key(0), predictor, sizes, planner=planner, indices=np.arange(4)))
        _, law = enumerated(LAWS[0])
        assert (law[tokens @ np.array([4, 2, 1])] > 0).all()  # one token per step, or a planner that counts: see below
        verified("planners")


@examples(30, 1200)
@given(
    temperature=mostly(st.floats(0.1, 3), scalars),
    top_k=mostly(st.none() | st.integers(1, 4), scalars),
    nucleus=mostly(st.none() | st.floats(0.1, 1), scalars),
)
def test_draws(temperature, top_k, nucleus):
    draw = attempt("draws", lambda: draws.Draw(temperature=temperature, top_k=top_k, nucleus=nucleus))
    if draw is None:
        return
    logits = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    law = np.exp(np.asarray(jax.nn.log_softmax(draw(jax.numpy.asarray(logits))), np.float64))
    wanted = (
        np.array([0.5, 0.3, 0.2]) ** (1 / max(float(draw.temperature), 1e-300)) if draw.temperature > 0.05 else None
    )
    if wanted is not None:
        wanted /= wanted.sum()
        keep = np.arange(3) < (3 if draw.top_k is None else draw.top_k)
        if draw.nucleus is None or draw.nucleus >= 1:
            wanted = np.where(keep, wanted, 0) / wanted[keep].sum()
            assert np.allclose(law, wanted, atol=1e-4), (draw, law, wanted)
            verified("draws")


@st.composite
def pairs(draw):
    """An exposure of a schedule and a curve as long, or anything in the place of one of them."""
    length = draw(st.integers(1, 4))
    steps = draw(st.integers(1, length))
    values = [
        schedules.uniform(length, steps).exposure(),
        np.array(draw(st.lists(st.floats(0, 2), min_size=length, max_size=length))),
    ]
    if draw(st.booleans()):
        values[draw(st.integers(0, 1))] = draw(st.one_of(anything, arrays()))
    return values


@examples(40, 1500)
@given(values=pairs(), weight=st.sampled_from(["tc", "dtc", "both"]))
def test_curves(values, weight):
    exposure, curve = values
    value = attempt("curves", lambda: curves.path_kl(exposure, curve))
    if value is not None and np.isfinite(value):
        x, c = np.asarray(exposure, np.float64), np.asarray(curve, np.float64)
        assert abs(value - sum(float(a) * float(b) - float(b) for a, b in zip(x, c, strict=True))) < 1e-9 * (
            1 + abs(x).sum() * abs(c).sum()
        )
        verified("curves")
    for function in (curves.total_correlation, curves.dual_total_correlation, curves.entropy, curves.spectrum):
        attempt("curves", functools.partial(function, curve))
    attempt("curves", lambda: curves.worst_case(exposure, weight))
    cost = attempt("curves", lambda: advice.exact_curve(curve))
    if cost is not None:
        attempt("curves", lambda: advice.cost(schedules.uniform(3, 2), cost))


# ---- what is compiled: a few shapes, so that programs are used again

LAWS = (
    targets.sticky_markov(3, 2, 0.8),
    targets.parity(3),
    targets.product(np.full((2, 3), 1 / 3)),
    targets.permutation(3),
)
lanes = st.integers(1, 4)


@functools.cache
def of(number, wrong):
    return perturbed(oracle(LAWS[number]), 0.5, int(wrong)) if wrong else oracle(LAWS[number])


@functools.cache
def truly(number):
    """Draws of the target itself, compiled once."""
    return jax.jit(jax.vmap(LAWS[number].sample))


@st.composite
def sampled(draw):
    """What a sampler is given: mostly right, one part of it anything."""
    number, wrong = draw(st.integers(0, len(LAWS) - 1)), draw(st.booleans())
    length, vocab = LAWS[number].length, LAWS[number].vocab_size
    count = draw(lanes)
    sizes = [
        draw(st.sampled_from([p for p in itertools.product(range(length + 1), repeat=3) if sum(p) == length]))
        for _ in range(count)
    ]
    given = None
    if draw(st.booleans()):
        kept = draw(st.lists(st.booleans(), min_size=length, max_size=length))
        start = np.asarray(LAWS[number].sample(keys.key(draw(st.integers(0, 9)))))
        given = np.where(kept, start, vocab)
        masks = length - sum(kept)
        sizes = [[masks, 0, 0]] * count
    options = {
        "sizes": np.array(sizes),
        "given": given,
        "indices": None,
        "key": keys.key(draw(st.integers(0, 2**32 - 1))),
    }
    for name in draw(st.lists(st.sampled_from([*options, "none"]), max_size=1)):
        options[name] = draw(anything)
    return number, wrong, options


@examples(40, 1500)
@given(case=sampled())
def test_sampling(case):
    """Tokens are of the vocabulary and possible, given ones are kept, calls are the steps that reveal something."""
    number, wrong, options = case
    target, key = LAWS[number], options.pop("key")
    sizes = options.pop("sizes")
    result = attempt(
        "sampling", lambda: sampling.sample_with_info(key, of(number, wrong), sizes, batch_size=8, **options)
    )
    if result is None:
        return
    tokens, info = map(np.asarray, (result[0], result[1].nfe))
    assert tokens.shape[1] == target.length and ((0 <= tokens) & (tokens < target.vocab_size)).all()
    if isinstance(sizes, np.ndarray):
        assert (info == (np.asarray(sizes) > 0).sum(axis=1)).all() and len(tokens) == len(sizes)
    if options["given"] is not None:
        start = np.broadcast_to(options["given"], tokens.shape)
        assert (tokens == start)[start < target.vocab_size].all()
    _, law = enumerated(target)
    place = tokens @ target.vocab_size ** np.arange(target.length)[::-1]
    if isinstance(sizes, np.ndarray) and (np.asarray(sizes).max(axis=1) == 1).all():
        assert (law[place] > 0).all()  # one token per step with positive conditionals of the target's support
    again = np.asarray(sampling.sample(key, of(number, wrong), sizes, batch_size=8, **options))
    assert (again == tokens).all()
    verified("sampling")


@st.composite
def listed(draw):
    """A target and sizes that fill it, or anything in their place."""
    number = draw(st.integers(0, len(LAWS) - 1))
    length = LAWS[number].length
    lists = [sizes for sizes in itertools.product(range(length + 1), repeat=3) if sum(sizes) == length]
    return number, draw(anything) if draw(st.integers(0, 4)) == 0 else list(draw(st.sampled_from(lists)))


@examples(15, 800)
@given(case=listed(), wrong=st.integers(0, 20))
def test_exact(case, wrong):
    """The output distribution sums to 1; with the oracle its KL is at most the path KL, which is the identity's."""
    number, sizes = case
    target = LAWS[number]
    schedule = attempt("exact", lambda: schedules.fixed(sizes))
    if schedule is None:
        return
    out = attempt("exact", lambda: exact.output_law(of(number, wrong), schedule))
    if out is None:
        return
    law = exact.target_law(target)
    assert abs(out.law.sum() - 1) < 1e-9 and (out.law >= 0).all()
    path = exact.path_kl(target, of(number, wrong), schedule).path
    assert exact.kl(law, out.law) <= path + 1e-6
    if not wrong:
        assert abs(path - curves.path_kl(schedule.exposure(), target.entropy_curve())) < 1e-5
    verified("exact")


@examples(8, 400)
@given(
    number=st.integers(0, len(LAWS) - 1),
    wrong=st.booleans(),
    n=mostly(st.sampled_from([2, 3, 8, 16]), anything),
    seed=mostly(st.integers(0, 2**32), integers),
)
def test_evaluate(number, wrong, n, seed):
    """A measured curve is within what its own errors allow of the enumerated one, at a false-alarm rate of 1e-9."""
    target = LAWS[number]
    key = attempt("evaluate", lambda: keys.key(seed))
    if key is None:
        return
    found = attempt("evaluate", lambda: evaluate.cross_entropy_curve(key, of(number, wrong), target, n))
    if found is None:
        return
    values, errors = found.cross_entropy.values, found.cross_entropy.standard_errors
    assert values.shape == (target.length,) and found.cross_entropy.n == int(n)
    if not wrong:
        assert np.allclose(found.learning_error.values, 0, atol=1e-4)
    if number == 2 and not wrong:  # independent uniform tokens: no variance at all
        assert np.allclose(values, math.log(3), atol=1e-5) and np.allclose(np.nan_to_num(errors), 0, atol=1e-5)
    assert (values >= -1e-6).all()
    verified("evaluate")


@examples(8, 600)
@given(
    number=st.integers(0, len(LAWS) - 1),
    n=mostly(st.sampled_from([100, 200, 400]), anything),
    broken=st.booleans(),
    alarm=mostly(st.just(1e-6), floats),
    seed=st.integers(0, 2**31),
)
def test_audit(number, n, broken, alarm, seed):
    """A sampler that always returns one sequence fails, the target's own draws pass; at an alarm of 1e-6."""
    target = LAWS[number]

    def sample(key):
        drawn = np.asarray(truly(number)(jax.random.split(key, 100)))
        return np.broadcast_to(drawn[:1], drawn.shape) if broken else drawn

    report = attempt("audit", lambda: audits.audit(keys.key(seed), sample, target, n))
    if report is None:
        return
    passes = attempt("audit", lambda: report.passes(alarm))
    if alarm == 1e-6:
        assert passes is not broken
        verified("audit")


@examples(15, 500)
@given(values=st.lists(anything, min_size=3, max_size=3))
def test_whatever_stands_in_the_place_of_a_key_a_predictor_or_a_schedule(values):
    first, second, third = values
    good, law = of(0, False), LAWS[0]
    for call in (
        lambda: sampling.sample(first, second, third),
        lambda: sampling.sample(keys.key(0), good, [[3]], batch_size=first),
        lambda: sampling.speculative(first, good, second),
        lambda: sampling.draw_sizes(keys.key(0), second, third),
        lambda: evaluate.cross_entropy_curve(keys.key(0), good, law, first),
        lambda: exact.output_law(first, second),
        lambda: exact.kl(first, second),
        lambda: audits.audit(first, law),
        lambda: perturbed(good, first, second),
        lambda: advice.export(first),
    ):
        attempt("wrong places", call)
