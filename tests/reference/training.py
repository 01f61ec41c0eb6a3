"""What training must do, in float64: the mean of its loss by enumeration, and its steps; imports nothing from jdlm."""

import itertools
import math

import numpy as np


def summed_cross_entropy(probabilities, log_predictions):
    """``sum_j c[j]``, with c[j] the mean over j-sets S, sequences x and masked positions i of -log q(x_i | x_S).

    Args:
      probabilities: ``[vocab] * length`` array.
      log_predictions: maps a partly masked tuple (the mask is ``vocab``) to ``[length, vocab]`` log probabilities.
    """
    length, vocab = probabilities.ndim, probabilities.shape[0]
    total = 0.0
    for revealed in range(length):
        sets = list(itertools.combinations(range(length), revealed))
        for chosen in sets:
            for x in itertools.product(range(vocab), repeat=length):
                seen = tuple(x[i] if i in chosen else vocab for i in range(length))
                masked = [i for i in range(length) if i not in chosen]
                entropy = math.fsum(-log_predictions[seen][i, x[i]] for i in masked) / len(masked)
                total += probabilities[x] * entropy / len(sets)
    return total


def learning_rate(step, peak, warmup, steps):
    """Of the step with this number, from 0: up to the peak in ``warmup`` equal parts, then half a cosine to zero."""
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return peak * math.cos(math.pi / 2 * (step - warmup) / (steps - warmup)) ** 2


def adamw(params, gradient, step, moments, *, rate, decay, decayed, clip, beta1=0.9, beta2=0.99, epsilon=1e-8):
    """Parameters and moments after one step, all as dicts of arrays by name.

    Args:
      params, gradient: before the step.
      step: number of steps done before.
      moments: ``(first, second)`` dicts.
      rate: learning rate of this step.
      decay: weight decay of the names in ``decayed``.
      clip: norm of the whole gradient at most.
    """
    norm = math.sqrt(sum((g**2).sum() for g in gradient.values()))
    scale = min(1.0, clip / norm)
    new, first, second = {}, {}, {}
    for name, g in gradient.items():
        first[name] = beta1 * moments[0][name] + (1 - beta1) * scale * g
        second[name] = beta2 * moments[1][name] + (1 - beta2) * (scale * g) ** 2
        mean = first[name] / (1 - beta1 ** (step + 1))
        spread = np.sqrt(second[name] / (1 - beta2 ** (step + 1)))
        move = mean / (spread + epsilon) + (decay * params[name] if name in decayed else 0.0)
        new[name] = params[name] - rate * move
    return new, (first, second)


def running_mean(history, decay):
    """Mean of the parameters after 1, 2, ... steps (numbers), each step forgetting at most ``1 - decay`` of the past.

    ``m_1 = p_1``; ``m_{t+1} = d m_t + (1 - d) p_{t+1}`` with ``d = min(decay, t / (t + 9))``.
    """
    mean = history[0]
    for done, value in enumerate(history[1:], start=1):
        kept = min(decay, done / (done + 9))
        mean = kept * mean + (1 - kept) * value
    return mean
