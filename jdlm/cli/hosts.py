"""Several devices and hosts: connects the processes of a command and chooses the devices that share its work."""

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jdlm.cli import cores, progress
from jdlm.errors import InputError
from jdlm.study import runs


@dataclass(frozen=True, kw_only=True)
class HostOptions:
    """Options of the commands that spread their work."""

    devices: int | None = None
    """Number of devices that share the work; all there are by default. Each core of a CPU is a device."""
    coordinator: str | None = None
    """For several hosts, each of which runs this command: HOST:PORT of the first one, or auto to ask the cluster."""
    num_processes: int | None = None
    """Number of processes in all, with --coordinator HOST:PORT."""
    process_id: int | None = None
    """Number of this process, from 0; process 0 alone writes files, into a folder that all can read."""

    def __post_init__(self):
        if self.devices is not None and self.devices < 1:
            raise InputError(f"devices={self.devices} is less than 1; use at least 1, or leave it out")
        count, number = self.num_processes, self.process_id
        if self.coordinator is None or self.coordinator == "auto":
            if count is not None or number is not None:
                raise InputError("--num-processes and --process-id need --coordinator HOST:PORT")
            return
        if ":" not in self.coordinator:
            raise InputError(f"coordinator={self.coordinator!r} is not an address; use HOST:PORT, or auto")
        if count is None or number is None or not 0 <= number < count:
            raise InputError(
                f"num_processes={count}, process_id={number}; "
                "give both with --coordinator, process_id from 0 to num_processes - 1"
            )


def connect(given: HostOptions, batch_size: int | None = None, folder: Path | None = None) -> Any:
    """The mesh of all devices (None for a single one), after connecting the processes; to be called once, first.

    Of a single host's cores, only as many are taken as cut batches of ``batch_size`` into equal parts. Processes
    connected to others keep the devices that JAX gives them.

    Args:
      given: the options.
      batch_size: of the training, if that is what the devices share.
      folder: an existing one that the command is to write into; process 0 alone must be able to.

    Raises:
      ValueError: no cluster is found, there are fewer devices, or the folder cannot be written.
    """
    if folder is not None and given.coordinator != "auto" and not given.process_id:
        runs.check_writable(folder)  # before connecting: the others would wait for a process that has given up
    import jax

    from jdlm import devices

    count = given.devices
    if given.coordinator == "auto":
        try:
            jax.distributed.initialize()
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"--coordinator auto finds no cluster ({error}); give HOST:PORT, --num-processes and --process-id"
            ) from None
    elif given.coordinator is not None:
        try:
            jax.distributed.initialize(given.coordinator, given.num_processes, given.process_id)
        except RuntimeError as error:
            raise InputError(
                f"--coordinator {given.coordinator} does not connect ({error}); give the address of process 0, "
                "a port that is free there, and each process its own --process-id"
            ) from None
    else:
        most = cores.number()
        cores.use(count or (most if batch_size is None else devices.num_parts(batch_size, most)))
    cores.start()
    if given.coordinator is None:
        if count is None and batch_size is not None and devices.on_cpu():
            count = devices.num_parts(batch_size, len(jax.devices()))
    if not devices.is_main():
        # The others do the same work and would say the same; errors are worth hearing from each.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
        progress.silence()
    elif folder is not None and given.coordinator == "auto":
        runs.check_writable(folder)
    return devices.mesh(count)


def locked(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Keeps other writers out of a folder, after `connect`; process 0 does it for all."""
    from jdlm import devices

    return runs.lock(folder) if devices.is_main() else contextlib.nullcontext()
