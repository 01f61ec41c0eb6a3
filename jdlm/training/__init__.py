"""Training of mask predictors: the network, its objective, the loop, and checkpoints."""

from jdlm.training.loop import Progress, TrainingState, accumulated, init, optimizer, train

__all__ = ["Progress", "TrainingState", "accumulated", "init", "optimizer", "train"]
