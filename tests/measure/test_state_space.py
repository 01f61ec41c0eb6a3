"""States of a small sampler and the moves from them, against the definitions."""

import functools
import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import planners, schedules, targets
from jdlm.measure import state_space
from jdlm.measure.state_space import StateSpace
from jdlm.predictor import Predictor, oracle
from tests.reference import samplers as reference


def _turn(tokens):
    """Each token is the number of those revealed before it, so the tokens tell the order."""
    return jnp.where(jnp.arange(3)[None] == (tokens != 3).sum(), jnp.zeros((3, 1)), -jnp.inf)


LAST_IS_LAST = planners.Planner("last_is_last", lambda log_probs, masked: jnp.where(jnp.arange(3) == 2, -jnp.inf, 0.0))


def test_a_priority_of_minus_infinity_does_not_tie_with_revealed_positions():
    space = StateSpace(Predictor.wrap(_turn, 3, 3), LAST_IS_LAST)
    (both,) = (reveal for reveal in space.reveals if reveal.positions == (1, 2))
    # Of states with position 0 revealed, both others are the only set of two; from masks alone 0 and 1 come first.
    assert (space.revealed[both.states] == 1).all() and len(both.states) == 3
    np.testing.assert_allclose(both.probabilities, 1.0)


LENGTH, VOCAB = 4, 2


@functools.cache
def law() -> np.ndarray:
    weights = np.random.default_rng(4).gamma(0.5, size=[VOCAB] * LENGTH)
    weights[0, 1] = 0.0  # patterns of probability 0
    return weights / weights.sum()


PLANNERS = [
    planners.random(), planners.left_to_right(), planners.confidence(), planners.threshold(0.7),
    planners.entropy_bounded(0.6), planners.entropy_sum(0.8),
]  # fmt: skip


def test_states_are_all_partly_masked_sequences_in_c_order():
    space = StateSpace(oracle(targets.table(law())), planners.random())
    states = list(reference.states(LENGTH, VOCAB))
    assert len(states) == len(space.revealed) == (VOCAB + 1) ** LENGTH == state_space.check_size(LENGTH, VOCAB)
    for number, state in enumerate(states):
        assert space.revealed[number] == sum(v < VOCAB for v in state)
        assert number == sum(v * w for v, w in zip(state, space.weights, strict=True))
        masked = [i for i, v in enumerate(state) if v == VOCAB]
        expected = reference.conditionals(law(), state)
        np.testing.assert_allclose(space.marginals[number][masked], expected[masked], atol=1e-12)
    start = space.start(0.25)
    assert start.sum() == 0.25 and states[int(start.argmax())] == (VOCAB,) * LENGTH


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: planner.name)
def test_the_sets_revealed_from_a_state_have_probability_1(planner):
    """For each size if a schedule says it, over all sizes if the planner counts; none holds a revealed position."""
    space = StateSpace(oracle(targets.table(law())), planner)
    total = np.zeros((len(space.revealed), LENGTH + 1))
    for reveal in space.reveals:
        assert space.masked[np.ix_(reveal.states, list(reveal.positions))].all()
        assert (reveal.probabilities > 0).all()
        total[reveal.states, len(reveal.positions)] += reveal.probabilities
    masks = LENGTH - space.revealed
    if planner.count is None:
        for size in range(1, LENGTH + 1):
            np.testing.assert_allclose(total[:, size], masks >= size, atol=1e-12)
    else:
        np.testing.assert_allclose(total.sum(axis=1), masks > 0, atol=1e-12)


@pytest.mark.parametrize("planner", PLANNERS[:3], ids=lambda planner: planner.name)
def test_a_step_keeps_all_mass_and_goes_where_the_tokens_are_filled_in(planner):
    space = StateSpace(oracle(targets.table(law())), planner)
    states = list(reference.states(LENGTH, VOCAB))
    generator = np.random.default_rng(0)
    mass = generator.random(len(states)) * (space.revealed <= 2)
    mass /= mass.sum()
    kernel = np.zeros((LENGTH + 1, LENGTH + 1))
    kernel[:3, :3] = generator.dirichlet(np.ones(3), 3)  # sizes 0, 1, 2
    kernel[3:, 0] = 1.0
    after = space.staying(mass, kernel)
    for origins, probability, successors, product in space.moves(mass, kernel):
        for row in range(0, len(origins), 5):
            origin = states[int(origins[row, 0])]
            for target_number, share in zip(successors[row], product[row], strict=True):
                filled = states[int(target_number)]
                new = [i for i in range(LENGTH) if origin[i] != filled[i]]
                assert all(origin[i] == VOCAB and filled[i] < VOCAB for i in new)
                rows = space.marginals[int(origins[row, 0])]
                assert share == pytest.approx(np.prod([rows[i, filled[i]] for i in new]))
        after[successors] += probability * product
    assert after.sum() == pytest.approx(1.0)


def test_kernels_and_planners_must_fit():
    sized, counting = (StateSpace(oracle(targets.parity(3)), p) for p in (planners.random(), planners.threshold(0.5)))
    ((weight, steps),) = counting.kernels(None)
    assert weight == 1.0 and steps == [None] * 3
    with pytest.raises(ValueError, match="planner random with schedule=None; give a schedule"):
        list(sized.kernels(None))
    with pytest.raises(ValueError, match=r"schedule=uniform; give schedule=None, it counts by itself"):
        list(counting.kernels(schedules.uniform(3, 2)))
    with pytest.raises(ValueError, match="schedule uniform has length 4, the predictor 3"):
        list(sized.kernels(schedules.uniform(4, 2)))
    assert sum(weight for weight, _ in sized.kernels(schedules.minimax(3, 2, "both"))) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("length", "vocab", "states"),
    [(1, 11_583, 11_584), (2, 1094, None), (13, 2, None), (12, 2, 3**12), (40, 1, None)],
)
def test_sizes_that_are_accepted(length, vocab, states):
    """States, the table of probabilities and the sets revealed each have a limit of their own."""
    if states is not None:
        assert state_space.check_size(length, vocab) == states
    else:
        with pytest.raises(ValueError, match=rf"^length={length}, vocab_size={vocab} have .* use a shorter length"):
            state_space.check_size(length, vocab)


def test_rows_in_chunks_are_the_same_as_at_once(monkeypatch):
    rows = state_space.sequences((3, 4, 2))
    assert rows.tolist() == [list(row) for row in itertools.product(range(3), range(4), range(2))]
    assert rows.dtype == np.int32
    whole = state_space.on_rows(lambda scale, rows: (scale * rows.sum(axis=1), rows[:, ::-1]), 2, rows)
    monkeypatch.setattr(state_space, "_CHUNK", 7)  # 24 rows, the last chunk of 3 is filled up
    parts = state_space.on_rows(lambda scale, rows: (scale * rows.sum(axis=1), rows[:, ::-1]), 2, rows)
    for one, other, expected in zip(parts, whole, (2 * rows.sum(axis=1), rows[:, ::-1]), strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, expected)


def test_the_state_of_a_fault_is_named():
    def broken(tokens):
        return jnp.where((tokens[0] == 1) & (tokens[1] == 2), jnp.nan, jnp.zeros((2, 2)))

    with pytest.raises(ValueError, match=r"NaN on the tokens \[1, 2\]"):
        StateSpace(Predictor.wrap(broken, 2, 2), planners.random())
