"""Every path of a sampler on a small space with its probability: what a sweep's Monte Carlo numbers are means over.

itertools and float64 numpy; imports nothing of jdlm. A plan is a function ``(rows [length, vocab], masked positions,
tie-breaking order, size or None) -> positions to reveal``; the orders of ties are enumerated anew in each step.
"""

import itertools
from typing import NamedTuple

import numpy as np


class Path(NamedTuple):
    """One path: its probability, its tokens, their log probability under the predictor, and the number of calls."""

    probability: float
    tokens: tuple[int, ...]
    log_q: float
    calls: int


class Moments(NamedTuple):
    """Mean, variance and fourth central moment of a number that is drawn anew for each sequence."""

    mean: float
    variance: float
    fourth: float


def moments(probabilities, values):
    probabilities, values = np.asarray(probabilities, float), np.asarray(values, float)
    mean = probabilities @ values
    return Moments(mean, probabilities @ (values - mean) ** 2, probabilities @ (values - mean) ** 4)


def paths(predict, length, vocab_size, plan, size_lists, forced=None):
    """All paths from masks alone; ``forced`` tokens are revealed instead of drawn ones.

    Args:
      predict: maps a partly masked tuple (the mask is ``vocab_size``) to probabilities ``[length, vocab]``.
      plan: see above.
      size_lists: (probability, sizes) pairs; empty if the plan counts by itself.
      forced: None, or the tokens of the one sequence to be revealed; the paths' probabilities then sum to 1 for it.
    """
    found = []
    for weight, sizes in size_lists or [(1.0, (None,) * length)]:
        states = [(weight, (vocab_size,) * length, 0.0, 0)]
        for size in sizes:
            after = []
            for probability, state, log_q, calls in states:
                masked = [i for i, v in enumerate(state) if v == vocab_size]
                if not masked or size == 0:
                    after.append((probability, state, log_q, calls))
                    continue
                rows = predict(state)
                orders = list(itertools.permutations(masked))
                chosen = {}
                for order in orders:
                    positions = tuple(sorted(plan(rows, masked, order, size)))
                    chosen[positions] = chosen.get(positions, 0.0) + 1 / len(orders)
                for positions, share in chosen.items():
                    for values in itertools.product(range(vocab_size), repeat=len(positions)):
                        if forced is not None and any(forced[i] != v for i, v in zip(positions, values, strict=True)):
                            continue
                        drawn = np.prod([rows[i, v] for i, v in zip(positions, values, strict=True)])
                        if drawn == 0.0:
                            continue
                        filled = list(state)
                        for i, v in zip(positions, values, strict=True):
                            filled[i] = v
                        mass = probability * share * (drawn if forced is None else 1.0)
                        after.append((mass, tuple(filled), log_q + np.log(drawn), calls + 1))
            states = after
        found += [Path(*state) for state in states]
    return found


def path_kl(law, predict, plan, size_lists):
    """Moments of ``log p(X) - log q(path of X)`` over X from the law and the sampler's sizes and orders."""
    probabilities, values = [], []
    for tokens in np.ndindex(law.shape):
        if law[tokens] > 0.0:
            for path in paths(predict, law.ndim, law.shape[0], plan, size_lists, forced=tokens):
                probabilities.append(law[tokens] * path.probability)
                values.append(np.log(law[tokens]) - path.log_q)
    return moments(probabilities, values)


def curve_terms(law, predict, score):
    """Moments for each j of the mean over masked positions of ``score(rows, true rows, tokens) [length]``.

    Over sequences of the law and uniformly random sets of j revealed positions; ``rows`` are the predictions and
    ``true rows`` the exact conditionals.
    """
    length, vocab_size = law.ndim, law.shape[0]
    curve = []
    for j in range(length):
        probabilities, values = [], []
        for x in np.ndindex(law.shape):
            for revealed in itertools.combinations(range(length), j) if law[x] > 0.0 else ():
                state = tuple(v if i in revealed else vocab_size for i, v in enumerate(x))
                masked = [i for i in range(length) if i not in revealed]
                probabilities.append(law[x])
                values.append(np.mean(score(predict(state), exact_rows(law, state), x)[masked]))
        curve.append(moments(np.array(probabilities) / np.sum(probabilities), values))
    return curve


def exact_rows(law, state):
    """``[length, vocab]`` laws of the masked tokens given the revealed ones; uniform on impossible patterns."""
    vocab_size = law.shape[0]
    seen = law[tuple(slice(None) if v == vocab_size else slice(v, v + 1) for v in state)]
    rows = np.zeros((law.ndim, vocab_size))
    for i, v in enumerate(state):
        if v != vocab_size:
            rows[i, v] = 1.0
        elif seen.sum() == 0.0:
            rows[i] = 1 / vocab_size
        else:
            rows[i] = seen.sum(axis=tuple(k for k in range(law.ndim) if k != i)) / seen.sum()
    return rows
