"""The sampler against its own forward passes and against PyTorch loops in the way of LLaDA and of MDLM.

    python benchmarks/sampling.py --compile

Length 256, 32 tokens, width 128, 4 blocks, 64 sequences, 32 steps, equal weights. The floor is one forward pass at
all positions for each step, without anything else. jdlm runs through `jdlm.sampling.sample_all`, under equal sizes and
under the minimax law, whose sizes are drawn for each sequence. It has a device for each core, as its command line has;
so has the floor.
"""

import dataclasses

import jax
import numpy as np
import peers
import timing
import torch

from jdlm import devices, planners, sampling, schedules
from jdlm.cli import cores
from jdlm.sampling.request import Request
from jdlm.training import network


def main():
    options = timing.parser(__doc__, "sampling")
    options.add_argument("--compile", action="store_true", help="also torch.compile, which takes minutes")
    options.add_argument("--num-steps", type=int, default=32, help="steps of all samplers (%(default)s)")
    options.add_argument(
        "--alone", action="store_true", help="without PyTorch's loops: against the forward passes only"
    )
    args = options.parse_args()
    rounds, num_steps = (2, 4) if args.quick else (args.rounds, args.num_steps)
    cores.use(devices.num_parts(peers.LANES, cores.number()))
    mesh = devices.mesh()
    config, length, vocab_size, lanes, params = peers.example(args.quick)
    predictor = network.predictor(config, params, length, vocab_size)
    model = peers.twin(config, params, length, vocab_size).eval()
    forward = peers.forward_pass(predictor, mesh, np.full((lanes, length), vocab_size, np.int32))

    def floor():
        for _ in range(num_steps):
            forward()

    causal = network.predictor(dataclasses.replace(config, kind="causal"), params, length, vocab_size)

    together = lanes // devices.size(mesh)

    def ours(sizes, predictor=predictor, batch_size=together):
        request = Request(jax.random.key(0), planners.random(), sizes)
        return lambda: sampling.sample_all(predictor, [request], batch_size=batch_size, mesh=mesh)

    equal = sampling.draw_sizes(jax.random.key(1), schedules.uniform(length, num_steps), lanes)
    drawn = sampling.draw_sizes(jax.random.key(1), schedules.minimax(length, num_steps, "tc"), lanes)
    shape = (lanes, length, vocab_size, num_steps)

    def loops(compute, suffix=""):
        return {
            f"PyTorch as LLaDA{suffix}": lambda: peers.llada_sample(compute, *shape),
            f"PyTorch as LLaDA, by confidence{suffix}": lambda: peers.llada_sample(compute, *shape, "low_confidence"),
            f"PyTorch as MDLM{suffix}": lambda: peers.mdlm_sample(compute, *shape),
        }

    programs = {"forward passes": floor, "jdlm, equal sizes": ours(equal), "jdlm, minimax": ours(drawn)}
    programs["jdlm, causal, equal sizes"] = ours(equal, causal, None)
    half = schedules.with_corrector(schedules.uniform(length, num_steps // 2), num_steps // 2, length // num_steps)
    rounds_too = sampling.draw_steps(jax.random.key(1), half, lanes)  # as many calls, half of them Gibbs rounds
    programs["jdlm, equal sizes and Gibbs rounds"] = ours(rounds_too)
    programs |= {} if args.alone else loops(model)
    if args.compile and not args.alone:
        with torch.inference_mode():
            fast = peers.compiled(model, torch.full((lanes, length), vocab_size))
        if fast is not None:
            programs |= loops(fast, ", compiled")
    seconds = timing.in_turn(programs, rounds)
    case = f"{lanes} of length {length} in {num_steps} steps"
    rows = timing.compare(seconds, "forward passes", case)
    if not args.alone:
        rows += [row for row in timing.compare(seconds, "PyTorch as LLaDA", case) if row.metric != "seconds"]
    calls = {"jdlm, equal sizes": equal, "jdlm, minimax": drawn}
    rows += [timing.figure(name, "mean NFE", (sizes > 0).sum(axis=1).mean(), case) for name, sizes in calls.items()]
    timing.report(rows)
    timing.write(args.out, "sampling", rows)


if __name__ == "__main__":
    main()
