"""Exact output laws: against an independent enumeration, against identities, and samples against them.

Each chi-square test alarms falsely with probability 1e-6; there are fewer than 100 of them.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import curves, evaluate, planners, schedules, targets, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.measure import exact
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import draw_sizes, sample_with_info
from jdlm.sampling.filter import Draw
from jdlm.training import network as trained_network
from tests.measure import tables
from tests.reference import samplers as reference

LENGTH, VOCAB, LANES, WIDTH = 4, 3, 8192, 4096
ALARM = 1e-6
GRID = 2.0**-12


@functools.cache
def law() -> np.ndarray:
    """A law with ties of every kind: it does not change if all tokens 1 and 2 trade places, nor under a rotation."""
    weights = np.random.default_rng(2).gamma(0.5, size=[VOCAB] * LENGTH)
    swap = np.array([0, 2, 1])
    weights = weights + weights[np.ix_(*[swap] * LENGTH)]
    weights = sum(np.transpose(weights, np.roll(range(LENGTH), k)) for k in range(LENGTH))
    return weights / weights.sum()


@functools.cache
def target() -> targets.Target:
    return targets.table(law())


@functools.cache
def network_table() -> np.ndarray:
    """Logits on every state of a network that is trained here, for a moment; two of its positions always tie."""
    shape = NetworkConfig(width=8, depth=1, heads=1)
    state = training.train(shape, target(), TrainingConfig(steps=60, batch_size=32, warmup_steps=5, chunk_steps=60))
    table = tables.tabulate(trained_network.predictor(shape, state.ema, LENGTH, VOCAB)).params
    logits = np.array(table).reshape([VOCAB + 1] * LENGTH + [LENGTH, VOCAB])
    logits[..., 3, :] = logits[..., 1, ::-1]
    return logits


def network() -> Predictor:
    return Predictor(jnp.asarray(network_table().reshape(-1, LENGTH, VOCAB)), tables.look_up, LENGTH, VOCAB)


def predict_network(state) -> np.ndarray:
    weights = np.exp(network_table()[state].astype(np.float64))
    return weights / weights.sum(axis=1, keepdims=True)


PREDICT = {"oracle": lambda state: reference.conditionals(law(), state), "network": predict_network}


def rounded(values: np.ndarray) -> np.ndarray:
    return np.round(values / GRID) * GRID


def confidences(rows: np.ndarray) -> np.ndarray:
    return rounded(np.log2(rows.max(axis=1)))


def margins(rows: np.ndarray) -> np.ndarray:
    best = np.sort(rows, axis=1)[:, ::-1]
    lead = rounded(1 - best[:, 1] / best[:, 0])
    return np.where(lead > 0, rounded(np.log2(best[:, 0] * np.maximum(lead, GRID))), -1000.0)


def entropies(rows: np.ndarray) -> np.ndarray:
    return rounded(-np.sum(rows * np.log(np.where(rows > 0, rows, 1.0)), axis=1))


def costs(rows: np.ndarray) -> np.ndarray:
    return np.maximum(entropies(rows) - GRID / 2, 0.0)


def top(scores):
    """Reveal the highest scores; ties by the tie-breaking order."""
    return lambda rows, masked, order, size: sorted(order, key=lambda i: -scores(rows)[i])[:size]


def above(tau):
    def plan(rows, masked, order, size):
        sure = [i for i in masked if rows[i].max() > tau * (1 + 1e-6)]
        return sure or top(confidences)(rows, masked, order, 1)

    return plan


def bounded(gamma):
    def plan(rows, masked, order, size):
        ascending = sorted(order, key=lambda i: entropies(rows)[i])
        sets = [ascending[:k] for k in range(1, len(masked) + 1)]
        excess = [sum(costs(rows)[s]) - max(costs(rows)[s]) for s in sets]
        return max((s for s, e in zip(sets, excess, strict=True) if e <= gamma), key=len)

    return plan


def summed(eta):
    def plan(rows, masked, order, size):
        total, chosen = 0.0, []
        for i in order:
            chosen.append(i)
            total += costs(rows)[i]
            if total > eta:
                break
        return chosen

    return plan


# The registry of planners: the value, and its plan by the definition. A new planner is one line here.
SIZED = {
    planners.random(): top(lambda rows: np.zeros(LENGTH)),
    planners.left_to_right(): top(lambda rows: -np.arange(LENGTH)),
    planners.bisection(): top(lambda rows: -np.array([2, 1, 0, 1])),
    planners.confidence(): top(confidences),
    planners.margin(): top(margins),
    planners.entropy(): top(lambda rows: -entropies(rows)),
}
COUNTING = {
    planners.threshold(0.45): above(0.45),
    planners.threshold(1.0): above(1.0),
    planners.entropy_bounded(0.8): bounded(0.8),
    planners.entropy_sum(0.9): summed(0.9),
}
SIZE_LISTS = {
    "mixed": [(0.25, (1, 1, 2)), (0.45, (3, 1, 0)), (0.3, (2, 0, 2))],
    "halves": [(1.0, (2, 2))],
    "late": [(1.0, (1, 3))],
}


def schedule_of(name: str) -> schedules.Schedule:
    weights, sizes = zip(*SIZE_LISTS[name], strict=True)
    return schedules.Schedule(name, LENGTH, len(sizes[0]), schedules.Atoms(np.array(weights), np.array(sizes)))


def predictor_of(name: str) -> Predictor:
    return oracle(target()) if name == "oracle" else network()


def plans():
    for planner in SIZED:
        for schedule in SIZE_LISTS:
            yield pytest.param(planner, schedule, id=f"{planner.name}-{schedule}")
    for number, planner in enumerate(COUNTING):
        yield pytest.param(planner, None, id=f"{planner.name}{number}")


@pytest.mark.parametrize(("planner", "schedule"), list(plans()))
def test_output_law_is_that_of_enumeration_and_of_samples(planner, schedule):
    plan = {**SIZED, **COUNTING}[planner]
    for name in ("oracle", "network"):
        built = None if schedule is None else schedule_of(schedule)
        found = exact.output_law(predictor_of(name), built, planner)
        truth, calls = reference.planned_output_law(PREDICT[name], LENGTH, VOCAB, plan, SIZE_LISTS.get(schedule, []))
        np.testing.assert_allclose(found.law, truth, atol=1e-12 if name == "oracle" else 1e-6)
        assert found.law.sum() == pytest.approx(1.0, abs=1e-12) and found.leftover < 1e-12
        if schedule is None:
            np.testing.assert_allclose(found.nfe, calls, atol=1e-6)
        # One program for both predictors: the oracle in a table too.
        predictor = tables.tabulate(predictor_of(name))
        sizes = None if built is None else draw_sizes(jax.random.key(1), built, LANES)
        tokens, info = sample_with_info(
            jax.random.key(2), predictor, sizes, planner=planner, indices=np.arange(LANES), batch_size=WIDTH
        )
        assert reference.chi_square_p_value(np.asarray(tokens), found.law) > ALARM
        shares = np.bincount(info.nfe, minlength=len(found.nfe)) / LANES
        np.testing.assert_allclose(shares, found.nfe, atol=5 * np.sqrt(0.25 / LANES))


@pytest.mark.parametrize("planner", [*SIZED, *COUNTING], ids=lambda planner: planner.name)
def test_one_token_a_step_puts_out_the_target_under_every_planner(planner):
    if planner.count is None:
        out = exact.output_law(oracle(target()), schedules.first_hitting(LENGTH), planner)
        assert exact.total_variation(out.law, law()) < 1e-12
    assert exact.kl(law(), law()) == 0.0


def test_path_kl_by_enumeration_is_the_identity_and_bounds_the_output_law():
    every = [
        schedules.uniform(LENGTH, 2),
        schedules.uniform(LENGTH, 1),
        schedules.tc_equalizer(LENGTH, 2),
        schedules.minimax(LENGTH, 2, "both"),
        schedules.ancestral(LENGTH, np.linspace(1, 0, 4), "linear"),
        schedule_of("mixed"),
    ]
    curve = target().entropy_curve()
    for schedule in every:
        both = exact.path_kl(target(), oracle(target()), schedule)
        assert both.path == pytest.approx(curves.path_kl(schedule.exposure(), curve), abs=1e-10), schedule.name
        assert 0.0 <= both.output <= both.path + 1e-12
        assert both.gap == pytest.approx(both.path - both.output)
    one_step = exact.path_kl(target(), oracle(target()), every[1])
    assert one_step.output == pytest.approx(curves.total_correlation(curve), abs=1e-12)


def test_the_oracle_stays_float64_after_the_target_was_used_in_float32():
    fresh = targets.table(law())
    sizes = np.full((8, 2), 2, np.int32)
    sample_with_info(jax.random.key(0), oracle(fresh), sizes, batch_size=WIDTH)
    evaluate.cross_entropy_curve(jax.random.key(0), oracle(fresh), fresh, 2)
    np.testing.assert_allclose(exact.target_law(fresh), law(), atol=1e-15)
    found = exact.output_law(oracle(fresh), schedules.first_hitting(LENGTH))
    assert exact.total_variation(found.law, law()) < 1e-13
    with jax.enable_x64(True):
        assert fresh.conditionals(jnp.full(LENGTH, VOCAB)).dtype == jnp.float64


def test_temperature_and_filters_change_the_draw_and_not_the_plan():
    draw = Draw(temperature=0.5, top_k=2, nucleus=0.9)

    def drawn(state):
        rows = predict_network(state) ** 2
        rows /= rows.sum(axis=1, keepdims=True)
        for row in rows:
            row[np.argsort(row)[:-2]] = 0.0
            row /= row.sum()
            if row.max() >= 0.9:
                row[row < row.max()] = 0.0
                row /= row.sum()
        return rows

    mass = {(VOCAB,) * LENGTH: 1.0}
    for _ in range(2):
        after = {}
        for state, probability in mass.items():
            masked = [i for i, v in enumerate(state) if v == VOCAB]
            # Confidence of the untempered rows, though the draw uses others.
            scores, rows = confidences(predict_network(state)), drawn(state)
            best = sorted(masked, key=lambda i: -scores[i])
            tied = [i for i in masked if scores[i] == scores[best[1]]]
            sure = [i for i in masked if scores[i] > scores[best[1]]]
            for pair in [(*sure, i) for i in tied] if len(sure) == 1 else [(a, b) for a in tied for b in tied if a < b]:
                ways = len(tied) if len(sure) == 1 else len(tied) * (len(tied) - 1) // 2
                for v in range(VOCAB):
                    for w in range(VOCAB):
                        filled = list(state)
                        filled[pair[0]], filled[pair[1]] = v, w
                        share = probability / ways * rows[pair[0], v] * rows[pair[1], w]
                        after[tuple(filled)] = after.get(tuple(filled), 0.0) + share
        mass = after
    truth = np.zeros(law().shape)
    for state, probability in mass.items():
        truth[state] += probability
    found = exact.output_law(network(), schedule_of("halves"), planners.confidence(), draw=draw)
    np.testing.assert_allclose(found.law, truth, atol=1e-6)
    sizes = np.full((LANES, 2), 2, np.int32)
    tokens, _ = sample_with_info(
        jax.random.key(3), network(), sizes, planner=planners.confidence(), draw=draw, batch_size=WIDTH
    )
    assert reference.chi_square_p_value(np.asarray(tokens), np.where(truth > 1e-7, truth, 0.0)) > ALARM


def test_leftover_masks_are_reported():
    short = schedules.Schedule("short", LENGTH, 1, schedules.Chain(np.tile(_half(LENGTH), (1, 1, 1))))
    out = exact.output_law(oracle(target()), short)
    assert out.leftover == pytest.approx(0.5) and out.law.sum() == pytest.approx(0.5)
    with pytest.raises(ValueError, match=r"a mask is left with probability 0\.5"):
        exact.path_kl(target(), oracle(target()), short)


def _half(length: int) -> np.ndarray:
    kernel = np.eye(length + 1)
    kernel[0, 0] = kernel[0, length] = 0.5
    return kernel


def test_divergences_of_laws():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    assert exact.kl(p, q) == pytest.approx(np.log(2)) and exact.kl(q, p) == np.inf
    assert exact.total_variation(p, q) == 0.5 and exact.entropy(q) == pytest.approx(1.5 * np.log(2))
    with pytest.raises(ValueError, match=r"shapes \(3,\) and \(2,\)"):
        exact.kl(p, q[:2])


def test_a_plain_function_is_a_predictor_too():
    def function(tokens):
        return target().conditionals(tokens)

    out = exact.output_law(function, schedules.uniform(LENGTH, 2), planners.random(), LENGTH, VOCAB)
    same = exact.output_law(oracle(target()), schedules.uniform(LENGTH, 2))
    np.testing.assert_allclose(out.law, same.law, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact.check_size(20, 2), "3.49e\\+09 states"),
        (lambda: exact.output_law(network(), None), "planner random with schedule=None; give a schedule"),
        (lambda: exact.output_law(network(), schedule_of("late"), planners.threshold(0.5)), "it counts by itself"),
        (lambda: exact.output_law(network(), schedules.uniform(5, 2)), "schedule uniform has length 5"),
        (lambda: exact.output_law(network(), schedule_of("late"), length=9), "length=9, but the predictor has 4"),
        (lambda: exact.output_law(lambda x: x, schedule_of("late")), "plain function; give both"),
        (lambda: planners.threshold(1.5), "tau=1.5"),
        (lambda: planners.entropy_bounded(-1.0), "gamma=-1.0"),
        (lambda: planners.entropy_sum(float("nan")), "eta=nan"),
        (lambda: Draw(temperature=0.0), "use top_k=1"),
        (lambda: Draw(top_k=0), "top_k=0"),
        (lambda: Draw(nucleus=1.5), "nucleus=1.5"),
    ],
)
def test_bad_requests_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
