"""What a training leaves as it goes on: metrics, checkpoints, and words on the terminal."""

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm.cli import events, interrupt, progress
from jdlm.config import Config
from jdlm.study import metrics_file, numbers, runs
from jdlm.study.rows import read

if TYPE_CHECKING:
    from jdlm.targets import Target

__all__ = ["Listener", "Recorder", "train", "writes"]

_SECONDS_BETWEEN_CHECKPOINTS = 5.0


def writes() -> bool:
    """Whether this process is the one that writes."""
    from jdlm import devices

    return devices.is_main()


class Listener:
    """Takes in what a training says and writes nothing: one process of a run does the writing."""

    def __init__(self, config: Config, step: int = 0):
        assert config.network is not None and config.training is not None  # as it is trained
        self.config, self.network, self.training = config, config.network, config.training
        self.step, self.folder = step, Path()
        self.last: Any = None
        self.is_one_of_many = bool(self.training.seeds)
        """Whether the run has other seeds, too."""

    def record(self, state, chunk) -> None:
        """Takes in a chunk."""
        self.last = chunk

    def save(self, state) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class Recorder(Listener):
    """Writes metrics, checkpoint and manifest as the training goes on; a run can be continued from each of them.

    Metrics are written before the checkpoint, which has their digest; what comes after it is dropped on resuming.
    """

    def __init__(self, draft: runs.Draft, config: Config, run: Path | None = None):
        """What records one training.

        Args:
          draft: the folder.
          config: the training.
          run: the run whose other seed it is.
        """
        super().__init__(config)
        self._run = run
        self.is_one_of_many |= run is not None
        self._draft, self._rows, self._saved = draft, [], float("-inf")
        self.folder = draft.folder  # hidden before the first checkpoint
        self._metrics = metrics_file.MetricsFile(self.folder / runs.METRICS)
        self._events = events.Events()

    def record(self, state, chunk) -> None:
        """Takes in a chunk, and writes it unless the last writing was a moment ago."""
        from jdlm.study import metrics

        self._rows += metrics.metric_rows(
            chunk, cell=metrics.cell(self.config), target=self.config.name, seed=self.training.seed
        )
        self.last = chunk
        finished = chunk.step == self.training.steps
        if finished or time.monotonic() - self._saved >= _SECONDS_BETWEEN_CHECKPOINTS:
            self.save(state)

    def save(self, state) -> None:
        """Writes all that was taken in, if it is not written yet; the run appears under its name the first time."""
        step = self.last.step
        if step != self.step:
            rows = self._rows
            self._metrics.append(rows)
            self._rows = []
            self._put(state, step)
            self._events.write(self.folder, rows)

    def close(self) -> None:
        """Ends the files that are open."""
        self._events.close()

    def begin(self, state, step: int, beside: dict[str, Any]) -> None:
        """Starts from the checkpoint of another run, whose metrics were copied; the run appears under its name."""
        self._metrics.cut(beside, step)
        self._put(state, step)
        if events.is_wanted(self.folder):
            self._events.write(self.folder, read(self.folder / runs.METRICS))

    def _put(self, state, step: int) -> None:
        from jdlm.training import checkpoint as checkpoints

        settings, beside = self.config.record(), self._metrics.mark()
        checkpoints.save(self.folder / runs.CHECKPOINT, state, self.network, settings=settings, beside=beside)
        finished = {"finished": runs.now()} if step == self.training.steps else {}
        runs.write_manifest(self.folder, runs.read_manifest(self.folder) | {"steps_done": step} | finished)
        self.step, self._saved = step, time.monotonic()
        self.folder = self._draft.publish()
        self._metrics.path = self.folder / runs.METRICS
        self._say()

    def _say(self) -> None:
        """Says what an interruption leaves."""
        steps, place = self.training.steps, shlex.quote(str(self._run or self.folder))
        of = f" of seed {self.training.seed}" if self.is_one_of_many else ""
        if self.step == steps and not self.is_one_of_many:
            interrupt.remains(f"{self.folder} is trained: all {steps} steps are saved")
        else:
            interrupt.remains(
                f"step {self.step} of {steps}{of} is saved. Continue with: python train.py --resume {place}"
            )

    def go_on(self, step: int, beside: dict[str, Any]) -> None:
        """Starts from a checkpoint; metrics that do not belong to it are dropped."""
        self.step, self._events = step, events.Events(step)
        self._say()
        self._metrics.cut(beside, step)


def train(recorder: Listener, state, mesh) -> None:
    """Trains from a state (a new one if None) to the end, with a progress bar; Ctrl-C saves and stops."""
    from jdlm import training

    config, steps = recorder.config, recorder.training.steps
    if not writes():
        interrupt.remains("process 0 says what is saved")
    what = config.name + (f", seed {recorder.training.seed}" if recorder.is_one_of_many else "")
    with progress.Progress(f"training {what}", unit="step") as bar, interrupt.gentle() as stop:
        bar.start(recorder.step, steps)

        def on_chunk(state, chunk) -> None:
            recorder.record(state, chunk)
            error = chunk.learning_error
            note = f"loss {chunk.loss.value:.3f} nats, "
            note += f"learning error {error.value:.4f} nats, " if error is not None else ""
            bar.update(chunk.step, steps, note + f"{chunk.steps_per_second:.0f} steps/s")
            if stop.requested and chunk.step < steps:
                recorder.save(state)
                stop.check()

        try:
            training.train(
                recorder.network, config.target.build(), recorder.training, state=state, mesh=mesh, on_chunk=on_chunk
            )
        finally:
            recorder.close()
    error = recorder.last.learning_error
    if error is not None:
        yard = _yardstick(config.target.build(), error.value)
        found = numbers.written(error.value, error.standard_error)
        print(f"learning error {found} nats per sequence after {steps} steps{yard}")
    if recorder.is_one_of_many:
        print(f"trained {recorder.folder} of seed {recorder.training.seed}")
    else:
        print(f"trained {recorder.folder}; compare schedules with: python sample.py {recorder.folder}")


def _yardstick(target: "Target", error: float) -> str:
    """How large a learning error is beside what the target holds; nothing where its entropy is not known."""
    from jdlm import curves

    if not target.has("entropy_curve"):
        return ""
    curve = target.entropy_curve()
    totals = {"TC": curves.total_correlation(curve), "H": float(curve.sum())}
    shares = [f"{numbers.share(error, total)} of {name}" for name, total in totals.items() if total > 1e-9]
    return f" ({', '.join(shares)})" if shares else ""
