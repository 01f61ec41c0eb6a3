"""Installs wheel and sdist into empty environments and runs every command where machines are not as usual.

    python .ci/installation.py                  # both archives, in all places
    python .ci/installation.py --archive wheel

Places: another folder, a path with spaces and accents, no HOME, a HOME that cannot be written, no terminal, and a user
without rights who may not write the run folder. The last two users are dropped ones (uid 65534), which needs root and a
Python outside of root's home: else they are left out, and the table says so. Prints a table; stops at what fails.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOBODY = 65534
READS = (("tokens", "tiny-1", "--count", "2"), ("recommend", "tiny-1", "--kl", "0.5"), ("manifest", "tiny-1"))
WRITES = (("sweep", "tiny-1", "--sweep.num-steps", "2"), ("figures", "tiny-1"))
REST = (("doctor", "tiny-1"), ("study", "presets", "--quick"), ("verify", "presets", "--quick"), ("study",))
TRAIN = ("tiny", "--name", "tiny-1", "--training.steps", "60")
Step = tuple[str, tuple[str, ...], int]


def environment(folder: Path, **changed: str | None) -> dict[str, str]:
    """That of a machine with nothing but PATH and HOME."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
    (folder / "home").mkdir(exist_ok=True)
    given = kept | {"HOME": str(folder / "home")} | changed
    return {name: value for name, value in given.items() if value is not None}


def tried(folder: Path, venv: Path, steps: list[Step], uid: int | None = None, **changed: str | None) -> int:
    """Run commands in a folder, without a terminal; return how many, or stop at the first that ends otherwise."""
    user = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
    for name, words, wanted in steps:
        command = [str(venv / "bin" / f"jdlm-{name}"), *words]
        done = subprocess.run(
            command, cwd=folder, env=environment(folder, **changed), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, start_new_session=True, **user,
        )  # fmt: skip
        if done.returncode != wanted or "Traceback" in done.stderr:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}, not {wanted}: {done.stderr[-600:]}")
        if wanted == 2 and len(done.stderr.strip().splitlines()) != 1:
            raise SystemExit(f"{' '.join(command)} says more than one line: {done.stderr}")
    return len(steps)


def everything() -> list[Step]:
    """Every command, as one who may do all of it calls them."""
    samples = [("sample", words, 0) for words in READS + WRITES + REST]
    again = [("train", ("--resume", "tiny-1"), 0), ("train", ("--from", "tiny-1", "--name", "tiny-2"), 0)]
    return [("train", TRAIN, 0), *samples, *again, ("sample", ("--version",), 0), ("train", ("--help",), 0)]


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def places(work: Path, venv: Path) -> list[str]:
    """Rows of the table of one archive."""
    rows = []

    def row(what: str, count: int | None) -> None:
        rows.append(f"| {what} | {'left out: needs root' if count is None else f'{count} commands'} |")
        print(rows[-1], flush=True)

    def fresh(name: str) -> Path:
        (work / name).mkdir()
        return work / name

    row("another folder, no terminal", tried(fresh("elsewhere"), venv, everything()))
    row("a path with spaces and accents", tried(fresh("Größe und Maß"), venv, everything()))
    row("no HOME", tried(fresh("homeless"), venv, everything(), HOME=None))
    probe = [str(venv / "bin/python"), "-c", "import jdlm"]
    dropped = os.geteuid() == 0 and not subprocess.run(probe, user=NOBODY, group=NOBODY, cwd="/").returncode
    row_of = {"a HOME that cannot be written": None, "no right to write the run folder": None}
    if dropped:
        folder = fresh("dropped")
        (folder / "home").mkdir()
        (folder / "runs").mkdir()
        os.chown(folder / "runs", NOBODY, NOBODY)
        row_of["a HOME that cannot be written"] = tried(folder, venv, everything(), NOBODY)
        os.chown(folder / "runs", 0, 0)
        for path in (folder / "runs").rglob("*"):
            os.chown(path, 0, 0)
        before = files(folder)
        steps = [("sample", words, 0) for words in READS]
        steps += [("sample", words, 2) for words in WRITES]
        steps += [("train", ("--resume", "tiny-1", "--training.steps", "90"), 2), ("train", ("tiny",), 2)]
        steps += [("sample", ("study", "presets", "--quick"), 2)]
        row_of["no right to write the run folder"] = tried(folder, venv, steps, NOBODY)
        if files(folder) != before:
            raise SystemExit("a user who may not write has changed a file")
    for what, count in row_of.items():
        row(f"{what} (uid {NOBODY})", count)
    return rows


def main() -> None:
    """Build, install, try."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", choices=("wheel", "sdist"), action="append")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        work.chmod(0o755)
        shutil.copytree(ROOT, work / "source", ignore=shutil.ignore_patterns(".git", "runs", "__pycache__"))
        make = [sys.executable, "-m", "venv"]
        subprocess.run([*make, work / "build"], check=True)
        subprocess.run([work / "build/bin/pip", "install", "--quiet", "hatchling"], check=True)
        build = [work / "build/bin/python", "-m", "hatchling", "build", "-d", work / "dist"]
        subprocess.run(build, cwd=work / "source", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for archive in given.archive or ("wheel", "sdist"):
            (path,) = (work / "dist").glob("*.whl" if archive == "wheel" else "*.tar.gz")
            print(f"{archive}: {path.name}\n\n| where | ran |\n|---|---|", flush=True)
            folder = work / archive
            folder.mkdir()
            subprocess.run([*make, folder / "venv"], check=True)
            subprocess.run([folder / "venv/bin/pip", "install", "--quiet", path], check=True)
            places(folder, folder / "venv")


if __name__ == "__main__":
    main()
