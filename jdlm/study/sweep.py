"""Sweeps: every number of a study of schedules, as rows.

Numbers come from three sources of growing cost: identities on exposures and curves (no sampling), teacher-forced tokens
of the target, and sampled tokens. Every random number is keyed by the seed and its own cell, so that adding a schedule
to a sweep changes no other number.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jdlm import devices, measure
from jdlm.config.settings import check_seed
from jdlm.errors import InputError
from jdlm.measure import marginals
from jdlm.measure.orders import MAX_ORDERED, count_states
from jdlm.measure.state_space import check_size
from jdlm.planners import Planner, check_reveals, random
from jdlm.predictor import Predictor, check_pair, is_oracle_of
from jdlm.sampling import Draw, Results, filtered
from jdlm.sampling.sampler import queue_lanes
from jdlm.schedules import Schedule
from jdlm.study import batches, parts
from jdlm.study.cells import Origin, content, digest
from jdlm.study.making import Keeper, Maker, Tally, once
from jdlm.study.rows import Row
from jdlm.targets import Target, validation

__all__ = ["EXACT_LIMIT", "sweep"]

_PLAIN = Draw()
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
    draw: Draw = _PLAIN,
    speculative: bool = False,
    identities: Mapping[str, str] | None = None,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
    context: Any = None,
    keep: Keeper | None = None,
    on_row: Callable[[list[Row]], None] | None = None,
    on_samples: Callable[[str, Results], None] | None = None,
    on_error: Callable[[str, Exception], None] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Row]:
    """Make the rows of every schedule with every planner and predictor; docs/theory.md defines each metric.

    Identities hold for the random planner alone; the other planners have Monte Carlo rows, and where the space is small
    enough every cell also has exact ones: KL and total variation of the output law, and path KL by enumeration.

    Every predictor's cross-entropy curve is measured, whatever its name, but that of the target's own oracle
    (`jdlm.predictor.is_oracle_of`) where the target knows its entropy curve, which is the same.

    With temperature or filters all numbers of a predictor are those of its filtered probabilities, and its name in the
    rows says so (``network, temperature 0.8``); positions are planned by its own ones, as the sampler does.

    Args:
      target: the distribution to sample.
      predictors: by name, such as ``{"oracle": oracle(target), "network": network}``; a name is a label and no more.
      schedules: laws of the reveal sizes, of the target's length, none of which leaves masks.
      target_name: the name of the target in the rows.
      n: sequences for each Monte Carlo number of a cell, at least 2.
      curve_n: sequences for each revealed count of a measured curve, at least 2.
      seed: names all random numbers.
      planners: which positions a step reveals. Each that takes its sizes from a schedule is run with all schedules.
      draw: temperature and filters of the drawn tokens, the same in all steps.
      speculative: add the sampler that drafts and checks (`jdlm.sampling.speculative`), with random positions.
      identities: by predictor name, what tells it apart from others of the name (a checkpoint's hash).
      batch_size: slots of the sampler's compiled program; chosen from the shapes if None.
      mesh: devices that share the sampling and the measured curves, see `jdlm.devices.mesh`.
      context: with ``keep``, JSON values that tell this machine and these versions from others, whose last bits differ.
      keep: where finished cells are kept and looked for (`jdlm.study.kept.Kept`); the rows are the same bit for bit.
      on_row: called with the rows of each finished part.
      on_samples: called with a predictor's name and what was sampled with it, once for the cells of each queue.
      on_error: called with the name of a part that failed and its error, after which the others go on; by default the
        error is raised.
      progress: called with (predictor calls done, in all, what is next).

    Returns:
      All rows, in the order in which they were made.

    Raises:
      ValueError: a schedule of another length or one that leaves masks, two schedules or planners of one name, a
        predictor of other sizes, an identity of an unknown predictor, too few samples.
    """
    _check(target, predictors, schedules, planners, identities or {}, n, curve_n, seed)
    asked = {name: filtered(mine, draw) for name, mine in predictors.items()}  # what tokens are drawn from
    base = Origin(target_name, seed, digest(target))
    shared = {"context": context, "n": n, "curve_n": curve_n, "devices": devices.size(mesh), "batch_size": batch_size}
    maker = Maker(shared, keep, on_row, on_error)
    entropy_curve = target.entropy_curve() if target.has("entropy_curve") else None
    for part in (parts.of_target(base, entropy_curve), *_of_schedules(base, schedules, entropy_curve)):
        maker.quick(part)

    measured = [name for name, mine in asked.items() if entropy_curve is None or not is_oracle_of(mine, target)]
    cells = _cells(base, planners, schedules)
    each = sum(batches.calls(target, cell, n) for cell in cells) * (2 if target.has("log_prob") else 1)
    tally = Tally(each * len(predictors) + curve_n * target.length * len(measured), progress)
    tally.say("marginals of the target")
    reference = once(lambda: marginals.of_target(base.key("reference"), target))
    maker.part("floor of the marginals", [base.cell, "floor"], lambda: parts.floor(base, target, reference(), n))
    for name, predictor in predictors.items():
        shown = ", ".join(filter(None, [name, draw.words]))
        origin = dataclasses.replace(base, predictor=shown, identity=(identities or {}).get(name, ""))
        curve = None
        if name in measured:
            curve = once(functools.partial(_measured, origin, asked[name], target, curve_n, mesh, tally))
            make = functools.partial(_of_curve, origin, curve)
            maker.part(f"cross-entropy curve of the {shown}", [origin.cell, "curve"], make)
        if _is_small(target, predictor) and target.has("log_prob"):
            tally.say(f"exact laws of the {shown}")
            _exact_laws(maker, origin, predictor, target, schedules, planners, draw)
        sample = functools.partial(batches.sample, shown, predictor, draw, batch_size, mesh, on_samples, tally)
        mine = _cells(origin, planners, schedules)
        most = max(1, queue_lanes(predictor, batch_size, mesh) // (n * (2 if target.has("log_prob") else 1)))
        for batch in (mine[first : first + most] for first in range(0, len(mine), most)):
            batches.make(maker, batch, target, n, sample, reference, entropy_curve, curve, tally)
        if speculative:
            tally.say(f"speculative sampling with the {shown}")
            make = functools.partial(_speculative, origin, predictor, target, reference, n, draw, mesh)
            maker.part(f"speculative sampling with the {shown}", [origin.cell, "speculative"], make)
    return maker.made


def _of_schedules(
    base: Origin, schedules: Sequence[Schedule], entropy_curve: np.ndarray | None
) -> Iterator[Iterable[Row]]:
    """Rows of each schedule; with codes and drawn sizes at the number of steps nearest to 8 of the most frequent."""
    counts = [schedule.num_steps for schedule in schedules]
    shown = min(counts, key=lambda count: (-counts.count(count), abs(count - 8)), default=None)
    for schedule in schedules:
        mine = dataclasses.replace(base, schedule=schedule)
        yield parts.of_schedule(mine, entropy_curve)
        if schedule.num_steps == shown:
            yield parts.of_codes(mine)
            yield parts.of_drawn(mine)


def _of_curve(origin: Origin, curve: Callable[[], measure.MeasuredCurve]) -> Iterator[Row]:
    yield from parts.of_curve(origin, curve())


def _measured(
    origin: Origin, predictor: Predictor, target: Target, curve_n: int, mesh: Mesh | None, tally: Tally
) -> measure.MeasuredCurve:
    """The predictor's measured curve."""
    with tally.during(f"cross-entropy curve of the {origin.predictor}", curve_n * target.length):
        return measure.cross_entropy_curve(origin.key("curve"), predictor, target, curve_n, mesh=mesh)


def _exact_laws(
    maker: Maker,
    origin: Origin,
    predictor: Predictor,
    target: Target,
    schedules: Sequence[Schedule],
    planners: Sequence[Planner],
    draw: Draw,
) -> None:
    """Those of each planner; of sized ones alone where the predictor depends on the order of reveal."""
    for planner in planners:
        if planner.count is None or not predictor.is_ordered:
            mine = dataclasses.replace(origin, planner=planner)
            maker.part(
                f"exact laws of the {origin.predictor} with planner {planner.name}",
                [mine.cell, "exact", [content(schedule) for schedule in schedules]],
                functools.partial(parts.exact_laws, mine, predictor, target, schedules, draw),
            )


def _speculative(
    origin: Origin,
    predictor: Predictor,
    target: Target,
    reference: Callable[[], marginals.Marginals],
    n: int,
    draw: Draw,
    mesh: Mesh | None,
) -> Iterator[Row]:
    yield from parts.speculative(origin, predictor, target, reference(), n, draw, mesh)


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
        raise InputError(f"n={n}, curve_n={curve_n}; use at least 2 of each")
    check_seed(validation.integer("seed", seed, 0, 2**63))
    for schedule in schedules:
        if schedule.length != target.length:
            raise InputError(
                f"schedule {schedule.name} has length {schedule.length}, the target {target.length}; build it for "
                f"length={target.length}"
            )
        if schedule.remasks:
            raise InputError(
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
            raise InputError(
                f"{names.count(name)} {name}, so their cells would share all random numbers; name them apart, or "
                "leave out all but one"
            )
    if unknown := sorted(set(identities) - set(predictors)):
        raise InputError(f"identities has {unknown[0]!r}, not a predictor; use names among {sorted(predictors)}")


def _cells(origin: Origin, planners: Sequence[Planner], schedules: Sequence[Schedule]) -> list[Origin]:
    """Every planner with every schedule; once alone if it counts by itself."""
    return [
        dataclasses.replace(origin, planner=planner, schedule=schedule)
        for planner in planners
        for schedule in (schedules if planner.count is None else [None])
    ]


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
