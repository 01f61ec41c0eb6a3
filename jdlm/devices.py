"""Devices to spread work over: a mesh with one axis, over one host or many.

Training splits each batch over it, sampling its lanes; parameters are on every device. On several hosts every process
runs the same program on the same arguments (`jax.distributed.initialize` has connected them before), gets the same
results, and process 0 alone writes files.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jdlm.errors import InputError

__all__ = [
    "AXIS",
    "fetch",
    "is_main",
    "mesh",
    "num_parts",
    "on_cpu",
    "on_many_hosts",
    "own_copy",
    "replicate",
    "sharded",
    "size",
    "size_here",
    "spread",
]

AXIS = "rows"
_Tree = TypeVar("_Tree")


def on_cpu() -> bool:
    """Whether arrays are on the CPU unless something else is asked for: the one place that asks for the platform."""
    return jax.default_backend() == "cpu"


def num_parts(rows: int, most: int) -> int:
    """The largest number of equal parts, at most ``most``, into which ``rows`` can be cut.

    >>> num_parts(64, 6), num_parts(33, 2)
    (4, 1)
    """
    return next(number for number in range(most, 0, -1) if rows % number == 0)


def mesh(count: int | None = None) -> Mesh | None:
    """The mesh of all devices of all processes, or of the first ``count``; None for a single one.

    Raises:
      ValueError: there are not so many devices, or some process would have none.
    """
    devices = jax.devices()
    count = len(devices) if count is None else count
    if not 1 <= count <= len(devices):
        raise InputError(f"devices={count}, but there are {len(devices)}; use 1 to {len(devices)}")
    if count < len(devices) and jax.process_count() > 1:
        raise InputError(f"devices={count} of {len(devices)} on {jax.process_count()} processes; leave it out")
    if count == 1:
        return None
    return jax.make_mesh((count,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices[:count])


def sharded(mesh: Mesh | None, function: Callable, cut: Sequence[bool], result_cut: bool) -> Callable:
    """``function`` as each device runs it, on its own rows of the arguments that are cut; itself if there is no mesh.

    Args:
      mesh: the devices.
      function: of arguments and a result that are trees of arrays.
      cut: for each argument, whether its first axis is spread over the devices; all have the whole of the others.
      result_cut: whether the result's rows are spread, else it is the same on all devices.
    """
    if mesh is None:
        return function
    specs = {True: PartitionSpec(AXIS), False: PartitionSpec()}
    # Unchecked: means over devices are taken where the function says, not wherever the checker finds that they must be.
    return jax.shard_map(
        function, mesh=mesh, in_specs=tuple(specs[each] for each in cut), out_specs=specs[result_cut], check_vma=False
    )


def size(mesh: Mesh | None) -> int:
    """Number of devices."""
    return 1 if mesh is None else mesh.size


def size_here(mesh: Mesh | None) -> int:
    """Number of devices of this process."""
    return 1 if mesh is None else sum(device.process_index == jax.process_index() for device in mesh.devices.flat)


def on_many_hosts(mesh: Mesh | None) -> bool:
    """Whether other processes have some of the devices."""
    return mesh is not None and not all(device.process_index == jax.process_index() for device in mesh.devices.flat)


def is_main() -> bool:
    """Whether this process is the one that writes files."""
    return jax.process_index() == 0


def spread(mesh: Mesh | None, tree: _Tree) -> _Tree:
    """Arrays whose first axis is cut into equal parts, one a device; every process gives all rows."""
    return _put(mesh, tree, PartitionSpec(AXIS))


def replicate(mesh: Mesh | None, tree: _Tree) -> _Tree:
    """Arrays that every device has whole."""
    return _put(mesh, tree, PartitionSpec())


def _put(mesh: Mesh | None, tree: Any, spec: PartitionSpec) -> Any:
    if mesh is None:
        return jax.device_put(tree)
    sharding = NamedSharding(mesh, spec)
    if not on_many_hosts(mesh):
        return jax.device_put(tree, sharding)

    def one(array: Any) -> jax.Array:
        if isinstance(array, jax.Array) and jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
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


def own_copy(tree: _Tree) -> _Tree:
    """Arrays on this process's first device, from arrays that every device has whole."""
    return jax.tree.map(lambda array: array.addressable_data(0) if isinstance(array, jax.Array) else array, tree)


def in_batches(
    function: Callable,
    total: int,
    width: int,
    mesh: Mesh | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Results of a function of row numbers, computed in batches of equal size.

    Args:
      function: from int32 ``[width * devices]`` row numbers to a tree of arrays with as many rows.
      total: number of rows.
      width: rows computed together on each device.
      mesh: devices that share each batch; the default device if None.
      progress: called with (done, total) rows after each batch.

    Returns:
      The tree for rows 0 to ``total - 1``, as whole arrays of numpy ``[total, ...]``.
    """
    parts = []
    width = min(width, -(-total // size(mesh))) * size(mesh)
    for start in range(0, total, width):
        indices = spread(mesh, np.arange(start, start + width, dtype=np.int32))
        parts.append(fetch(function(indices)))
        if progress is not None:
            progress(min(start + width, total), total)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:total], *parts)
