"""Sweeps: every number of a study of schedules, as rows.

Numbers come from three sources of growing cost: identities on exposures and curves (no sampling), teacher-forced tokens
of the target, and sampled tokens. Every random number is keyed by the seed and its own cell, so that adding a schedule
to a sweep changes no other number.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from jax.sharding import Mesh

from jdlm import measure
from jdlm.config.settings import check_seed
from jdlm.measure import marginals
from jdlm.measure.orders import MAX_ORDERED, count_states
from jdlm.measure.state_space import check_size
from jdlm.planners import Planner, check_reveals, random
from jdlm.predictor import Predictor, check_pair, is_oracle_of
from jdlm.sampling import Results, draw_sizes, sample_all
from jdlm.sampling.request import Request
from jdlm.schedules import Schedule
from jdlm.study import parts
from jdlm.study.cells import Origin, digest
from jdlm.study.rows import Row
from jdlm.targets import Target, validation

__all__ = ["EXACT_LIMIT", "sweep"]

EXACT_LIMIT = 2**20
"""Largest ``(vocab_size + 2) ** length`` for which a sweep adds exact laws: seconds for each planner.

Large vocabularies whose table of conditionals is beyond `jdlm.measure.state_space` have none either."""


def sweep(
    target: Target,
    predictors: Mapping[str, Predictor],
    schedules: Sequence[Schedule],
    *,
    target_name: str,
    n: int,
    curve_n: int,
    seed: int,
    planners: Sequence[Planner] = (random(),),
    speculative: bool = False,
    identities: Mapping[str, str] | None = None,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
    on_row: Callable[[list[Row]], None] | None = None,
    on_samples: Callable[[str, Results], None] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Row]:
    """Make the rows of every schedule with every planner and predictor; docs/theory.md defines each metric.

    Identities hold for the random planner alone; the other planners have Monte Carlo rows, and where the space is small
    enough every cell also has exact ones: KL and total variation of the output law, and path KL by enumeration.

    Every predictor's cross-entropy curve is measured, whatever its name, but that of the target's own oracle
    (`jdlm.predictor.is_oracle_of`) where the target knows its entropy curve, which is the same.

    Args:
      target: the distribution to sample.
      predictors: by name, such as ``{"oracle": oracle(target), "network": network}``; a name is a label and no more.
      schedules: laws of the reveal sizes, of the target's length, none of which leaves masks.
      target_name: the name of the target in the rows.
      n: sequences for each Monte Carlo number of a cell, at least 2.
      curve_n: sequences for each revealed count of a measured curve, at least 2.
      seed: names all random numbers.
      planners: which positions a step reveals. Each that takes its sizes from a schedule is run with all schedules.
      speculative: add the sampler that drafts and checks (`jdlm.sampling.speculative`), with random positions.
      identities: by predictor name, what tells it apart from others of the name (a checkpoint's hash).
      batch_size: slots of the sampler's compiled program; chosen from the shapes if None.
      mesh: devices that share the sampling and the measured curves, see `jdlm.devices.mesh`.
      on_row: called with the rows of each finished part.
      on_samples: called with a predictor's name and all that was sampled with it, in one queue for all cells.
      progress: called with (predictor calls done, in all, what is next).

    Returns:
      All rows, in the order in which they were made.

    Raises:
      ValueError: a schedule of another length or one that leaves masks, two schedules or planners of one name, a
        predictor of other sizes, an identity of an unknown predictor, too few samples.
    """
    _check(target, predictors, schedules, planners, identities or {}, n, curve_n, seed)
    made: list[Row] = []

    def emit(part: Iterable[Row]) -> None:
        part = list(part)
        made.extend(part)
        if on_row is not None:
            on_row(part)

    base = Origin(target_name, seed, digest(target))
    entropy_curve = target.entropy_curve() if target.has("entropy_curve") else None
    for part in (parts.of_target(base, entropy_curve), *_of_schedules(base, schedules, entropy_curve)):
        emit(part)

    measured = [name for name, mine in predictors.items() if entropy_curve is None or not is_oracle_of(mine, target)]
    cells = _cells(base, planners, schedules)
    each = sum(_calls(target, cell, n) for cell in cells) * (2 if target.has("log_prob") else 1)
    tally = _Tally(each * len(predictors) + curve_n * target.length * len(measured), progress)
    tally.say("marginals of the target")
    reference = marginals.of_target(base.key("reference"), target)
    emit(parts.floor(base, target, reference, n))
    for name, predictor in predictors.items():
        origin = dataclasses.replace(base, predictor=name, identity=(identities or {}).get(name, ""))
        curve = None
        if name in measured:
            with tally.during(f"cross-entropy curve of the {name}", curve_n * target.length):
                curve = measure.cross_entropy_curve(origin.key("curve"), predictor, target, curve_n, mesh=mesh)
            emit(parts.of_curve(origin, curve))
        if _is_small(target, predictor) and target.has("log_prob"):
            tally.say(f"exact laws of the {name}")
            emit(_exact_laws(origin, predictor, target, schedules, planners))
        requests = _requests(mine := _cells(origin, planners, schedules), target, n)
        with tally.during(f"{len(mine)} cells with the {name}", each) as follow:
            results = sample_all(predictor, requests, batch_size=batch_size, mesh=mesh, progress=follow)
        if on_samples is not None:
            on_samples(name, results)
        for part in _parts_of_cells(mine, requests, results, target, reference, entropy_curve, curve):
            emit(part)
        if speculative:
            tally.say(f"speculative sampling with the {name}")
            emit(parts.speculative(origin, predictor, target, reference, n, mesh))
    return made


def _of_schedules(
    base: Origin, schedules: Sequence[Schedule], entropy_curve: np.ndarray | None
) -> Iterator[Iterable[Row]]:
    """Rows of each schedule; with codes of all places at the number of steps nearest to 8 among the most frequent."""
    counts = [schedule.num_steps for schedule in schedules]
    shown = min(counts, key=lambda count: (-counts.count(count), abs(count - 8)), default=None)
    for schedule in schedules:
        mine = dataclasses.replace(base, schedule=schedule)
        yield parts.of_schedule(mine, entropy_curve)
        if schedule.num_steps == shown:
            yield parts.of_codes(mine)


def _exact_laws(
    origin: Origin, predictor: Predictor, target: Target, schedules: Sequence[Schedule], planners: Sequence[Planner]
) -> Iterator[Row]:
    """Those of each planner; of sized ones alone where the predictor depends on the order of reveal."""
    for planner in planners:
        if planner.count is None or not predictor.is_ordered:
            yield from parts.exact_laws(dataclasses.replace(origin, planner=planner), predictor, target, schedules)


def _check(
    target: Target,
    predictors: Mapping[str, Predictor],
    schedules: Sequence[Schedule],
    planners: Sequence[Planner],
    identities: Mapping[str, str],
    n: int,
    curve_n: int,
    seed: int,
) -> None:
    """Raises ValueError unless all belong to the target and each cell has a name, and with it keys, of its own."""
    if min(validation.integer("n", n), validation.integer("curve_n", curve_n)) < 2:
        raise ValueError(f"n={n}, curve_n={curve_n}; use at least 2 of each")
    check_seed(validation.integer("seed", seed, 0))
    for schedule in schedules:
        if schedule.length != target.length:
            raise ValueError(
                f"schedule {schedule.name} has length {schedule.length}, the target {target.length}; build it for "
                f"length={target.length}"
            )
        if schedule.remasks:
            raise ValueError(
                f"schedule {schedule.name} masks tokens again, so it has no identities and no path KL, which a sweep "
                "is made of; see jdlm.exact.output_law and the study `correctors`"
            )
        measure.check_complete(schedule)
    for predictor in predictors.values():
        check_pair(predictor, target)
    for planner in planners:
        check_reveals(planner)
    names = [f"schedules are called {s.name!r} with num_steps={s.num_steps}" for s in schedules]
    names += [f"planners are called {p.name!r}" for p in planners]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"{names.count(name)} {name}, so their cells would share all random numbers; name them apart, or "
                "leave out all but one"
            )
    if unknown := sorted(set(identities) - set(predictors)):
        raise ValueError(f"identities has {unknown[0]!r}, not a predictor; use names among {sorted(predictors)}")


class _Tally:
    """Predictor calls done and in all, reported as a sweep goes on."""

    def __init__(self, total: int, progress: Callable[[int, int, str], None] | None):
        self._done, self._total, self._progress = 0, total, progress

    def say(self, what: str, more: int = 0) -> None:
        """Report what is going on, ``more`` calls beyond those counted."""
        if self._progress is not None:
            self._progress(self._done + more, self._total, what)

    @contextlib.contextmanager
    def during(self, what: str, calls: int) -> Iterator[Callable[[int], None] | None]:
        """Report when work of about ``calls`` begins and ends; yield a callback for reports in between."""
        self.say(what)
        yield self._progress and (lambda steps: self.say(what, min(steps, calls)))
        self._done += calls
        self.say(what)


def _cells(origin: Origin, planners: Sequence[Planner], schedules: Sequence[Schedule]) -> list[Origin]:
    """Every planner with every schedule; once alone if it counts by itself."""
    return [
        dataclasses.replace(origin, planner=planner, schedule=schedule)
        for planner in planners
        for schedule in (schedules if planner.count is None else [None])
    ]


def _calls(target: Target, cell: Origin, n: int) -> int:
    """Predictor calls of a cell's samples; at most, if the planner counts."""
    return n * target.length if cell.schedule is None else round(n * cell.schedule.mean_nfe)


def _is_small(target: Target, predictor: Predictor) -> bool:
    if predictor.is_ordered:
        return count_states(target.length, target.vocab_size) <= MAX_ORDERED
    if (target.vocab_size + 2) ** target.length > EXACT_LIMIT:
        return False
    try:
        check_size(target.length, target.vocab_size)
    except ValueError:  # few states, but a table of too many probabilities
        return False
    return True


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


def _parts_of_cells(
    cells: Sequence[Origin],
    requests: Sequence[Request],
    results: Results,
    target: Target,
    reference: marginals.Marginals,
    entropy_curve: np.ndarray | None,
    curve: measure.MeasuredCurve | None,
) -> Iterator[Iterable[Row]]:
    """Rows of each cell of one predictor, from the `_requests` and their results."""
    for number, cell in enumerate(cells):
        if cell.planner == random():
            yield parts.identities(cell, entropy_curve, curve)
        if target.has("log_prob"):
            path = number + len(cells)
            kl = measure.path_kl_estimate(requests[path], results.parts[path][1], target)
            yield [cell.row("path_kl_nats", kl, "monte_carlo")]
        yield parts.sampled(cell, *results.parts[number], target, reference)
