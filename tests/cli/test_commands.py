import dataclasses
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import docstring_parser
import jax
import platformdirs
import pytest

import jdlm
import jdlm.cli.recorder as recorder_module
from jdlm import cli
from jdlm.cli import cache, commands, interrupt, options, progress, sweep
from jdlm.cli.resource import data_sha256
from jdlm.cli.tokens import parse_given
from jdlm.config import presets
from jdlm.study import figures, rows, runs
from jdlm.training import checkpoint as checkpoints

ROOT = Path(__file__).parents[2]
# Everything of a real preset, small enough that compiling is most of the work.
SMALL = """
[target]
kind = "mixture"
length = 4
weights = [0.7, 0.3]
marginals = [[0.8, 0.2], [0.1, 0.9]]
[network]
width = 8
depth = 1
heads = 1
[training]
steps = 20
batch_size = 8
warmup_steps = 2
chunk_steps = 5
[sweep]
schedules = ["uniform", "first_hitting"]
num_steps = [2]
samples = 64
curve_samples = 16
"""


def script(name, *arguments, folder):
    """A script in a process of its own, as a user runs it."""
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / name), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a preset, and a run that was trained by the script and swept here."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "small.toml").write_text(SMALL)
    trained = script("train.py", "small.toml", folder=folder)
    assert trained.returncode == 0, trained.stderr
    assert "training small: 100 % (20/20 steps)" in trained.stderr and "trained runs/small; " in trained.stdout
    # What is compiled there need not be compiled here again.
    settings = (
        "compilation_cache_dir",
        "persistent_cache_min_compile_time_secs",
        "persistent_cache_min_entry_size_bytes",
    )
    before = {f"jax_{name}": getattr(jax.config, f"jax_{name}") for name in settings}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(figures, "FIGURES", {"entropy_curve": figures.entropy_curve})  # test_figures draws the others
        cache.compiled_programs()
        assert jax.config.jax_compilation_cache_dir == str(folder / "cache/jdlm/compiled")
        assert list((folder / "cache/jdlm/compiled").iterdir())
        assert cli.guarded(cli.run_sample, []) == 0
        yield folder
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def at_work(workplace, monkeypatch):
    """The same, as the current folder."""
    monkeypatch.chdir(workplace)
    return workplace


def snapshot(folder):
    """Every file's content, but for the cache, which may grow."""
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and folder / "cache" not in p.parents}


def test_a_run_folder_holds_all_that_it_should(workplace):
    run = workplace / "runs" / "small"
    assert [path.name for path in (workplace / "runs").iterdir()] == ["small"]
    names = {path.name for path in run.iterdir()}
    assert names == {"config.toml", "manifest.json", "metrics.csv", "checkpoint", "sweep.csv", "figures", "report.html"}
    config = presets.load(str(workplace / "small.toml"))
    said = dataclasses.replace(config, network=dataclasses.replace(config.network, dtype="float32"))  # not "auto"
    assert runs.read_config(run) == said
    manifest = runs.read_manifest(run)
    assert manifest["command"] == ["train.py", "small.toml"]
    assert manifest["finished"] and manifest["steps_done"] == 20 and manifest["sweep"]["options"]["samples"] == 64
    steps = [row.index for row in rows.read(run / "metrics.csv") if row.metric == "loss_nats"]
    assert steps == [5, 10, 15, 20]
    kl = [row for row in rows.read(run / "sweep.csv") if row.metric == "path_kl_nats"]
    assert {(row.predictor, row.method) for row in kl} == {
        (predictor, method) for predictor in ("oracle", "network") for method in ("identity", "exact", "monte_carlo")
    }
    assert {path.name for path in (run / "figures").iterdir()} == {"entropy_curve.png", "entropy_curve.svg"}


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("train", ["smal"], "no preset 'smal'; use one of markov, mixture"),
        ("train", ["other.toml"], "no preset file 'other.toml'"),
        ("train", ["reed-solomon"], "for the oracle alone; run `python sample.py reed-solomon`"),
        ("train", ["small.toml", "--target.weights", "0.7", "0.7"], "weights"),
        ("train", ["small.toml", "--target.length", "0"], "length"),
        ("train", ["small.toml", "--sweep.num-steps", "40"], "sweep.num_steps=40 exceeds length=4; use at most 4"),
        ("train", ["small.toml", "--name", "small"], "small exists; choose another --name"),
        ("train", ["small.toml", "--name", "a/b"], "'a/b' cannot be the name of a run"),
        ("train", ["--resume", "nothing"], "no run 'nothing'"),
        ("train", ["small.toml", "--resume", "small"], "leave out 'small.toml'"),
        ("sample", ["nothing"], "no run 'nothing' under 'runs'"),
        ("sample", ["swep"], "there is also the command 'sweep'"),
        ("sample", ["reccomend", "--kl", "1"], "there is also the command 'recommend'"),
        ("sample", ["sweep", "cache"], "cache is a folder without manifest.json"),
        ("sample", ["--runs-folder", "empty"], "no run under 'empty' yet"),
        ("sample", ["--sweep.samples", "64", "small"], "'small' follows an option; name the run or preset before"),
        ("sample", ["small", "--sweep.num-steps", "5"], "sweep.num_steps=5 exceeds length=4; use at most 4"),
        ("sample", ["--name", "mine"], "--name makes a new run, which needs a preset"),
        ("sample", ["reed-solomon", "--target.prime", "36"], "36"),
        ("sample", ["reed-solomon", "--target.dimension", "33"], "33"),
        ("sample", ["exact"], "no run 'exact' under 'runs'"),
        ("sample", ["figures", "reed-solomon"], "'reed-solomon' is a preset, which has no rows; name a run"),
        ("sample", ["tokens", "small", "--schedule", "cosine"], "--schedule cosine needs --num-steps; use at most 4"),
        ("sample", ["tokens", "small", "--schedule", "cosin", "--num-steps", "2"], "unknown schedule 'cosin'"),
        ("sample", ["tokens", "small", "--num-steps", "2"], "does not apply to first_hitting"),
        ("sample", ["tokens", "small", "--schedule", "cosine", "--num-steps", "5"], "--num-steps=5 exceeds length=4"),
        ("sample", ["tokens", "small", "--planner", "confidance"], "unknown planner 'confidance'"),
        ("sample", ["tokens", "small", "--planner", "threshold:0.9", "--num-steps", "2"], "sizes its own steps"),
        ("sample", ["tokens", "small", "--given", "0 1"], "--given holds 2 tokens, the sequence has 4"),
        ("sample", ["tokens", "small", "--given", "0 x _ _"], "--given holds 'x'"),
        ("sample", ["tokens", "small", "--given", "0 7 _ _"], "7"),
        ("sample", ["tokens", "small", "--output", "no/where.txt"], "does not exist; make it first"),
        ("sample", ["doctor", "mixture"], "'mixture' is a preset, and doctor checks runs"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_writes_nothing(at_work, capsys, command, arguments, message):
    before = snapshot(at_work)
    assert cli.guarded(getattr(cli, f"run_{command}"), arguments) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.startswith("error: ") and error.count("\n") == 1, error
    assert message in error
    assert snapshot(at_work) == before
    assert not (at_work / "empty").exists() and not list((at_work / "runs").glob(".*"))


@pytest.mark.parametrize(
    ("command", "arguments", "messages"),
    [
        ("train", ["small.toml", "--target.prime", "7"], ["Unrecognized options: --target.prime, 7"]),
        (
            "train",
            ["small.toml", "--training.step", "7"],
            ["Perhaps you meant", "--training.steps INT"],
        ),
        ("train", ["small.toml", "--training.steps", "many"], ["--training.steps", "'many'"]),
        ("train", ["small.toml", "--training.steps", "0"], ["steps=0", "use steps=1 or more"]),
        ("train", ["small.toml", "--training.steps"], ["Missing value for argument '--training.steps'"]),
        ("train", ["small.toml", "--network.width", "9", "--network.heads", "2"], ["width=9", "use width=10"]),
        ("train", ["small.toml", "more"], ["Unrecognized options: more"]),
        (
            "train",
            ["--resume", "small", "--training.batch-size", "9"],
            ["Unrecognized options: --training.batch-size, 9"],
        ),
        ("sample", ["small", "--target.length", "3"], ["Unrecognized options: --target.length, 3"]),
        ("sample", ["small", "--sweep.schedules", "cosin"], ["schedule 'cosin'; the nearest valid one is 'cosine'"]),
        ("sample", ["small", "--sweep.samples", "1"], ["samples=1", "use at least 2"]),
        ("sample", ["small", "--devices", "0"], ["devices=0", "use at least 1"]),
        ("sample", ["tokens", "small", "--count", "0"], ["count=0", "use at least 1"]),
    ],
)
def test_what_tyro_refuses_has_code_2_the_value_and_a_way_to_help(at_work, capsys, command, arguments, messages):
    before = snapshot(at_work)
    assert cli.guarded(getattr(cli, f"run_{command}"), arguments) == 2
    out, error = capsys.readouterr()
    said = " ".join(error.split())
    assert out == "" and all(message in said for message in [*messages, "--help"]) and "Traceback" not in error, error
    assert snapshot(at_work) == before


EDITS = {
    "target.weights[0]": ("weights = [0.7, 0.3]", "weights = [0.6, 0.4]"),
    "target.kind": ('kind = "mixture"', 'kind = "hidden_markov"'),
    "network.width": ("width = 8", "width = 16"),
    "training.labels": ('labels = "sampled"', 'labels = "oracle"'),
    "training.seed": ("seed = 0", "seed = 1"),
    "training.batch_size": ("batch_size = 8", "batch_size = 16"),
    "training.learning_rate": ("learning_rate = 0.003", "learning_rate = 0.004"),
    "sweep.samples": ("samples = 64", "samples = 65"),
}
USERS = (["sweep"], ["tokens", "--count", "1"], ["recommend", "--kl", "1"], ["figures"], ["doctor"], ["--resume"])


def used(run, command, *more):
    """The exit code of a command on a run, and what it says."""
    name, *options = command
    if name == "--resume":
        return cli.guarded(cli.run_train, [name, str(run), *options, *more])
    return cli.guarded(cli.run_sample, [name, str(run), *options, *more])


@pytest.mark.parametrize("field", EDITS)
def test_a_configuration_that_was_edited_is_refused(at_work, tmp_path, capsys, field):
    """By everything that uses the run, with the field and both values."""
    run = tmp_path / "edited"
    shutil.copytree(at_work / "runs/small", run)
    before, after = EDITS[field]
    text = (run / "config.toml").read_text()
    assert before in text
    (run / "config.toml").write_text(text.replace(before, after, 1))
    whole = snapshot(run)
    for command in USERS:
        code = used(run, command)
        out, error = capsys.readouterr()
        if field == "target.kind":  # the keys of another kind are others
            assert code == (1 if command == ["doctor"] else 2) and "config.toml" in out + error
            continue
        found = error if command != ["doctor"] else "".join(line for line in out.splitlines() if "FAIL  run:" in line)
        assert code == (1 if command == ["doctor"] else 2)
        assert f"config.toml is not that of the run: {field} was " in found.replace("weights was [", "weights[0] was [")
    assert snapshot(run) == whole


def test_a_checkpoint_of_another_run_is_refused(at_work, tmp_path, capsys):
    """Also where the manifest agrees with the configuration: the checkpoint says what it was made with itself."""
    run = tmp_path / "other"
    shutil.copytree(at_work / "runs/small", run)
    config = runs.read_config(run)
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, seed=3))
    runs.write_config(run, config)
    runs.write_manifest(run, runs.read_manifest(run) | {"settings": config.record()})
    for command in USERS:
        assert used(run, command) == (1 if command == ["doctor"] else 2)
        out, error = capsys.readouterr()
        assert "is of another model: training.seed was 0 and is 3; use the settings" in out + error, command


def test_a_checkpoint_that_is_a_link_is_refused(at_work, tmp_path, capsys):
    run = tmp_path / "linked"
    shutil.copytree(at_work / "runs/small", run)
    shutil.rmtree(run / "checkpoint")
    (run / "checkpoint").symlink_to(at_work / "runs/small/checkpoint")
    for command in USERS:
        assert used(run, command) == (1 if command == ["doctor"] else 2)
        out, error = capsys.readouterr()
        assert "checkpoint is a link, and a checkpoint belongs to its own run" in out + error, command


def test_folders_that_cannot_be_written(at_work, capsys):
    (at_work / "file").write_text("")
    for command, arguments in (("train", ["small.toml"]), ("sample", ["tiny"])):
        assert cli.guarded(getattr(cli, f"run_{command}"), [*arguments, "--runs-folder", "file/runs"]) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")
    assert (at_work / "file").read_text() == ""
    (at_work / "file").unlink()


def interrupt_after(monkeypatch, step):
    """Ctrl-C during the chunk that ends at ``step``."""
    record = recorder_module.Recorder.record

    def interrupted(self, state, chunk):
        if chunk.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        record(self, state, chunk)

    monkeypatch.setattr(recorder_module.Recorder, "record", interrupted)
    return record


def test_an_interrupted_run_resumes_bit_for_bit(at_work, monkeypatch, capsys):
    record = interrupt_after(monkeypatch, 10)
    assert cli.guarded(cli.run_train, ["small.toml", "--name", "stopped"]) == 130
    assert "step 10 of 20 is saved. Continue with: python train.py --resume runs/stopped" in capsys.readouterr().err
    run = at_work / "runs/stopped"
    assert runs.read_manifest(run)["finished"] is None and runs.read_manifest(run)["steps_done"] == 10
    monkeypatch.setattr(recorder_module.Recorder, "record", record)
    # Metrics of a chunk whose checkpoint was not written any more.
    late = [row for row in rows.read(at_work / "runs/small/metrics.csv") if row.index == 15]
    rows.append(run / "metrics.csv", late)
    assert cli.guarded(cli.run_train, ["--resume", "stopped"]) == 0
    assert checkpoints.sha256(run / "checkpoint") == checkpoints.sha256(at_work / "runs/small/checkpoint")

    def repeatable(folder):
        table = rows.read(at_work / "runs" / folder / "metrics.csv")
        return [row for row in table if row.metric != "steps_per_second"]

    assert repeatable("stopped") == repeatable("small")
    assert runs.read_manifest(run)["resumed"][0]["step"] == 10 and runs.read_manifest(run)["finished"]
    assert cli.guarded(cli.run_train, ["--resume", str(run)]) == 0
    assert "all 20 steps are done" in capsys.readouterr().out
    shutil.rmtree(run)


def test_interrupted_before_the_first_checkpoint_leaves_nothing(at_work, monkeypatch, capsys):
    def interrupted(self, state, chunk):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(recorder_module.Recorder, "record", interrupted)
    assert cli.guarded(cli.run_train, ["small.toml"]) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert [path.name for path in (at_work / "runs").iterdir()] == ["small"]


def test_an_interrupted_sweep_leaves_the_run_as_it_was(at_work, monkeypatch, capsys):
    def interrupted(self, done, total, note=""):
        if self._what == "sweep":
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(progress.Progress, "update", interrupted)
    before = snapshot(at_work)
    assert cli.guarded(cli.run_sample, ["small"]) == 130
    assert cli.guarded(cli.run_sample, ["small.toml"]) == 130
    assert "interrupted; nothing was written" in capsys.readouterr().err
    assert snapshot(at_work) == before


def test_an_interruption_that_gets_lost_is_remembered():
    with interrupt.watched():
        with pytest.raises(KeyboardInterrupt):  # as in a callback of the garbage collector, which swallows it
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), interrupt.gentle():
            raise AssertionError("begun in spite of the interruption")


def test_tokens(at_work, capsys):
    def tokens(*arguments):
        assert cli.guarded(cli.run_sample, ["tokens", *arguments]) == 0
        return [[int(token) for token in line.split()] for line in capsys.readouterr().out.splitlines()]

    drawn = tokens("small", "--count", "5")
    assert len(drawn) == 5 and {len(line) for line in drawn} == {4} and {t for line in drawn for t in line} <= {0, 1}
    assert tokens("--count", "5", "--runs-folder", "runs") == drawn == tokens(str(at_work / "runs/small"), "--count=5")
    assert tokens("small", "--count", "5", "--seed", "1") != drawn
    filled = tokens("small", "--given", "1 _ _,0", "--schedule", "uniform", "--num-steps", "2", "--oracle")
    assert {(line[0], line[3]) for line in filled} == {(1, 0)}
    assert len(tokens("small", "--planner", "threshold:0.9", "--count", "2")) == 2
    assert tokens("small", "--given", "1 0 1 0", "--count", "2") == [[1, 0, 1, 0]] * 2
    assert cli.guarded(cli.run_sample, ["tokens", "small", "--count", "5", "--output", "tokens.txt"]) == 0
    saved = (at_work / "tokens.txt").read_text()
    assert saved == "".join(" ".join(map(str, line)) + "\n" for line in drawn)
    (at_work / "tokens.txt").unlink()


@pytest.fixture
def text_run(at_work):
    """A run on a text of two letters, with the network of the small run, whose programs fit."""
    (at_work / "letters.txt").write_text("a\naa\n\na\na" * 300)
    target = '[target]\nkind = "text"\nlength = 4\npath = "letters.txt"\n'
    (at_work / "text.toml").write_text(target + SMALL[SMALL.index("[network]") :])
    run = at_work / "runs/text"
    shutil.copytree(at_work / "runs/small", run)
    small = runs.read_config(run)
    state = checkpoints.load(run / "checkpoint", small.network, small.target.build(), small.training)
    config = dataclasses.replace(presets.load("text.toml"), network=small.network)
    beside = checkpoints.beside(run / "checkpoint")
    checkpoints.save(run / "checkpoint", state, config.network, settings=config.record(), beside=beside)
    runs.write_config(run, config)
    runs.write_manifest(run, runs.new_manifest(config, ["train.py", "text.toml"]))
    yield run
    shutil.rmtree(run)
    for name in ("letters.txt", "text.toml"):
        (at_work / name).unlink()


def test_text_is_sampled_and_given_as_characters(text_run, capsys):
    assert cli.guarded(cli.run_sample, ["text.toml"]) == 2
    assert "no exact conditionals to sample from; train a network with" in capsys.readouterr().err
    digest = hashlib.sha256(Path("letters.txt").read_bytes()).hexdigest()
    assert data_sha256(runs.read_config(text_run).target.build()) == digest
    assert cli.guarded(cli.run_sample, ["tokens", "text", "--count", "3", "--given", "a?\n?", "--mask", "?"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(re.fullmatch(r"a(a|\\n)\\n(a|\\n)", line) for line in lines)
    for arguments, message in (
        (["--given", "a?", "--mask", "?"], "--given holds 2 bytes, the sequence has 4; fill up with '?'"),
        (["--given", "axx_"], "'x' does not occur in the text"),
        (["--mask", "__"], "--mask '__' is not one character"),
        (["--oracle"], "no exact conditionals to sample from; sample its network"),
    ):
        assert cli.guarded(cli.run_sample, ["tokens", "text", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert cli.guarded(cli.run_sample, ["text", "--sweep.schedules", "optimal"]) == 2
    assert "made for an exact entropy curve" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sweep_of_a_text_shows_the_nelbo(text_run, capsys):
    assert cli.guarded(cli.run_sample, ["text"]) == 0
    out = capsys.readouterr().out
    assert "negative evidence lower bound on text" in out
    assert re.search(r"uniform +2 +2.00 +\d+\.\d+ ± ", out)


def test_given_tokens():
    assert parse_given(" 0 1\t_,2 ", 4) == [0, 1, None, 2]
    for text in ("-1", "1.5", "__", "²"):
        with pytest.raises(ValueError, match="write token ids and _"):
            parse_given(text, 1)


def test_figures_are_drawn_again_from_the_rows_alone(at_work, capsys, monkeypatch):
    run = at_work / "runs/small"
    before = snapshot(run)
    for path in (run / "figures").iterdir():
        path.unlink()
    assert cli.guarded(cli.run_sample, ["figures", "small"]) == 0
    assert snapshot(run) == before, "the same rows give the same bytes"


def test_doctor_finds_what_is_broken(at_work, capsys):
    assert cli.guarded(cli.run_sample, ["doctor"]) == 0
    assert "FAIL" not in capsys.readouterr().out
    run = at_work / "runs/small"
    before = snapshot(run)
    (run / "sweep.csv").write_text((run / "sweep.csv").read_text()[:-20])
    tensors = next((run / "checkpoint").glob("*.safetensors"))
    tensors.write_bytes(before[tensors][:-1] + bytes([before[tensors][-1] ^ 1]))
    assert cli.guarded(cli.run_sample, ["doctor", "small"]) == 1
    failures = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert len(failures) == 2 and "sha256" in failures[0] and "sweep.csv" in failures[1]
    (run / "config.toml").write_text("name = 3")
    assert cli.guarded(cli.run_sample, ["doctor"]) == 1
    assert "FAIL  run: config.toml" in capsys.readouterr().out
    for path, content in before.items():
        path.write_bytes(content)


def test_a_run_wins_over_a_preset_of_the_same_name(at_work, tmp_path, capsys):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/tiny").symlink_to(at_work / "runs/small")
    assert cli.guarded(cli.run_sample, ["tokens", "tiny", "--runs-folder", str(tmp_path / "runs"), "--count", "1"]) == 0
    assert len(capsys.readouterr().out.split()) == 4, "the run has length 4, the preset 8"


def test_untrained_presets_sample_the_oracle(at_work, capsys):
    small = ["--sweep.schedules", "uniform", "--sweep.samples", "64"]
    assert cli.guarded(cli.run_sample, ["small.toml", "--target.weights", "0.6", "0.4", *small]) == 0
    out, error = capsys.readouterr()
    assert "small.toml is not trained here" in error and "runs/small-oracle" in out
    run = at_work / "runs/small-oracle"
    assert runs.read_config(run).target.weights == (0.6, 0.4)
    assert runs.read_config(run).training is None and runs.read_manifest(run)["kind"] == "oracle"
    assert {row.predictor for row in rows.read(run / "sweep.csv")} == {"", "oracle"}
    shutil.rmtree(run)


@pytest.mark.parametrize("command", ["train", "sample"])
def test_help_names_every_option_with_its_default(at_work, capsys, command):
    with pytest.raises(SystemExit) as stop:
        getattr(cli, f"run_{command}")(["small.toml", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "--sweep.samples INT" in text and "(default: 64)" in text and "--runs-folder" in text
    assert ("--training.steps INT" in text) == (command == "train")


def test_help_and_errors_import_little_and_do_without_jax(tmp_path):
    # How long they take is measured by benchmarks/startup.py; a test counts what would make them slow.
    code = "import sys\nfrom jdlm import cli\ncode = cli.guarded(cli.run_%s, sys.argv[1:])\n"
    code += "print({'jax', 'numpy', 'matplotlib'} & set(sys.modules), len(sys.modules)); sys.exit(code)"
    for command, arguments, status in (
        ("train", ["mixtur"], 2),
        ("sample", ["mixture", "--sweep.sample", "3"], 2),
        ("sample", ["--help"], 0),
        ("train", ["--help"], 0),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code % command, *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        heavy, count = done.stdout.splitlines()[-1].rsplit(" ", 1)
        assert (done.returncode, heavy) == (status, "set()"), done.stderr
        assert int(count) < 450  # 309 to 325 on Python 3.11; numpy is 140 more, jax another 550


def test_a_reader_that_leaves_early(workplace):
    program = f"{sys.executable} {ROOT / 'sample.py'} tokens --count 20000 --given '0 0 0 0' | head -1"
    piped = subprocess.run(program, shell=True, cwd=workplace, capture_output=True, text=True)
    assert (piped.stdout, piped.stderr) == ("0 0 0 0\n", "")


def test_the_cache_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "jdlm"
    assert cache.schedules() == tmp_path / "jdlm" / "schedules"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache.schedules() is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder().name in ("jdlm", "Cache")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: Path("~/.cache/jdlm"))  # as older versions do
    assert cache.folder() is None


def test_what_is_needed_early(capsys):
    """The run or preset only where it stands first: a value of an option that is not known yet looks the same."""
    for arguments, found in (
        ([], (None, "runs", None, None)),
        (["small"], ("small", "runs", None, None)),
        (["small", "--runs-folder", "a", "--x", "1"], ("small", "a", None, None)),
        (["--runs_folder=a_b", "small"], ("small", "a_b", None, None)),
        (["--x", "1", "--name", "b"], (None, "runs", "b", None)),
        (["--x", "1", "small"], (None, "runs", None, None)),
        (["--resume=c", "--help"], (None, "runs", None, "c")),
        (["--from", "d", "--name", "e"], (None, "runs", "e", None, "d")),
        (["--data", "f", "--target.encoding", "g"], (None, "runs", None, None, None, "f", "g")),
        (["--tyro-print-completion", "bash"], (None, "runs", None, None)),
    ):
        word, folder, *others = (*found, None, None, None)[:7]
        assert options.early(arguments) == (word, Path(folder), *others)
    with pytest.raises(SystemExit, match="2"):
        options.early(["--resume"])
    assert "Missing value for argument '--resume'" in capsys.readouterr().err
    options.check_leading("a", "a")
    with pytest.raises(ValueError, match="'a' follows an option"):
        options.check_leading(None, "a")


def test_help_lists_each_command_in_a_line(capsys):
    assert cli.guarded(cli.run_sample, ["--help"]) == 0
    lines = [line.split("• ")[1].rstrip(" │|") for line in capsys.readouterr().out.splitlines() if "• " in line]
    assert [line.split(maxsplit=1) for line in lines] == [[each.name, each.help] for each in commands.COMMANDS]
    assert {each.name for each in commands.COMMANDS} >= {"sweep", "tokens", "recommend", "figures", "doctor"}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"sample.py {each.name}" in readme.replace("[sweep]", "sweep") for each in commands.COMMANDS)


@pytest.mark.parametrize("command", commands.COMMANDS, ids=lambda each: each.name)
def test_every_command_explains_its_options(tmp_path, monkeypatch, capsys, command):
    """Where there is no run, too; and defaults are those of the class, which completion uses."""
    monkeypatch.chdir(tmp_path)
    assert cli.guarded(cli.run_sample, [command.name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "positional arguments" in text and command.name in text.splitlines()[0]
    assert ("--runs-folder PATH" in text) == (command.name != "verify")  # which is about the project's own results
    command.load().Options()
    helps = docstring_parser.parse_from_object(command.load().Options).params
    assert all("\n" not in (each.description or "") for each in helps), "tyro breaks the lines of help where we do"


def test_a_shell_completes_commands_and_options(tmp_path):
    """The script for bash is one that bash can read, and offers what there is."""
    for name, words in (
        ("sample.py", [*(each.name for each in commands.COMMANDS), "--sweep.samples", "--given", "--kl"]),
        ("train.py", ["--training.steps", "--resume", "--runs-folder"]),
    ):
        done = script(name, "--tyro-print-completion", "bash", folder=tmp_path)
        assert done.returncode == 0 and f"complete -F _tyro_{name.replace('.', '_')} {name}" in done.stdout, done.stderr
        assert all(word in done.stdout for word in words)
        assert subprocess.run(["bash", "-n"], input=done.stdout, text=True).returncode == 0


def test_the_version(capsys):
    for run in (cli.run_train, cli.run_sample):
        assert cli.guarded(run, ["--version"]) == 0
        assert capsys.readouterr().out == f"jdlm {jdlm.__version__}\n"


def test_a_run_named_like_a_command_needs_the_command_before_it(at_work, monkeypatch, capsys):
    swept = []
    monkeypatch.setattr(sweep, "_sweep_into", lambda folder, *rest: swept.append(folder) or 0)
    for name in ("doctor", "exact", "bench"):
        (at_work / "runs" / name).symlink_to(at_work / "runs/small")
    assert cli.guarded(cli.run_sample, ["sweep", "doctor"]) == 0
    assert cli.guarded(cli.run_sample, ["exact"]) == cli.guarded(cli.run_sample, ["bench", "--sweep.samples", "8"]) == 0
    assert swept == [Path("runs/doctor"), Path("runs/exact"), Path("runs/bench")]
    capsys.readouterr()
    assert (
        cli.guarded(cli.run_sample, ["doctor", "--runs-folder", "none"]) == 0
        and "ok    sampler" in capsys.readouterr().out
    )
    for name in ("doctor", "exact", "bench"):
        (at_work / "runs" / name).unlink()
