"""How much memory a command needs, by its sizes, against what the machine has: refused before anything is computed.

The estimates are of the largest arrays that live together, from above where they cannot be exact; docs/reliability.md
has them beside what was measured.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from jdlm.config import Config
from jdlm.errors import InputError
from jdlm.study import studies

if TYPE_CHECKING:
    from jdlm.targets import Target

__all__ = [
    "available",
    "check",
    "of_checkpoint",
    "of_curve",
    "of_rows",
    "of_study",
    "of_sweep",
    "of_tokens",
    "of_training",
]

_QUICK = 0.6  # gigabytes of the quick part of a study, from above
_PROGRAMS = 2**28  # bytes of compiled programs and what compiling takes
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available() -> int | None:
    """Bytes that this process may still take: of the machine, its container and its limits; None if nobody says."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith("MemAvailable:"))
        found.append(int(line.split()[1]) * 1024)
    for limit, usage in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
            found.append(int(Path(limit).read_text()) - int(Path(usage).read_text()))
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            found.append(limit - pages * os.sysconf("SC_PAGE_SIZE"))
    return max(min(found), 0) if found else None


def check(need: int, what: str) -> None:
    """Raise an InputError if ``what`` needs more memory than there is, on accelerators' hosts, too.

    Args:
      need: bytes.
      what: what takes it, with its sizes and the remedy after a semicolon.
    """
    found = available()
    if found is not None and need > found:
        what, _, remedy = what.partition("; ")
        raise InputError(
            f"{what} needs about {_shown(need)} of memory, and {_shown(found)} are free here; {remedy or 'use less'}"
        )


def _shown(size: int) -> str:
    return f"{size / 1e9:.3g} GB"


def of_tokens(count: int, length: int) -> int:
    """Bytes of ``count`` sequences that are sampled and printed: arrays of the lanes, and text."""
    return count * (200 + 50 * length)


def of_study(name: str, quick: bool) -> int:
    """Bytes of a study, by what was measured; most of its quick part is JAX and its compiler."""
    gigabytes = studies.STUDIES[name].gigabytes
    return int(1e9 * (min(gigabytes, _QUICK) if quick else gigabytes))


def of_rows(paths: Iterable[Path]) -> int:
    """Bytes of files of rows that are drawn: rows of Python, and figures of them."""
    return _PROGRAMS + 16 * _size(paths)


def of_checkpoint(folder: Path) -> int:
    """Bytes of a checkpoint that is read and checked: as bytes, as arrays, and on a device."""
    return _PROGRAMS + 4 * _size(folder.glob("*"))


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def of_curve(samples: int, length: int, vocab: int) -> int:
    """Bytes of a measured curve: its sequences and the terms of each revealed count."""
    return samples * length * 40 + 8 * length**2 + 64 * length * vocab


def of_training(config: Config, target: "Target") -> int:
    """Bytes of a training: parameters with their mean and the optimizer's state, and the activations of a batch."""
    network, training = config.network, config.training
    assert network is not None and training is not None
    length, vocab = target.length, target.vocab_size
    rows = length * (2 if network.kind == "causal" else 1)
    per_block = network.width**2 * (4 + 2 * network.mlp_ratio)
    parameters = network.depth * per_block + network.width * (length + 2 * vocab)
    per_row = network.depth * (network.width * (8 + 2 * network.mlp_ratio) + network.heads * length) + 4 * vocab
    evaluation = training.evaluation_draws * length * (length + 8 * vocab)
    # Five copies of a state of four: trained, gradients and updates, saved on the host and as bytes.
    return _PROGRAMS + 4 * (20 * parameters + training.batch_size * rows * per_row + evaluation)


def of_sweep(config: Config, target: "Target") -> int:
    """Bytes of a sweep: the lanes of one queue (at least those of a cell) and the rows of tokens that are compared."""
    sweep = config.sweep
    lanes = max(4 * sweep.samples, 16384)
    slots = sweep.batch_size or 128
    steps = max(sweep.num_steps)
    tokens = lanes * (96 * target.length + 32 * min(steps, target.length) + 500)
    logits = 6 * 4 * slots * target.length * target.vocab_size
    curve = of_curve(sweep.curve_samples, target.length, target.vocab_size)
    return _PROGRAMS + tokens + logits + curve
