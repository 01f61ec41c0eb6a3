"""Files of solved minimax schedules: those shipped with the package and those kept in a user's cache folder.

A file is an npz with three arrays per schedule: weights, sizes and the duals that prove the lower bound. Value and
lower bound are never read but computed again from the arrays, so a damaged or foreign file cannot pass.
"""

import io
import zipfile
import zlib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import numpy as np

from jdlm import curves, files
from jdlm.errors import InputError
from jdlm.schedules.atoms import Atoms
from jdlm.schedules.minimax.column_generation import Solution, lower_bound
from jdlm.schedules.schedule import Certificate, Schedule

__all__ = ["SHIPPED", "Problem", "cache_path", "certified", "gap", "read", "write"]

Problem = tuple[int, int, curves.Weight]
SHIPPED = Path(str(resources.files("jdlm.schedules.minimax") / "data" / "minimax.npz"))


def certified(problem: Problem, solution: Solution) -> Schedule:
    """The schedule of a solution, with value and lower bound computed from its arrays.

    Args:
      problem: length, number of steps and weight.
      solution: size lists with their weights, and duals.

    Raises:
      ValueError: the arrays do not make such a schedule, or the duals prove nothing.
    """
    length, num_steps, weight = problem
    if solution.duals.shape != (length - 1,):
        raise InputError(f"duals have shape {solution.duals.shape}; use [{length - 1}]")
    atoms = Atoms(solution.weights, solution.sizes)
    schedule = Schedule(f"minimax_{weight}", length, num_steps, atoms)
    value = curves.worst_case(schedule.exposure(), weight)
    certificate = Certificate(value, lower_bound(solution.duals, num_steps, weight), weight)
    return Schedule(schedule.name, length, num_steps, atoms, certificate)


def gap(schedule: Schedule) -> float:
    """Share of a certified schedule's constant that its lower bound leaves open: ``(value - lower_bound) / value``."""
    if schedule.certificate is None:
        raise InputError(f"schedule {schedule.name} has no certificate; give one made by `certified`")
    value, bound, _ = schedule.certificate
    return (value - bound) / value if value > 0.0 else 0.0


def read(path: Path, problem: Problem) -> Solution | None:
    """The law of ``problem`` in a file, not yet certified; None if there is no such file or no such law in it.

    Raises:
      ValueError: the file is damaged or holds arrays of another kind, with the reason.
    """
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            names = [_name(problem, field) for field in Solution._fields]
            if names[0] not in archive:
                return None
            weights, sizes, duals = (archive[name] for name in names)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"cannot be read: {error}") from error
    if sizes.dtype.kind not in "iu" or weights.dtype != np.float64 or duals.dtype != np.float64:
        raise InputError(f"arrays of another kind: {weights.dtype}, {sizes.dtype}, {duals.dtype}")
    return Solution(weights, sizes, duals)


def write(path: Path, solutions: Iterable[tuple[Problem, Solution]]) -> None:
    """Writes laws to a file in one move; equal laws make equal bytes."""
    arrays = {}
    for problem, solution in solutions:
        smallest = np.uint8 if solution.sizes.max() < 256 else np.uint16
        for field, array in zip(Solution._fields, solution, strict=True):
            arrays[_name(problem, field)] = array.astype(smallest) if field == "sizes" else array
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, content.getvalue())


def cache_path(folder: Path, problem: Problem) -> Path:
    """File of one law in a cache folder."""
    return folder / f"minimax-{'-'.join(map(str, problem))}.npz"


def _name(problem: Problem, field: str) -> str:
    return "-".join([*map(str, problem), field])
