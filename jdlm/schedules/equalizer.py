"""The randomized schedule whose path KL is the same share of TC on every target."""

import numpy as np

from jdlm.schedules.chain import Chain
from jdlm.schedules.checks import check_memory, check_steps
from jdlm.schedules.schedule import Schedule

__all__ = ["tc_equalizer"]


def tc_equalizer(length: int, num_steps: int) -> Schedule:
    """Schedule with ``path_kl = c(length, num_steps) * TC``, with equality, for every target.

    A construction of this project. With ``m`` masked tokens and ``k`` steps left the next size is ``j`` with
    probability ``p(j)``, chosen so that the overshoot is ``c(m, k) * (m - i)`` at every ``i``:

        p(j) * (1 + (m-j-1) * c(m-j, k-1)) = 1 - C - sum_{s<j} p(s) * (1 - c(m-s, k-1)),   sum_j p(j) = 1,   C = c(m, k)

    The right-hand side shrinks by the factor ``n*c / (1 + (n-1)*c)``, ``n = m-j``, ``c = c(n, k-1)``, from ``j`` to
    ``j + 1``, so ``p`` is a running product times ``1 - C``, and the sum gives ``C``. Nothing is subtracted on the way
    to ``p``, so rounding cannot make a probability negative. The number of predictor calls is exactly ``num_steps``.

    Args:
      length: number of tokens.
      num_steps: number of steps, at most ``length``.

    Returns:
      A schedule whose law is a `jdlm.schedules.Chain` (``num_steps * (length + 1)**2`` numbers).

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``, or kernels of more than 4 GiB.
    """
    length, num_steps = check_steps(length, num_steps)
    check_memory(length, num_steps)
    kernels = np.tile(np.eye(length + 1), (num_steps, 1, 1))
    kernels[-1, :, :] = 0.0
    kernels[-1, :, length] = 1.0
    share = np.ones(length + 1)  # c(m, k) for all m, here k = 1
    share[:2] = 0.0
    for steps_left in range(2, num_steps + 1):
        kernel = kernels[num_steps - steps_left]
        left_masked = np.arange(length + 1)
        factor = left_masked * share / (1.0 + (left_masked - 1) * share)
        following = np.zeros(length + 1)
        for masked in range(1, length + 1):
            row = kernel[length - masked]
            row[:] = 0.0
            if masked <= steps_left:
                row[length - masked + 1] = 1.0
                continue
            left = np.arange(masked - 1, steps_left - 2, -1)  # masked after sizes 1, 2, ...: every step still has one
            running = np.concatenate([[1.0], np.cumprod(factor[left[:-1]])])
            p = running / (1.0 + (left - 1) * share[left])
            following[masked] = 1.0 - 1.0 / p.sum()
            row[length - left] = p / p.sum()
        share = following
    return Schedule("tc_equalizer", length, num_steps, Chain(kernels))
