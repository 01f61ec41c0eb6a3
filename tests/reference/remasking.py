"""Twins of samplers that mask tokens again: every coin of every token, from the definitions; itertools and floats."""

import itertools
import math

import numpy as np


def alpha(time, masking="linear"):
    """Unmasked fraction."""
    return {
        "linear": 1 - time,
        "cosine": 1 - math.sin(math.pi / 2 * time),
        "polynomial": 1 - time**2,
        "exponential": math.exp(-time),
    }[masking]


def remdm_steps(times, masking, kind, eta, on=0.55, off=0.05):
    """``(reveal, mask)`` chances of a token in each step."""
    steps = []
    for t, s in itertools.pairwise(times):
        if kind == "loop":
            a_t, a_s = (alpha(on if off <= x <= on else x if x > on else x * on / off, masking) for x in (t, s))
        else:
            a_t, a_s = alpha(t, masking), alpha(s, masking)
        most = 1.0 if a_t <= 0 else min(1.0, (1 - a_s) / a_t)
        sigma = eta * most if kind == "rescale" else min(eta, most)
        if kind == "loop" and not (t <= on and s >= off):
            sigma = 0.0
        kept = 0.0 if kind == "conf" else sigma
        steps.append(((a_s - (1 - kept) * a_t) / (1 - a_t), sigma))
    return steps


def _add(law, state, mass):
    if mass > 0.0:
        law[state] = law.get(state, 0.0) + mass


def coins(predict, length, vocab, steps):
    """Law of the states after steps in which each token has its own coin."""
    law = {(vocab,) * length: 1.0}
    for reveal, mask in steps:
        after: dict = {}
        for state, mass in law.items():
            rows = predict(state)
            choices = [
                [(vocab, 1 - reveal), *((v, reveal * rows[i, v]) for v in range(vocab))]
                if token == vocab
                else [(token, 1 - mask), (vocab, mask)]
                for i, token in enumerate(state)
            ]
            for chosen in itertools.product(*choices):
                _add(after, tuple(v for v, _ in chosen), mass * math.prod(p for _, p in chosen))
        law = after
    return law


def gibbs(predict, law, length, vocab, size, choose=None):
    """Law of the states after one round: mask positions, then reveal uniformly random ones of those masked.

    ``choose(state) -> [(positions, chance)]`` of those masked; uniformly random if None.
    """
    after: dict = {}
    for state, mass in law.items():
        revealed = [i for i, v in enumerate(state) if v != vocab]
        number = min(size, len(revealed))
        sets = [(s, 1 / math.comb(len(revealed), number)) for s in itertools.combinations(revealed, number)]
        for masked, chance in sets if choose is None else choose(state, number):
            hidden = tuple(vocab if i in masked else v for i, v in enumerate(state))
            rows, open_ = predict(hidden), [i for i, v in enumerate(hidden) if v == vocab]
            for filled in itertools.combinations(open_, number):
                for values in itertools.product(range(vocab), repeat=number):
                    new = list(hidden)
                    share = mass * chance / math.comb(len(open_), number)
                    for i, v in zip(filled, values, strict=True):
                        new[i], share = v, share * rows[i, v]
                    _add(after, tuple(new), share)
    return after


def lowest_conditional(predict, vocab):
    """``choose`` of `gibbs`: the least likely tokens given all others; no ties."""

    def choose(state, number):
        scores = {
            i: predict(tuple(vocab if k == i else w for k, w in enumerate(state)))[i, v]
            for i, v in enumerate(state)
            if v != vocab
        }
        return [(tuple(sorted(scores, key=scores.__getitem__)[:number]), 1.0)]

    return choose


def confident(predict, length, vocab, steps):
    """Law of the states where a step masks one token with a chance, by exp(-its probability when it was drawn)."""
    law = {((vocab,) * length, (0.0,) * length): 1.0}
    for reveal, mask in steps:
        after: dict = {}
        for (state, known), mass in law.items():
            rows, revealed = predict(state), [i for i, v in enumerate(state) if v != vocab]
            weights = np.exp([-known[i] for i in revealed])
            masked = [(None, 1 - mask if revealed else 1.0)]
            masked += [(i, mask * w / weights.sum()) for i, w in zip(revealed, weights, strict=True)]
            choices = [
                [(vocab, 1 - reveal), *((v, reveal * rows[i, v]) for v in range(vocab))]
                if token == vocab
                else [(token, 1)]
                for i, token in enumerate(state)
            ]
            for chosen in itertools.product(*choices):
                share = mass * math.prod(p for _, p in chosen)
                if share == 0.0:
                    continue
                for hidden, chance in masked:
                    new = tuple(vocab if i == hidden else v for i, (v, _) in enumerate(chosen))
                    confidence = tuple(
                        0.0 if v == vocab else known[i] if state[i] != vocab else float(rows[i, v])
                        for i, v in enumerate(new)
                    )
                    _add(after, (new, confidence), share * chance)
        law = after
    states: dict = {}
    for (state, _), mass in law.items():
        _add(states, state, mass)
    return states


def table(law, length, vocab):
    """Array ``[vocab] * length`` of the states without masks."""
    made = np.zeros((vocab,) * length)
    for state, mass in law.items():
        if vocab not in state:
            made[state] += mass
    return made
