"""A target of your own, by the probability of each sequence: its entropy curve, and the best sizes for it."""

import itertools

import numpy as np

from jdlm import curves, schedules, targets

LENGTH, VOCAB = 6, 3
joint = np.zeros((VOCAB,) * LENGTH)
for tokens in itertools.product(range(VOCAB), repeat=LENGTH):
    joint[tokens] = 2.0 ** sum(one == other for one, other in itertools.pairwise(tokens))  # an Ising chain
target = targets.table(joint / joint.sum())
curve = target.entropy_curve()
print("entropy curve, nats:", " ".join(f"{value:.4f}" for value in curve))
best, plain = schedules.optimal(curve, 3), schedules.uniform(LENGTH, 3)
costs = {each.name: curves.path_kl(each.exposure(), curve) for each in (best, plain)}
print("sizes", best.law().sizes[0], " ".join(f"{name} {cost:.4f} nats" for name, cost in costs.items()))
assert costs[best.name] <= costs[plain.name] + 1e-12
