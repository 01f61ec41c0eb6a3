"""Command lines of every kind: they run, on small sizes, or end in one line with exit code 2; never a fault of ours."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdlm import cli
from jdlm.study import figures, places, runs
from tests.fuzz.fuzzing import COUNTS, HUGE, examples, verified

PRESET = """
[target]
kind = "parity"
length = 3
[network]
width = 4
depth = 1
heads = 1
mlp_ratio = 1
[training]
steps = 4
batch_size = 3
warmup_steps = 1
chunk_steps = 2
evaluation_draws = 2
[sweep]
schedules = ["uniform"]
num_steps = [1]
samples = 4
curve_samples = 2
"""
OPTIONS = {
    "train": [
        "--training.steps",
        "--training.seed",
        "--training.seeds",
        "--tensorboard",
        "--training.learning-rate",
        "--training.labels",
        "--network.width",
        "--network.heads",
        "--network.kind",
        "--name",
        "--target.length",
        "--training.batch-size",
        "--resume",
        "--from",
        "--training.ema-decay",
        "--devices",
        "--data",
        "--target.encoding",
    ],
    "sweep": [
        "--sweep.schedules",
        "--sweep.num-steps",
        "--sweep.samples",
        "--sweep.planners",
        "--sweep.seed",
        "--sweep-name",
        "--name",
        "--sweep.batch-size",
        "--fail-fast",
        "--sweep.curve-samples",
        "--temperature",
        "--top-k",
        "--sweep.nucleus",
    ],
    "tokens": [
        "--count",
        "--schedule",
        "--planner",
        "--num-steps",
        "--given",
        "--mask",
        "--oracle",
        "--seed",
        "--batch-size",
        "--temperature",
        "--top-k",
        "--nucleus",
    ],
    "recommend": [
        "--kl",
        "--num-steps",
        "--schedule",
        "--confidence",
        "--samples",
        "--seed",
        "--export",
        "--oracle",
        "--model",
        "--data",
        "--length",
    ],
    "watch": [
        "--schedules",
        "--num-steps",
        "--planner",
        "--given",
        "--draws",
        "--seed",
        "--oracle",
        "--out",
        "--top-k",
    ],
    "report": ["--sweep-name"],
    "table": ["--format", "--planner", "--sweep-name"],
    "ls": [],
    "figures": ["--sweep-name"],
    "manifest": [],
    "study": ["--seed", "--quick"],
}
VALUES = st.one_of(
    st.sampled_from(
        [
            "1",
            "2",
            "3",
            "0",
            "-1",
            "4",
            "0.5",
            "1e-3",
            "nan",
            "inf",
            "",
            "uniform",
            "cosine",
            "first_hitting",
            "speculative",
            "random",
            "confidence",
            "threshold:0.9",
            "blocks:2",
            "causal",
            "oracle",
            "sampled",
            "_",
            "0 _ 1",
            "_ _ _",
            "0,1,0",
            "1 1 1",
            "-",
            "done",
            "small.toml",
            "numbers.csv",
            "words.txt",
            "latex",
            "a.png",
            "None",
            "True",
            "\\",
            "a\nb",
            "geometric:0.5",
            "minimax_tc",
            "thinning",
            "../x",
            "{}",
            "[1]",
            "9" * 400,
        ]
    ),
    st.sampled_from([str(n) for n in HUGE]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4),
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    (folder / "small.toml").write_text(PRESET)
    (folder / "numbers.csv").write_text("0,1,0\n1,1,0\n0,0,1\n2,0,1\n")
    (folder / "words.txt").write_bytes(b"ab\xe9 " * 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(figures, "FIGURES", {})
        assert cli.guarded(cli.run_train, ["small.toml", "--name", "done"]) == 0
        assert cli.guarded(cli.run_sample, ["done"]) == 0
        yield folder


@st.composite
def lines(draw):
    """A command with options of its own and of others, most of them with a value."""
    command = draw(st.sampled_from([*OPTIONS, "sweep", "tokens", "train", "other"]))
    words = [] if command in ("train", "other") else [command]
    if draw(st.booleans()):
        words.append(draw(st.sampled_from(["small.toml", "done"])))
    elif draw(st.booleans()):
        words.append(draw(VALUES))
    names = OPTIONS.get(command, [])
    for _ in range(draw(st.integers(0, 3))):
        word = (
            draw(st.sampled_from(names))
            if names and draw(st.integers(0, 9))
            else draw(st.sampled_from(["--help", "--x", "--debug"]))
        )
        words += [word] if draw(st.integers(0, 9)) == 0 else [word, draw(VALUES)]
    return "train" if command == "train" else "sample", words


@examples(10, 1500)
@given(line=lines())
def test_command_lines(workplace, line):
    name, words = line
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        patch.setattr(figures, "FIGURES", {})
        patch.setattr("sys.argv", [f"{name}.py", *words])
        before = {path.name for path in Path("runs").iterdir()}
        COUNTS["command lines"]["tried"] += 1
        code = cli.guarded(getattr(cli, f"run_{name}"), words)
        assert code in (0, 1, 2), (line, code)
        COUNTS["command lines"]["accepted" if code == 0 else "refused"] += 1
        assert not list(Path("runs").glob(".*")), "nothing half-written"
        for path in Path("runs").iterdir():
            if path.name not in before:
                if runs.read_manifest(path).get("kind") == "training":
                    runs.read_config(path)
                if (path / "sweep.csv").exists():
                    assert places.read(places.Place(path))
                    verified("command lines")
                shutil.rmtree(path)
        for path in Path("runs/done/sweeps").glob("*"):
            assert places.read(places.Place(Path("runs/done"), path.name))
