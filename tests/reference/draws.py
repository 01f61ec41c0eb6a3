"""Slow twins of the filters of a draw and of the planners' priorities: float64 numpy, token by token."""

import numpy as np

TIE = 2.0**-18


def kept(logits, temperature=1.0, top_k=None, nucleus=None) -> set[int]:
    """The tokens that remain of one row: temperature, then top-k, then nucleus."""
    scores = np.asarray(logits, np.float64) / temperature
    tokens = [v for v in range(len(scores)) if scores[v] > -np.inf]
    if top_k is not None:
        tokens = _first(scores, tokens, top_k)
    if nucleus is not None and nucleus < 1.0:
        weights = np.exp(scores - scores.max())
        total, mass, number = weights[tokens].sum(), 0.0, 0
        for v in sorted(tokens, key=lambda v: -scores[v]):
            if mass / total >= nucleus - TIE:
                break
            mass, number = mass + weights[v], number + 1
        tokens = _first(scores, tokens, max(number, 1))
    return set(tokens)


def _first(scores, tokens, number) -> list[int]:
    """The ``number`` likeliest of the tokens; those that are within TIE of the last one in the order of their ids."""
    ranked = sorted(tokens, key=lambda v: -scores[v])[:number]
    last = scores[ranked[-1]]
    sure = [v for v in ranked if scores[v] > last + TIE]
    tied = [v for v in tokens if abs(scores[v] - last) <= TIE]
    return sorted(sure + tied[: number - len(sure)])


def law(logits, tokens) -> np.ndarray:
    """Probabilities of one row's tokens, 0 outside the set."""
    logits, chosen = np.asarray(logits, np.float64), np.zeros(len(logits), bool)
    chosen[list(tokens)] = True
    weights = np.where(chosen, np.exp(logits - logits.max()), 0.0)
    return weights / weights.sum()
