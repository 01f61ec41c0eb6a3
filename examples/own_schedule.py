"""A schedule of your own: its exact cost on a known target, and the same cost measured along sampled paths."""

import jax

from jdlm import curves, evaluate, predictor, schedules, targets

LENGTH = 12
target = targets.sticky_markov(length=LENGTH, vocab=4, stay=0.8)
oracle = predictor.oracle(target)
mine = schedules.fixed([1, 1, 2, 3, 5], "fibonacci")
for schedule in (mine, schedules.uniform(LENGTH, mine.num_steps), schedules.cosine(LENGTH, mine.num_steps)):
    exact = curves.path_kl(schedule.exposure(), target.entropy_curve())
    measured = evaluate.monte_carlo_path_kl(jax.random.key(0), oracle, target, schedule, 2000)
    assert abs(measured.value - exact) < 5 * measured.standard_error
    print(f"{schedule.name:10} path KL {exact:.4f} nats, measured {measured.value:.4f} ± {measured.standard_error:.4f}")
