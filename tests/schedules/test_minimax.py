"""The minimax schedule: shipped laws and their certificates, the cache, the solver."""

import itertools

import numpy as np
import pytest

from jdlm import curves
from jdlm.schedules import uniform
from jdlm.schedules.minimax import column_generation, minimax, solved
from tests.reference import schedules as reference

SHIPPED = [
    (length, 2**power, weight)
    for length in (32, 64, 128, 256)
    for power in range(1, 7)
    if 2 ** (power + 1) <= length
    for weight in ("tc", "dtc", "both")
]


@pytest.fixture(scope="module")
def archive():
    with np.load(solved.SHIPPED) as file:
        return dict(file)


def test_shipped_laws_and_their_certificates(archive):
    for key in SHIPPED:
        length, num_steps, weight = key
        schedule = minimax(*key)
        assert schedule.name == f"minimax_{weight}" and schedule.num_steps == num_steps
        value, bound, _ = schedule.certificate
        assert 0.0 <= value - bound + 1e-12 <= 1e-4 * value + 2e-12, key
        weights, sizes, duals = (archive["-".join(map(str, (*key, f)))] for f in ("weights", "sizes", "duals"))
        assert len(weights) <= length and np.all(sizes.sum(axis=1) == length) and sizes.shape[1] == num_steps
        counts = np.cumsum(sizes, axis=1, dtype=np.int64)
        overshoot = [
            weights @ (counts[np.arange(len(sizes)), (counts >= m).argmax(axis=1)] - m) for m in range(1, length)
        ]
        scale = [reference.weight(length, m, weight) for m in range(1, length)]
        np.testing.assert_allclose(value, np.max(np.divide(overshoot, scale)), atol=1e-12)
        assert duals.min() >= 0.0
        if length <= 64:
            np.testing.assert_allclose(bound, reference.lower_bound(duals, num_steps, weight), rtol=1e-9)
    assert solved.SHIPPED.stat().st_size < 500_000


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


def test_the_scale_of_the_duals_proves_nothing():
    duals = column_generation.solve(9, 3, "tc", 1e-4).duals
    bound = column_generation.lower_bound(duals, 3, "tc")
    np.testing.assert_allclose(column_generation.lower_bound(7.0 * duals, 3, "tc"), bound, rtol=1e-12)


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


def spoil(path, how):
    if how == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "bytes changed":
        middle = bytearray(path.read_bytes())
        middle[len(middle) // 3] ^= 0xFF
        path.write_bytes(bytes(middle))
    elif how == "no archive":
        path.write_text("size,weight\n", encoding="utf-8")
    elif how == "another law":
        minimax(13, 4, "tc", cache=path.parent)
        (path.parent / "minimax-13-4-tc.npz").replace(path)
    elif how == "the right name on another law":
        with np.load(path) as file:
            arrays = dict(file)
        arrays["13-5-tc-weights"] = np.full_like(arrays["13-5-tc-weights"], 1 / len(arrays["13-5-tc-weights"]))
        np.savez(path, **arrays)
    elif how == "sizes that do not sum to the length":
        with np.load(path) as file:
            arrays = dict(file)
        arrays["13-5-tc-sizes"][0, 0] -= 1
        np.savez(path, **arrays)


@pytest.mark.parametrize(
    "how",
    [
        "cut off",
        "bytes changed",
        "no archive",
        "another law",
        "the right name on another law",
        "sizes that do not sum to the length",
    ],
)
def test_a_bad_file_in_the_cache_is_reported_and_replaced(tmp_path, how):
    first, path, lines = minimax(13, 5, "tc", cache=tmp_path), tmp_path / "minimax-13-5-tc.npz", []
    spoil(path, how)
    again = minimax(13, 5, "tc", cache=tmp_path, progress=lines.append)
    assert again.certificate == first.certificate
    assert len(lines) == 1 and str(path) in lines[0] and "solving again" in lines[0]
    assert minimax(13, 5, "tc", cache=tmp_path, progress=lines.append).certificate == first.certificate
    assert len(lines) == 1 and [file.name for file in tmp_path.iterdir()] == [path.name]


def test_nothing_half_written(tmp_path, monkeypatch):
    def fails(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", fails)
    with pytest.raises(OSError, match="no space"):
        minimax(6, 2, "tc", cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_progress_while_solving(monkeypatch):
    monkeypatch.setattr(column_generation.time, "monotonic", itertools.count(0.0, 3.0).__next__)
    lines = []
    minimax(24, 6, "both", progress=lines.append)
    assert lines and all("length=24 num_steps=6 weight=both" in line and "gap" in line for line in lines)


def test_equal_laws_make_equal_files(tmp_path):
    key = (13, 5, "dtc")
    solution = column_generation.solve(*key, 1e-4)
    for name in ("a", "b"):
        solved.write(tmp_path / name, [(key, solution)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
