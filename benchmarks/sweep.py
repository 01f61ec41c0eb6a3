"""A sweep of many schedules in one queue: use of the slots, programs compiled, seconds compiling against running.

    python benchmarks/sweep.py

Schedules with fixed and with random sizes, four numbers of steps, drawn and forced lanes, run as `jdlm.sweeps` runs
them: one call of `jdlm.sampling.sample_all`, a device for each core, at least 50 lanes a slot. The unit of cost is one
full call on the same devices: all positions of all lanes, in the sampler's own chunks, timed in turn with the queue. A
ratio below 1 is possible, because first steps are shared and only wanted positions are asked for.

Compilations are counted by JAX's own events, in this process, while the sweep runs for the first time.
"""

import time

import jax
import numpy as np
import timing

from jdlm import devices, planners, sampling, schedules
from jdlm.cli import cores
from jdlm.config.settings import NetworkConfig
from jdlm.predictor import Predictor, map_lanes
from jdlm.sampling import _loop as rounds
from jdlm.sampling.request import Request
from jdlm.training import network

CASES = {
    "length 32": (32, 4, NetworkConfig(width=64, depth=2), (2, 4, 8, 16), 128),
    "length 256": (256, 32, NetworkConfig(width=128, depth=4), (4, 8, 16, 32), 16),
}
QUICK = {"length 8": (8, 4, NetworkConfig(width=16, depth=1), (2, 4), 8)}
COMPILED = "/jax/core/compile/backend_compile_duration"


def make(length: int, vocab: int, config: NetworkConfig) -> Predictor:
    params = network.build(config, length, vocab).init(jax.random.key(0))
    shape = params["head"]["kernel"].shape
    params["head"]["kernel"] = 0.1 * jax.random.normal(jax.random.key(1), shape)
    return network.predictor(config, params, length, vocab)


def requests_of(length: int, counts: tuple[int, ...], lanes: int, vocab: int, members) -> list[Request]:
    builders = {
        "uniform": schedules.uniform,
        "cosine": schedules.cosine,
        "TC equalizer": schedules.tc_equalizer,
        "random phase": lambda length, k: schedules.random_phase(length, k, "tc"),
    }
    made = []
    for number, (build, k) in enumerate((build, k) for build in builders.values() for k in counts):
        sizes = sampling.draw_sizes(jax.random.key(number), build(length, k), lanes)
        forced = np.random.default_rng(number).integers(0, vocab, (lanes, length)) if number % 2 else None
        for planner in members:
            made.append(Request(jax.random.key(100 + number), planner, sizes, forced=forced))
    return made


def main() -> None:
    parser = timing.parser(__doc__, "sweep")
    parser.add_argument("--case", choices=CASES, help="one of the cases; both take about 10 minutes")
    args = parser.parse_args()
    cases = QUICK if args.quick else {case: CASES[case] for case in ([args.case] if args.case else CASES)}
    rows = []
    cores.use(devices.num_parts(8, cores.number()))  # which cuts the slots of all cases
    mesh = devices.mesh()
    for case, (length, vocab, config, counts, slots) in cases.items():
        predictor = make(length, vocab, config)
        lanes = -(-50 * slots // (4 * len(counts)))
        requests = requests_of(length, counts, lanes, vocab, [planners.random()])
        compiled: list[float] = []

        def listen(event: str, seconds: float, compiled=compiled, **_) -> None:
            if event == COMPILED:
                compiled.append(seconds)

        def queue(predictor=predictor, requests=requests, slots=slots):
            return sampling.sample_all(predictor, requests, batch_size=slots // devices.size(mesh), mesh=mesh)

        jax.monitoring.register_event_duration_secs_listener(listen)
        before, start = rounds.advance._cache_size(), time.perf_counter()
        results = queue()
        first = time.perf_counter() - start
        programs, loops = len(compiled), rounds.advance._cache_size() - before
        tokens = devices.spread(mesh, np.full((results.layouts[0].slots * devices.size(mesh), length), vocab, np.int32))
        full = jax.jit(devices.sharded(mesh, map_lanes, (False, True), result_cut=True))
        repeats = 1 if args.quick else 4

        everywhere = devices.replicate(mesh, predictor)

        def call(predictor=everywhere, tokens=tokens, full=full, repeats=repeats):
            for _ in range(repeats):
                full(predictor, tokens).block_until_ready()

        names = {"the queue": queue, "full calls": call}
        seconds = timing.in_turn(names, 2 if args.quick else args.rounds)
        cost = seconds["full calls"] / (repeats * len(tokens))
        share = seconds["the queue"] / (results.usage.steps * cost)
        name = f"{len(requests)} requests of {lanes} lanes, {slots} slots"
        mean = results.usage.steps / (len(requests) * lanes)
        rows += [
            timing.figure(name, "seconds", seconds["the queue"], case),
            timing.figure(name, "milliseconds of a full call, one lane", 1e3 * cost, case),
            timing.figure(name, "seconds over (sum of NFE) x (a full call)", share, case),
            timing.figure(name, "useful share of evaluated lanes", results.usage.share, case),
            timing.figure(name, "evaluated lanes over sum of NFE", results.usage.evaluated / results.usage.steps, case),
            timing.figure(name, "L / mean NFE", length / mean, case),
            timing.figure(name, "compilations of the loop", loops, case),
            timing.figure(name, "compilations in all, helpers of a line included", programs, case),
            timing.figure(name, "seconds compiling", sum(compiled[:programs]), case),
            timing.figure(name, "seconds of the first run", first, case),
        ]
        both = requests_of(length, counts, 4, vocab, [planners.random(), planners.confidence(), planners.margin()])
        before = rounds.advance._cache_size()
        sampling.sample_all(predictor, both, batch_size=slots // devices.size(mesh), mesh=mesh)
        rows.append(
            timing.figure(
                "with confidence and margin", "more loops compiled", rounds.advance._cache_size() - before, case
            )
        )
    timing.report(rows)
    timing.write(args.out, "sweep", rows)


if __name__ == "__main__":
    main()
