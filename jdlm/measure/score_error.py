"""How far a predictor's conditionals are from a target's, by enumeration: the error that no schedule can remove."""

from typing import NamedTuple

import jax
import numpy as np
import scipy.special
from jaxtyping import Float

from jdlm.errors import InputError
from jdlm.measure import exact
from jdlm.measure.state_space import on_rows, sequences
from jdlm.predictor import Predictor, check_pair, is_of_target, map_lanes, oracle
from jdlm.targets import Target

__all__ = ["ScoreError", "score_error"]


class ScoreError(NamedTuple):
    """Mean errors of the conditionals of a masked token given ``j`` revealed ones, ``j = 0..length-1``.

    One token per step, in random order, has a path KL of ``kl.sum()`` nats, so its output law is within
    ``sqrt(kl.sum() / 2)`` of the target in total variation; it is also within ``tv.sum()``.

    Attributes:
      kl: float64 ``[length]`` nats, the learning error ``c[j] - h[j]``: mean of ``KL(p(x_i | S) || q(x_i | S))``.
      tv: float64 ``[length]``, mean of ``TV(p(x_i | S), q(x_i | S))``.
    """

    kl: Float[np.ndarray, " length"]
    tv: Float[np.ndarray, " length"]


def score_error(predictor: Predictor, target: Target) -> ScoreError:
    """Exact errors of a predictor on a small target, over random sets of revealed positions and tokens of the target.

    Args:
      predictor: the mask predictor.
      target: a distribution with ``log_prob`` and ``conditionals``.

    Returns:
      The two curves; ``kl`` is infinite where the predictor excludes a token of the target.

    Raises:
      ValueError: the space is too large, or predictor and target differ in length or vocabulary.
      Unavailable: the target has no ``log_prob`` or no ``conditionals``.
    """
    check_pair(predictor, target)
    if predictor.is_ordered:
        raise InputError(
            "the predictor depends on the order of reveal, and these errors are of sets; exact.path_kl under "
            "schedules.first_hitting is the sum of its errors over orders"
        )
    length, vocab_size = target.length, target.vocab_size
    pattern = exact.pattern_law(exact.target_law(target)).ravel()
    masked = sequences((vocab_size + 1,) * length) == vocab_size
    counted = masked & (pattern[:, None] > 0.0)
    log_p, log_q = (_log_conditionals(each)[counted] for each in (oracle(target), predictor))
    p, q = np.exp(log_p), np.exp(log_q)
    with np.errstate(invalid="ignore"):
        kl = np.where(p > 0.0, p * (log_p - log_q), 0.0).sum(axis=1)
    tv = 0.5 * np.abs(p - q).sum(axis=1)
    revealed = (length - masked.sum(axis=1))[:, None]
    sets = scipy.special.comb(length, revealed) * np.maximum(length - revealed, 1)
    weights = np.broadcast_to(pattern[:, None] / sets, masked.shape)[counted]
    counts = np.broadcast_to(revealed, masked.shape)[counted]
    return ScoreError(*(np.bincount(counts, weights=weights * each, minlength=length) for each in (kl, tv)))


def _log_conditionals(predictor: Predictor) -> Float[np.ndarray, "states length vocab"]:
    """Log distributions on all states; rows of revealed positions mean nothing."""
    shape = (predictor.vocab_size + 1,) * predictor.length
    with jax.enable_x64(is_of_target(predictor)):
        logits = on_rows(map_lanes, predictor, sequences(shape)).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return logits - scipy.special.logsumexp(logits, axis=-1, keepdims=True)
