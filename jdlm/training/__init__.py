"""Training of mask predictors: the network, its objective, the loop, and checkpoints."""

from jdlm.training.loop import TrainingInfo, TrainingState, accumulated, init, optimizer, train

__all__ = ["TrainingInfo", "TrainingState", "accumulated", "init", "optimizer", "train"]
