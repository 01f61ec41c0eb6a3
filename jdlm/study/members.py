"""The trainings of a run with several seeds: the run's own, and one in a folder for each other seed.

RUN/            of the first seed, with all that any run has
RUN/seeds/1/    of seed 1, a whole run by itself, which `sample.py` takes by its path
"""

import dataclasses
from pathlib import Path

from jdlm.config import Config
from jdlm.errors import InputError
from jdlm.study import runs

__all__ = ["SEEDS", "configs", "find", "folder"]

SEEDS = "seeds"


def configs(config: Config) -> dict[int, Config]:
    """The configuration of each seed but the first, whose is the run's own; empty for a run of one seed."""
    if config.training is None:
        return {}
    more = config.training.seeds[1:]
    return {
        seed: dataclasses.replace(config, training=dataclasses.replace(config.training, seed=seed, seeds=()))
        for seed in more
    }


def folder(run: Path, seed: int) -> Path:
    """The folder of a seed that is not the first."""
    return run / SEEDS / str(seed)


def find(run: Path, config: Config) -> dict[int, Path]:
    """The folder of each seed, the first one's too, in the order of the seeds; empty for a run of one seed.

    Raises:
      InputError: a seed is not trained as far as the first.
    """
    if config.training is None or not config.training.seeds:
        return {}
    found = {config.training.seed: run} | {seed: folder(run, seed) for seed in configs(config)}
    wanted = runs.read_manifest(run).get("steps_done")
    for seed, place in found.items():
        done = runs.read_manifest(place).get("steps_done") if (place / runs.MANIFEST).is_file() else 0
        if done != wanted:
            raise InputError(
                f"seed {seed} of {run} is at step {done} and the first one at {wanted}, which are not to be averaged; "
                f"train all of them with `python train.py --resume {run}`"
            )
    return found
