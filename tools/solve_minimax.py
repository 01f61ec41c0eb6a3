"""Solves the minimax laws that ship with the package: ``python tools/solve_minimax.py``.

Solved laws are kept in a folder as they come, so a run that is broken off goes on where it was. The result is the same
bytes for the same versions of numpy and scipy. About half a minute for lengths 32 and 64, four minutes for 128, over
half an hour for 256, on one core.
"""

import argparse
import time
from pathlib import Path

from jdlm.schedules.minimax import solved
from jdlm.schedules.minimax.column_generation import solve

TOLERANCE = 1e-4
LENGTHS = (32, 64, 128, 256)
WEIGHTS = ("tc", "dtc", "both")


def main() -> None:
    """Solves, reports each certificate, and writes the file of shipped laws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="lengths to solve (32 64 128 256)")
    parser.add_argument("--cache", type=Path, default=Path("minimax-laws"), help="folder of laws solved so far")
    parser.add_argument("--output", type=Path, default=solved.SHIPPED, help="file to write (the package's own)")
    options = parser.parse_args()
    powers = [2**power for power in range(1, 7)]
    problems = [(n, k, weight) for n in options.lengths for k in powers if 2 * k <= n for weight in WEIGHTS]
    laws = []
    for index, problem in enumerate(problems):
        started = time.monotonic()
        path = solved.cache_path(options.cache, problem)
        solution = solved.read(path, problem)
        if solution is None:
            solution = solve(*problem, TOLERANCE, lambda line: print(line, flush=True))
            solved.write(path, [(problem, solution)])
        schedule = solved.certified(problem, solution)
        laws.append((problem, solution))
        print(
            f"[{index + 1}/{len(problems)}] length={problem[0]} num_steps={problem[1]} weight={problem[2]}: "
            f"constant {schedule.certificate.value:.6g}, gap {solved.gap(schedule):.1e}, "
            f"{len(solution.weights)} size lists, {time.monotonic() - started:.1f} s",
            flush=True,
        )
    solved.write(options.output, laws)
    print(f"{len(laws)} laws, {options.output.stat().st_size} bytes, in {options.output}")


if __name__ == "__main__":
    main()
