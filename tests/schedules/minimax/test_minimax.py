"""The minimax schedule: shipped laws and their certificates, the cache, the solver."""

import numpy as np
import pytest

from jdlm import curves
from jdlm.schedules import uniform
from jdlm.schedules.minimax import column_generation, minimax, solved
from tests.reference import schedules as reference


@pytest.mark.parametrize("weight", ["tc", "dtc", "both"])
def test_the_two_exact_forms_of_the_program_agree(weight):
    for length, num_steps in [(2, 1), (3, 2), (6, 1), (9, 3), (12, 4), (11, 10)]:
        value, bound, _ = minimax(length, num_steps, weight).certificate
        np.testing.assert_allclose(value, reference.minimax(length, num_steps, weight), rtol=1e-4)
        assert bound <= value * (1 + 1e-9) and value - bound <= 1e-4 * value


def test_tolerance_is_kept_and_no_more(tmp_path):
    key = (36, 9, "both")
    rough = minimax(*key, tolerance=1e-2, cache=tmp_path)
    assert 1e-4 < solved.gap(rough) <= 1e-2
    fine = minimax(*key, cache=tmp_path)  # what the cache holds by now is not good enough
    assert solved.gap(fine) <= 1e-4
    assert minimax(*key, tolerance=1e-2, cache=tmp_path).certificate == fine.certificate


def test_one_token_a_step_needs_no_program():
    assert minimax(7, 7, "tc").certificate == (0.0, 0.0, "tc")
    assert minimax(1, 1, "both").certificate == (0.0, 0.0, "both")


def test_never_worse_than_uniform_and_deterministic():
    first, second = minimax(13, 5, "both"), minimax(13, 5, "both")
    assert first.certificate.value < curves.worst_case(uniform(13, 5).exposure(), "both")
    np.testing.assert_array_equal(first.law().sizes, second.law().sizes)
    np.testing.assert_array_equal(first.law().weights, second.law().weights)


def test_solved_laws_are_kept(tmp_path, monkeypatch):
    first = minimax(13, 5, "tc", cache=tmp_path / "laws")
    assert [path.name for path in (tmp_path / "laws").iterdir()] == ["minimax-13-5-tc.npz"]
    monkeypatch.setattr(column_generation, "solve", None)
    again = minimax(13, 5, "tc", cache=str(tmp_path / "laws"))
    assert again.certificate == first.certificate


def test_nothing_half_written(tmp_path, monkeypatch):
    def fails(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", fails)
    with pytest.raises(OSError, match="no space"):
        minimax(6, 2, "tc", cache=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: minimax(8, 2, "tc", tolerance=0.0), "tolerance=0.0 is not a relative gap"),
        (lambda: minimax(8, 2, "tc", tolerance=1.0), "tolerance=1.0 is not a relative gap"),
        (lambda: minimax(100_000, 4, "tc"), "length=100000 needs"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()
