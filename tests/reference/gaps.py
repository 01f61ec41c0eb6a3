"""Slow twin of jdlm.measure.order_gap, from the definition: all orders, all sequences; itertools and plain floats."""

import itertools
import math


def order_gap(predict, length, vocab_size, law=None):
    """Mean over counts, orders and sequences; these are drawn one token a step by ``predict`` unless a law is given.

    ``predict(state) -> [length, vocab]`` gives probabilities; a state is a tuple with the mask ``vocab_size``.
    """
    orders = list(itertools.permutations(range(length)))
    total = 0.0
    for order in orders:
        for x in itertools.product(range(vocab_size), repeat=length):
            probability = _along(predict, order, x, length, vocab_size) if law is None else law[x]
            if probability > 0:
                gaps = [_gap(predict, order[:j], order[j], order[j + 1], x, vocab_size) for j in range(length - 1)]
                total += probability * sum(gaps) / (length - 1)
    return total / len(orders)


def _state(positions, x, vocab_size):
    return tuple(token if i in positions else vocab_size for i, token in enumerate(x))


def _along(predict, order, x, length, vocab_size):
    return math.prod(predict(_state(order[:j], x, vocab_size))[order[j]][x[order[j]]] for j in range(length))


def _gap(predict, revealed, i, k, x, vocab_size):
    def log_q(place, known):
        q = predict(_state(known, x, vocab_size))[place][x[place]]
        return math.log(q) if q > 0 else -math.inf

    one = log_q(i, revealed) + log_q(k, (*revealed, i))
    other = log_q(k, revealed) + log_q(i, (*revealed, k))
    return 0.0 if one == other else abs(one - other)
