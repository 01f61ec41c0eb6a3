"""A FASTA of your own: train, measure the curve on held-out sequences, and sample in its letters."""

import tempfile
from pathlib import Path

import jax
import numpy as np

from jdlm import evaluate, network, sampling, schedules, targets, training
from jdlm.config.settings import NetworkConfig, TrainingConfig

path = Path(tempfile.mkdtemp()) / "mine.fasta"
generator, lines = np.random.default_rng(0), []
for number in range(400):  # noise around one of two motifs; replace by your own file
    letters = generator.choice(list("ACGT"), 24)
    letters[8:15] = list("TATAAAT" if generator.random() < 0.5 else "CCGCGGC")
    lines += [f">{number}", "".join(letters)]
path.write_text("\n".join(lines) + "\n")

target = targets.fasta(path, length=24)
config = NetworkConfig(width=32, depth=2, heads=2)
settings = TrainingConfig(steps=600, batch_size=32, learning_rate=3e-3, warmup_steps=50)
state = training.train(config, target, settings)
predictor = network.predictor(config, state.ema, target.length, target.vocab_size)
curve = evaluate.cross_entropy_curve(jax.random.key(0), predictor, target.on("test"), 64).cross_entropy
print(f"a letter costs {curve.values[0]:.3f} nats when none is known, {curve.values[-1]:.3f} when all others are")
sizes = sampling.draw_sizes(jax.random.key(1), schedules.first_hitting(24), 200)
tokens = np.asarray(sampling.sample(jax.random.key(2), predictor, sizes))
strings = [target.decode(row) for row in tokens]
print("\n".join(strings[:4]))
share = np.mean([string[8:15] in ("TATAAAT", "CCGCGGC") for string in strings])
print(f"{share:.2f} of the samples hold a whole motif; {2 / 4**7:.4f} would by chance")
assert share > 0.5
