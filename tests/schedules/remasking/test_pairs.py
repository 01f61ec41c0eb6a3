"""Lists of pairs: their laws, and which are refused."""

import numpy as np
import pytest

from jdlm.schedules import Pairs, Schedule

MIXED = Schedule(
    "mixed",
    4,
    4,
    Pairs(np.array([0.25, 0.75]), np.array([[3, 0, 2, 1], [2, 2, 1, 0]]), np.array([[0, 1, 1, 0], [0, 1, 0, 0]])),
)


def test_numbers_are_drawn_together():
    uniforms = np.linspace(0.0, 1.0, 200, endpoint=False)[:, None] * np.ones(4)
    sizes, remask = MIXED.steps_from(uniforms, uniforms)
    first = (sizes == [3, 0, 2, 1]).all(axis=1)
    assert first.sum() == 50 and (remask[first] == [0, 1, 1, 0]).all() and (remask[~first] == [0, 1, 0, 0]).all()


def test_laws_by_hand():
    np.testing.assert_allclose(MIXED.nfe_law(), [0, 0, 0, 1.0, 0])
    assert MIXED.leftover == 0.0 and MIXED.mean_nfe == 3.0
    np.testing.assert_allclose(MIXED.law().expected_revealed(4), [0, 2.25, 3.0, 4.0, 4.0])
    moves = [moves for _, moves in MIXED.law().moves(4)]
    assert [len(mine) for mine in moves] == [3, 4]  # the second has an empty last step
    assert moves[0][1].before[0].tolist() == [0, 1, 0, 0, 0] == moves[0][1].after[2].tolist()
    assert moves[1][3].reveal[4].tolist() == [1, 0, 0, 0, 0]
    assert MIXED.law().export(4)["atoms"][0] == {
        "weight": 0.25, "tokens_per_step": [3, 0, 2, 1], "masked_per_step": [0, 1, 1, 0]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "remask", "words"),
    [
        ([[4.0, 1.0]], [[0, 1]], "sizes are float64"),
        ([[4, 1]], [[0, -1]], "remask go from -1 to 0"),
        ([[4, 1]], [[0, 1, 0]], "do not fit"),
        ([[4, 2]], [[0, 1]], "step 1 of list 0 reveals 2 positions, but 0 are masked"),
        ([[2, 3]], [[0, 1]], "step 1 of list 0 reveals 3 positions, but 2 are masked"),
        ([[2, 2]], [[0, 3]], "masks 3 positions, but 2 were revealed before it"),
    ],
    ids=range(6),
)
def test_impossible_lists_are_refused(sizes, remask, words):
    with pytest.raises(ValueError, match=words):
        Schedule("wrong", 4, 2, Pairs(np.ones(1), np.array(sizes), np.array(remask)))
