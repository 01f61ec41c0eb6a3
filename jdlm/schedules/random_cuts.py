"""Random cuts: every count is visited with the same probability, so that no code is worse off than any other."""

import numpy as np

from jdlm.schedules.atoms import Atoms
from jdlm.schedules.chain import Chain
from jdlm.schedules.checks import check_memory, check_steps
from jdlm.schedules.schedule import Schedule

__all__ = ["random_cuts", "random_phase_equal"]


def random_cuts(length: int, num_steps: int) -> Schedule:
    """Schedule whose ``num_steps - 1`` inner cuts are a uniformly random subset of ``1..length-1``.

    A construction of this project. Each count ``m = 1..length-1`` is visited with probability
    ``(num_steps-1) / (length-1)``, the largest that all can have at once, so on every MDS code the KL of the output
    law is at most ``log((length-1) / (num_steps-1))`` (see `jdlm.curves.mds_output_kl`). As a chain, from ``m`` masked
    tokens with ``k`` steps left the next size is ``s`` with probability ``C(m-s-1, k-2) / C(m-1, k-1)``. The number of
    predictor calls is exactly ``num_steps``.

    Args:
      length: number of tokens.
      num_steps: number of steps, at most ``length``.

    Returns:
      A schedule whose law is a `jdlm.schedules.Chain` (``num_steps * (length + 1)**2`` numbers).

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``, or kernels of more than 4 GiB.

    >>> bool(np.allclose(random_cuts(8, 3).visits(), 2 / 7))
    True
    """
    length, num_steps = check_steps(length, num_steps)
    check_memory(length, num_steps)
    steps = np.tile(np.eye(length + 1), (num_steps, 1, 1))
    steps[-1, :, :] = 0.0
    steps[-1, :, length] = 1.0
    for left in range(2, num_steps + 1):
        kernel = steps[num_steps - left]
        for masked in range(1, length + 1):
            row = kernel[length - masked]
            row[:] = 0.0
            if masked <= left:  # reached for masked == left alone: one token in each step
                row[length - masked + 1] = 1.0
                continue
            # The ratio of neighbours is that of their binomials, so nothing large is computed.
            s = np.arange(1, masked - left + 1)
            ratios = (masked - s - left + 1) / (masked - s - 1)
            p = np.concatenate([[1.0], np.cumprod(ratios)]) * (left - 1) / (masked - 1)
            row[length - masked + 1 : length - left + 2] = p / p.sum()
    return Schedule("random_cuts", length, num_steps, Chain(steps))


def random_phase_equal(length: int, num_steps: int) -> Schedule:
    """Equal sizes ``s = ceil((length-1) / (num_steps-1))`` with a random phase: the first is uniform on ``1..s``.

    A construction of this project. Each count ``1..length-1`` is visited with probability ``1/s``: to rounding the same
    as `random_cuts`, with a path KL that is about half as large in the worst case. Depending on the phase one or
    more of the last steps are empty.

    Args:
      length: number of tokens.
      num_steps: largest number of steps, at most ``length``.

    Raises:
      ValueError: ``num_steps`` below 1 or above ``length``.

    >>> random_phase_equal(5, 3).law().sizes.tolist()
    [[1, 2, 2], [2, 2, 1]]
    """
    length, num_steps = check_steps(length, num_steps)
    check_memory(length, 1)
    size = length if num_steps == 1 else max(1, -(-(length - 1) // (num_steps - 1)))
    first = np.array([length]) if num_steps == 1 else np.arange(1, size + 1)
    counts = np.minimum(first[:, None] + size * np.arange(num_steps), length)
    sizes = np.diff(counts, axis=1, prepend=0)
    return Schedule("random_phase_equal", length, num_steps, Atoms(np.full(len(first), 1.0 / len(first)), sizes))
