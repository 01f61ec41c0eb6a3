"""Seconds until 64 sequences of a sticky Markov chain have a factorization error of 0.1, 0.01 and 0 nats.

    python benchmarks/quality.py

Length 256, 32 tokens (stay 0.8), width 128, 4 blocks. The error of a list of sizes is the exact path KL of the oracle;
a network adds its learning error, whatever the sampler. So each program runs in the fewest steps that reach the goal:
a PyTorch loop in the way of LLaDA and jdlm's bidirectional sampler with equal sizes, jdlm's two networks with the best
list for that chain, and the causal network one token per step and speculative, which have no error at all. Only the
rounds of the speculative sampler depend on the weights: the causal network is trained first (`--training-steps`), and
the bidirectional ones have the same. The PyTorch loop is timed at 32 steps, and its time is taken as proportional to
the number of steps.
"""

import jax
import numpy as np
import peers
import timing

from jdlm import curves, devices, planners, sampling, schedules, targets
from jdlm.cli import cores
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.sampling.request import Request
from jdlm.study.goals import fewest
from jdlm.training import loop, network

GOALS = (0.1, 0.01)
TORCH_STEPS = 32
WINDOW = 8


def trained(config: NetworkConfig, target, steps: int, mesh):
    def report(state, info):
        print(f"training {info.step}: loss {info.loss.value:.1f} nats, {info.steps_per_second:.2f} steps/s", flush=True)

    training = TrainingConfig(
        steps=steps, batch_size=16, chunk_steps=min(50, steps), warmup_steps=min(50, steps // 2), evaluation_draws=2
    )
    return loop.train(config, target, training, mesh=mesh, on_chunk=report).ema


def main():
    options = timing.parser(__doc__, "quality")
    options.add_argument("--training-steps", type=int, default=400, help="of the causal network (%(default)s)")
    options.add_argument("--alone", action="store_true", help="without PyTorch's loop: against jdlm's equal sizes")
    args = options.parse_args()
    rounds = 2 if args.quick else args.rounds
    cores.use(devices.num_parts(peers.LANES, cores.number()))
    mesh = devices.mesh()
    base, length, vocab_size, lanes, _ = peers.example(args.quick)
    target = targets.sticky_markov(length, vocab_size, 0.8)
    curve = target.entropy_curve()
    configs = [NetworkConfig(base.width, base.depth, base.heads, kind=kind) for kind in ("bidirectional", "causal")]
    params = trained(configs[1], target, 20 if args.quick else args.training_steps, mesh)
    plain, causal = (network.predictor(config, params, length, vocab_size) for config in configs)

    def run(predictor, schedule):
        sizes = sampling.draw_sizes(jax.random.key(1), schedule, lanes)
        request = Request(jax.random.key(0), planners.random(), sizes)
        return lambda: sampling.sample_all(predictor, [request], mesh=mesh)

    def speculative():
        return sampling.speculative(jax.random.key(0), causal, lanes, window=WINDOW, mesh=mesh)

    def uniform(num_steps):
        return schedules.uniform(length, num_steps)

    def best(num_steps):
        return schedules.optimal(curve, num_steps)

    def cost(build):
        return lambda num_steps: curves.path_kl(build(num_steps).exposure(), curve)  # falls with the number of steps

    choices, builders = range(1, length + 1), (("equal", uniform), ("best", best))
    steps = {(goal, name): fewest(cost(build), goal, choices) for goal in GOALS for name, build in builders}
    programs = {"bidirectional, 8 equal steps": run(plain, uniform(8)), "speculative, causal": speculative}
    programs |= {f"causal, {k} equal steps": run(causal, uniform(k)) for k in (8, length)}
    for goal in GOALS:
        programs[f"bidirectional, best list for {goal}"] = run(plain, best(steps[goal, "best"]))
        programs[f"causal, best list for {goal}"] = run(causal, best(steps[goal, "best"]))
    baseline = "bidirectional, 8 equal steps"
    if not args.alone:
        model = peers.twin(configs[0], params, length, vocab_size).eval()
        baseline = f"PyTorch as LLaDA, {TORCH_STEPS} steps"
        programs[baseline] = lambda: peers.llada_sample(model, lanes, length, vocab_size, TORCH_STEPS)
    seconds = timing.in_turn(programs, rounds)
    case = f"{lanes} of length {length}"
    rows = timing.compare(seconds, baseline, case)
    rows += _until(seconds, steps, length, baseline, case)
    _, info = speculative()
    for metric, values in (("rounds", info.rounds), ("passes", info.calls)):
        rows.append(timing.figure("speculative, causal", f"mean {metric}", float(np.mean(values)), case))
    rows += [timing.figure(f"{name} sizes", f"steps until {goal} nats", k, case) for (goal, name), k in steps.items()]
    timing.report(rows)
    timing.write(args.out, "quality", rows)


def _until(seconds, steps, length: int, baseline: str, case: str):
    """Ratios to the baseline with equal sizes, each in as many steps as reach the goal."""
    per_step = seconds[baseline] / (TORCH_STEPS if "LLaDA" in baseline else 8)
    for goal in (*GOALS, 0):
        other = per_step * (steps[goal, "equal"] if goal else length)
        yield timing.figure(baseline.partition(",")[0] + ", equal sizes", f"seconds until {goal} nats", other, case)
        names = ["speculative, causal", f"causal, {length} equal steps"]
        names += [f"{kind}, best list for {goal}" for kind in ("bidirectional", "causal") if goal]
        for name in names:
            yield timing.figure(name, f"ratio to equal sizes until {goal} nats", seconds[name] / other, case)
    yield timing.figure(
        f"causal, {length} equal steps", "ratio to causal, 8 equal steps",
        seconds[f"causal, {length} equal steps"] / seconds["causal, 8 equal steps"], case,
    )  # fmt: skip
    yield timing.figure(
        "speculative, causal", "ratio to bidirectional, 8 equal steps",
        seconds["speculative, causal"] / seconds["bidirectional, 8 equal steps"], case,
    )  # fmt: skip


if __name__ == "__main__":
    main()
