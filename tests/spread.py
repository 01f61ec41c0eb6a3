"""Run by tests/test_devices.py in a process of its own, which has eight devices: prints JSON of what they did."""

import json
import sys

import jax
import numpy as np

from jdlm import checkpoints, devices, network, planners, predictor, sampling, schedules, targets, training
from jdlm.requests import Request
from jdlm.settings import NetworkConfig, TrainingConfig

TARGET = targets.sticky_markov(8, 3, 0.7)
NETWORK = NetworkConfig(width=16, depth=1, heads=2)
TRAINING = TrainingConfig(steps=20, batch_size=24, warmup_steps=5, chunk_steps=5, evaluation_draws=2)


def main(folder: str) -> None:
    sizes = sampling.draw_sizes(jax.random.key(0), schedules.tc_equalizer(8, 4), 500)
    requests = [
        Request(jax.random.key(1), planners.random(), sizes),
        Request(jax.random.key(2), planners.confidence(), sizes),
    ]
    params = network.build(NETWORK, 8, 3).init(jax.random.key(3))
    params["head"]["kernel"] = jax.random.normal(jax.random.key(4), (16, 3))
    out = {"oracle": [], "network": [], "losses": [], "shares": []}
    for count in (1, 8):
        mesh = devices.mesh(count)
        for name, mine, wanted in (
            ("oracle", predictor.oracle(TARGET), requests),
            ("network", network.predictor(NETWORK, params, 8, 3), requests[:1]),
        ):
            results = sampling.sample_all(mine, wanted, batch_size=16, mesh=mesh)
            out[name].append([np.asarray(tokens).tolist() for tokens, _ in results.parts])
        out["shares"].append(results.usage.share)
        losses = []
        state = training.train(
            NETWORK,
            TARGET,
            TRAINING,
            mesh=mesh,
            on_chunk=lambda state, progress, losses=losses: losses.append(progress.loss.value),
        )
        out["losses"].append(losses)
    # Written by eight devices, continued by two and by one.
    checkpoints.save(folder, devices.own_copy(state), NETWORK)
    longer = TrainingConfig(**{**vars(TRAINING), "steps": 40})
    out["continued"] = []
    for count in (2, 1):
        state = checkpoints.load(folder, NETWORK, TARGET, longer)
        state = training.train(NETWORK, TARGET, longer, state=state, mesh=devices.mesh(count))
        out["continued"].append(float(np.abs(np.asarray(state.params["head"]["kernel"], np.float64)).sum()))
    print(json.dumps(out))


main(sys.argv[1])
