"""``train.py --tensorboard``: the events are the rows of the metrics, read back by their own format."""

import builtins
import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from jdlm import cli
from jdlm.study import rows, runs

SMALL = ["--training.warmup-steps", "2", "--training.chunk-steps", "10", "--network.width", "8", "--network.heads", "1"]
STEPS = ["--training.steps", "20"]


def read(folder):
    """(tag, step) -> value of all events; a record is its length, 4 bytes of a checksum, the event, 4 more."""
    found, purged = {}, []
    for path in sorted(Path(folder, "tensorboard").iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (size,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + size])
            place += 12 + size + 4
            if event.session_log.status:
                purged.append(event.step)
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    return found, purged


def wanted(folder):
    table = rows.read(Path(folder) / runs.METRICS)
    errors = {(f"{row.metric}_standard_error", row.index): row.standard_error for row in table if row.standard_error}
    return {(row.metric, row.index): row.value for row in table} | errors


def train(*words):
    return cli.guarded(cli.run_train, [*words])


def test_events_are_the_metrics_of_the_run_and_of_what_continues_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train("tiny", "--tensorboard", "--name", "mine", "--training.seeds", "0", "1", *STEPS, *SMALL) == 0
    for folder in ("runs/mine", "runs/mine/seeds/1"):
        found, purged = read(folder)
        assert found == pytest.approx(wanted(folder), rel=1e-6) and not purged
        assert {tag for tag, _ in found} > {"loss_nats", "learning_error_nats", "learning_error_nats_standard_error"}
    assert train("--resume", "mine", "--training.steps", "30", "--name", "more") == 0
    found, _ = read("runs/more")
    assert found == pytest.approx(wanted("runs/more"), rel=1e-6) and ("loss_nats", 30) in found


def test_what_an_interrupted_training_wrote_beyond_its_checkpoint_is_hidden(tmp_path, monkeypatch):
    from jdlm.cli import recorder

    monkeypatch.chdir(tmp_path)

    def cut(self, state, chunk, record=recorder.Recorder.record):
        record(self, state, chunk)
        self.save(state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "record", cut)
        assert train("tiny", "--tensorboard", "--name", "mine", *STEPS, *SMALL) == 130
    assert train("--resume", "mine") == 0
    found, purged = read("runs/mine")
    assert found == pytest.approx(wanted("runs/mine"), rel=1e-6) and purged == [11]


def test_without_the_package_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    imported = builtins.__import__

    def without(name, *rest):
        if name.startswith("tensorboardX"):
            raise ImportError(name)
        return imported(name, *rest)

    assert train("tiny", "--tensorboard", "--name", "mine", *STEPS, *SMALL) == 0
    monkeypatch.setattr(builtins, "__import__", without)
    assert train("tiny", "--tensorboard", "--name", "other", *STEPS, *SMALL) == 2
    assert "install it with `pip install 'jdlm[tensorboard]'`" in capsys.readouterr().err
    assert not Path("runs/other").exists()
    assert train("--resume", "mine", "--training.steps", "30", "--name", "more") == 0
    assert "note: no events are written" in capsys.readouterr().err
