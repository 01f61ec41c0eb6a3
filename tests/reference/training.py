"""What the training loss must be on average, by enumeration in float64; imports nothing from jdlm."""

import itertools
import math


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
