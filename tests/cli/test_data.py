"""``train.py --data FILE`` and what follows it: presets for files of one's own, tokens in their alphabet, pipes."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jdlm import cli, targets
from jdlm.cli import data
from jdlm.config import presets
from jdlm.study import runs

ROOT = Path(__file__).parents[2]
QUICK = ("--training.steps", "20", "--training.warmup-steps", "2", "--network.width", "8", "--network.heads", "1")
RUSSIAN = "В лесу родилась ёлочка, в лесу она росла.\nЗимой и летом стройная, зелёная была.\n" * 12
SOURCE = "def one(a):\n    return {a: 1}\n\n\n" * 30


def letters(seed, count, low, high, alphabet):
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list(alphabet), generator.integers(low, high + 1))) for _ in range(count)]


FASTA = "".join(f">s{i}\n{text}\n" for i, text in enumerate(letters(0, 20, 6, 9, "ACGT")))
TABLE = "a,b,c,d\n" + "".join(f"{10 * (i % 3)},{10 * (i % 3)},{i % 7},{-i % 5}\n" for i in range(60))
FILES = {
    "letters.fasta": (FASTA, targets.FastaConfig(9, "letters.fasta", fit="pad"), "ACGT.", "A___"),
    "table.csv": (TABLE, targets.TokensConfig(4, "table.csv"), None, "10 _ _ _"),
    "song.txt": (RUSSIAN, targets.CharactersConfig(64, "song.txt"), None, "В ле"),
    "source.py": (SOURCE, targets.TextConfig(64, "source.py"), None, "def "),
}


@pytest.fixture
def at_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, (text, *_) in FILES.items():
        Path(name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_a_file_trains_samples_in_its_alphabet_and_is_advised_on(at_files, capsys, name):
    _, config, _, given = FILES[name]
    stem = name.partition(".")[0]
    assert cli.guarded(cli.run_train, ["--data", name, *QUICK]) == 0
    out, _ = capsys.readouterr()
    assert f"{name}: kind {config.kind}, sequences of {config.length} " in out and f"wrote {stem}.toml" in out
    preset = presets.load(f"{stem}.toml")
    assert preset.target == config.anchored(at_files) and preset.training.steps == 20
    pinned = runs.read_config(Path("runs", stem)).target
    assert pinned.sha256 == config.build().sha256 == runs.read_manifest(Path("runs", stem))["data_sha256"]

    assert cli.guarded(cli.run_sample, ["tokens", stem, "--count", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    target, written = config.build(), config.written
    assert len(lines) == 3
    for line in lines:
        if written == "words":
            assert len(line.split()) == 4 and {int(word) for word in line.split()} <= {*range(-4, 7), 10, 20}
        else:
            text = line.replace("\\n", "\n").replace("\\_", "_")
            assert len(text) == config.length and set(text) <= set(FILES[name][0] + ".")
        assert cli.guarded(cli.run_sample, ["tokens", stem, "--count", "1", f"--given={line}"]) == 0
        assert capsys.readouterr().out == line + "\n", "what is printed is given back"
    pattern = given if written == "words" else given + "_" * (config.length - len(given))
    assert cli.guarded(cli.run_sample, ["tokens", stem, "--count", "2", "--given", pattern]) == 0
    start = given.replace("_", "").rstrip()
    assert all(line.startswith(start) for line in capsys.readouterr().out.splitlines())
    other = "7 _ _ _" if written == "words" else "#" + pattern[1:]
    assert cli.guarded(cli.run_sample, ["tokens", stem, "--given", other]) == 2
    assert "does not occur in the " in capsys.readouterr().err
    assert cli.guarded(cli.run_sample, ["recommend", stem, "--num-steps", "2", "--samples", "4"]) == 0
    assert "recommended: " in capsys.readouterr().out
    assert target.length == config.length


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", b"", "--data none.txt is empty; give a file with sequences"),
        ("few.txt", b"abc", "the text has 3 bytes, too few for length=1; give at least 10"),
        ("one.fa", b">a\nACGT\n", "the sequence has 4 letters, too few for length=1"),
        ("same.csv", b"1,2\n" * 9, "the file holds 1 different sequence, too few to hold one out"),
        ("latin.txt", "le café a été très bon ".encode("latin-1") * 40, "byte 0xe9; perhaps it is cp12"),
        ("wide.txt", RUSSIAN.encode("utf-16"), "perhaps it is utf_16: say encoding = 'utf_16' (--target.encoding)"),
        ("packed.gz", gzip.compress(RUSSIAN.encode()), "is packed by gzip; unpack it, or give <(zcat packed.gz)"),
        ("bad.csv", b"1,2\n3,x\n", "line 2, column 2 holds 'x', which is no integer of 64 bits"),
        ("bad.npy", b"no array", "is no array of numpy"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",  # packed ones hold the time
)  # fmt: skip
def test_a_file_that_cannot_be_trained_on_is_one_line_and_leaves_nothing(
    tmp_path, monkeypatch, capsys, name, content, message
):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    assert cli.guarded(cli.run_train, ["--data", name]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1, error
    assert os.listdir() == [name]


def test_what_was_done_to_a_file_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i % 4},{i % 3}" + (",1" if i % 2 else "") for i in range(24)]
    Path("odd.csv").write_text("\n".join(["x,y,z", *rows]))
    assert cli.guarded(cli.run_train, ["--data", "odd.csv", *QUICK]) == 0
    error = capsys.readouterr().err
    assert "note: the first line holds no number and is left out as a header\n" in error
    assert "note: 12 of 24 sequences are padded to 3 tokens with 'PAD'\n" in error
    assert "note: 12 of 24 sequences repeat another one; equal ones are in the same split\n" in error


def test_an_encoding_is_said_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("song.txt").write_bytes(RUSSIAN.encode("cp1251"))
    assert cli.guarded(cli.run_train, ["--data", "song.txt", "--target.encoding", "cp1251", *QUICK]) == 0
    assert presets.load("song.toml").target.encoding == "cp1251"
    assert cli.guarded(cli.run_sample, ["tokens", "song", "--count", "1"]) == 0
    assert set(capsys.readouterr().out.splitlines()[-1].replace("\\n", "\n")) <= set(RUSSIAN)


def test_a_preset_that_is_there_is_kept(at_files, capsys):
    """The same one is taken, another one gets a number."""
    assert cli.guarded(cli.run_train, ["--data", "table.csv", *QUICK]) == 0
    Path("table.toml").write_text(Path("table.toml").read_text() + "# mine\n")
    assert cli.guarded(cli.run_train, ["--data", "table.csv", *QUICK]) == 0
    assert "wrote table-2.toml" in capsys.readouterr().out and Path("table.toml").read_text().endswith("# mine\n")
    assert cli.guarded(cli.run_train, ["--data", "table.csv", *QUICK]) == 0
    assert not Path("table-3.toml").exists()
    assert cli.guarded(cli.run_train, ["tiny", "--data", "table.csv"]) == 2
    assert "--data makes the preset; leave out 'tiny'" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_a_pipe_is_read_once_and_kept_in_the_run(at_files):
    Path("song.gz").write_bytes(gzip.compress(RUSSIAN.encode()))
    program = (
        "import sys; from jdlm import cli; sys.exit(cli.guarded(getattr(cli, 'run_' + sys.argv[1]), sys.argv[2:]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def shell(words):
        command = f'{sys.executable} -c "{program}" {words}'
        return subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)

    done = shell("train --data <(zcat song.gz) " + " ".join(QUICK))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in Path().glob("*.toml")] == [], "a preset of it could not be used again"
    (kept,) = Path("runs/piped/data").iterdir()
    assert (
        kept.read_text(encoding="utf-8") == RUSSIAN
        and kept.name == runs.read_manifest(Path("runs/piped"))["data_sha256"]
    )
    shutil.move("runs/piped", "runs/moved")
    assert cli.guarded(cli.run_sample, ["tokens", "moved", "--count", "1"]) == 0
    kept = Path("runs/moved/data") / kept.name
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    assert cli.guarded(cli.run_sample, ["tokens", "moved", "--count", "1"]) == 2


def test_names_of_runs_are_made_of_files():
    assert data._name("a b/My data (1).csv.gz") == "My-data-1"
    assert data._name("/dev/fd/63") == "piped" and data._name("....") == "data"
