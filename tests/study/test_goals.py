"""Searches for the fewest steps against trying them all."""

import itertools

import numpy as np

from jdlm.study.goals import fewest, steps_until


def test_steps_until_finds_the_first_that_is_enough():
    for power, goal, start in itertools.product((0.5, 1.0, 2.0), (0.3, 0.01), (2, 7, 1000)):
        found = steps_until(lambda k, power=power: 5.0 / k**power, goal, start)
        assert 5.0 / found**power <= goal < 5.0 / (found - 1) ** power or found == 2
    assert steps_until(lambda k: 0.0, 0.1, 50) == 2


def test_fewest_is_the_first_of_all_that_is_enough():
    generator = np.random.default_rng(0)
    for count, goal in itertools.product((1, 2, 7, 30), (0.05, 0.3, 0.9)):
        choices = np.cumsum(generator.integers(1, 5, count)).tolist()
        values = dict(zip(choices, np.sort(generator.random(count))[::-1].tolist(), strict=True))
        enough = [steps for steps in choices if values[steps] <= goal]
        assert fewest(values.__getitem__, goal, choices) == (enough[0] if enough else None)
