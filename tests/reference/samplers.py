"""Slow twins of the sampler, from the definitions alone: itertools and float64 numpy."""

import itertools
import math

import numpy as np


def states(length: int, vocab_size: int):
    """All partly masked sequences as tuples; the mask is ``vocab_size``."""
    return itertools.product(range(vocab_size + 1), repeat=length)


def conditionals(law: np.ndarray, state: tuple[int, ...]) -> np.ndarray:
    """``[length, vocab]`` laws of the masked tokens given the revealed ones; uniform on impossible patterns."""
    length, vocab_size = law.ndim, law.shape[0]
    seen = law[tuple(slice(None) if v == vocab_size else slice(v, v + 1) for v in state)]
    rows = np.zeros((length, vocab_size))
    for i, v in enumerate(state):
        if v != vocab_size:
            rows[i, v] = 1.0
        elif seen.sum() == 0.0:
            rows[i] = 1.0 / vocab_size
        else:
            rows[i] = seen.sum(axis=tuple(k for k in range(length) if k != i)) / seen.sum()
    return rows


def output_law(predict, length: int, vocab_size: int, size_lists: list[tuple[float, tuple[int, ...]]]) -> np.ndarray:
    """Exact law of the sequences that a random-order sampler makes.

    ``predict(state) -> [length, vocab]`` gives probabilities; ``size_lists`` holds (weight, sizes) pairs. A step from
    a state takes each set of masked positions of its size with the same probability and fills it independently.
    """
    total = np.zeros([vocab_size] * length)
    for weight, sizes in size_lists:
        mass = {(vocab_size,) * length: weight}
        for size in sizes:
            after: dict[tuple[int, ...], float] = {}
            for state, probability in mass.items():
                masked = [i for i, v in enumerate(state) if v == vocab_size]
                rows = predict(state)
                for chosen in itertools.combinations(masked, size):
                    for values in itertools.product(range(vocab_size), repeat=size):
                        filled = list(state)
                        share = probability / math.comb(len(masked), size)
                        for i, v in zip(chosen, values, strict=True):
                            filled[i] = v
                            share *= rows[i, v]
                        if share > 0.0:
                            after[tuple(filled)] = after.get(tuple(filled), 0.0) + share
            mass = after
        for state, probability in mass.items():
            total[state] += probability
    return total


def planned_output_law(predict, length: int, vocab_size: int, plan, size_lists: list[tuple[float, tuple[int, ...]]]):
    """Exact output law and law of the number of calls of a sampler with a plan.

    ``plan(rows [length, vocab], masked positions, tie-breaking order, size or None) -> positions to reveal``. The
    tie-breaking orders of the masked positions are enumerated anew in each step, all equally likely. An empty size
    list means that the plan counts by itself.
    """
    total, calls = np.zeros([vocab_size] * length), np.zeros(length + 1)
    for weight, sizes in size_lists or [(1.0, (None,) * length)]:
        mass = {(vocab_size,) * length: weight}
        for step, size in enumerate(sizes):
            after: dict[tuple[int, ...], float] = {}
            for state, probability in mass.items():
                masked = [i for i, v in enumerate(state) if v == vocab_size]
                if not masked or size == 0:
                    after[state] = after.get(state, 0.0) + probability
                    continue
                rows = predict(state)
                orders = list(itertools.permutations(masked))
                for order in orders:
                    chosen = sorted(plan(rows, masked, order, size))
                    for values in itertools.product(range(vocab_size), repeat=len(chosen)):
                        share = (
                            probability
                            / len(orders)
                            * math.prod(rows[i, v] for i, v in zip(chosen, values, strict=True))
                        )
                        filled = list(state)
                        for i, v in zip(chosen, values, strict=True):
                            filled[i] = v
                        if share > 0.0:
                            after[tuple(filled)] = after.get(tuple(filled), 0.0) + share
                            if vocab_size not in filled and size is None:
                                calls[step + 1] += share
            mass = after
        for state, probability in mass.items():
            total[state] += probability
    return total, calls


def cross_entropy_curve(law: np.ndarray, predict) -> np.ndarray:
    """``c[j]``: mean over j-sets S, positions i outside S and sequences of ``-log predict(i | S)``, by enumeration."""
    length, vocab_size = law.ndim, law.shape[0]
    curve = np.zeros(length)
    for j in range(length):
        terms = []
        for revealed in itertools.combinations(range(length), j):
            for x in np.ndindex(law.shape):
                if law[x] > 0.0:
                    rows = predict(tuple(v if i in revealed else vocab_size for i, v in enumerate(x)))
                    nll = [-np.log(rows[i, x[i]]) for i in range(length) if i not in revealed]
                    terms.append(law[x] * np.mean(nll))
        curve[j] = np.sum(terms) / math.comb(length, j)
    return curve


def chi_square_p_value(tokens: np.ndarray, law: np.ndarray) -> float:
    """P-value of sampled tokens ``[n, length]`` against a law; outcomes expected under 5 times are pooled.

    Any sample of probability 0 gives 0.
    """
    from scipy.stats import chi2

    flat = np.ravel_multi_index(tuple(tokens.T), law.shape)
    observed = np.bincount(flat, minlength=law.size).astype(float)
    expected = law.ravel() * len(tokens)
    if observed[expected == 0.0].sum() > 0:
        return 0.0
    rare = (expected < 5.0) & (expected > 0.0)
    common = expected >= 5.0
    observed = np.append(observed[common], observed[rare].sum())
    expected = np.append(expected[common], expected[rare].sum())
    keep = expected > 0.0
    statistic = ((observed[keep] - expected[keep]) ** 2 / expected[keep]).sum()
    return float(chi2.sf(statistic, keep.sum() - 1))
