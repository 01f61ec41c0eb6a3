"""The cores of a CPU as devices, each with work of its own."""

import contextlib
import os
from pathlib import Path

from jdlm.errors import InputError

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container under Linux


def use(count: int | None = None) -> None:
    """Makes each core of the CPU a device of its own, or gives the CPU ``count`` devices.

    One device of many threads cuts each operation into pieces and waits for all of them, which costs a network up to a
    quarter of its speed on two cores (docs/decisions/network-on-cpu.md). To be called before JAX is used: later, or
    where ``XLA_FLAGS`` or ``jax_num_cpu_devices`` give a number, it changes nothing. Accelerators are not concerned.
    """
    import jax

    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    if jax.config.jax_num_cpu_devices > 0:  # pyright: ignore[reportAttributeAccessIssue]
        return
    with contextlib.suppress(RuntimeError):  # JAX has its devices already
        jax.config.update("jax_num_cpu_devices", count or number())


def start() -> None:
    """Starts JAX on the platform that the environment asks for; after :func:`use`.

    Raises:
      ValueError: that platform has no device here, or there is none of that name.
    """
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter, without a word, for a platform that is not installed
        reason = " ".join(str(error).split()).partition(" (set JAX_PLATFORMS")[0].rstrip(".")
        platforms = jax.config.jax_platforms  # pyright: ignore[reportAttributeAccessIssue]
        wanted = f" for JAX_PLATFORMS={platforms!r}" if platforms else ""
        raise InputError(
            f"JAX has no devices{wanted}{': ' if reason else ''}{reason}; "
            "unset it to take what there is, or set JAX_PLATFORMS=cpu"
        ) from None


def number() -> int:
    """Cores that this process may use: those of its affinity, fewer where a container has a share of them only."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = _QUOTA.read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))  # "max" where there is no limit
    return cores
