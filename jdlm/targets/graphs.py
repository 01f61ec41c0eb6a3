"""Small undirected graphs as adjacency matrices, for the random walks of `jdlm.targets.walk`."""

import numpy as np
from jaxtyping import Bool, Int

from jdlm.errors import InputError
from jdlm.targets import validation

__all__ = ["cycle", "grid", "path", "random_regular"]

_MOST_VERTICES = 2**13  # a matrix of 512 MiB
_MOST_FREE = 6  # degrees beyond have too few pairings without loops and double edges to wait for one


def path(vertices: int) -> Int[np.ndarray, "vertices vertices"]:
    """Vertices in a row, each joined to the next one.

    Args:
      vertices: their number, at least 2.

    Raises:
      ValueError: fewer vertices.

    >>> path(3).tolist()
    [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    """
    vertices = validation.integer("vertices", vertices, 2, _MOST_VERTICES)
    return np.eye(vertices, k=1, dtype=np.int64) + np.eye(vertices, k=-1, dtype=np.int64)


def cycle(vertices: int) -> Int[np.ndarray, "vertices vertices"]:
    """Vertices in a ring, each joined to the next one.

    Args:
      vertices: their number, at least 3.

    Raises:
      ValueError: fewer vertices.
    """
    vertices = validation.integer("vertices", vertices, 3, _MOST_VERTICES)
    following = np.roll(np.eye(vertices, dtype=np.int64), 1, axis=1)
    return following + following.T


def grid(rows: int, columns: int) -> Int[np.ndarray, "vertices vertices"]:
    """The rectangular grid, each vertex joined to those beside, above and below it; numbered row by row.

    Args:
      rows: at least 1.
      columns: at least 1; the grid has at least 2 vertices.

    Raises:
      ValueError: a number that is too small.
    """
    rows, columns = validation.integer("rows", rows), validation.integer("columns", columns)
    validation.integer("rows * columns", rows * columns, 1, _MOST_VERTICES)
    if rows * columns < 2:
        raise InputError(f"rows={rows} and columns={columns} make one vertex; use at least 2")
    beside, above = (np.eye(n, k=1, dtype=np.int64) + np.eye(n, k=-1, dtype=np.int64) for n in (columns, rows))
    return np.kron(np.eye(rows, dtype=np.int64), beside) + np.kron(above, np.eye(columns, dtype=np.int64))


def random_regular(vertices: int, degree: int, seed: int) -> Int[np.ndarray, "vertices vertices"]:
    """A connected graph without loops in which all vertices have one degree, uniformly random among these.

    Ends of edges are paired at random until the pairs form such a graph (or its complement, where that is sparser).

    Args:
      vertices: their number, at least 3.
      degree: edges at each vertex, at least 2; it or ``vertices - 1 - degree`` is at most 6.
      seed: of the random numbers, at least 0.

    Raises:
      ValueError: numbers out of range, or with no such graph.
    """
    vertices, degree = (
        validation.integer("vertices", vertices, 3, _MOST_VERTICES),
        validation.integer("degree", degree, 2),
    )
    seed = validation.integer("seed", seed, 0, 2**63)
    if degree >= vertices:
        raise InputError(f"degree={degree} with vertices={vertices}; use at most {vertices - 1}")
    if vertices * degree % 2:
        raise InputError(f"degree={degree} and vertices={vertices} are both odd; make one of them even")
    paired = min(degree, vertices - 1 - degree)
    if paired > _MOST_FREE:
        raise InputError(
            f"degree={degree} with vertices={vertices} takes too long; use at most {_MOST_FREE}, or at least "
            f"{vertices - 1 - _MOST_FREE}"
        )
    generator = np.random.default_rng(seed)
    ends = np.repeat(np.arange(vertices), paired)
    while True:
        one, other = generator.permutation(ends).reshape(2, -1)
        edges = np.zeros((vertices, vertices), np.int64)
        np.add.at(edges, (one, other), 1)
        edges += edges.T
        if edges.max(initial=0) > 1 or edges.trace() > 0:
            continue
        found = edges if paired == degree else 1 - np.eye(vertices, dtype=np.int64) - edges
        if _connected(found > 0):
            return found


def _connected(joined: Bool[np.ndarray, "vertices vertices"]) -> bool:
    """Whether every vertex is reached from the first one."""
    reached = np.arange(len(joined)) == 0
    for _ in range(len(joined)):
        reached = reached | joined[reached].any(axis=0)
    return bool(reached.all())
