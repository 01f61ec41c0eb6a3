"""Independent twin of jdlm.schedules and jdlm.curves, written from the formulas of the theory.

itertools, float64 numpy and a linear program; imports nothing of jdlm. A law of sizes is a list of
(probability, sizes); targets are arrays ``[vocab] * length``.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
from scipy import sparse
from scipy.optimize import linprog


def kernels(law, length):
    """P(m revealed after | n before) of each step, from a chain (kernels,) or from thinning (rates,)."""
    return law[0] if np.ndim(law[0]) > 1 else binomial_kernels(length, law[0])


def binomial_kernels(length, rates):
    """Kernels of thinning: each of ``length - n`` masked tokens is revealed with the rate of the step."""
    return [
        [
            [0] * n + [math.comb(length - n, s) * r**s * (1 - r) ** (length - n - s) for s in range(length - n + 1)]
            for n in range(length + 1)
        ]
        for r in rates
    ]


def size_lists(law, length=None):
    """Every list of sizes with its probability, from atoms (weights, sizes), a chain (kernels,) or (rates,)."""
    if len(law) == 2:
        return [(w, tuple(int(s) for s in sizes)) for w, sizes in zip(*law, strict=True)]
    lists = [(1.0, 0, ())]
    for kernel in kernels(law, length):
        lists = [
            (p * kernel[n][m], m, (*sizes, m - n))
            for p, n, sizes in lists
            for m in range(n, len(kernel))
            if kernel[n][m] > 0
        ]
    return [(p, sizes) for p, _, sizes in lists]


def moments(law, length):
    """First and second moment of the size of the step taken from each count, the NFE law, P(a mask is left)."""
    steps = len(law[1][0]) if len(law) == 2 else len(law[0])
    first, second = np.zeros(length), np.zeros(length)
    nfe, leftover = np.zeros(steps + 1), 0.0
    if len(law) == 2:
        for p, sizes in size_lists(law, length):
            revealed = 0
            for s in sizes:
                if s > 0:
                    first[revealed] += p * s
                    second[revealed] += p * s * s
                revealed += s
            nfe[sum(s > 0 for s in sizes)] += p
            leftover += p * (revealed < length)
        return first, second, nfe, leftover
    states = {(0, 0): 1.0}  # (revealed, calls)
    for kernel in kernels(law, length):
        following = {}
        for (n, calls), p in states.items():
            for m in range(n, length + 1):
                q = p * kernel[n][m]
                if n < length:
                    first[n] += q * (m - n)
                    second[n] += q * (m - n) ** 2
                state = (m, calls + (m > n))
                following[state] = following.get(state, 0.0) + q
        states = following
    for (n, calls), p in states.items():
        nfe[calls] += p
        leftover += p * (n < length)
    return first, second, nfe, leftover


def entropy_curve(law):
    """``h[j]``: mean of H(X_i | X_S) over all S of j positions and all i outside S."""
    length = law.ndim

    def entropy(positions):
        marginal = law.sum(tuple(i for i in range(length) if i not in positions))
        return -sum(p * math.log(p) for p in np.ravel(marginal) if p > 0)

    curve = []
    for j in range(length):
        values = [
            entropy({*s, i}) - entropy(s)
            for s in map(set, itertools.combinations(range(length), j))
            for i in range(length)
            if i not in s
        ]
        curve.append(sum(values) / len(values))
    return np.array(curve)


def mean_path_kl(law, lists):
    """Mean over all orders and all size lists of KL(p || q), q the law of the oracle's sampler for order and sizes."""
    length, positive = law.ndim, law > 0
    log_p = np.log(law[positive])

    def log_conditional(i, revealed):
        others = tuple(k for k in range(length) if k not in revealed)
        given = law.sum(others, keepdims=True)
        joint = law.sum(tuple(k for k in others if k != i), keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.broadcast_to(np.log(joint) - np.log(given), law.shape)[positive]

    known = {
        (i, s): log_conditional(i, s)
        for j in range(length)
        for s in itertools.combinations(range(length), j)
        for i in range(length)
        if i not in s
    }

    def kl(order, sizes):
        log_q, revealed = np.zeros(len(log_p)), ()
        for size in sizes:
            group = order[len(revealed) : len(revealed) + size]
            log_q = log_q + sum(known[i, tuple(sorted(revealed))] for i in group)
            revealed = (*revealed, *group)
        return float(law[positive] @ (log_p - log_q))

    orders = list(itertools.permutations(range(length)))
    by_sizes = {}
    for p, sizes in lists:
        sizes = tuple(s for s in sizes if s)
        by_sizes[sizes] = by_sizes.get(sizes, 0.0) + p
    return sum(p * sum(kl(order, sizes) for order in orders) / len(orders) for sizes, p in by_sizes.items())


def weight(length, m, word):
    return {"tc": length - m, "dtc": m, "both": min(m, length - m)}[word]


def worst_case(lists, word):
    """``max_m E[(first visited count >= m) - m] / w[m]``, by walking every list."""
    length = sum(lists[0][1])
    constant = 0.0
    for m in range(1, length):
        overshoot = sum(p * (next(c for c in itertools.accumulate(sizes) if c >= m) - m) for p, sizes in lists)
        constant = max(constant, overshoot / weight(length, m, word))
    return constant


def compositions(length, num_steps):
    """Every list of ``num_steps`` sizes of at least 1 that sums to ``length``."""
    for cuts in itertools.combinations(range(1, length), num_steps - 1):
        yield tuple(b - a for a, b in itertools.pairwise((0, *cuts, length)))


def best_fixed(length, num_steps, word):
    """Smallest worst-case constant of one list: the path whose largest edge is smallest."""
    reach = {0: 0.0}
    for _ in range(num_steps):
        following = {}
        for n, constant in reach.items():
            for m in range(n + 1, length + 1):
                edge = max(((m - i) / weight(length, i, word) for i in range(n + 1, min(m + 1, length))), default=0.0)
                following[m] = min(following.get(m, math.inf), max(constant, edge))
        reach = following
    return reach[length]


def equalizer(length, num_steps):
    """``c[m][k]`` and the size laws ``p[m][k]`` of the TC equalizer: run p = a + b*C through the recursion."""
    c = {(m, k): 0.0 for k in range(1, num_steps + 1) for m in range(k + 1)}
    c |= {(m, 1): 1.0 for m in range(2, length + 1)}
    sizes = {}
    for k in range(2, num_steps + 1):
        for m in range(k + 1, length + 1):
            a, b = np.zeros(m), np.zeros(m)
            for j in range(1, m):
                right = [1.0, -1.0]
                for s in range(1, j):
                    share = 1.0 - c[m - s, k - 1]
                    right = [right[0] - a[s] * share, right[1] - b[s] * share]
                scale = 1.0 + (m - j - 1) * c[m - j, k - 1]
                a[j], b[j] = right[0] / scale, right[1] / scale
            c[m, k] = (1.0 - a.sum()) / b.sum()
            sizes[m, k] = a + b * c[m, k]
    return c, sizes


def minimax(length, num_steps, word):
    """Smallest worst-case constant of a random size law, as a flow on (step, revealed) nodes: the other exact form."""
    edges = [
        (t, n, m) for t in range(num_steps) for n in range(t, length) for m in range(n + 1, length + 1)
        if n + num_steps - t <= length and (t > 0 or n == 0) and (t < num_steps - 1 or m == length)
    ]  # fmt: skip
    columns = len(edges) + 1
    rows, cols, values = [], [], []
    for e, (_, n, m) in enumerate(edges):
        for i in range(n + 1, min(m, length - 1) + 1):
            rows.append(i - 1)
            cols.append(e)
            values.append((m - i) / weight(length, i, word))
    upper = sparse.csr_matrix(
        (values + [-1.0] * (length - 1), (rows + list(range(length - 1)), cols + [columns - 1] * (length - 1))),
        shape=(length - 1, columns),
    )
    nodes = {(t, n): r for r, (t, n) in enumerate(itertools.product(range(num_steps), range(length)))}
    balance = sparse.lil_matrix((len(nodes), columns))
    for e, (t, n, m) in enumerate(edges):
        balance[nodes[t, n], e] += 1.0
        if (t + 1, m) in nodes:
            balance[nodes[t + 1, m], e] -= 1.0
    start = np.zeros(len(nodes))
    start[nodes[0, 0]] = 1.0
    cost = np.zeros(columns)
    cost[-1] = 1.0
    result = linprog(
        cost, A_ub=upper, b_ub=np.zeros(length - 1), A_eq=balance.tocsr(), b_eq=start, bounds=(0, None), method="highs"
    )
    return result.fun


def lower_bound(duals, num_steps, word):
    """Least dual cost of a list of sizes over ``sum(y * w)``: what the duals prove of every law of sizes."""
    length = len(duals) + 1
    scale = sum(y * weight(length, m, word) for m, y in enumerate(duals, start=1))
    y, best = np.append(duals, 0.0), np.zeros(length + 1)  # best[n]: least cost from n to the end
    best[:length] = np.inf
    edge = np.zeros((length + 1, length + 1))
    for m in range(1, length + 1):  # edge[n, m] = sum_{i=n+1..m} y[i] (m - i)
        terms = y[:m] * (m - np.arange(1, m + 1))
        edge[:m, m] = np.cumsum(terms[::-1])[::-1]
    for _ in range(num_steps):
        best = np.array([*(np.min(edge[n, n + 1 :] + best[n + 1 :]) for n in range(length)), np.inf])
    return best[0] / scale


def thinning(length, probabilities):
    """Closed forms of thinning: exposure, expected NFE, P(a mask is left), from the step probabilities."""
    exposure, nfe, revealed = np.zeros(length), 0.0, 0.0
    for r in probabilities:
        following = 1.0 - (1.0 - revealed) * (1.0 - r)
        for j in range(length):
            exposure[j] += math.comb(length, j) * revealed**j * (1 - revealed) ** (length - j) * (length - j) * r
        nfe += 1.0 - (1.0 - (following - revealed)) ** length
        revealed = following
    return exposure, nfe, 1.0 - revealed**length


def exact_thinning(length, rates):
    """Rational numbers, by walking the chain of counts with binomial steps.

    Args:
      rates: fractions, or floats, which are fractions too.

    Returns:
      Exposure, P(number of calls), visits of 1..length-1, P(a mask is left), and for each count m the distribution of
      (first visited count >= m) - m.
    """
    steps = binomial_kernels(length, [Fraction(rate) for rate in rates])
    exposure, visits = [Fraction(0)] * length, [Fraction(0)] * (length + 1)
    overshoot = [[Fraction(0)] * (length - m + 1) for m in range(length + 1)]
    states = {(0, 0): Fraction(1)}  # (revealed, calls)
    overshoot[0][0] = Fraction(1)
    for kernel in steps:
        following = {}
        for (n, calls), p in states.items():
            for m in range(n, length + 1):
                q = p * kernel[n][m]
                if n < length:
                    exposure[n] += q * (m - n)
                if m > n:
                    visits[m] += q
                    for count in range(n + 1, m + 1):
                        overshoot[count][m - count] += q
                state = (m, calls + (m > n))
                following[state] = following.get(state, Fraction(0)) + q
        states = following
    nfe = [sum(p for (_, calls), p in states.items() if calls == k) for k in range(len(rates) + 1)]
    return exposure, nfe, visits[1:length], sum(p for (n, _), p in states.items() if n < length), overshoot
