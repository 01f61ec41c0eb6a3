"""Start-up: import, `--help`, an error in the arguments, and `sample.py` for the first and the second time.

    python benchmarks/startup.py

Whole processes, with the default preset (`tiny` if quick). The cache of compiled programs lies in a fresh folder, so
that the first run compiles everything; the second one finds it there. Seconds compiling are those that JAX itself
reports (``JAX_LOG_COMPILES``): in the second run what remains is to read programs from the cache.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import timing

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPILING = re.compile(r"Finished XLA compilation of .* in ([0-9.eE+-]+) sec")


def run(arguments: list[str], folder: pathlib.Path, log: bool = False) -> tuple[float, list[float], int]:
    """Seconds of a process, those of each of its compilations, and its exit code."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    if log:
        environment["JAX_LOG_COMPILES"] = "1"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    return time.perf_counter() - start, [float(s) for s in COMPILING.findall(done.stderr)], done.returncode


def main() -> None:
    args = timing.parser(__doc__, "startup").parse_args()
    rounds = 2 if args.quick else args.rounds
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        plain = {
            "import jax": ["-c", "import jax"],
            "import jdlm": ["-c", "import jdlm"],
            "import jdlm.sampling": ["-c", "import jdlm.sampling"],
            "train.py --help": ["train.py", "--help"],
            "sample.py --help": ["sample.py", "--help"],
            "train.py --training.stepz 3": ["train.py", "--training.stepz", "3"],
        }
        programs = {what: lambda arguments=arguments: run(arguments, folder) for what, arguments in plain.items()}
        for what, seconds in timing.in_turn(programs, rounds).items():
            rows.append(timing.figure(what, "seconds", seconds))
        there = ["--runs-folder", str(folder / "runs"), "--name", "one"]
        preset = ["tiny"] if args.quick else []
        small = ["--training.steps", "20", "--training.warmup-steps", "5"]
        sweep = ["sample.py", "one", "--runs-folder", str(folder / "runs")]
        if args.quick:
            sweep += ["--sweep.samples", "16", "--sweep.curve-samples", "4", "--sweep.planners", "random"]
        for what, arguments in (
            ("train.py, first, 20 steps", ["train.py", *preset, *there, *small]),
            ("sample.py, first", sweep),
            ("sample.py, second", sweep),
        ):
            seconds, compiling, code = run(arguments, folder, log=True)
            if code:
                raise SystemExit(f"{what} ended with exit code {code}")
            rows += [
                timing.figure(what, "seconds", seconds),
                timing.figure(what, "seconds compiling", sum(compiling)),
                timing.figure(what, "programs", len(compiling)),
            ]
    timing.report(rows)
    timing.write(args.out, "startup", rows)


if __name__ == "__main__":
    main()
