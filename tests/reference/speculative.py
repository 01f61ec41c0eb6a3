"""Speculative sampling by the book: every complete draft and every refusal, enumerated in float64 from the rule.

Independent of jdlm: numpy and the standard library only.
"""

import itertools


def law(conditional, length, vocab, order, window):
    """Probabilities of sequences and of numbers of rounds, two dicts.

    ``conditional(revealed, position)`` is the list of probabilities given a dict of revealed tokens.
    """
    sequences, rounds = {}, {}

    def finish(revealed, mass, count):
        key = tuple(revealed[i] for i in range(length))
        sequences[key] = sequences.get(key, 0.0) + mass
        rounds[count] = rounds.get(count, 0.0) + mass

    def round_(revealed, drafted_at, left, mass, count):
        """``left`` positions remain, in order; they are drafted from the conditionals given ``drafted_at``."""
        if mass == 0.0:
            return
        if not left:
            finish(revealed, mass, count)
            return
        drafts = [conditional(drafted_at, position) for position in left]
        for draft in itertools.product(range(vocab), repeat=len(left)):
            weight = mass
            for probabilities, token in zip(drafts, draft, strict=True):
                weight *= probabilities[token]
            if weight:
                check(dict(revealed), list(zip(left, drafts, draft, strict=True)), weight, count + 1)

    def check(revealed, left, mass, count):
        for number, (position, drafted_from, token) in enumerate(left):
            last = dict(revealed)  # the prefix that was asked for last
            wanted = conditional(last, position)
            accept = min(1.0, wanted[token] / drafted_from[token])
            if accept < 1.0:
                rest = [max(0.0, p - q) for p, q in zip(wanted, drafted_from, strict=True)]
                for other in range(vocab):
                    share = rest[other] / sum(rest)
                    after = [entry[0] for entry in left[number + 1 :]]
                    round_({**revealed, position: other}, last, after, mass * (1.0 - accept) * share, count)
            mass *= accept
            revealed[position] = token
            if mass == 0.0:
                return
            if number + 1 == window or number + 1 == len(left):
                round_(revealed, last, [entry[0] for entry in left[number + 1 :]], mass, count)
                return

    for token, probability in enumerate(conditional({}, order[0])):
        round_({order[0]: token}, {}, list(order[1:]), probability, 1)
    return sequences, rounds
