"""Loops in the way of LLaDA and MDLM around a PyTorch module, under audit; and a schedule of jdlm in such a loop.

Needs PyTorch: pip install "jdlm[torch]". The module is a table of exact conditionals, so that the truth is known.
"""

import jax
import numpy as np
import torch

from jdlm import advice, audit, curves, exact, predictor, schedules, targets

LENGTH, VOCAB = 6, 3
MASK = VOCAB
target = targets.sticky_markov(LENGTH, VOCAB, 0.6)


class Exact(torch.nn.Module):
    """Log conditionals of the target for every partly masked sequence, looked up."""

    def __init__(self):
        super().__init__()
        states = np.indices((VOCAB + 1,) * LENGTH).reshape(LENGTH, -1).T
        table = np.asarray(jax.vmap(target.conditionals)(states.astype(np.int32)))
        self.register_buffer("table", torch.tensor(table))
        self.register_buffer("place", torch.tensor([(VOCAB + 1) ** k for k in reversed(range(LENGTH))]))

    def forward(self, ids):
        """Logits ``[lanes, length, vocab]``."""
        return self.table[(ids * self.place).sum(-1)]


module = Exact().eval()


def seed(key):
    """A generator of PyTorch from a key of JAX."""
    return torch.Generator().manual_seed(int(jax.random.bits(key)))


def draw(logits, generator):
    """A token for each row of logits."""
    return torch.multinomial(torch.softmax(logits, -1), 1, generator=generator)[:, 0]


def mdlm(key, lanes=1000, at_last=None):
    """Ancestral: one random position a step, drawn from the predicted marginal; a sampler of exactly the target."""
    generator, rows = seed(key), torch.arange(lanes)
    x = torch.full((lanes, LENGTH), MASK)
    for step in range(LENGTH):
        with torch.no_grad():
            logits = module(x)
        noise = torch.rand(lanes, LENGTH, generator=generator)
        place = torch.where(x == MASK, noise, -1.0).argmax(-1)
        chosen = logits[rows, place]
        x[rows, place] = at_last(chosen, -1) if at_last and step == LENGTH - 1 else draw(chosen, generator)
    return x.numpy()


def llada(key, lanes=1000, block=LENGTH, tokens_per_step=(2, 2, 2)):
    """Semi-autoregressive blocks; in each the tokens of the highest confidence stay, as many as the list says."""
    generator = seed(key)
    x = torch.full((lanes, LENGTH), MASK)
    for start in range(0, LENGTH, block):
        inside = torch.arange(LENGTH)[None] // block == start // block
        for size in tokens_per_step:
            with torch.no_grad():
                logits = module(x)
            tokens = draw(logits.reshape(-1, VOCAB), generator).reshape(lanes, LENGTH)
            confidence = torch.softmax(logits, -1).gather(-1, tokens[..., None])[..., 0]
            confidence = torch.where((x == MASK) & inside, confidence, -1.0)
            keep = confidence.topk(size, dim=-1).indices
            x.scatter_(1, keep, tokens.gather(1, keep))
    return x.numpy()


def by_schedule(key, sizes, lanes=1000):
    """The list of a schedule in the loop: as many random positions as it says."""
    generator = seed(key)
    x = torch.full((lanes, LENGTH), MASK)
    for size in sizes:
        with torch.no_grad():
            logits = module(x)
        noise = torch.where(x == MASK, torch.rand(lanes, LENGTH, generator=generator), -1.0)
        chosen = noise.topk(size, dim=-1).indices
        tokens = draw(logits.reshape(-1, VOCAB), generator).reshape(lanes, LENGTH)
        x.scatter_(1, chosen, tokens.gather(1, chosen))
    return x.numpy()


key = jax.random.key(0)
right = audit.audit(key, mdlm, target, n=20_000)
wrong = audit.audit(key, lambda key: mdlm(key, at_last=torch.argmax), target, n=20_000)
low_confidence = audit.audit(key, llada, target, n=20_000)
print(f"MDLM loop, one token a step: passes {right.passes()}; with an argmax at the end: {wrong.passes()}")
print(f"LLaDA loop, low confidence, three steps of two: passes {low_confidence.passes()}")
assert right.passes() and not wrong.passes() and not low_confidence.passes()

# A schedule for the loop: chosen on the target's own curve here; `recommend --model` measures the module's.
best = schedules.optimal(target.entropy_curve(), 3)
sizes = advice.export(best)["tokens_per_step"]
law = exact.output_law(predictor.from_torch(module, LENGTH, VOCAB), best)
cost = curves.path_kl(best.exposure(), target.entropy_curve())
loop = audit.audit(key, lambda key: by_schedule(key, sizes), law, n=20_000)
print(f"sizes {sizes}: path KL {cost:.4f} nats; the loop has exactly the law of that schedule: {loop.passes()}")
assert loop.passes()
