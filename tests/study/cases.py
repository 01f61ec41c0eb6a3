"""Three sweeps on laws of 16 sequences, with what each should say by enumeration of all paths."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners, predictor, schedules, targets
from jdlm.study import sweep as sweeps
from tests.reference import laws
from tests.reference import samplers as reference
from tests.reference import schedules as schedules_reference

LENGTH, VOCAB, N, CURVE_N, SEED = 4, 2, 4096, 2048, 3
TAU, ETA = 0.8, 0.93
SURE = 2e-3  # no confidence is nearer to another one, or to TAU, unless they are equal: no grid of priorities matters

INITIAL, TRANSITION = np.array([0.6, 0.4]), np.array([[0.85, 0.15], [0.25, 0.75]])
EMISSION = np.array([[0.8, 0.2], [0.1, 0.9]])


@functools.cache
def table_law():
    """With three sequences of probability 0, which parallel sampling reaches."""
    weights = np.random.default_rng(259).gamma(0.8, size=[VOCAB] * LENGTH)
    weights[0, 1, 0, 1] = weights[1, 0, 0, 0] = weights[1, 1, 1, 0] = 0.0
    return weights / weights.sum()


@functools.cache
def hidden_law():
    return laws.hidden_markov(INITIAL, TRANSITION, EMISSION, LENGTH)


@functools.cache
def wrong_logits():
    """Few values apart, so that confidences are tied or clearly not."""
    rng = np.random.default_rng(9)
    return 0.3 * rng.integers(-8, 9, size=[VOCAB + 1] * LENGTH + [LENGTH, VOCAB]).astype(np.float32)


def look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


@functools.cache
def wrong():
    """A predictor that has learned nothing."""
    return predictor.Predictor(jnp.asarray(wrong_logits()), look_up, LENGTH, VOCAB)


def predict_wrong(state):
    weights = np.exp(wrong_logits()[state].astype(np.float64))
    return weights / weights.sum(axis=1, keepdims=True)


MIXED = [(0.25, (1, 1, 2)), (0.45, (3, 1, 0)), (0.3, (0, 2, 2))]


def mixed():
    weights, sizes = zip(*MIXED, strict=True)
    return schedules.Schedule("mixed", LENGTH, 3, schedules.Atoms(np.array(weights), np.array(sizes)))


@functools.cache
def kernels():
    """A chain that may stand still, and whose last step reveals what is left."""
    steps = np.triu(np.random.default_rng(6).gamma(1.0, size=(2, LENGTH + 1, LENGTH + 1)))
    last = np.zeros((1, LENGTH + 1, LENGTH + 1))
    last[..., -1] = 1.0
    return np.concatenate([steps / steps.sum(axis=2, keepdims=True), last])


def chain():
    return schedules.Schedule("chain", LENGTH, 3, schedules.Chain(kernels()))


def halves():
    return schedules.uniform(LENGTH, 2)


LISTS = {"uniform": [(1.0, (2, 2))], "mixed": MIXED, "chain": schedules_reference.size_lists((kernels(),)), "": []}


STEPS = {"uniform": 2, "mixed": 3, "chain": 3, "": None}


def confidence(rows, masked):
    """Of the masked positions, by position."""
    found = rows[masked].max(axis=1)
    gaps = np.abs(found[:, None] - found)
    assert ((gaps < 1e-9) | (gaps > SURE)).all() and (np.abs(found - TAU) > SURE).all()
    return dict(zip(masked, np.round(found, 6), strict=True))


def above(rows, masked, order, size):
    found = confidence(rows, masked)
    return [i for i in masked if found[i] > TAU] or sorted(order, key=lambda i: -found[i])[:1]


def surest(rows, masked, order, size):
    found = confidence(rows, masked)
    return sorted(order, key=lambda i: -found[i])[:size]


def until(rows, masked, order, size):
    total, chosen = 0.0, []
    for i in order:
        chosen.append(i)
        total += laws.entropy(rows[i])
        assert abs(total - ETA) > SURE
        if total > ETA:
            break
    return chosen


PLANS = {
    "random": lambda rows, masked, order, size: order[:size],
    "left_to_right": lambda rows, masked, order, size: masked[:size],
    "confidence": surest,
    f"threshold({TAU})": above,
    f"entropy_sum({ETA})": until,
}


class Case:
    """One sweep, with what it should say."""

    def __init__(self, target, law, predictors, plan, who, seed=SEED, **options):
        self.law, self.schedules, self.tokens, self.parts = law, plan, {}, []
        self.predict = {
            name: predict_wrong if mine is wrong() else functools.partial(reference.conditionals, law)
            for name, mine in predictors.items()
        }
        self.options = {"target_name": "law", "n": N, "curve_n": CURVE_N, "planners": who, **options}
        self.arguments = (target, predictors, plan)
        self.rows = sweeps.sweep(
            *self.arguments,
            seed=seed,
            on_samples=self.note,
            on_row=self.parts.append,
            **self.options,
        )

    def note(self, name, results):
        """Samples of the cells of one queue: the first half of it where the others are teacher-forced."""
        target = self.arguments[0]
        count = len(results.parts) // (2 if target.has("log_prob") else 1)
        self.tokens.setdefault(name, []).extend(results.parts[:count])

    def cell(self, who, planner="", schedule=""):
        """Rows by (metric, method), and by index where there is one."""
        mine = [r for r in self.rows if (r.predictor, r.planner, r.schedule) == (who, planner, schedule)]
        return {(r.metric, r.method) if r.index is None else (r.metric, r.method, r.index): r for r in mine}

    def cells(self, who):
        """Planner and schedule of each cell of a predictor, in the order of its samples."""
        return [(r.planner, r.schedule) for r in self.rows if (r.predictor, r.metric) == (who, "measured_nfe")]


@functools.cache
def table_case():
    target = targets.table(table_law())
    who = [planners.random(), planners.left_to_right(), planners.confidence()]
    who += [planners.threshold(TAU), planners.entropy_sum(ETA)]
    predictors = {"oracle": predictor.oracle(target), "wrong": wrong()}
    return Case(target, table_law(), predictors, [halves(), mixed(), chain()], who)


@functools.cache
def hidden_case():
    """The wrong predictor is called the oracle; the oracle is called otherwise."""
    target = targets.hidden_markov(INITIAL, TRANSITION, EMISSION, LENGTH)
    who = [planners.random(), planners.threshold(TAU)]
    predictors = {"exact": predictor.oracle(target), "oracle": wrong()}
    return Case(target, hidden_law(), predictors, [mixed(), chain()], who)


@functools.cache
def bare_case():
    """What is known of the target and of the schedules without a predictor."""
    return Case(targets.table(table_law()), table_law(), {}, [halves(), mixed(), chain()], [planners.random()])


def correlations(law):
    h = laws.entropy_curve(law)
    total = laws.entropy(law)
    single = sum(laws.entropy(laws.marginal(law, (i,))) for i in range(LENGTH))
    rest = sum(total - laws.entropy(laws.marginal(law, set(range(LENGTH)) - {i})) for i in range(LENGTH))
    both = sum((h[m - 1] - h[m]) * min(m, LENGTH - m) for m in range(1, LENGTH))
    return {"tc": single - total, "dtc": total - rest, "both": both}


def marginal_distance(law, frequencies, size):
    """Mean over sets of ``size`` positions of the TV between marginals of ``[..., vocab, vocab, ...]`` and the law."""
    total, places = 0.0, list(laws.itertools.combinations(range(LENGTH), size))
    for kept in places:
        gone = tuple(i for i in range(LENGTH) if i not in kept)
        off = frequencies.sum(tuple(i - LENGTH for i in gone)) - law.sum(gone)
        total = total + 0.5 * np.abs(off).sum(tuple(range(-size, 0)))
    return total / len(places)


def is_exact(row, value, tolerance=1e-9):
    assert (row.standard_error, row.n, row.seed) == (None, None, None)
    assert row.value == pytest.approx(value, rel=tolerance, abs=tolerance), row
