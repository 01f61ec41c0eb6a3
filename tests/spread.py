"""Run by tests/test_devices.py in processes of their own: prints as JSON what a number of devices sampled and learned.

    python tests/spread.py DEVICES FOLDER [COORDINATOR NUM_PROCESSES PROCESS_ID]

FOLDER gets the checkpoint of the 20th step of 40; if it has one already, training goes on from there.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np

from jdlm import devices, evaluate, planners, predictor, sampling, schedules, targets, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.sampling import _loop as rounds
from jdlm.sampling.request import Request
from jdlm.training import checkpoint as checkpoints
from jdlm.training import network

TARGET = targets.sticky_markov(8, 3, 0.7)
NETWORK = NetworkConfig(width=16, depth=1, heads=2)
TRAINING = TrainingConfig(steps=40, batch_size=24, warmup_steps=5, chunk_steps=10, evaluation_draws=2)


def main(count: int, folder: Path) -> None:
    mesh = devices.mesh(count)
    assert devices.size(mesh) == count
    sizes = sampling.draw_sizes(jax.random.key(0), schedules.tc_equalizer(8, 4), 500)
    requests = [Request(jax.random.key(1), planner, sizes) for planner in (planners.random(), planners.confidence())]
    params = network.build(NETWORK, 8, 3).init(jax.random.key(3))
    params["head"]["kernel"] = jax.random.normal(jax.random.key(4), (16, 3))
    out = {"steps": [], "losses": []}
    predictors = {"oracle": predictor.oracle(TARGET)}
    if jax.process_count() == 1 and not folder.exists():
        predictors["network"] = network.predictor(NETWORK, params, 8, 3)
    for name, mine in predictors.items():
        compiled = rounds.advance._cache_size()
        results = sampling.sample_all(mine, requests if name == "oracle" else requests[:1], batch_size=16, mesh=mesh)
        out[name] = [np.asarray(tokens).tolist() for tokens, _ in results.parts]
        out[f"{name} share"], out[f"{name} programs"] = results.usage.share, rounds.advance._cache_size() - compiled
        measured = evaluate.cross_entropy_curve(jax.random.key(5), mine, TARGET, 37, batch_size=16, mesh=mesh)
        out[f"{name} curve"] = measured.cross_entropy.values.tolist()

    def on_chunk(state, progress):
        out["steps"].append(progress.step)
        out["losses"].append(progress.loss.value)
        if progress.step == 20 and devices.is_main():
            checkpoints.save(folder, state, NETWORK)

    state = checkpoints.load(folder, NETWORK, TARGET, TRAINING) if folder.exists() else None
    training.train(NETWORK, TARGET, TRAINING, state=state, mesh=mesh, on_chunk=on_chunk)
    print(json.dumps(out))


if __name__ == "__main__":
    if len(sys.argv) > 3:
        jax.distributed.initialize(sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    main(int(sys.argv[1]), Path(sys.argv[2]))
