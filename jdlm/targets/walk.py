"""Random walks on graphs: Markov chains whose impossible sequences are seen at a glance."""

import numpy as np
from numpy.typing import ArrayLike

from jdlm.errors import InputError
from jdlm.targets import validation
from jdlm.targets.markov import Markov, markov

__all__ = ["walk"]


def walk(length: int, adjacency: ArrayLike) -> Markov:
    """A stationary random walk on a graph: each token is a vertex, uniform among the neighbours of the one before.

    The first vertex has a probability proportional to its degree, so all tokens have. A sequence is possible if and
    only if all its moves are edges. Graphs are in `jdlm.targets.graphs`; two vertices joined to each other make the two
    strings 0101... and 1010..., each with probability 1/2.

    Args:
      length: number of tokens, that is, moves plus 1.
      adjacency: ``[vertices, vertices]`` symmetric, 1 where two vertices are joined and 0 elsewhere.

    Returns:
      The target, with as many values as vertices and the exact entropy curve.

    Raises:
      ValueError: not such a matrix, or a vertex without neighbours.

    >>> from jdlm.targets import graphs
    >>> float(walk(4, graphs.path(2)).entropy_curve().sum().round(3))   # log 2, of two strings
    0.693
    """
    adjacency = validation.array("adjacency", adjacency)
    if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1] or adjacency.size == 0:
        raise InputError(f"adjacency has shape {list(adjacency.shape)}; give a square matrix [vertices, vertices]")
    for fault, remedy in (
        (~np.isin(adjacency, (0, 1)), "use 1 for an edge and 0 elsewhere"),
        (adjacency != adjacency.T, "an edge leads both ways, make the matrix symmetric"),
    ):
        if fault.any():
            place = tuple(int(i) for i in np.argwhere(fault)[0])
            raise InputError(f"adjacency{list(place)} = {adjacency[place]}; {remedy}")
    degrees = adjacency.sum(axis=1, dtype=np.float64)
    if (degrees == 0).any():
        raise InputError(f"vertex {int(np.argmin(degrees))} of adjacency has no neighbour; join it or leave it out")
    return markov(degrees / degrees.sum(), adjacency / degrees[:, None], length)
