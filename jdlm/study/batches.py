"""Cells of a sweep that are sampled together in one queue, of which each is a part."""

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jax.sharding import Mesh

from jdlm import measure
from jdlm.measure import marginals
from jdlm.planners import random
from jdlm.predictor import Predictor
from jdlm.sampling import Draw, Results, draw_sizes, sample_all
from jdlm.sampling.request import Request
from jdlm.study import parts
from jdlm.study.cells import Origin, content
from jdlm.study.making import Maker, Tally, once
from jdlm.study.rows import Row
from jdlm.targets import Target

__all__ = ["calls", "make", "sample"]


def calls(target: Target, cell: Origin, n: int) -> int:
    """Predictor calls of a cell's samples; at most, if the planner counts."""
    return n * target.length if cell.schedule is None else round(n * cell.schedule.mean_nfe)


def make(
    maker: Maker,
    batch: Sequence[Origin],
    target: Target,
    n: int,
    sample: Callable[[Sequence[Origin], Sequence[Request], int], Results],
    reference: Callable[[], marginals.Marginals],
    entropy_curve: np.ndarray | None,
    curve: Callable[[], measure.MeasuredCurve] | None,
    tally: Tally,
) -> None:
    """Cells that share a queue, of which each is a part; they are sampled if one of them is not kept.

    All of them are in the name of each: bits of a network's logits depend on what is computed beside them.
    """
    before = tally.done
    work = sum(calls(target, cell, n) for cell in batch) * (2 if target.has("log_prob") else 1)
    requests = once(lambda: _requests(batch, target, n))
    results = once(lambda: sample(batch, requests(), work))
    beside = [[cell.cell, None if cell.schedule is None else content(cell.schedule)] for cell in batch]

    def rows_of(number: int, cell: Origin) -> Iterator[Row]:
        found = results()
        if cell.planner == random():
            yield from parts.identities(cell, entropy_curve, curve and curve())
        if target.has("log_prob"):
            path = number + len(batch)
            kl = measure.path_kl_estimate(requests()[path], found.parts[path][1], target)
            yield cell.row("path_kl_nats", kl, "monte_carlo")
        yield from parts.sampled(cell, *found.parts[number], target, reference())

    for number, cell in enumerate(batch):
        maker.part(cell.words, [number, beside, "sampled"], functools.partial(rows_of, number, cell))
    tally.reach(before + work)


def sample(
    name: str,
    predictor: Predictor,
    draw: Draw,
    batch_size: int | None,
    mesh: Mesh | None,
    on_samples: Callable[[str, Results], None] | None,
    tally: Tally,
    batch: Sequence[Origin],
    requests: Sequence[Request],
    work: int,
) -> Results:
    """What the requests of some cells give, in one queue."""
    with tally.during(f"{len(batch)} cells with the {name}", work) as follow:
        results = sample_all(predictor, requests, draw=draw, batch_size=batch_size, mesh=mesh, progress=follow)
    if on_samples is not None:
        on_samples(name, results)
    return results


def _requests(cells: Sequence[Origin], target: Target, n: int) -> list[Request]:
    """What is sampled for each cell, then what is teacher-forced, where the target's distribution is known."""
    requests = [_sample_request(cell, n) for cell in cells]
    if target.has("log_prob"):
        requests += [
            measure.path_request(cell.key("path"), target, cell.schedule, n, planner=cell.planned()) for cell in cells
        ]
    return requests


def _sample_request(origin: Origin, n: int) -> Request:
    sizes = None if origin.schedule is None else draw_sizes(origin.key("sizes"), origin.schedule, n)
    return Request(origin.key("tokens"), origin.planned(), sizes, indices=np.arange(n))
