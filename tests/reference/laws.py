"""Independent twin of jdlm.targets: every joint law from its definition, and everything else by enumeration.

itertools and float64 numpy; imports nothing of jdlm. A joint law is an array ``[vocab] * length``.
"""

import itertools
import math

import numpy as np


def sequences(vocab, length):
    """All sequences in the order of a raveled joint law, ``[vocab ** length, length]``."""
    return np.array(list(itertools.product(range(vocab), repeat=length)), np.int32)


def product(marginals):
    law = np.ones(())
    for row in np.asarray(marginals, float):
        law = np.multiply.outer(law, row)
    return law


def mixture(weights, marginals):
    """Marginals ``[components, length, vocab]``."""
    return sum(weight * product(component) for weight, component in zip(weights, marginals, strict=True))


def uniform_over(words, vocab):
    """Uniform over the distinct sequences given."""
    words = sorted(set(map(tuple, words)))
    law = np.zeros((vocab,) * len(words[0]))
    for word in words:
        law[word] = 1 / len(words)
    return law


def reed_solomon(length, dimension, prime):
    """All polynomials of degree below the dimension, evaluated at 0, 1, ..., length-1."""
    polynomials = itertools.product(range(prime), repeat=dimension)
    return uniform_over(
        [[sum(c * x**power for power, c in enumerate(p)) % prime for x in range(length)] for p in polynomials], prime
    )


def repetition(length, vocab):
    return uniform_over([(token,) * length for token in range(vocab)], vocab)


def zero_sum(length, vocab):
    """Sequences whose sum is 0 modulo the vocabulary size."""
    return uniform_over([x for x in itertools.product(range(vocab), repeat=length) if sum(x) % vocab == 0], vocab)


def marginal(law, positions):
    """Joint law of the tokens at the positions, in increasing order."""
    return law.sum(tuple(i for i in range(law.ndim) if i not in positions))


def conditionals(law, tokens):
    """Law of each token given the revealed ones, ``[length, vocab]``; the mask is ``vocab``.

    Revealed rows are point masses; masked rows of an impossible pattern are uniform.
    """
    vocab, length = law.shape[0], law.ndim
    agreeing = law[tuple(slice(None) if t == vocab else slice(t, t + 1) for t in tokens)]
    rows = np.zeros((length, vocab))
    for i, token in enumerate(tokens):
        if token != vocab:
            rows[i, token] = 1.0
        elif agreeing.sum() > 0:
            rows[i] = marginal(agreeing, (i,)) / agreeing.sum()
        else:
            rows[i] = 1 / vocab
    return rows


def entropy(probabilities):
    positive = probabilities[probabilities > 0]
    return -np.sum(positive * np.log(positive))


def entropy_curve(law):
    """``h[j]``: mean over all j-sets S and positions i outside S of H(X_i | X_S) = H(X_i, X_S) - H(X_S)."""
    length = law.ndim
    joint = {
        s: entropy(marginal(law, s)) for size in range(length + 1) for s in itertools.combinations(range(length), size)
    }
    curve = []
    for j in range(length):
        terms = [
            joint[tuple(sorted((*s, i)))] - joint[s]
            for s in itertools.combinations(range(length), j)
            for i in range(length)
            if i not in s
        ]
        curve.append(np.mean(terms))
    return np.array(curve)


def linear_code(generator, prime):
    messages = itertools.product(range(prime), repeat=len(generator))
    return uniform_over([np.array(message) @ np.array(generator) % prime for message in messages], prime)


def markov(initial, transition, length):
    return np.array(
        [
            initial[x[0]] * np.prod([transition[a][b] for a, b in itertools.pairwise(x)])
            for x in sequences(len(initial), length)
        ]
    ).reshape([len(initial)] * length)


def hidden_markov(initial, transition, emission, length):
    """Summed over all paths of hidden states."""
    paths = markov(initial, transition, length)
    return sum(
        paths[tuple(path)] * product([emission[state] for state in path]) for path in sequences(len(initial), length)
    )


def blocks(law, copies):
    joint = law
    for _ in range(copies - 1):
        joint = np.multiply.outer(joint, law)
    return joint


def permutation(length):
    return uniform_over(itertools.permutations(range(length)), length)


def walk(neighbours, length):
    """Uniform moves along the edges; the first vertex with a probability proportional to its number of neighbours."""
    law = np.zeros((len(neighbours),) * length)
    edges = sum(map(len, neighbours))
    paths = [([start], len(neighbours[start]) / edges) for start in range(len(neighbours))]
    for _ in range(length - 1):
        paths = [([*path, v], p / len(neighbours[path[-1]])) for path, p in paths for v in neighbours[path[-1]]]
    for path, probability in paths:
        law[tuple(path)] = probability
    return law


def copy(length, vocab):
    return uniform_over([2 * word for word in itertools.product(range(vocab), repeat=length // 2)], vocab)


def replace_random(length, vocab):
    words = list(itertools.product(range(vocab), repeat=length // 2))
    return uniform_over([a + b for a in words for b in words if sum(map(int.__ne__, a, b)) == 1], vocab)


def shuffle(tokens, vocab):
    return uniform_over(itertools.permutations(tokens), vocab)


def markov_conditionals(initial, transition, tokens):
    """Forward-backward over one partly masked sequence of any length, ``[length, vocab]``; possible patterns only."""
    initial, transition = np.array(initial, float), np.array(transition, float)
    vocab, length = len(initial), len(tokens)
    evidence = np.array([np.ones(vocab) if t == vocab else np.eye(vocab)[t] for t in tokens])
    forward, backward = [initial * evidence[0]], [np.ones(vocab)]
    for i in range(1, length):
        step = forward[-1] / forward[-1].sum() @ transition * evidence[i]
        forward.append(step)
        step = transition @ (evidence[length - i] * backward[-1] / backward[-1].sum())
        backward.append(step)
    rows = np.array(forward) * np.array(backward[::-1])
    return rows / rows.sum(1, keepdims=True)


def stationary_markov_curve(stationary, transition, length):
    """``f(j) = H(pi) + sum_g (L-g) C(L-g-1, j-2) / C(L, j) H(X_g | X_0)``, and ``h[j] = f(j+1) - f(j)``."""
    gaps = [
        sum(p * entropy(row) for p, row in zip(stationary, np.linalg.matrix_power(transition, gap), strict=True))
        for gap in range(length)
    ]
    f = [0.0] + [
        entropy(np.array(stationary))
        + sum(
            (length - g) * math.comb(length - g - 1, j - 2) / math.comb(length, j) * gaps[g]
            for g in range(1, length)
            if j >= 2
        )
        for j in range(1, length + 1)
    ]
    return np.diff(f)
