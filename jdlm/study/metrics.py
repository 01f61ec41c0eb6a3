"""Rows of a training run, for its ``metrics.csv``."""

import dataclasses

from jdlm import measure, training
from jdlm.config import Config
from jdlm.errors import InputError
from jdlm.study import rows
from jdlm.study.rows import Row

__all__ = ["cell", "metric_rows"]


def cell(config: Config) -> str:
    """Return the cell of a training's rows: 12 hexadecimal digits of the resolved target, network and training.

    Args:
      config: of a run with a network.
    """
    if config.network is None or config.training is None:
        raise InputError(f"{config.name} has no network or no training; give the configuration of a training run")
    return rows.cell(
        target=config.target.record(),
        network=config.network.record(),
        training=dataclasses.replace(config.training, seeds=()).record(),  # other seeds change no number of this one
    )


def metric_rows(info: training.TrainingInfo, *, cell: str, target: str, seed: int) -> list[Row]:
    """Return the rows of one chunk: loss, steps per second and, where it is known, the learning error.

    Args:
      info: what the training said of the chunk.
      cell: of the rows, see `cell`.
      target: name of the target.
      seed: of the training.
    """
    metrics = {"loss_nats": info.loss, "steps_per_second": info.steps_per_second}
    if info.learning_error is not None:
        metrics["learning_error_nats"] = info.learning_error
    estimates = {name: (v if isinstance(v, measure.Estimate) else (v, None, None)) for name, v in metrics.items()}
    return [
        Row(
            cell=cell,
            target=target,
            predictor="network",
            schedule="",
            planner="",
            num_steps=None,
            nfe=None,
            metric=name,
            index=info.step,
            value=value,
            standard_error=standard_error,
            n=n,
            method="monte_carlo",
            seed=seed,
        )
        for name, (value, standard_error, n) in estimates.items()
    ]
