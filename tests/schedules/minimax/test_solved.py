"""Files of solved laws: those shipped with the package, with their certificates, and those of a user's cache."""

import numpy as np
import pytest

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


def test_equal_laws_make_equal_files(tmp_path):
    key = (13, 5, "dtc")
    solution = column_generation.solve(*key, 1e-4)
    for name in ("a", "b"):
        solved.write(tmp_path / name, [(key, solution)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_a_file_lacks_is_none_and_what_it_holds_comes_back(tmp_path):
    keys = [(7, 2, "tc"), (7, 3, "both")]
    solutions = [column_generation.solve(*key, 1e-3) for key in keys]
    path = tmp_path / "made" / "laws.npz"
    assert solved.read(path, keys[0]) is None
    solved.write(path, zip(keys, solutions, strict=True))
    for key, solution in zip(keys, solutions, strict=True):
        for one, other in zip(solved.read(path, key), solution, strict=True):
            np.testing.assert_array_equal(one, other)
    assert solved.read(path, (7, 4, "tc")) is None and solved.read(path, (7, 2, "dtc")) is None


def test_large_sizes_are_written_as_they_are(tmp_path):
    """A size of 300 does not fit a byte."""
    solution = column_generation.Solution(np.ones(1), np.array([[300, 1]]), np.ones(300))
    solved.write(tmp_path / "a", [((301, 2, "tc"), solution)])
    assert solved.read(tmp_path / "a", (301, 2, "tc")).sizes.tolist() == [[300, 1]]


def test_a_certificate_is_computed_again_from_the_arrays():
    """Duals of another law prove less, and duals that fit no length are refused."""
    solution = column_generation.solve(9, 3, "tc", 1e-4)
    honest = solved.certified((9, 3, "tc"), solution)
    assert solved.gap(honest) <= 1e-4
    poor = solved.certified((9, 3, "tc"), solution._replace(duals=np.eye(8)[0]))
    assert poor.certificate.value == honest.certificate.value and solved.gap(poor) > 0.1
    with pytest.raises(ValueError, match=r"duals have shape \(7,\); use \[8\]"):
        solved.certified((9, 3, "tc"), solution._replace(duals=np.ones(7)))
    with pytest.raises(ValueError, match="prove nothing"):
        solved.certified((9, 3, "tc"), solution._replace(duals=np.zeros(8)))


def test_no_gap_where_the_constant_is_0():
    assert solved.gap(minimax(6, 6, "both")) == 0.0


@pytest.mark.parametrize("field", ["weights", "sizes", "duals"])
def test_arrays_of_another_kind_are_refused(tmp_path, field):
    solution = column_generation.solve(7, 2, "tc", 1e-3)
    arrays = dict(zip(solution._fields, solution, strict=True))
    arrays[field] = arrays[field].astype(np.float32)
    np.savez(tmp_path / "a.npz", **{f"7-2-tc-{name}": array for name, array in arrays.items()})
    with pytest.raises(ValueError, match=r"arrays of another kind: .*float32"):
        solved.read(tmp_path / "a.npz", (7, 2, "tc"))


def test_a_schedule_without_a_certificate_has_no_gap():
    with pytest.raises(ValueError, match=r"^schedule uniform has no certificate; give one made by `certified`$"):
        solved.gap(uniform(8, 2))
