"""``train.py --training.seeds``: each network is that of its own training, sweeps and figures show their mean."""

import math
import shutil
import statistics
from pathlib import Path

import pytest

from jdlm import cli, exact, schedules
from jdlm.cli import recorder, resource
from jdlm.cli.figures import training_rows
from jdlm.study import rows, runs
from jdlm.study.figures import FIGURES
from jdlm.training import checkpoint as checkpoints

PRESET = """
[target]
kind = "sticky_markov"
length = 4
vocab = 3
stay = 0.8
[network]
width = 8
depth = 1
heads = 1
[training]
steps = 20
batch_size = 16
chunk_steps = 10
warmup_steps = 2
labels = "oracle"
[sweep]
schedules = ["uniform", "first_hitting"]
num_steps = [2]
planners = ["random", "confidence"]
samples = 32
curve_samples = 8
"""


def train(*words):
    return cli.guarded(cli.run_train, list(words))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    (folder / "small.toml").write_text(PRESET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert train("small.toml", "--training.seeds", "3", "0", "1") == 0
        assert train("small.toml", "--name", "alone", "--training.seed", "1") == 0
        assert cli.guarded(cli.run_sample, ["small"]) == 0
        yield folder


def test_each_network_is_that_of_a_training_of_its_seed(made):
    assert sorted(path.name for path in Path("runs/small/seeds").iterdir()) == ["0", "1"]
    mine, alone = Path("runs/small/seeds/1"), Path("runs/alone")
    assert checkpoints.sha256(mine / runs.CHECKPOINT) != checkpoints.sha256(Path("runs/small") / runs.CHECKPOINT)
    assert [path.read_bytes() for path in (mine / "checkpoint").glob("*.safetensors")] == [
        path.read_bytes() for path in (alone / "checkpoint").glob("*.safetensors")
    ]
    assert runs.read_config(mine) == runs.read_config(alone)
    own = [row for row in rows.read(mine / runs.METRICS) if row.metric != "steps_per_second"]
    assert own == [row for row in rows.read(alone / runs.METRICS) if row.metric != "steps_per_second"]
    assert runs.read_manifest(Path("runs/small"))["seeds"]["training"] == [3, 0, 1]
    assert not list(Path("runs").rglob("tensorboard"))  # which nobody asked for


def test_rows_hold_each_seed_and_their_mean(made):
    table = rows.read("runs/small/sweep.csv")
    names = list(dict.fromkeys(row.predictor for row in table if row.predictor))
    assert names == ["oracle", *(f"network, seed {seed}" for seed in (3, 0, 1)), "network, mean of 3 seeds"]
    places: dict = {}
    for row in table:
        if row.predictor.startswith("network"):
            place = (row.schedule, row.planner, row.num_steps, row.metric, row.index, row.method)
            places.setdefault(place, []).append(row)
    assert {"path_kl_nats", "cross_entropy_curve_nats", "output_tv", "distinct_share"} <= {place[3] for place in places}
    for mine in places.values():
        *each, mean = mine
        values = [row.value for row in each]
        assert len(values) == 3 and mean.value == pytest.approx(sum(values) / 3, abs=1e-12)
        spread = statistics.stdev(values) / math.sqrt(3)
        own = math.sqrt(sum((row.standard_error or 0.0) ** 2 for row in each)) / 3
        if mean.standard_error is None:
            assert spread == own == 0.0
        else:
            assert mean.standard_error == pytest.approx(max(spread, own), abs=1e-12)


@pytest.mark.parametrize("seed", [3, 0, 1])
def test_the_rows_of_a_seed_are_those_of_its_network(made, seed):
    folder = str(Path("runs/small", *(() if seed == 3 else ("seeds", str(seed)))))
    found = resource.resolve(folder, Path("runs"))
    target = found.config.target.build()
    network = resource.load_network(found, target)
    wanted = exact.path_kl(target, network, schedules.uniform(4, 2)).path
    (row,) = [
        row
        for row in rows.read("runs/small/sweep.csv")
        if (row.predictor, row.metric, row.method, row.schedule, row.planner)
        == (f"network, seed {seed}", "path_kl_nats", "exact", "uniform", "random")
    ]
    assert row.value == pytest.approx(wanted, abs=1e-9)


def test_figures_show_the_mean_with_its_error(made):
    table = rows.read("runs/small/sweep.csv") + training_rows(Path("runs/small"))
    drawn = {path.stem for path in Path("runs/small/figures").glob("*.svg")}
    assert {"path_kl", "entropy_curve", "kl_split", "sampled", "exact_laws", "training"} <= drawn
    for name in drawn - {"adaptation", "sizes"}:
        text = Path(f"runs/small/figures/{name}.svg").read_text()
        assert "mean of 3 seeds" in text and "seed 1" not in text, name
    assert FIGURES["training"](table) is not None
    page = Path("runs/small/report.html").read_text()
    assert "network, mean of 3 seeds" in page and "network, seed 1" not in page and "training [3, 0, 1]" in page


def test_commands_on_one_network_take_the_first_or_the_folder_of_a_seed(made, capsys):
    for word in ("small", "runs/small/seeds/1", "alone"):
        assert cli.guarded(cli.run_sample, ["tokens", word, "--count", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    first, second, alone = lines[:4], lines[4:8], lines[8:]
    assert second == alone != first
    assert cli.guarded(cli.run_sample, ["recommend", "small", "--num-steps", "2", "--samples", "8"]) == 0
    assert "note: advice is on the network of the first seed; runs/small/seeds has 0, 1\n" in capsys.readouterr().err
    assert cli.guarded(cli.run_sample, ["ls", "runs"]) == 0
    assert "20 of 20 steps, 3 of 3 seeds, 1 sweep" in capsys.readouterr().out
    assert cli.guarded(cli.run_sample, ["table", "small"]) == 0
    assert "seed 1" not in capsys.readouterr().out


def test_what_was_interrupted_goes_on_and_is_not_averaged_before(made, monkeypatch, capsys):
    """Seed 0 stops after its first chunk, and seed 1 was not begun."""

    def failing(self, state, chunk, record=recorder.Recorder.record):
        record(self, state, chunk)
        if self.training.seed == 0 and chunk.step == 10:
            self.save(state)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "record", failing)
        assert train("small.toml", "--name", "cut", "--training.seeds", "3", "0", "1") == 130
    error = capsys.readouterr().err
    assert "step 10 of 20 of seed 0 is saved. Continue with: python train.py --resume runs/cut" in error
    assert cli.guarded(cli.run_sample, ["cut"]) == 2
    assert "seed 0 of runs/cut is at step 10 and the first one at 20" in capsys.readouterr().err
    assert train("--resume", "cut") == 0
    for seed in ("", "seeds/0", "seeds/1"):
        digests = [checkpoints.sha256(Path("runs", run, seed) / runs.CHECKPOINT) for run in ("cut", "small")]
        assert not seed or digests[0] == digests[1]
        assert runs.read_manifest(Path("runs/cut", seed))["steps_done"] == 20
    assert "trained runs/cut with seeds 3, 0, 1; compare schedules with: python sample.py runs/cut" in (
        capsys.readouterr().out
    )
    shutil.rmtree("runs/cut")


def test_all_seeds_go_on_beyond_the_planned_end(made):
    assert train("--resume", "small", "--training.steps", "30", "--name", "more") == 0
    assert train("--resume", "alone", "--training.steps", "30", "--name", "more-alone") == 0
    mine, alone = Path("runs/more/seeds/1"), Path("runs/more-alone")
    assert [path.read_bytes() for path in (mine / "checkpoint").glob("*.safetensors")] == [
        path.read_bytes() for path in (alone / "checkpoint").glob("*.safetensors")
    ]
    assert runs.read_manifest(mine)["continues"]["run"] == "runs/small/seeds/1"
    shutil.rmtree("runs/more/seeds/1")  # as if it had been interrupted before its last seed
    assert train("--resume", "more") == 0
    assert runs.read_manifest(mine)["continues"]["step"] == 20
