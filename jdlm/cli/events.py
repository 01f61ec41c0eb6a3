"""Scalars of a training for TensorBoard, beside the metrics of its run: an extra, written where it was asked for.

The folder ``tensorboard`` of a run says that it was: what continues the run goes on writing there.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm.errors import InputError

if TYPE_CHECKING:
    from jdlm.study.rows import Row

__all__ = ["FOLDER", "Events", "check", "follow", "is_wanted", "want"]

FOLDER = "tensorboard"


def check() -> None:
    """Raise an InputError if the package that writes events is not installed."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise InputError(
            "--tensorboard needs the package tensorboardX; install it with `pip install 'jdlm[tensorboard]'`"
        ) from None


def want(folder: Path) -> None:
    """Have the training in a folder write events."""
    (folder / FOLDER).mkdir(exist_ok=True)


def is_wanted(folder: Path) -> bool:
    """Whether the training in a folder writes events."""
    return (folder / FOLDER).is_dir()


def follow(folder: Path, origin: Path) -> None:
    """Have the training in a folder write events where that of another one does."""
    if is_wanted(origin):
        want(folder)


class Events:
    """What is written of one training, from a step on."""

    def __init__(self, step: int = 0):
        """Events after a step, which hide those that an interrupted training wrote beyond it."""
        self._step, self._writer = step, None

    def write(self, folder: Path, rows: "Iterable[Row]") -> None:
        """Write rows of a training, each at the step of its ``index``; nothing unless it is wanted in this folder."""
        if not is_wanted(folder):
            return
        if self._writer is None:
            self._writer = self._opened(folder / FOLDER)
        if not self._writer:
            return
        for row in rows:
            self._writer.add_scalar(row.metric, row.value, row.index)
            if row.standard_error is not None:
                self._writer.add_scalar(f"{row.metric}_standard_error", row.standard_error, row.index)
        self._writer.flush()

    def _opened(self, folder: Path) -> Any:
        """The writer; False where there is none, which costs no training."""
        try:
            check()
        except InputError as error:
            print(f"note: no events are written: {error}", file=sys.stderr)
            return False
        from tensorboardX import SummaryWriter

        # Names are made of whole seconds; the step tells apart what is written within one.
        purged = self._step + 1 if self._step else None
        return SummaryWriter(str(folder), purge_step=purged, filename_suffix=f".{self._step}")

    def close(self) -> None:
        """Write what is left."""
        if self._writer:
            self._writer.close()
