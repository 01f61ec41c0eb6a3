"""Commands where the machine is not as usual: platforms, terminals, encodings of files, users without a home."""

import codecs
import dataclasses
import hashlib
import json
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jdlm import cli, devices, predictor, sampling, training
from jdlm.cli import cache, cores, doctor, hosts, progress, streams, tokens
from jdlm.cli import recorder as recorder_module
from jdlm.config import MixtureConfig, TableConfig, TextConfig, presets
from jdlm.errors import InputError
from jdlm.study import runs
from jdlm.training import checkpoint as checkpoints

ROOT = Path(__file__).parent.parent
PRESET = """
name = "größe"
[target]
kind = "parity"
length = 12
[network]
width = 4
depth = 1
heads = 1
[training]
steps = 20
warmup_steps = 2
[sweep]
schedules = ["uniform"]
num_steps = [1]
samples = 16
curve_samples = 4
"""


def python(program: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """A program in a process of its own, as on a machine where JAX is told nothing of devices."""
    inherited = {name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"}
    environment = inherited | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")} | environment
    return subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run that says it is finished, with the network that a training begins with."""
    folder = tmp_path_factory.mktemp("environments")
    (folder / "small.toml").write_text(PRESET, encoding="utf-8")
    config = presets.load(str(folder / "small.toml"))
    config = dataclasses.replace(config, network=dataclasses.replace(config.network, dtype="float32"))
    with runs.draft(folder / "runs", "run") as draft:
        runs.write_config(draft.folder, config)
        runs.write_manifest(
            draft.folder, runs.new_manifest(config, ["train.py"]) | {"steps_done": 20, "finished": "2026"}
        )
        state = training.init(config.network, config.target.build(), config.training)
        checkpoints.save(draft.folder / runs.CHECKPOINT, state._replace(step=jnp.array(20)), config.network)
        return draft.publish()


# ---- terminals

_ALL_COMMANDS = """if True:
    import sys
    from jdlm import cli
    from jdlm import figures
    from jdlm.cli import cores
    cores.number = lambda: 2  # of a machine with two
    figures.draw = lambda *arguments, **options: []
    commands = [["doctor", "run"], ["run"], ["recommend", "run", "--num-steps", "1", "--samples", "4"],
                ["tokens", "run", "--count", "2"], ["tokens", "none-such-ü"]]
    codes = [cli.guarded(cli.run_sample, command) for command in commands]
    codes.append(cli.guarded(cli.run_sample, ["run", "--help"]))
    print(codes)
"""


def test_an_ascii_terminal_loses_nothing_and_doctor_counts_the_devices_of_a_run(run):
    """Each command's result in ASCII, with ``+-`` where the sign for plus-minus stands elsewhere."""
    done = python(_ALL_COMMANDS, run.parent.parent, PYTHONIOENCODING="ascii")
    out, error = done.stdout.decode("ascii"), done.stderr.decode("ascii")
    assert out.splitlines()[-1] == "[0, 0, 0, 0, 2, 0]", error
    assert "ok    device: 2 x cpu" in out and runs.read_manifest(run)["sweep"]["device"]["count"] == 2
    assert re.search(r"^uniform +1 +1\.00 .* \d+\.\d{4,7} \+- \d\.\d{4,7}( +\d+\.\d{4})* *$", out, re.MULTILINE)
    assert re.search(r"NELBO \d\.\d{4} \+- \d\.\d{4} nats", out) and r"gr\xf6\xdfe" in out
    assert re.search(r"^[01]( [01]){11}$", out, re.MULTILINE) and "--sweep.samples" in out
    assert r"error: no run 'none-such-\xfc'" in error


def test_what_a_stream_cannot_show_is_written_in_ascii():
    assert "a±bü\udcff\N{GRINNING FACE}".encode("ascii", streams._ERRORS) == b"a+-b\\xfc\\udcff\\U0001f600"
    assert "±ü→".encode("latin-1", streams._ERRORS) == b"\xb1\xfc\\u2192"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", streams._ERRORS)


# ---- platforms

_NO_PLATFORM = """if True:
    import jax
    from jdlm import cli
    for platform in ("cuda", "cpuu"):
        jax.config.update("jax_platforms", platform)
        for name, command in (("sample", ["tokens", "tiny"]), ("sample", ["recommend", "tiny", "--kl", "1"]),
                              ("sample", ["reed-solomon"]), ("sample", ["doctor"]), ("train", ["tiny"])):
            assert cli.guarded(getattr(cli, f"run_{name}"), command) == 2, (platform, command)
"""


def test_a_platform_that_is_not_there_is_one_line(tmp_path):
    done = python(_NO_PLATFORM, tmp_path, JAX_PLATFORMS="cuda")
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (0, b""), done.stderr.decode()
    assert len(lines) == 10 and not (tmp_path / "runs").exists()
    for number, line in enumerate(lines):
        assert line.startswith(f"error: JAX has no devices for JAX_PLATFORMS='{'cuda' if number < 5 else 'cpuu'}'")
        assert line.endswith("; unset it to take what there is, or set JAX_PLATFORMS=cpu")


def test_too_little_memory_is_one_line_and_a_fault_of_ours_is_not(capsys):
    def ending(error: Exception):
        def command(arguments: list[str]) -> int:
            raise error

        return command

    for error in (MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: Out of\nmemory")):
        assert cli.guarded(ending(error), []) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and message.endswith("for this machine, use smaller ones\n")
    for error in (RuntimeError("a fault"), KeyError("a fault"), ValueError("a fault"), OverflowError("a fault")):
        assert cli.guarded(ending(error), []) == 70
        message = capsys.readouterr().err
        assert message.startswith(f"error: this is a fault of jdlm, not of the input: {type(error).__name__}: ")
        assert "a fault" in message and message.count("\n") == 1
        assert message.endswith("please report it with the command and its traceback (add --debug)\n")
        assert cli.guarded(ending(error), ["--debug"]) == 70
        assert "Traceback (most recent call last)" in capsys.readouterr().err
    assert cli.guarded(ending(InputError("\x1b[2J" + "x" * 1000)), []) == 2
    message = capsys.readouterr().err
    assert len(message) <= 301 and "\x1b" not in message and r"\x1b" in message


# ---- files


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_utf_8_is_read_with_or_without_a_mark_and_with_any_line_ends(tmp_path, mark, end):
    text = PRESET.replace("[target]", "# Größe\n[target]")
    path = tmp_path / "mine.toml"
    path.write_bytes(mark + text.replace("\n", end).encode())
    assert presets.load(str(path)) == presets.parse(PRESET, "mine")


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-16", "in UTF-16; save it as UTF-8"),
        ("utf-16-le", "in UTF-16; save it as UTF-8"),
        ("utf-16-be", "in UTF-16; save it as UTF-8"),
        ("utf-32", "in UTF-32; save it as UTF-8"),
        ("utf-32-be", "in UTF-32; save it as UTF-8"),
        ("latin-1", r"line 2 holds the byte 0xf6, which is not UTF-8 but perhaps Latin-1 or Windows-1252"),
    ],
)
def test_other_encodings_are_named(tmp_path, capsys, monkeypatch, encoding, message):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_bytes(PRESET.encode(encoding))
    for command, arguments in (("train", ["mine.toml"]), ("sample", ["tokens", "mine.toml"])):
        assert cli.guarded(getattr(cli, f"run_{command}"), arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: mine.toml: ") and message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mine.toml: no target; begin a section"),
        ('[target]\nkind = ["parity"]\nlength = 2', "unknown target kind ['parity']"),
        ("[[target]]", "no target"),
        ('[target]\nkind = "parity"\nlength = 0', "the target has length 0; use at least 1"),
        ('[target]\nkind = "table"\nlength = -1\nvocab = 0\nprobabilities = [1.0]', "vocab=0 and length=-1; use at"),
        ('[target]\nkind = "table"\nlength = 100000000\nvocab = 9\nprobabilities = [1.0]', "give 9**100000000 of them"),
        ("a = " + "[" * 20000, "mine.toml: it is nested too deep"),
        (None, "no preset file 'mine.toml'"),
    ],
)
def test_presets_that_hold_no_law_are_one_line(tmp_path, capsys, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    if text is None:
        Path("mine.toml").mkdir()
    else:
        Path("mine.toml").write_text(text)
    for command, arguments in (
        ("train", ["mine.toml"]),
        ("sample", ["mine.toml"]),
        ("sample", ["tokens", "mine.toml"]),
    ):
        assert cli.guarded(getattr(cli, f"run_{command}"), arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    ("path", "reason"), [("a\0b", ".*embedded null "), ("", r"\. is a folder"), ("b/c", "No such file")]
)
def test_texts_that_cannot_be_read_are_named_with_their_folder(tmp_path, monkeypatch, path, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"cannot be read: {reason}.*; give a (text|regular) file") as caught:
        TextConfig(length=2, path=path).pinned()
    assert str(tmp_path) in str(caught.value)


def test_a_table_as_long_as_its_law_says():
    target = TableConfig(length=2, vocab=2, probabilities=(0.1, 0.2, 0.3, 0.4)).build()
    laws = [float(jnp.exp(target.log_prob(jnp.array(each)))) for each in ([0, 0], [0, 1], [1, 0], [1, 1])]
    assert laws == pytest.approx([0.1, 0.2, 0.3, 0.4], rel=1e-5)  # the last token runs fastest
    assert TableConfig(length=3, vocab=1, probabilities=(1.0,)).build().vocab_size == 1


def test_relative_paths_start_where_their_file_is(tmp_path, monkeypatch):
    """In a preset, also inside of another target; in a run, as older versions wrote it, where the command starts."""
    monkeypatch.chdir(tmp_path)
    inner = '[target]\nkind = "blocks"\ncopies = 2\n[target.of]\nkind = "text"\nlength = 2\npath = "%s"\n[sweep]\n'
    Path("sub").mkdir()
    for written, found in (("a.txt", tmp_path / "sub/a.txt"), ("/b/a.txt", Path("/b/a.txt"))):
        Path("sub/mine.toml").write_text(inner % written + "num_steps = [2]")
        assert Path(presets.load("sub/mine.toml").target.of.path) == found
        assert Path(presets.load(str(tmp_path / "sub/mine.toml")).target.of.path) == found
    Path("sub/config.toml").write_text(inner % "a.txt" + "num_steps = [2]")
    assert runs.read_config(Path("sub")).target.of.path == str(tmp_path / "a.txt")
    Path("a.txt").write_bytes(b"ab" * 20)
    pinned = runs.read_config(Path("sub")).target.pinned()
    assert pinned.of.sha256 == hashlib.sha256(b"ab" * 20).hexdigest()
    Path("a.txt").write_bytes(b"ba" * 20)
    with pytest.raises(ValueError, match=r"a\.txt' is another text than it was"):
        pinned.build()


def test_manifests_and_names_that_editors_made(run, tmp_path):
    """A mark at the beginning, a time that is missing, a run without an end; and a control that TOML does not allow."""
    for name, manifest in (("one", {"schema": 1}), ("two", {"schema": 1, "started": None})):
        (tmp_path / name).mkdir()
        (tmp_path / name / runs.MANIFEST).write_bytes(codecs.BOM_UTF8 + json.dumps(manifest).encode())
    (tmp_path / "three").mkdir()
    runs.write_manifest(tmp_path / "three", {"schema": 1, "started": "2026"})
    assert runs.newest(tmp_path) == tmp_path / "three"
    assert runs.read_manifest(tmp_path / "one") == {"schema": 1}
    runs.write_config(tmp_path / "one", runs.read_config(run))
    assert doctor._run(tmp_path / "one").endswith("not finished, None of 20 steps")
    for name in ("a\x7fb\x1b", "a\nb", "a\rb", " ", "", "x" * 201):  # rows, figures and terminals take it as it is
        with pytest.raises(ValueError, match="is no name for rows and figures"):
            dataclasses.replace(runs.read_config(run), name=name)


# ---- users


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """A user with a number but no entry among the users, as in a container."""

    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_user_without_a_home_has_no_cache_and_all_commands(homeless, tmp_path, capsys):
    before = jax.config.jax_compilation_cache_dir
    assert cache.folder() is None and cache.schedules() is None
    cache.compiled_programs()
    assert jax.config.jax_compilation_cache_dir == before
    assert doctor._cache_folder().startswith("none, as this user has no home: every command compiles anew; set XDG_")
    Path("small.toml").write_text(PRESET, encoding="utf-8")
    assert cli.guarded(cli.run_sample, ["tokens", "small.toml", "--given", "0 1 " * 6, "--count", "2"]) == 0
    assert capsys.readouterr().out == (" ".join("01" * 6) + "\n") * 2
    assert cli.guarded(cli.run_sample, ["recommend", "small.toml", "--num-steps", "2"]) == 0
    assert "recommended: optimal with 2 steps" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_a_cache_that_cannot_be_written_fails_only_where_it_was_asked_for(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.schedules() is None and "cannot be written: every command compiles anew" in doctor._cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ValueError, match="cannot be written; set XDG_CACHE_HOME to another folder"):
        doctor._cache_folder()


# ---- several hosts


def test_resuming_a_finished_run_trains_in_no_process(run, monkeypatch, capsys):
    """What is to be done is the same for the process that writes and for the others, which would wait for it."""

    def trained(*arguments):
        raise AssertionError("there is nothing left to train")

    monkeypatch.setattr(recorder_module, "train", trained)
    monkeypatch.setattr(hosts, "connect", lambda *arguments: None)
    before = (run / runs.MANIFEST).read_bytes()
    for writes, said in ((True, "is trained: all 20 steps are done\n"), (False, "")):
        monkeypatch.setattr(recorder_module, "writes", lambda writes=writes: writes)
        assert cli.guarded(cli.run_train, ["--resume", str(run)]) == 0
        out, error = capsys.readouterr()
        assert out.endswith(said) and bool(out) is writes and error == ""
    assert (run / runs.MANIFEST).read_bytes() == before


@pytest.mark.parametrize(
    ("given", "main", "order"),
    [
        ({}, True, ["checked"]),
        ({"coordinator": "here:1", "num_processes": 2, "process_id": 0}, True, ["checked", "connected"]),
        ({"coordinator": "here:1", "num_processes": 2, "process_id": 1}, False, ["connected"]),
        ({"coordinator": "auto"}, True, ["connected", "checked"]),
        ({"coordinator": "auto"}, False, ["connected"]),
    ],
)
def test_only_the_process_that_writes_needs_a_folder_to_write_in(monkeypatch, given, main, order):
    """And it finds out before the others begin to wait for it, where it can know."""
    happened = []
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(progress, "_silent", False)
    monkeypatch.setattr(jax.distributed, "initialize", lambda *arguments: happened.append("connected"))
    monkeypatch.setattr(runs, "check_writable", lambda folder: happened.append("checked"))
    monkeypatch.setattr(devices, "is_main", lambda: main)
    hosts.connect(hosts.HostOptions(**given), folder=Path("a folder"))
    assert happened == order
    if not main:
        assert sys.stdout.name == os.devnull and sys.stdout.encoding == "utf-8"
        sys.stdout.close()


def test_processes_that_cannot_meet_are_told_so(monkeypatch):
    def fails(*arguments):
        raise RuntimeError("address in use")

    monkeypatch.setattr(jax.distributed, "initialize", fails)
    given = hosts.HostOptions(coordinator="here:1", num_processes=2, process_id=0)
    with pytest.raises(ValueError, match=r"--coordinator here:1 does not connect \(address in use\); give the address"):
        hosts.connect(given)


def test_the_mesh_is_of_all_devices_or_of_the_first():
    """On the two that tests have."""
    cores.start()
    everything = jax.devices()
    assert len(everything) == 2
    for mesh in (devices.mesh(), devices.mesh(2), hosts.connect(hosts.HostOptions())):
        assert list(mesh.devices.flat) == everything and not devices.on_many_hosts(mesh)
        assert devices.size(mesh) == devices.size_here(mesh) == 2
    assert hosts.connect(hosts.HostOptions(), batch_size=3) is devices.mesh(1) is None
    assert devices.size(None) == devices.size_here(None) == 1
    for count in (0, -1, 3):
        with pytest.raises(ValueError, match=f"devices={count}, but there are 2; use 1 to 2"):
            devices.mesh(count)
    assert [devices.num_parts(12, most) for most in (1, 2, 3, 4, 5, 12, 13)] == [1, 2, 3, 4, 4, 12, 12]


# ---- what doctor and tokens check


def test_doctor_tells_a_wrong_sampler(monkeypatch):
    """Samples of a mixture with a weight of 0.75 in place of 0.7: 7 standard errors of a share of 4,096."""
    right = sampling.sample
    marginals = ((0.8, 0.2), (0.1, 0.9))
    other = predictor.oracle(MixtureConfig(length=4, weights=(0.75, 0.25), marginals=marginals).build())
    monkeypatch.setattr(sampling, "sample", lambda key, oracle, sizes: right(key, other, sizes))
    with pytest.raises(ValueError, match="4096 oracle samples do not follow their law"):
        doctor.check_sampler()


@pytest.mark.parametrize(
    ("given", "masks", "found"),
    [
        ({}, 3, ("first_hitting", 3)),
        ({"num_steps": 3}, 3, ("first_hitting", 3)),
        ({"schedule": "uniform", "num_steps": 3}, 3, ("uniform", 3)),
        ({"schedule": "uniform", "num_steps": 3}, 0, ("uniform", 3)),
        ({"planner": "threshold:0.9"}, 3, (None, 0)),
        ({"num_steps": 2}, 3, "--num-steps 2 does not apply to first_hitting"),
        ({"schedule": "uniform"}, 3, "--schedule uniform needs --num-steps; use at most 3"),
        ({"schedule": "uniform", "num_steps": 4}, 3, "--num-steps=4 exceeds length=3"),
        ({"schedule": "uniform", "planner": "threshold:0.9"}, 3, "sizes its own steps; leave out --schedule"),
        ({"num_steps": 3, "planner": "threshold:0.9"}, 3, "sizes its own steps; leave out --schedule"),
    ],
)
def test_the_schedule_of_tokens_and_its_number_of_steps(given, masks, found):
    given = tokens.Options(**given)
    if isinstance(found, tuple):
        assert tokens._schedule(given, masks) == found
    else:
        with pytest.raises(ValueError, match=found):
            tokens._schedule(given, masks)
