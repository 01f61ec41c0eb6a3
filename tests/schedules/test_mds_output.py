"""The output law on MDS codes in closed form, against enumeration of the sampler, published tables and real samples."""

import jax
import numpy as np
import pytest

from jdlm import curves, planners, schedules, targets
from jdlm.measure import exact
from jdlm.measure.state_space import StateSpace
from jdlm.predictor import oracle
from jdlm.sampling import draw_sizes, sample
from tests.reference import schedules as reference
from tests.schedules.family import FAMILY

CODES = {  # name: the target, its dimension, its field
    "parity 5": (targets.parity(5), 4, 2),
    "repetition 4 over 3": (targets.repetition(4, 3), 1, 3),
    "repetition 6 over 2": (targets.repetition(6, 2), 1, 2),
    "zero sum 4 over 3": (targets.reed_solomon(4, 3, 3), 3, 3),
    "[4, 2] over 5": (targets.reed_solomon(4, 2, 5), 2, 5),
    "[5, 3] over 5": (targets.reed_solomon(5, 3, 5), 3, 5),
}
COMPLETE = [member for member in FAMILY if member.complete]


@pytest.mark.parametrize("name", CODES)
def test_every_schedule_has_the_output_law_of_the_closed_form(name):
    target, dimension, prime = CODES[name]
    space, law = StateSpace(oracle(target), planners.random()), exact.target_law(target)
    for member in COMPLETE:
        for num_steps in (2, 3):
            schedule = member.build(target.length, num_steps)
            out = exact.output_law_of(space, schedule).law
            overshoot = schedule.overshoot_law(dimension)
            np.testing.assert_allclose(curves.mds_output_kl(overshoot, prime), exact.kl(law, out), rtol=0, atol=1e-10)
            expected = exact.total_variation(law, out)
            np.testing.assert_allclose(curves.mds_output_tv(overshoot, prime), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("member", FAMILY, ids=lambda member: member.name)
def test_overshoot_law_and_visits_are_those_of_all_size_lists(member):
    length = 7
    schedule = member.build(length, 3)
    lists = reference.size_lists(schedule.law(), length)
    for count in range(length + 1):
        expected = np.zeros(length - count + 1)
        for p, sizes in lists:
            visited = [v for v in np.cumsum([0, *sizes]).tolist() if v >= count]
            if visited:
                expected[visited[0] - count] += p
        np.testing.assert_allclose(schedule.overshoot_law(count), expected, atol=1e-12)
    visits = [sum(p for p, sizes in lists if m in np.cumsum(sizes)) for m in range(1, length)]
    np.testing.assert_allclose(schedule.visits(), visits, atol=1e-12)
    if member.complete:
        mean = [schedule.overshoot_law(m) @ np.arange(length - m + 1) for m in range(1, length)]
        np.testing.assert_allclose(mean, curves.overshoot(schedule.exposure()), atol=1e-11)
    for count in (-1, length + 1):
        with pytest.raises(ValueError, match=f"count={count} is not a revealed count; use 0..7"):
            schedule.overshoot_law(count)


# Length 64, 8 steps, 67 elements, over the dimensions 1..63: path KL mean and max, output KL likewise, found elsewhere.
# (Its table prints 3.41 for the equalizer, which is 3.405 rounded once more.)
TABLE = {
    "uniform": (schedules.uniform, 14.95, 29.43, 14.95, 29.43),
    "cosine": (schedules.cosine, 18.89, 46.25, 18.89, 46.25),
    "best_fixed_both": (lambda n, k: schedules.best_fixed(n, k, "both"), 35.24, 113.5, 35.24, 113.5),
    "minimax_both": (lambda n, k: schedules.minimax(n, k, "both"), 28.68, 56.46, 2.52, 3.66),
    "tc_equalizer": (schedules.tc_equalizer, 39.35, 77.46, 2.54, 3.405),
    "random_cuts": (schedules.random_cuts, 26.58, 29.43, 2.182, 2.184),
    "random_phase_equal": (schedules.random_phase_equal, 16.20, 16.82, 2.181, 2.182),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_table_at_length_64(name):
    build, path_mean, path_max, output_mean, output_max = TABLE[name]
    schedule = build(64, 8)
    path = np.log(67) * curves.overshoot(schedule.exposure())
    output = np.array([curves.mds_output_kl(schedule.overshoot_law(k), 67) for k in range(1, 64)])
    for value, printed in (
        (path.mean(), path_mean),
        (path.max(), path_max),
        (output.mean(), output_mean),
        (output.max(), output_max),
    ):
        digits = len(str(printed).partition(".")[2])
        assert abs(value - printed) <= 0.5001 * 10.0**-digits


@pytest.mark.parametrize("shape", [(64, 8), (32, 8), (20, 20), (9, 2), (5, 1)], ids=str)
def test_random_cuts_and_random_phase_visit_every_count_alike(shape):
    length, num_steps = shape
    share = (num_steps - 1) / (length - 1)
    np.testing.assert_allclose(schedules.random_cuts(length, num_steps).visits(), share, rtol=0, atol=1e-12)
    size = length if num_steps == 1 else -(-(length - 1) // (num_steps - 1))
    expected = 0.0 if num_steps == 1 else 1.0 / size
    np.testing.assert_allclose(schedules.random_phase_equal(length, num_steps).visits(), expected, rtol=0, atol=1e-12)


def test_random_cuts_are_uniform_over_all_sets_of_cuts():
    lists = reference.size_lists(schedules.random_cuts(7, 4).law(), 7)
    assert len(lists) == 20  # C(6, 3)
    np.testing.assert_allclose([p for p, _ in lists], 1 / 20, rtol=1e-12)


def test_no_other_schedule_has_a_smaller_worst_output_kl():
    def worst(schedule):
        return max(curves.mds_output_kl(schedule.overshoot_law(k), 67) for k in range(1, 64))

    best = worst(schedules.random_phase_equal(64, 8))
    assert best < np.log(63 / 7) < worst(schedules.random_cuts(64, 8)) + 0.02  # the limit for a large field
    for member in COMPLETE:
        schedule = member.build(64, 8)
        if schedule.num_steps <= 8 and member.name != "random_phase_equal":
            assert worst(schedule) > best, member.name


def test_the_share_of_samples_inside_the_code_is_the_closed_form():
    """12 points, each within 3.5 standard errors; false alarm about 12 * 4.7e-4 = 0.6 %, with a fixed seed."""
    n, prime, length, num_steps = 4096, 13, 12, 4
    for dimension in (2, 5, 10):
        target = targets.reed_solomon(length, dimension, prime)
        for number, build in enumerate(
            (schedules.uniform, schedules.random_cuts, schedules.random_phase_equal, schedules.tc_equalizer)
        ):
            schedule = build(length, num_steps)
            key_sizes, key_tokens = jax.random.split(jax.random.key(100 * dimension + number))
            tokens = sample(key_tokens, oracle(target), draw_sizes(key_sizes, schedule, n))
            inside = np.asarray(jax.vmap(target.log_prob)(tokens) > -np.inf).mean()
            expected = 1.0 - curves.mds_output_tv(schedule.overshoot_law(dimension), prime)
            error = max(np.sqrt(expected * (1 - expected) / n), 1e-12)
            assert abs(inside - expected) <= 3.5 * error, (dimension, schedule.name, inside, expected)


def test_what_is_no_overshoot_law_is_refused():
    leftover = schedules.tau_leaping(6, schedules.uniform_times(3), "linear", final_reveal=False)
    with pytest.raises(ValueError, match="give the distribution of a schedule that reveals everything"):
        curves.mds_output_kl(leftover.overshoot_law(3), 7)
    with pytest.raises(ValueError, match="prime=1 is not a field"):
        curves.mds_output_tv([1.0], 1)
