"""``sample.py tokens`` on a text: its escaping, what is given, where lines go, and the text that a run is bound to."""

import hashlib
import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import jax
import pytest

from jdlm import cli, sampling, targets
from jdlm.cli import escape, options, output, tokens
from jdlm.config import TextConfig, presets
from jdlm.study import runs

# A CRLF, a tab, a backslash, an underscore, a control sequence of terminals, two bytes of UTF-8 and one that is none.
TEXT = b"a_b\r\nc\td\\e\x1b[31m\xc3\xbc-\xff" * 40
PRESET = """
[target]
kind = "text"
length = 8
path = "odd.txt"
encoding = "bytes"
[network]
width = 8
depth = 1
heads = 1
[training]
steps = 20
batch_size = 8
warmup_steps = 2
chunk_steps = 20
[sweep]
num_steps = [2]
"""


def sample(*arguments: str) -> int:
    return cli.guarded(cli.run_sample, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a text, a preset that names it by a relative path, and a run of it, started from elsewhere."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "odd.txt").write_bytes(TEXT)
    (folder / "odd.toml").write_text(PRESET)
    names = ("compilation_cache_dir", "persistent_cache_min_compile_time_secs", "persistent_cache_min_entry_size_bytes")
    before = {f"jax_{name}": getattr(jax.config, f"jax_{name}") for name in names}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(folder.parent)
        assert cli.guarded(cli.run_train, [f"{folder.name}/odd.toml", "--runs-folder", f"{folder.name}/runs"]) == 0
        yield folder
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def at_place(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


# ---- escaping


def slow_parse(line: str, mask: str) -> bytes:
    """The inverse of the escaping, with a regular expression: what README says of it."""
    values = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\", mask: mask.encode()}

    def one(found: re.Match) -> bytes:
        code, escaped, plain = found.groups()
        return bytes.fromhex(code) if code else values[escaped] if escaped else plain.encode()

    pieces = list(re.finditer(r"\\x([0-9a-f]{2})|\\([^x])|([^\\])", line))
    assert "".join(piece.group() for piece in pieces) == line and all(piece.group(3) != mask for piece in pieces)
    return b"".join(map(one, pieces))


@pytest.mark.parametrize("mask", ["_", "?", "-", " ", "4", "ü", "□"])
def test_escaping_gives_back_every_byte(mask):
    """All single bytes, all pairs with a backslash, and 500 random strings of whole and broken UTF-8."""
    generator = random.Random(0)
    pieces = [bytes([byte]) for byte in range(256)] + ["ü□\u2028\u202e\x85🙂".encode(), b"\\n", b"\\x4", mask.encode()]
    contents = [bytes([byte]) for byte in range(256)] + [bytes(range(256)), mask.encode() * 3]
    contents += [bytes(pair) for byte in range(256) for pair in ((92, byte), (byte, 92), (120, byte))]
    contents += [b"".join(generator.choices(pieces, k=generator.randrange(12))) for _ in range(500)]
    for number, content in enumerate(contents):
        for encoding in ("utf-8", "ascii", "latin-1")[: 1 if number % 4 else 3]:
            line = escape.line(content, mask, encoding)
            line.encode(encoding)
            assert line.isprintable() and len((line + "|").splitlines()) == 1
            assert escape.parse(line, mask) == list(content) and slow_parse(line, mask) == content


def test_escapes_are_those_of_the_readme():
    assert escape.line("a_b\n\r\t\\ü\x1b\u2028".encode() + b"\xff") == r"a\_b\n\r\t\\ü\x1b\xe2\x80\xa8\xff"
    assert escape.line("ü".encode(), "_", "ascii") == r"\xc3\xbc"
    assert escape.line(b"a_b?", "?") == r"a_b\?"
    assert escape.parse("a_\\_\n\\x41\\x4aü") == [97, None, 95, 10, 0x41, 0x4A, 0xC3, 0xBC]
    assert escape.parse("_?", "?") == [95, None]
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert all(f"`{code}`" in readme for code in (r"\n", r"\r", r"\t", r"\\", r"\_", r"\xNN"))


@pytest.mark.parametrize("text", ["\\", "a\\", "\\q", "\\x", "\\x4", "\\x4g", "\\x 4", "\\xg4", "\\?", "\\N"])
def test_a_backslash_that_begins_no_escape(text):
    with pytest.raises(ValueError, match=r"not an escape; write \\n, \\r, \\t, \\\\, \\_ or \\xNN") as caught:
        escape.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mask", ["", "__", "\\", "n", "r", "t", "x", "\n", "\x1b"])
def test_a_mask_that_would_be_an_escape_is_refused(mask):
    with pytest.raises(ValueError, match="is not one character that can stand for a token to be drawn"):
        escape.check_mask(mask)


def test_what_is_printed_can_be_given_back(at_place, capsys):
    """Windows of the text itself are given, printed as they are, and given again; then the network's own samples."""
    assert targets.text("odd.txt", 8, encoding="bytes").vocab_size == len(set(TEXT)) == 19
    lines = []
    for start in (0, 8, 11, 17):
        window = TEXT[start : start + 8]
        assert sample("tokens", "odd", "--count", "1", "--given", escape.line(window)) == 0
        line = capsys.readouterr().out.removesuffix("\n")
        assert slow_parse(line, "_") == window and line == escape.line(window) and "\n" not in line
        lines.append(line)
    assert any(line.startswith("-") for line in lines) and any(r"\r\n" in line for line in lines)
    assert sample("tokens", "odd", "--count", "200") == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 200 and out.replace("\n", "").isprintable()
    drawn = out.splitlines()
    assert all(len(slow_parse(line, "_")) == 8 and set(slow_parse(line, "_")) <= set(TEXT) for line in drawn)
    assert {byte for line in drawn for byte in slow_parse(line, "_")} == set(TEXT)
    assert sample("tokens", "odd", "--count", "1", "--given", drawn[0]) == 0
    assert capsys.readouterr().out == drawn[0] + "\n"


def test_given_tokens_stay_where_they_are(at_place, capsys):
    """A gap at the beginning is no option, an escaped mask is no mask, and only what is bare is drawn."""
    for given, mask, pattern in (
        ("-a\\_b____", "_", rb"-a_b.{4}"),
        ("--??????", "?", rb"--.{6}"),
        (r"??_\r\n\\\xff?", "?", rb"..[_]\r\n\\\xff."),
        ("-_------", "-", rb"._.{6}"),
    ):
        assert sample("tokens", "odd", "--count", "4", "--mask", mask, "--given", given) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 4
        assert all(re.fullmatch(pattern, slow_parse(line, mask), re.DOTALL) for line in lines), (given, lines)


def test_speculative_tokens_keep_what_is_given(at_place, capsys):
    """And other samples than those of a schedule, from the same network; what has no meaning for it is refused."""
    assert sample("tokens", "odd", "--schedule", "speculative", "--count", "3", "--given", "a______b") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(line[0] == "a" and line[-1] == "b" for line in lines)
    for arguments, message in (
        (("--num-steps", "2"), "--num-steps 2 does not apply to speculative, whose rounds adapt; leave it out"),
        (("--planner", "confidence"), "planner confidence chooses positions by their logits"),
    ):
        assert sample("tokens", "odd", "--schedule", "speculative", *arguments) == 2
        assert message in capsys.readouterr().err
    assert sample("recommend", "odd", "--schedule", "speculative", "--kl", "1") == 2
    assert "'speculative' is a sampler without sizes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--given", "-CGT____"], "'C' does not occur in the text"),
        (["--given", "ü_______"], "--given holds 9 bytes, the sequence has 8; fill up with '_'"),
        (["--given", r"\x00_______"], r"'\x00' does not occur in the text"),
        (["--given", r"\q______"], r"'\\q__', not an escape"),
        (["--mask", "n"], "--mask 'n' is not one character that can stand"),
        (["--output", "runs"], "--output runs is a folder; name a file in it"),
        (["--output", "no/lines.txt"], "the folder of --output no/lines.txt does not exist; make it first"),
        (["--output", "loop"], "loop is a link that leads back to itself"),
    ],
)
def test_bad_requests_for_a_text_are_one_line(at_place, capsys, arguments, message):
    if not Path("loop").is_symlink():
        Path("loop").symlink_to("loop")
    assert sample("tokens", "odd", *arguments) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.startswith("error: ") and error.count("\n") == 1 and message in error, error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--given", "3 _ _ _ _ _ _ 0"], "--given holds 3, the mask's own id; use 0 to 2, and _ for what is drawn"),
        (["--given", "4 _ _ _ _ _ _ 0"], "--given holds 4, too large an id; use 0 to 2"),
        (["--given", "99999999999999999999 _ _ _ _ _ _ 0"], "too large an id; use 0 to 2"),
        (["--given", "-1 _ _ _ _ _ _ 0"], "--given holds '-1'; write token ids"),
        (["--given", "1 1 1 1 1 1 1 0", "--mask", "1"], "--mask '1' is not one character that cannot be part of a"),
        (["--mask", ","], "--mask ',' is not one character that cannot be part"),
        (["--mask", " "], "--mask ' ' is not one character that cannot be part"),
    ],
)
def test_bad_ids_are_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert sample("tokens", "tiny", *arguments) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1 and message in error and "allow_leftover" not in error


def test_values_that_begin_with_a_hyphen_are_attached_to_their_option(capsys):
    def parsed(*arguments):
        return options.parse(tokens.Options(), tokens.attached(list(arguments)), "tokens")

    for arguments, value in (
        (["--given", "-CGT"], "-CGT"),
        (["--given", "--CG"], "--CG"),
        (["--given=-CG"], "-CG"),
        (["--given", "-"], "-"),
        (["--count", "3", "--given", "--count_"], "--count_"),
        (["a run", "--given", "-C", "--count", "3"], "-C"),
    ):
        assert parsed(*arguments).given == value
    assert parsed("--given", "--C", "--mask", "-", "--seed", "5").mask == "-"
    for arguments, message in (
        (["--given", "--seed", "5"], "Missing value for argument '--given'"),
        (["--given", "--batch_size=5"], "Missing value for argument '--given'"),
        (["--count", "-3"], "count=-3"),
    ):
        with pytest.raises(SystemExit, match="2"):
            parsed(*arguments)
        assert message in capsys.readouterr().err


# ---- where the lines go


def test_output_is_written_where_it_points(tmp_path, capsys):
    """A link and its file, a broken link, a pipe, a device; nothing else is left in the folders."""
    (tmp_path / "there").mkdir()
    real, link, broken = tmp_path / "there/real.txt", tmp_path / "link.txt", tmp_path / "broken.txt"
    real.write_text("old")
    link.symlink_to(real)
    broken.symlink_to(tmp_path / "there/new.txt")
    for path, file in ((link, real), (broken, tmp_path / "there/new.txt"), (tmp_path / "plain.txt",) * 2):
        output.check(path, "--output")
        output.write(path, "line ü\n")
        assert file.read_bytes() == "line ü\n".encode()
    assert link.is_symlink() and broken.is_symlink()

    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    output.check(pipe, "--output")
    output.write(pipe, "line ü\n")
    reader.join(timeout=10)
    assert read == ["line ü\n"] and stat.S_ISFIFO(pipe.stat().st_mode)

    (tmp_path / "null").symlink_to("/dev/null")
    for path in (Path("/dev/null"), tmp_path / "null"):
        output.check(path, "--output")
        output.write(path, "line\n")
        assert stat.S_ISCHR(path.stat().st_mode)
    names = {"there", "link.txt", "broken.txt", "plain.txt", "pipe", "null"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert {path.name for path in (tmp_path / "there").iterdir()} == {"real.txt", "new.txt"}

    for path in (None, Path("-")):
        output.check(path, "--output")
        output.write(path, "line\n")
        assert capsys.readouterr().out == "line\n" and output.encoding(path).lower() == "utf-8"
    with output.beside(Path("-")):
        print("beside")
    with output.beside(None):
        print("printed")
    assert capsys.readouterr() == ("printed\n", "beside\n")


def test_a_file_that_cannot_be_written_is_said_before_the_work(tmp_path, monkeypatch):
    """Without the right to make files in its folder, a file that may be changed is written through."""
    file = tmp_path / "mine.txt"
    file.write_text("old and long\n")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) == file)
    output.check(file, "--output")
    output.write(file, "new\n")
    assert file.read_text() == "new\n"
    with pytest.raises(ValueError, match=r"other\.txt cannot be written; change its permissions"):
        output.check(tmp_path / "other.txt", "--output")


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_by_name_also_where_it_is_a_file(tmp_path, name):
    """Appended in order to what the file of ``>>`` holds; and in ASCII, if that is what the reader takes."""
    program = f"""if True:
        from pathlib import Path
        from jdlm.cli import output, streams
        streams.show_everything()
        print("before ±")
        path = Path({name!r})
        output.check(path, "--output")
        output.write(path, "line " + output.encoding(path) + "\\n")
    """
    kept = tmp_path / "kept.txt"
    kept.write_text("kept\n")
    with open(kept, "a") as file:
        environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[2])}
        subprocess.run([sys.executable, "-c", program], stdout=file, env=environment, check=True)
    assert kept.read_text() == "kept\nbefore +-\nline ascii\n"


def test_tokens_and_advice_go_through_the_same_door(at_place, monkeypatch, capsys):
    assert sample("tokens", "odd", "--count", "2", "--output", "-") == 0
    printed = capsys.readouterr().out
    assert sample("tokens", "odd", "--count", "2") == 0
    assert capsys.readouterr().out == printed and printed.count("\n") == 2
    (at_place / "real.txt").write_text("")
    (at_place / "link.txt").symlink_to("real.txt")
    assert sample("tokens", "odd", "--count", "2", "--output", "link.txt") == 0
    assert (at_place / "link.txt").is_symlink() and (at_place / "real.txt").read_text(encoding="utf-8") == printed
    assert sample("recommend", "reed-solomon", "--num-steps", "2", "--export", "-") == 0
    out, error = capsys.readouterr()
    assert sum(json.loads(out)["tokens_per_step"]) == 32 and "recommended: optimal" in error
    assert sample("recommend", "reed-solomon", "--num-steps", "2", "--export", "runs") == 2
    assert "--export runs is a folder" in capsys.readouterr().err


# ---- the text of a run


def test_a_run_finds_its_text_from_any_folder(place, tmp_path, monkeypatch, capsys):
    """Started beside the text, in the folder above and in another one: the same lines, and no complaint of doctor."""
    config = presets.load(str(place / "odd.toml"))
    assert config.target == TextConfig(8, str(place / "odd.txt"), encoding="bytes")
    digest = hashlib.sha256(TEXT).hexdigest()
    assert runs.read_config(place / "runs/odd").target == TextConfig(8, str(place / "odd.txt"), digest, "bytes")
    assert runs.read_manifest(place / "runs/odd")["data_sha256"] == digest
    printed = []
    for folder in (place, place.parent, tmp_path):
        monkeypatch.chdir(folder)
        assert sample("tokens", place / "runs/odd", "--count", "3") == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] == printed[2]
    assert sample("doctor", place / "runs/odd") == 0
    assert "ok    checkpoint" in capsys.readouterr().out
    assert cli.guarded(cli.run_train, [str(place / "odd.toml"), "--target.path", "odd.txt"]) == 2
    assert f"{tmp_path / 'odd.txt'}' cannot be read: No such file" in capsys.readouterr().err


def test_a_text_that_changed_or_went_is_said_and_nothing_is_printed(place, tmp_path, monkeypatch, capsys):
    """The last letter of the text, which no window of the small vocabulary betrays, is exchanged."""
    run = place / "runs/odd"
    monkeypatch.chdir(tmp_path)
    assert sample("tokens", run, "--count", "1") == 0
    before = capsys.readouterr().out
    (place / "odd.txt").write_bytes(TEXT[:-1] + b"a")
    for command in (["tokens", run], ["recommend", run, "--kl", "1"], ["sweep", run]):
        assert sample(*command) == 2
        out, error = capsys.readouterr()
        assert out == "" and "odd.txt' is another text than it was: its sha256 is " in error
    assert cli.guarded(cli.run_train, ["--resume", str(run)]) == 2
    assert "another text" in capsys.readouterr().err
    assert sample("doctor", run) == 1
    assert "FAIL  checkpoint: path=" in capsys.readouterr().out
    (place / "odd.txt").unlink()
    assert sample("tokens", run) == 2
    assert f"path='{place / 'odd.txt'}' cannot be read: No such file or directory" in capsys.readouterr().err
    (place / "odd.txt").write_bytes(TEXT)
    assert sample("tokens", run, "--count", "1") == 0 and capsys.readouterr().out == before


def test_a_checkpoint_that_is_missing_or_cannot_be_read_is_one_line(at_place, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(at_place / "runs/odd", run)
    record = run / "checkpoint/model.json"
    record.unlink()
    record.mkdir()
    for message in ("model.json is a folder; give a regular file", "holds no checkpoint"):
        for command in (["tokens", run], ["recommend", run, "--kl", "1"], ["sweep", run]):
            assert sample(*command) == 2
            error = capsys.readouterr().err
            assert message in error and error.count("\n") == 1
        assert cli.guarded(cli.run_train, ["--resume", str(run)]) == 2
        assert message in capsys.readouterr().err
        shutil.rmtree(run / "checkpoint", ignore_errors=True)


def test_sizes_and_tokens_have_keys_of_their_own(at_place, monkeypatch, capsys):
    """And both change with the seed; sequences of a larger count begin with those of a smaller one."""
    keys = []
    for name in ("draw_sizes", "sample"):
        function = getattr(sampling, name)

        def noted(key, *arguments, function=function, **options):
            keys.append(tuple(jax.random.key_data(key).tolist()))
            return function(key, *arguments, **options)

        monkeypatch.setattr(sampling, name, noted)
    lines = []
    for seed, count in ((0, "5"), (0, "3"), (1, "3")):
        assert sample("tokens", "odd", "--seed", seed, "--count", count) == 0
        lines.append(capsys.readouterr().out.splitlines())
    assert lines[0][:3] == lines[1] != lines[2]
    assert len(keys) == 6 and keys[:2] == keys[2:4] and len(set(keys)) == 4
