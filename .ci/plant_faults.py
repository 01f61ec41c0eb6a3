"""Plants known faults in copies of the project, one at a time, and checks that the named test turns red.

    python .ci/plant_faults.py [WORD ...] [--jobs 2] [--table docs/reliability.md]

With words, only the faults whose name, file or test contains one of them. The faults are the entries of
``.ci/faults/*.toml``: a name, a file, a text that stands there once, what replaces it, and the test that has to fail
(a test's id or a file). A fault that no test can see is kept with ``survives``, the reason; it then has to survive.
A text that is no longer in the source is an error, so the list cannot rot. About 10 s a fault and job.
"""

import argparse
import concurrent.futures
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
TIMEOUT = 1800  # seconds; a fault that hangs its test is an error of the test, which has to fail
FIELDS = {"name", "file", "text", "fault", "test"}


def load() -> list[dict[str, str]]:
    """All faults, in the order of the files; checks that each one's text stands in its file exactly once."""
    faults = []
    for path in sorted((ROOT / ".ci" / "faults").glob("*.toml")):
        for fault in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]:
            if set(fault) - {"survives"} != FIELDS:
                raise SystemExit(f"{path.name}: {fault.get('name')!r} has the fields {sorted(fault)}")
            count = (ROOT / fault["file"]).read_text(encoding="utf-8").count(fault["text"])
            if count != 1 or fault["text"] == fault["fault"]:
                raise SystemExit(f"{fault['name']}: {fault['file']} holds the text {count} times: {fault['text']}")
            faults.append(fault)
    names = [fault["name"] for fault in faults]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise SystemExit(f"names used twice: {sorted(repeated)}")
    return faults


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs tests in ``folder``, the slow ones too."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-rfE", "-p", "no:cacheprovider", "-n", "0", "-m", ""]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT)


def control(faults: list[dict[str, str]], jobs: int) -> None:
    """Runs the faults' tests without a fault: one that is red anyway would catch everything."""
    tests = sorted({fault["test"] for fault in faults})
    result = pytest_in(ROOT, "-n", str(jobs), *tests)
    if result.returncode != 0:
        raise SystemExit(f"the tests do not pass without a fault:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    print(f"{len(tests)} tests pass without a fault", flush=True)


def is_caught(fault: dict[str, str], folder: Path) -> bool:
    """Whether the fault's test fails in ``folder``, a copy of the project, with the fault planted."""
    path = folder / fault["file"]
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace(fault["text"], fault["fault"]), encoding="utf-8")
    try:
        result = pytest_in(folder, fault["test"])
    finally:
        path.write_text(source, encoding="utf-8")
    red = any(line.startswith(("FAILED ", "ERROR ")) for line in result.stdout.splitlines())
    if result.returncode not in (0, 1) or red != (result.returncode == 1):  # a crash is not a verdict
        raise SystemExit(f"{fault['test']} did not run:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return red


def plant(faults: list[dict[str, str]], jobs: int) -> list[bool]:
    """Whether each fault was caught, in as many copies of the project at once as there are ``jobs``."""
    with tempfile.TemporaryDirectory() as name:
        copies: queue.Queue[Path] = queue.Queue()
        for job in range(jobs):
            folder = Path(name) / f"copy{job}"
            ignored = shutil.ignore_patterns(".git", "runs", "__pycache__", ".*_cache", "*.egg-info")
            shutil.copytree(ROOT, folder, ignore=ignored)
            copies.put(folder)

        def one(fault: dict[str, str]) -> bool:
            folder = copies.get()
            try:
                caught = is_caught(fault, folder)
            finally:
                copies.put(folder)
            verdict = "caught" if caught else "survives" if "survives" in fault else "MISSED"
            print(f"{verdict:9} {fault['name']:70} {fault['test']}", flush=True)
            return caught

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(one, faults))


def table(faults: list[dict[str, str]], caught: list[bool]) -> str:
    """The faults of each file in Markdown: how many were planted and caught, then the survivors and why."""
    lines = ["| file | planted | caught |", "|---|---|---|"]
    for file in sorted({fault["file"] for fault in faults}):
        mine = [found for fault, found in zip(faults, caught, strict=True) if fault["file"] == file]
        lines.append(f"| `{file}` | {len(mine)} | {sum(mine)} |")
    lines.append(f"| all | {len(faults)} | {sum(caught)} ({100 * sum(caught) / len(faults):.1f} %) |")
    for fault, found in zip(faults, caught, strict=True):
        if not found:
            reason = fault.get("survives", "no test sees it")
            lines += ["", f"- *{fault['name']}* (`{fault['file']}`) survives: {reason}"]
    return "\n".join(lines)


def main() -> int:
    """Plants the faults that were asked for; returns 1 if one goes unnoticed, or if one kept as a survivor does not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--table", type=Path, help="file whose table of faults is written anew (with all faults only)")
    given = parser.parse_args()
    faults = load()
    if given.words:
        faults = [f for f in faults if any(w in f["name"] + " " + f["file"] + " " + f["test"] for w in given.words)]
    control(faults, given.jobs)
    caught = plant(faults, given.jobs)
    print(f"{sum(caught)} of {len(faults)} faults caught")
    if given.table and not given.words:
        before, rest = given.table.read_text(encoding="utf-8").split(BEGIN)
        after = rest.split(END)[1]
        given.table.write_text(f"{before}{BEGIN}\n{table(faults, caught)}\n{END}{after}", encoding="utf-8")
    wrong = [f for f, found in zip(faults, caught, strict=True) if found == ("survives" in f)]
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
