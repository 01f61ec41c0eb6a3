"""A PyTorch mask predictor of your own, in the way that `--model` takes it: which schedule does it want?

    python sample.py recommend --model examples/own_torch_model.py:model --data FILE --kl 0.1 --export sizes.json

Run by itself it trains for a moment on a chain and shows that what JAX measures of it is what PyTorch computes.
"""

import jax
import numpy as np
import torch

from jdlm import evaluate, predictor, targets


class Model(torch.nn.Module):
    """Embeddings, a convolution over five positions, logits; the mask is the id after the last token."""

    def __init__(self, vocab_size, width=32):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocab_size + 1, width)
        self.mixing = torch.nn.Conv1d(width, width, 5, padding=2)
        self.logits = torch.nn.Linear(width, vocab_size)

    def forward(self, tokens):
        """Logits ``[lanes, length, vocab]`` from ids ``[lanes, length]``."""
        hidden = self.mixing(self.embedding(tokens).transpose(1, 2)).transpose(1, 2)
        return self.logits(torch.relu(hidden))


def model(target):
    """The module for a target; load your weights here."""
    torch.manual_seed(0)
    return Model(target.vocab_size).eval()


def main():
    """Trains on masked sequences of a chain; then the learning error by jdlm, and a NELBO term by PyTorch."""
    target = targets.sticky_markov(length=12, vocab=4, stay=0.8)
    module = model(target)
    mine = predictor.from_torch(module, target.length, target.vocab_size)
    before = evaluate.learning_error(evaluate.cross_entropy_curve(jax.random.key(1), mine, target, 128))
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    module.train()
    for step in range(200):
        tokens = torch.tensor(np.array(evaluate.draw_tokens(jax.random.key(step), target, 64)), dtype=torch.long)
        masked = torch.rand(tokens.shape) < torch.rand(len(tokens), 1).clamp(min=0.1)
        logits = module(torch.where(masked, target.vocab_size, tokens))
        loss = torch.nn.functional.cross_entropy(logits[masked], tokens[masked])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    mine = predictor.from_torch(module.eval(), target.length, target.vocab_size)  # the weights as they are now
    after = evaluate.learning_error(evaluate.cross_entropy_curve(jax.random.key(1), mine, target, 128))
    print(f"learning error {before.value:.3f} ± {before.standard_error:.3f} nats, after 200 steps {after.value:.3f}")
    state = torch.full((1, target.length), target.vocab_size)
    with torch.no_grad():
        there = module(state)[0].numpy()
    np.testing.assert_allclose(mine(state[0].numpy().astype(np.int32)), there, atol=1e-5)
    assert after.value < before.value / 2


if __name__ == "__main__":
    main()
