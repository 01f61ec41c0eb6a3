"""Cost of sampling against length, vocabulary, number of steps, lanes and devices, with fitted exponents.

    python benchmarks/scaling.py

One quantity changes, the others stay at length 64, 8 tokens, 8 equal steps, 256 lanes, width 64, 2 blocks. The exponent
is the slope of log seconds against log quantity: 1 means proportional. The last local slope, between the two largest
values, shows where a second power begins to win (attention in the length). All runs are in turn. Devices are parts of
one CPU here, in processes of their own: this shows what the mesh itself costs, not what more hardware would bring.
"""

import argparse
import os
import subprocess
import sys
import time

import jax
import numpy as np
import timing

from jdlm import devices, planners, sampling, schedules
from jdlm.config.settings import NetworkConfig
from jdlm.sampling.request import Request
from jdlm.training import network

DEFAULT = {"length": 64, "vocabulary": 8, "steps": 8, "lanes": 256}
VALUES = {
    "length": (32, 64, 128, 256),
    "vocabulary": (8, 32, 128, 512),
    "steps": (4, 8, 16, 32),
    "lanes": (128, 256, 512, 1024),
}
QUICK = {"length": (8, 16), "lanes": (8, 16)}
DEVICES = (1, 2, 4, 8)


def program(quick: bool, length: int, vocabulary: int, steps: int, lanes: int, mesh=None):
    config = NetworkConfig(width=16, depth=1) if quick else NetworkConfig(width=64, depth=2)
    params = network.build(config, length, vocabulary).init(jax.random.key(0))
    predictor = network.predictor(config, params, length, vocabulary)
    sizes = sampling.draw_sizes(jax.random.key(1), schedules.uniform(length, steps), lanes)
    request = Request(jax.random.key(2), planners.random(), sizes)
    return lambda: sampling.sample_all(predictor, [request], mesh=mesh)


def on_devices(args: argparse.Namespace, count: int) -> np.ndarray:
    """Seconds of the default case on ``count`` parts of this CPU, measured in a process of its own."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    command = [sys.executable, __file__, "--devices", str(count), "--rounds", str(args.rounds)]
    done = subprocess.run(
        command + ["--quick"] * args.quick,
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "-1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return np.array(done.stdout.split()[-args.rounds :], float)


def main() -> None:
    parser = timing.parser(__doc__, "scaling")
    parser.add_argument("--devices", type=int, help="only print the seconds on so many devices")
    args = parser.parse_args()
    args.rounds = 2 if args.quick else args.rounds
    default = {**DEFAULT, "length": 16, "steps": 4, "lanes": 16} if args.quick else DEFAULT
    if args.devices is not None:
        run = program(args.quick, **default, mesh=devices.mesh(args.devices))
        run()
        for _ in range(args.rounds):
            start = time.perf_counter()
            run()
            print(time.perf_counter() - start)
        return
    rows = []
    for quantity, values in (QUICK if args.quick else VALUES).items():
        programs = {str(value): program(args.quick, **{**default, quantity: value}) for value in values}
        seconds = timing.in_turn(programs, args.rounds)
        logs = np.log(np.array([seconds[str(value)] for value in values]))
        x = np.log(values)
        slopes = np.array([np.polyfit(x, column, 1)[0] for column in logs.T])
        last = (logs[-1] - logs[-2]) / (x[-1] - x[-2])
        rows += [timing.figure(f"{quantity} {value}", "seconds", seconds[str(value)]) for value in values]
        rows += [timing.figure(quantity, "exponent", slopes), timing.figure(quantity, "last local exponent", last)]
    counts = DEVICES[:2] if args.quick else DEVICES
    by_count = {count: on_devices(args, count) for count in counts}
    rows += [timing.figure(f"devices {count}", "seconds", values) for count, values in by_count.items()]
    rows += [
        timing.figure(f"devices {count}", "ratio to one device", np.median(values) / np.median(by_count[1]))
        for count, values in by_count.items()
        if count > 1
    ]
    timing.report(rows)
    timing.write(args.out, "scaling", rows)


if __name__ == "__main__":
    main()
