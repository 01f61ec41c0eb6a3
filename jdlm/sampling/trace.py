"""What the sampler did, step by step: the same program, looked at after each of its rounds."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int32

__all__ = ["MOST", "Snapshot", "Trace", "from_snapshots"]

MOST = 2**26
"""Most numbers that a trace keeps: lanes, times steps, times length."""


class Snapshot(NamedTuple):
    """What lanes were after a round, as numpy arrays: tokens, log probabilities, steps done, positions revealed."""

    tokens: Int32[np.ndarray, "lanes length"]
    path_log_prob: Float[np.ndarray, " lanes"]
    step: Int32[np.ndarray, " lanes"]


class Trace(NamedTuple):
    """What was done in each lane. A step is one that makes a predictor call; steps of size 0 make none.

    Attributes:
      start: int32 ``[lanes, length]`` tokens known from the start, with masks.
      tokens: int32 ``[lanes, steps, length]`` after each step, with masks; after the last one of a lane they stay.
      path_log_prob: float ``[lanes, steps]`` log probability in nats of what was drawn by then.
      num_steps: int32 ``[lanes]`` steps of each lane.
    """

    start: Int32[np.ndarray, "lanes length"]
    tokens: Int32[np.ndarray, "lanes steps length"]
    path_log_prob: Float[np.ndarray, "lanes steps"]
    num_steps: Int32[np.ndarray, " lanes"]

    def revealed_in(self, mask_id: int) -> Int[np.ndarray, "lanes length"]:
        """The step, from 1, that revealed each position (the last one that did); 0 for given tokens and for masks.

        Args:
          mask_id: id of the mask token, the predictor's ``vocab_size``.
        """
        before = np.concatenate([self.start[:, None], self.tokens[:, :-1]], axis=1)
        new = (before == mask_id) & (self.tokens != mask_id)
        steps = np.arange(1, self.tokens.shape[1] + 1)[None, :, None]
        return np.where(self.tokens[:, -1] == mask_id, 0, (new * steps).max(axis=1))

    def sizes(self, mask_id: int) -> Int[np.ndarray, "lanes steps"]:
        """Number of positions that each step revealed; 0 after the last one of a lane."""
        before = np.concatenate([self.start[:, None], self.tokens[:, :-1]], axis=1)
        return ((before == mask_id) & (self.tokens != mask_id)).sum(axis=2)


def from_snapshots(start: Int32[np.ndarray, "lanes length"], snapshots: list[Snapshot]) -> Trace:
    """The trace of lanes that were looked at after each round of the loop, in which each does one step at most.

    Args:
      start: tokens known from the start.
      snapshots: of all lanes in the order of ``start``.
    """
    lanes = len(start)
    num_steps = snapshots[-1].step if snapshots else np.zeros(lanes, np.int32)
    most = max(int(num_steps.max(initial=0)), 1)
    tokens = np.repeat(start[:, None], most, axis=1)
    log_prob = np.zeros((lanes, most), snapshots[-1].path_log_prob.dtype if snapshots else np.float32)
    places = np.arange(most)[None]
    for snapshot in snapshots:
        # What holds after step s holds from there on, until a later round says otherwise.
        later = (places >= snapshot.step[:, None] - 1) & (snapshot.step[:, None] > 0)
        tokens = np.where(later[:, :, None], snapshot.tokens[:, None], tokens)
        log_prob = np.where(later, snapshot.path_log_prob[:, None], log_prob)
    return Trace(start, tokens.astype(np.int32), log_prob, num_steps)
