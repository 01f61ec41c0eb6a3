"""Training steps against PyTorch, and their share of the machine's own matmul peak in the same run.

    python benchmarks/training.py --compile

Length 256, 32 tokens, width 128, 4 blocks, batch 64, AdamW, sampled labels. Both draw a new batch in every step, clip
the gradient and update all parameters; jdlm also keeps its running mean. It has a device for each core, as its command
line has, and once also one device of many threads. A round is a few steps through the public
`jdlm.training.train`, on a target without exact conditionals, so that no evaluation is timed.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import peers
import timing
import torch

from jdlm import devices, training
from jdlm.cli import cores
from jdlm.config.settings import TrainingConfig
from jdlm.targets import Target


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Uniform(Target):
    """Uniform tokens, without exact conditionals."""

    length: int = dataclasses.field(metadata={"static": True})
    vocab_size: int = dataclasses.field(metadata={"static": True})

    def sample(self, key):
        return jax.random.randint(key, (self.length,), 0, self.vocab_size, jnp.int32)


def main():
    options = timing.parser(__doc__, "training")
    options.add_argument("--compile", action="store_true", help="also torch.compile, which takes minutes")
    options.add_argument("--steps", type=int, default=8, help="optimizer steps in a round (%(default)s)")
    args = options.parse_args()
    rounds = 2 if args.quick else args.rounds
    cores.use(devices.num_parts(peers.LANES, cores.number()))
    meshes = {"jdlm": devices.mesh(), "jdlm, one device": None}
    config, length, vocab_size, lanes, params = peers.example(args.quick)
    run = TrainingConfig(steps=args.steps, chunk_steps=args.steps, batch_size=lanes, warmup_steps=0)
    target = Uniform(length, vocab_size)

    def draw():
        return torch.randint(0, vocab_size, (lanes, length))

    def steps_of(step):
        return lambda: [step() for _ in range(args.steps)]

    def steps_with(mesh, config=config):
        return lambda: jax.block_until_ready(training.train(config, target, run, mesh=mesh).params)

    model = peers.twin(config, params, length, vocab_size)
    programs = {"PyTorch": steps_of(peers.training_step(model, model, run, draw))}
    programs |= {name: steps_with(mesh) for name, mesh in meshes.items()}
    programs["jdlm, causal"] = steps_with(meshes["jdlm"], dataclasses.replace(config, kind="causal"))
    if args.compile:
        other = peers.twin(config, params, length, vocab_size)
        if (fast := peers.compiled(other, draw())) is not None:
            programs["PyTorch compiled"] = steps_of(peers.training_step(other, fast, run, draw))
    multiplications, operations = peers.products(args.quick)
    seconds = timing.in_turn(programs | multiplications, rounds)
    peak = operations / np.min([seconds.pop(name) for name in multiplications], axis=0)
    seconds = {name: values / args.steps for name, values in seconds.items()}
    case = f"training step, {lanes} of length {length}"
    rows = timing.compare(seconds, "PyTorch", case)
    work = 3 * lanes * peers.forward_flops(config, length, vocab_size)
    for name in ("jdlm", "PyTorch"):
        rows.append(timing.figure(name, "share of matmul peak", work / seconds[name] / peak, case))
    timing.report(rows)
    timing.write(args.out, "training", rows)


if __name__ == "__main__":
    main()
