"""The devices that work is spread over: a mesh of one axis, over the devices of one host or of many.

Training splits each batch over it, sampling its lanes; parameters are on every device. On several hosts every process
runs the same program on the same arguments (`jax.distributed.initialize` has connected them before), gets the same
results, and process 0 alone writes files.
"""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

AXIS = "rows"


def on_cpu() -> bool:
    """Whether arrays are on the CPU unless something else is asked for: the one place that asks for the platform."""
    return jax.default_backend() == "cpu"


def mesh(count: int | None = None) -> Mesh | None:
    """The mesh of all devices of all processes, or of the first ``count``; None for a single one.

    Raises:
      ValueError: there are not so many devices, or some process would have none.
    """
    devices = jax.devices()
    count = len(devices) if count is None else count
    if not 1 <= count <= len(devices):
        raise ValueError(f"devices={count}, but there are {len(devices)}; use 1 to {len(devices)}")
    if count < len(devices) and jax.process_count() > 1:
        raise ValueError(f"devices={count} of {len(devices)} on {jax.process_count()} processes; leave it out")
    if count == 1:
        return None
    return jax.make_mesh((count,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices[:count])


def size(mesh: Mesh | None) -> int:
    """Number of devices."""
    return 1 if mesh is None else mesh.size


def on_many_hosts(mesh: Mesh | None) -> bool:
    """Whether other processes have some of the devices."""
    return mesh is not None and not all(device.process_index == jax.process_index() for device in mesh.devices.flat)


def is_main() -> bool:
    """Whether this process is the one that writes files."""
    return jax.process_index() == 0


def spread(mesh: Mesh | None, tree: Any) -> Any:
    """Arrays whose first axis is cut into equal parts, one a device; every process gives all rows."""
    return _put(mesh, tree, PartitionSpec(AXIS))


def replicate(mesh: Mesh | None, tree: Any) -> Any:
    """Arrays that every device has whole."""
    return _put(mesh, tree, PartitionSpec())


def _put(mesh: Mesh | None, tree: Any, spec: PartitionSpec) -> Any:
    if mesh is None:
        return jax.device_put(tree)
    sharding = NamedSharding(mesh, spec)
    if not on_many_hosts(mesh):
        return jax.device_put(tree, sharding)

    def one(array: Any) -> jax.Array:
        if isinstance(array, jax.Array) and jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(one(jax.random.key_data(array)), impl=jax.random.key_impl(array))
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(one, tree)


def fetch(tree: Any) -> Any:
    """Whole arrays of numpy in every process, from arrays on one device or spread over those of many processes."""

    def one(array: Any) -> np.ndarray:
        if isinstance(array, jax.Array) and not array.is_fully_addressable:
            return np.asarray(multihost_utils.process_allgather(array, tiled=True))
        return np.asarray(array)

    return jax.tree.map(one, tree)


def own_copy(tree: Any) -> Any:
    """Arrays on this process's first device, from arrays that every device has whole."""
    return jax.tree.map(lambda array: array.addressable_data(0) if isinstance(array, jax.Array) else array, tree)
