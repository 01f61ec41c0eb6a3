"""Real processes that are killed, run out of disk, or find a bit changed: prints tables, and fails if anything is lost.

    python .ci/trust.py kills --trainings 50 --sweeps 25
    python .ci/trust.py full                                # needs the right to mount a tmpfs
    python .ci/trust.py flips --count 400
    python .ci/trust.py all --table docs/reliability.md     # all of them, into the document

Every program is the one that users call (``jdlm.cli``), but for two changes: no figures, and a checkpoint after each
chunk of a training in place of every five seconds, so that there is more to hit.
"""

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRESET = """
[target]
kind = "sticky_markov"
length = 8
vocab = 3
stay = 0.8
[network]
width = 16
depth = 1
heads = 2
[training]
steps = 2000
batch_size = 16
chunk_steps = 25
[sweep]
schedules = ["uniform", "cosine", "minimax_both", "first_hitting"]
num_steps = [2, 4]
planners = ["random", "confidence"]
samples = 1024
curve_samples = 32
"""
PROGRAM = """if True:
    import sys
    from jdlm import cli
    from jdlm.cli import recorder
    from jdlm.study import figures
    recorder._SECONDS_BETWEEN_CHECKPOINTS = 0.0
    figures.FIGURES.clear()
    name, *arguments = sys.argv[1:]
    sys.argv = [f"{name}.py", *arguments]
    cli._exit(cli.guarded(getattr(cli, f"run_{name}"), arguments))
"""


def start(folder: Path, *words: str) -> subprocess.Popen:
    """A command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    process = start(folder, *words)
    out, error = process.communicate()
    return process.returncode, out, error


def must(folder: Path, *words: str) -> str:
    """The output of a command that has to succeed."""
    code, out, error = run(folder, *words)
    if code != 0:
        raise SystemExit(f"{' '.join(words)} ended with {code}: {error[-500:]}")
    return out


def content(folder: Path) -> dict[str, object]:
    """What must be the same: tensors, metrics but for speeds, rows."""
    found: dict[str, object] = {}
    for path in sorted(folder.glob("checkpoint/model-*.safetensors")):
        found["tensors"] = path.read_bytes()
    for name in ("metrics.csv", "sweep.csv"):
        if (folder / name).is_file():
            with open(folder / name, newline="") as file:
                found[name] = [row for row in csv.reader(file) if "steps_per_second" not in row]
    return found


def litter(folder: Path) -> list[str]:
    """Hidden files, which are those of commands that did not end."""
    return [str(path.relative_to(folder)) for path in folder.rglob(".*")]


def kills(count: int, seed: int, folder: Path, sweep: bool) -> list[str]:
    """A command that is killed at random moments and called again, until it has ended; then anew."""
    generator = random.Random(seed)
    first = ("sample", "whole") if sweep else ("train", "small.toml", "--name", "whole")
    if sweep:
        must(folder, "train", "small.toml", "--name", "whole")
        shutil.copytree(folder / "runs/whole", folder / "trained")
    must(folder, *first)
    warm = [*first[:-1], "warm"]  # a second time, with programs from the cache, as it will be
    if sweep:
        shutil.copytree(folder / "trained", folder / "runs/warm")
    began = time.monotonic()
    must(folder, *warm)
    seconds = time.monotonic() - began
    whole = content(folder / "runs/whole")
    killed = ended = nothing = worst = 0
    while killed < count:
        target = folder / "runs/again"
        shutil.rmtree(target, ignore_errors=True)
        if sweep:
            shutil.copytree(folder / "trained", target)
        times = 0
        while True:
            words = ("sample", "again") if sweep else ("train", "small.toml", "--name", "again")
            if not sweep and target.exists():
                words = ("train", "--resume", "again")
            process = start(folder, *words)
            try:
                process.communicate(timeout=generator.uniform(0.2, seconds if killed < count else 600))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                killed, times = killed + 1, times + 1
                nothing += not sweep and not target.exists()
                continue
            if process.returncode != 0:
                raise SystemExit(f"{' '.join(words)} ended with {process.returncode} after {times} kills")
            break
        if content(target) != whole:
            raise SystemExit(f"after {times} kills the {'rows' if sweep else 'bits'} are others")
        if left := litter(folder / "runs"):
            raise SystemExit(f"left behind: {left}")
        ended, worst = ended + 1, max(worst, times)
    what = "sweep" if sweep else "training"
    before = "" if sweep else f" ({nothing} before the first checkpoint)"
    return [f"| {what} | {killed}{before} | {ended} | {worst} | 0 |"]


def full(folder: Path, sweep: bool) -> list[str]:
    """Disks of growing size; then a larger one, on which the same command goes on."""
    whole, disk = folder / "runs/whole", folder / "disk"
    need = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file()) // 1024
    codes, sizes = [], range(12, 2 * need + 64, max(4, need // 12))
    disk.mkdir(exist_ok=True)
    for size in sizes:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=True)
        try:
            words = ("train", str(folder / "small.toml"), "--name", "again", "--runs-folder", str(disk))
            if sweep:
                shutil.copytree(folder / "trained", disk / "again")
                words = ("sample", "again", "--runs-folder", str(disk))
            used = sum(path.stat().st_blocks for path in disk.rglob("*")) // 2
            subprocess.run(["mount", "-o", f"remount,size={used + size}k", str(disk)], check=True)
            code, _, error = run(folder, *words)
            if code not in (0, 2) or (code == 2 and "No space left on device" not in error) or "Traceback" in error:
                raise SystemExit(f"a disk of {size} KiB: {code}, {error[-400:]}")
            codes.append(code)
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            if code != 0:
                if not sweep and (disk / "again").exists():
                    words = ("train", "--resume", "again", "--runs-folder", str(disk))
                must(folder, *words)
            if content(disk / "again") != content(whole):
                raise SystemExit(f"a disk of {size} KiB: other numbers")
            if left := litter(disk):
                raise SystemExit(f"left behind: {left}")
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    tried = f"{len(codes)} disks with {sizes[0]} to {sizes[-1]} KiB left"
    return [f"| {'sweep' if sweep else 'training'} | {tried} | {codes.count(2)} | 0 |"]


USERS = (
    ("sample", "tokens", "flipped", "--count", "4"),
    ("sample", "figures", "flipped"),
    ("sample", "manifest", "flipped"),
    ("sample", "doctor", "flipped"),
    ("train", "--resume", "flipped"),
)
WORKER = """if True:
    import contextlib, io, json, sys
    from jdlm import cli
    from jdlm.study import figures
    figures.FIGURES.clear()

    def one(words):
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            code = cli.guarded(getattr(cli, f"run_{words[0]}"), words[1:])
        return [code, out.getvalue(), error.getvalue()]

    for line in sys.stdin:
        print(json.dumps([one(words) for words in json.loads(line)]), flush=True)
"""


def flips(count: int, seed: int, folder: Path) -> list[str]:
    """One bit changed in each file in turn: every command refuses the run, or says what it said before."""
    generator = random.Random(seed)
    source, target = folder / "runs/whole", folder / "runs/flipped"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=folder, env=environment, text=True, **pipes)

    def ask() -> list:
        worker.stdin.write(json.dumps(USERS) + "\n")
        worker.stdin.flush()
        return json.loads(worker.stdout.readline())

    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    before, lines = ask(), []
    files = sorted(path for path in source.rglob("*") if path.is_file())
    for path in files:
        whole, refused, harmless = path.read_bytes(), 0, 0
        for _ in range(max(1, count // len(files))):
            place = generator.randrange(8 * len(whole))
            changed = bytearray(whole)
            changed[place // 8] ^= 1 << place % 8
            shutil.rmtree(target)
            shutil.copytree(source, target)
            (target / path.relative_to(source)).write_bytes(bytes(changed))
            bad = False
            for words, found, old in zip(USERS, ask(), before, strict=True):
                where = f"{path.name}, bit {place}: {' '.join(words)}"
                if found[0] == 70 or "Traceback" in found[2]:
                    raise SystemExit(f"{where} ended with {found[0]}: {found[2][-300:]}")
                if found[0] == old[0] and found[1] != old[1]:
                    raise SystemExit(f"{where} says something else: {found[1][:300]}")
                bad |= found[0] != old[0]
            refused, harmless = refused + bad, harmless + (not bad)
        name = str(path.relative_to(source))
        name = "checkpoint/model-*.safetensors" if path.suffix == ".safetensors" else name
        lines.append(f"| `{name}` | {refused + harmless} | {refused} | {harmless} | 0 |")
    worker.stdin.close()
    worker.wait()
    return lines


def main() -> None:
    """Make the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kills", "full", "flips", "all"))
    parser.add_argument("--trainings", type=int, default=50)
    parser.add_argument("--sweeps", type=int, default=25)
    parser.add_argument("--count", type=int, default=400, help="bits that are changed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", type=Path, help="document whose tables are replaced")
    given = parser.parse_args()
    tables: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = str(Path(name) / "cache")
        for what in ("training", "sweep"):
            folder = Path(name) / what
            folder.mkdir()
            (folder / "small.toml").write_text(PRESET)
            if given.what in ("kills", "all"):
                count = given.sweeps if what == "sweep" else given.trainings
                tables.setdefault("kills", []).extend(kills(count, given.seed, folder, what == "sweep"))
            else:
                must(folder, "train", "small.toml", "--name", "whole")
                shutil.copytree(folder / "runs/whole", folder / "trained")
                if what == "sweep":
                    must(folder, "sample", "whole")
            if given.what in ("full", "all"):
                tables.setdefault("full", []).extend(full(folder, what == "sweep"))
        if given.what in ("flips", "all"):
            tables["flips"] = flips(given.count, given.seed, Path(name) / "sweep")
    heads = {
        "kills": "| what | killed | ended after them | most kills of one | lost or changed |\n|---|---|---|---|---|",
        "full": '| what | tried | ended with "No space left on device" | numbers lost or changed |\n|---|---|---|---|',
        "flips": "| file | bits changed | refused | harmless | other numbers |\n|---|---|---|---|---|",
    }
    for what, lines in tables.items():
        text = "\n".join([heads[what], *lines])
        print(text, flush=True)
        if given.table is not None:
            document = given.table.read_text(encoding="utf-8")
            begin, end = f"<!-- {what}: begin -->", f"<!-- {what}: end -->"
            before, after = document.split(begin)[0], document.split(end)[1]
            given.table.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
