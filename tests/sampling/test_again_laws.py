"""Tokens and calls of samplers that mask tokens again, against their exact laws and a twin.

The chi-square tests alarm falsely with probability 1e-6 each; their seeds are fixed.
"""

import functools
import itertools

import jax
import numpy as np
import pytest

from jdlm import exact, planners, schedules
from jdlm.predictor import Predictor
from jdlm.sampling import Draw, Request, draw_sizes, draw_steps, sample_all, sample_with_info
from tests.measure.test_remasking import look_up, wrong
from tests.reference import remasking as twin
from tests.sampling.counts import histogram, p_value

LENGTH, VOCAB, N, ALARM = 4, 2, 8_000, 1e-6
RANDOM = planners.random()
TIMES = schedules.uniform_times(4)
SCHEDULES = {
    "cap": lambda: schedules.remdm(LENGTH, TIMES, eta=0.4),
    "rescale": lambda: schedules.remdm(LENGTH, TIMES, "cosine", "rescale", 0.5),
    "loop": lambda: schedules.remdm(LENGTH, schedules.uniform_times(6), kind="loop", eta=0.5),
    "gibbs": lambda: schedules.with_corrector(schedules.uniform(LENGTH, 2), 2, 1),
    "gibbs in between": lambda: schedules.with_corrector(schedules.uniform(LENGTH, 2), 1, 2, [0, 1]),
    "gibbs and coins": lambda: schedules.with_corrector(schedules.ancestral(LENGTH, TIMES, "linear"), 1, 2, [1]),
    "gibbs and remdm": lambda: schedules.with_corrector(schedules.remdm(LENGTH, TIMES, eta=0.4), 1, 1),
    "pairs": lambda: schedules.fixed_pairs([3, 1, 2], [0, 2, 0]),
}
REVEAL = {
    "random": RANDOM,
    "confidence": planners.confidence(),
    "left_to_right": planners.left_to_right(),
    "blocks of random": planners.blocks(planners.random(), 2),
    "blocks of margin": planners.blocks(planners.margin(), 3),
}


@functools.cache
def results(remasker, draw):
    """Tokens and information of every schedule with every planner that reveals, or two of them, all in one queue."""
    keys, predictor = jax.random.split(jax.random.key(11), 2), wrong(LENGTH, VOCAB)
    cells = list(itertools.product(SCHEDULES, REVEAL if draw == Draw() and remasker == RANDOM else list(REVEAL)[:2]))
    cells = [cell for cell in cells if remasker.scores is None or ("gibbs" in cell[0] and "coins" not in cell[0])]
    cells = [cell for cell in cells if remasker.scores is None or "remdm" not in cell[0]]
    requests = []
    for number, (name, planner) in enumerate(cells):
        steps = draw_steps(jax.random.fold_in(keys[0], number), SCHEDULES[name](), N)
        steps = steps._replace(remasker=remasker)
        requests.append(Request(jax.random.fold_in(keys[1], number), REVEAL[planner], steps))
    return dict(zip(cells, sample_all(predictor, requests, draw=draw).parts, strict=True))


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(
    ("remasker", "draw"),
    [
        (RANDOM, Draw()),
        (RANDOM, Draw(nucleus=0.8, final=Draw(top_k=1))),
        (planners.left_to_right(), Draw()),
        (planners.informed(), Draw(temperature=0.7)),
    ],
    ids=["random", "random, filtered", "left_to_right", "informed"],
)
def test_samples_and_calls_follow_the_exact_law(name, remasker, draw):
    cells = {cell: part for cell, part in results(remasker, draw).items() if cell[0] == name}
    if not cells:
        pytest.skip("this planner has no exact law with these steps")
    for (_, planner), (tokens, info) in cells.items():
        found = exact.output_law(wrong(LENGTH, VOCAB), SCHEDULES[name](), REVEAL[planner], draw=draw, remasker=remasker)
        assert p_value(histogram(tokens, VOCAB), found.law, N) > ALARM, planner
        calls = np.bincount(info.nfe, minlength=len(found.nfe))
        assert p_value(calls, found.nfe, N) > ALARM, planner
        assert not info.leftover.any()


def test_the_last_step_of_a_schedule_is_drawn_by_the_final_draw():
    """Also without remasking: lists that end with an empty step have no last step; planners that count know none."""
    draw, predictor = Draw(final=Draw(top_k=1)), wrong(LENGTH, VOCAB)
    weights, sizes = np.array([0.5, 0.5]), np.array([[2, 1, 1], [1, 3, 0]])
    schedule = schedules.Schedule("two", LENGTH, 3, schedules.Atoms(weights, sizes))
    plain = exact.output_law(predictor, schedule)
    for planner in (RANDOM, planners.confidence()):
        found = exact.output_law(predictor, schedule, planner, draw=draw)
        key = jax.random.key(21)
        request = Request(key, planner, draw_sizes(key, schedule, 2 * N))
        tokens, _ = sample_all(predictor, [request], draw=draw).parts[0]
        assert p_value(histogram(tokens, VOCAB), found.law, 2 * N) > ALARM
        assert exact.total_variation(plain.law, found.law) > 0.02
    counts = planners.threshold(0.7)
    with pytest.raises(ValueError, match="counts by itself knows no last step"):
        sample_all(predictor, [Request(key, counts, indices=np.arange(3))], draw=draw)
    with pytest.raises(ValueError, match="counts by itself knows no last step"):
        exact.output_law(predictor, None, counts, draw=draw)
    for wrong_final in ("argmax", draw):
        with pytest.raises(ValueError, match="is not the draw of one step"):
            Draw(final=wrong_final)


def test_conf_masks_in_proportion_to_what_tokens_were_when_they_were_drawn():
    """Against a twin over states with their confidences; a draw at another temperature changes no confidence."""
    times = schedules.uniform_times(5)
    schedule = schedules.remdm(3, times, kind="conf", eta=1.0)
    steps = twin.remdm_steps(times, "linear", "conf", 1.0)
    sharp = Predictor(4.0 * wrong(3, 2).params, look_up, 3, 2)
    logits = np.asarray(sharp.params, np.float64)

    def predict(state):
        weights = np.exp(logits[state])
        return weights / weights.sum(axis=1, keepdims=True)

    expected = twin.table(twin.confident(predict, 3, 2, steps), 3, 2)
    drawn = draw_steps(jax.random.key(0), schedule, 4 * N)
    assert drawn.remasker == planners.confidence_weighted()
    tokens, info = sample_with_info(jax.random.key(1), sharp, drawn)
    assert p_value(histogram(tokens, 2), expected, 4 * N) > ALARM
    assert p_value(np.bincount(info.nfe, minlength=len(schedule.nfe_law())), schedule.nfe_law(), 4 * N) > ALARM
    uniform = twin.table(twin.coins(predict, 3, 2, [(1.0, 0.0)]), 3, 2)
    assert p_value(histogram(tokens, 2), uniform, 4 * N) < ALARM
