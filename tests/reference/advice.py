"""Independent twin of what advice computes: isotonic regression by its min-max formula, the exact number of sizes."""

import itertools

import numpy as np


def falling(values, weights):
    """Nearest curve that never rises: ``max over b >= j of min over a <= j`` of the weighted mean of entries a..b."""
    length = len(values)

    def mean(a, b):
        return sum(values[a : b + 1] * weights[a : b + 1]) / sum(weights[a : b + 1])

    return np.array([max(min(mean(a, b) for a in range(j + 1)) for b in range(j, length)) for j in range(length)])


def cost(sizes, curve):
    """NELBO of a list of sizes above that of one token a step, walked step by step."""
    revealed, nelbo = 0, 0.0
    for size in sizes:
        nelbo += size * curve[revealed] if size else 0.0
        revealed += size
    return nelbo - sum(curve)


def cheapest(curve, num_steps):
    """Least cost of exactly ``num_steps`` sizes of at least 1, over all of them."""
    length, best = len(curve), np.inf
    for cuts in itertools.combinations(range(1, length), num_steps - 1):
        best = min(best, cost([b - a for a, b in itertools.pairwise((0, *cuts, length))], curve))
    return best


def chain_exposure(chain, length):
    """Exposure of exported laws of the size, ``chain[step][revealed][size]``, and P(all is revealed at the end)."""
    exposure, occurs = np.zeros(length), {0: 1.0}
    for step in chain:
        following = {}
        for revealed, p in occurs.items():
            for size, q in enumerate(step[revealed]):
                if size:
                    exposure[revealed] += p * q * size
                following[revealed + size] = following.get(revealed + size, 0.0) + p * q
        occurs = {revealed: p for revealed, p in following.items() if p > 0.0}
    return exposure, occurs.get(length, 0.0)
