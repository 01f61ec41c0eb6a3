"""The peers: the network in PyTorch, with a training step and samplers in the way of LLaDA and of MDLM.

    python benchmarks/peers.py

compares the forward pass of jdlm, at all positions and at one in sixteen, with that of PyTorch, eager and compiled:
equal weights, and the logits are compared first. jdlm has a device for each core, as its command line has, and once
also one device of many threads. The other benchmarks import this file; jdlm itself never imports
PyTorch. It is written from the papers' text (LLaDA: arXiv 2502.09992, MDLM: arXiv 2406.07524), for a network that is
told no time.
"""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import timing
import torch
from jax.sharding import Mesh
from torch import nn
from torch.nn import functional

from jdlm import devices
from jdlm.cli import cores
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.predictor import Predictor, map_lanes
from jdlm.training import network

LANES = 64


class Transformer(nn.Module):
    """The same function as `jdlm.network`: one product for q, k and v, PyTorch's own attention."""

    def __init__(self, config: NetworkConfig, length: int, vocab_size: int):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size + 1, config.width)
        self.positions = nn.Parameter(torch.zeros(length, config.width))
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.depth)])
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        self.head = nn.Linear(config.width, vocab_size)

    def forward(self, tokens):
        stream = self.tokens(tokens) + self.positions
        for block in self.blocks:
            stream = block(stream)
        return self.head(self.norm(stream))


class Block(nn.Module):
    def __init__(self, config: NetworkConfig):
        super().__init__()
        width, hidden = config.width, config.mlp_ratio * config.width
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width, eps=1e-6)
        self.mlp_in = nn.Linear(width, hidden)
        self.mlp_out = nn.Linear(hidden, width)

    def forward(self, stream):
        batch, length, width = stream.shape
        qkv = self.qkv(self.norm_attention(stream)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        stream = stream + self.attention_out(mixed.transpose(1, 2).reshape(batch, length, width))
        return stream + self.mlp_out(functional.gelu(self.mlp_in(self.norm_mlp(stream)), approximate="tanh"))


def twin(config: NetworkConfig, params: dict, length: int, vocab_size: int) -> Transformer:
    """The PyTorch network with the weights of a jdlm network."""
    model = Transformer(config, length, vocab_size)

    def tensor(array):
        return torch.from_numpy(np.array(array, np.float32))

    def copy(layer, given):
        layer.weight.copy_(tensor(given["kernel"]).T)
        layer.bias.copy_(tensor(given["bias"]))

    def copy_norm(layer, given):
        layer.weight.copy_(tensor(given["scale"]))
        layer.bias.copy_(tensor(given["bias"]))

    with torch.no_grad():
        model.tokens.weight.copy_(tensor(params["tokens"]))
        model.positions.copy_(tensor(params["positions"]))
        copy_norm(model.norm, params["norm"])
        copy(model.head, params["head"])
        for index, block in enumerate(model.blocks):
            given = params["blocks"][index]
            copy_norm(block.norm_attention, given["norm_attention"])
            copy_norm(block.norm_mlp, given["norm_mlp"])
            parts = [given[name] for name in ("query", "key", "value")]
            joined = {
                kind: np.concatenate([np.asarray(part[kind]) for part in parts], -1) for kind in ("kernel", "bias")
            }
            copy(block.qkv, joined)
            for name in ("attention_out", "mlp_in", "mlp_out"):
                copy(getattr(block, name), given[name])
    return model


def llada_sample(model, lanes: int, length: int, vocab_size: int, num_steps: int, remasking: str = "random"):
    """Sequences in the way of LLaDA: each step predicts all masks and keeps the given number of its predictions.

    Tokens are drawn with Gumbel noise in float64. Kept are the most probable ones (``"low_confidence"``) or a random
    choice; the rest is masked again. The number kept is the same in all steps, up to one.
    """
    tokens = torch.full((lanes, length), vocab_size)
    transfers = [length // num_steps + (step < length % num_steps) for step in range(num_steps)]
    with torch.inference_mode():
        for transfer in transfers:
            masked = tokens == vocab_size
            logits = model(tokens).double()
            gumbel = -torch.log(-torch.log(torch.rand_like(logits)))
            predicted = torch.argmax(logits + gumbel, dim=-1)
            if remasking == "random":
                confidence = torch.rand(lanes, length)
            else:
                confidence = torch.softmax(logits, dim=-1).gather(-1, predicted[..., None])[..., 0]
            confidence = torch.where(masked, confidence, -torch.inf)
            kept = torch.zeros_like(masked).scatter(1, confidence.topk(transfer, dim=1).indices, True)
            tokens = torch.where(kept, predicted, tokens)
    return tokens


def mdlm_sample(model, lanes: int, length: int, vocab_size: int, num_steps: int):
    """Sequences in the way of MDLM: ancestral sampling of the absorbing process at equally spaced times.

    In each step each masked position stays masked with probability s/t, and takes a predicted token else; one
    categorical draw decides both.
    """
    tokens = torch.full((lanes, length), vocab_size)
    with torch.inference_mode():
        for step in range(num_steps, 0, -1):
            stay = (step - 1) / step
            probs = torch.softmax(model(tokens).double(), dim=-1) * (1 - stay)
            probs = torch.cat([probs, torch.full((lanes, length, 1), stay, dtype=probs.dtype)], dim=-1)
            gumbel = -torch.log(-torch.log(torch.rand_like(probs)))
            drawn = torch.argmax(torch.log(probs) + gumbel, dim=-1)
            tokens = torch.where(tokens == vocab_size, drawn, tokens)
    return tokens


def training_step(model: Transformer, compute: Callable, config: TrainingConfig, draw: Callable) -> Callable[[], float]:
    """One optimizer step a call: AdamW on the masked cross-entropy of a new batch, as in `jdlm.training`.

    Args:
      model: what is trained.
      compute: the model itself, or its compiled form.
      config: batch size, learning rate, decay and the norm to clip to.
      draw: ``() -> tokens [batch, length]``.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    length, vocab_size = model.positions.shape[0], model.head.out_features

    def step() -> float:
        tokens = draw()
        batch = len(tokens)
        revealed = torch.randint(0, length, (batch,))
        masked = torch.rand(batch, length).argsort(dim=1) >= revealed[:, None]
        logits = compute(torch.where(masked, vocab_size, tokens))
        nll = functional.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none").view(batch, length)
        loss = (length / (length - revealed) * (nll * masked).sum(dim=1)).mean()
        optimizer.zero_grad(set_to_none=True)
        (loss / length).backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        return loss.item()

    return step


def compiled(function: Callable, *arguments) -> Callable | None:
    """``torch.compile`` of a function that has run on the arguments, or None where that does not work."""
    try:
        made = torch.compile(function)
        made(*arguments)
    except Exception as error:  # a missing compiler, an unsupported processor: anything may be raised
        print(f"torch.compile: not available ({type(error).__name__})", flush=True)
        return None
    return made


def example(quick: bool, seed: int = 0):
    """The reference problem (a tiny one if quick): configuration, length, tokens, lanes and noisy parameters."""
    config = NetworkConfig(width=8, depth=1, heads=2) if quick else NetworkConfig(width=128, depth=4, heads=4)
    length, vocab_size = (8, 3) if quick else (256, 32)
    params = network.build(config, length, vocab_size).init(jax.random.key(seed))
    rng = np.random.default_rng(seed)
    noisy = jax.tree.map(lambda leaf: leaf + rng.normal(scale=0.05, size=leaf.shape).astype("f"), params)
    return config, length, vocab_size, LANES, noisy


def forward_flops(config: NetworkConfig, length: int, vocab_size: int) -> int:
    """Floating-point operations of the matrix products of one sequence's forward pass; a gradient takes twice more."""
    block = 2 * (4 + 2 * config.mlp_ratio) * config.width**2 + 4 * length * config.width
    return length * (config.depth * block + 2 * config.width * vocab_size)


def products(quick: bool) -> tuple[dict[str, Callable], float]:
    """Large square products of JAX and PyTorch, whose best speed is the machine's peak here, and their operations."""
    size = 128 if quick else 2048
    ours, theirs = jnp.ones((size, size)), torch.ones(size, size)
    multiply = jax.jit(lambda a: a @ a)
    programs = {"product, JAX": lambda: multiply(ours).block_until_ready(), "product, PyTorch": lambda: theirs @ theirs}
    return programs, 2.0 * size**3


def forward_pass(predictor: Predictor, mesh: Mesh | None, *arrays) -> Callable[[], jax.Array]:
    """The logits of tokens ``[lanes, length]`` (at positions ``[lanes, m]``), computed by the devices of a mesh."""
    cut = (False, *(True for _ in arrays))
    program = jax.jit(devices.sharded(mesh, map_lanes, cut, result_cut=True))
    predictor, arrays = devices.replicate(mesh, predictor), devices.spread(mesh, arrays)
    return lambda: program(predictor, *arrays).block_until_ready()


def main():
    options = timing.parser(__doc__, "peers")
    options.add_argument("--compile", action="store_true", help="also torch.compile, which takes minutes")
    args = options.parse_args()
    rounds = 2 if args.quick else args.rounds
    cores.use(devices.num_parts(LANES, cores.number()))
    mesh = devices.mesh()
    config, length, vocab_size, lanes, params = example(args.quick)
    predictor = network.predictor(config, params, length, vocab_size)
    model = twin(config, params, length, vocab_size).eval()
    alone = network.chunk_size(config, length, num_devices=1)
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, vocab_size + 1, (lanes, length))
    asked = np.stack([rng.permutation(length)[: math.ceil(length / 16)] for _ in range(lanes)])
    ours, positions, theirs = tokens.astype(np.int32), asked.astype(np.int32), torch.from_numpy(tokens)

    def run_torch(compute):
        with torch.inference_mode():
            return compute(theirs)

    programs = {
        "PyTorch": lambda: run_torch(model),
        "jdlm": forward_pass(predictor, mesh, ours),
        f"jdlm, {asked.shape[1]} positions": forward_pass(predictor, mesh, ours, positions),
        "jdlm, one device": forward_pass(dataclasses.replace(predictor, chunk=alone), None, ours),
    }
    difference = np.abs(np.asarray(programs["jdlm"]()) - programs["PyTorch"]().numpy()).max()
    if difference > 1e-4:
        raise SystemExit(f"the logits differ by {difference}")
    if args.compile and (fast := compiled(run_torch, model)) is not None:
        programs["PyTorch compiled"] = lambda: fast(model)
    multiplications, operations = products(args.quick)
    seconds = timing.in_turn(programs | multiplications, rounds)
    peak = operations / np.min([seconds.pop(name) for name in multiplications], axis=0)
    case = f"forward, {lanes} of length {length}"
    rows = timing.compare(seconds, "PyTorch", case)
    for name in seconds.keys() - {"jdlm", "PyTorch"}:
        rows.append(timing.figure(name, "ratio to jdlm", seconds[name] / seconds["jdlm"], case))
    share = lanes * forward_flops(config, length, vocab_size) / seconds["jdlm"] / peak
    rows.append(timing.figure("jdlm", "share of matmul peak", share, case))
    rows.append(timing.figure("jdlm", "largest difference of logits", difference, case))
    timing.report(rows)
    timing.write(args.out, "peers", rows)


if __name__ == "__main__":
    main()
