"""Sweeps: every number of a study of schedules, as rows.

Numbers come from three sources of growing cost: identities on exposures and curves (no sampling), tokens of the target
forced through the sampler, and tokens really sampled. Every random number is keyed by the seed and its own cell, so
that adding a schedule to a sweep changes no other number.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from jdlm import curves
from jdlm.measure import evaluate, exact, marginals
from jdlm.measure.state_space import StateSpace
from jdlm.planners import Planner, random
from jdlm.planners import check as check_planner
from jdlm.predictor import Predictor, is_oracle_of
from jdlm.sampling import Info, Results, draw_sizes, sample_all
from jdlm.sampling.request import Request
from jdlm.schedules import Schedule
from jdlm.study import rows
from jdlm.study.rows import Row
from jdlm.targets import Target, Unavailable

Progress = Callable[[int, int, str], None]

EXACT_LIMIT = 2**20
"""Largest ``(vocab_size + 2) ** length`` for which a sweep adds exact laws: seconds for each planner."""

_CORRELATIONS = {
    "tc": curves.total_correlation,
    "dtc": curves.dual_total_correlation,
    "both": curves.effective_correlation,
}


@dataclasses.dataclass(frozen=True)
class _Origin:
    """What the rows of one cell have in common."""

    target: str
    seed: int
    target_identity: str = ""  # tells apart targets of one name, by `_digest`
    predictor: str = ""
    identity: str = ""  # tells apart predictors of one name, such as the hash of a checkpoint
    planner: Planner | None = None
    schedule: Schedule | None = None  # None where the planner counts by itself

    def row(
        self,
        metric: str,
        value: float | evaluate.Estimate,
        method: str,
        index: int | None = None,
        nfe: float | None = None,
    ) -> Row:
        estimate = value if isinstance(value, evaluate.Estimate) else evaluate.Estimate(value, None, None)
        return Row(
            cell=self.cell,
            target=self.target,
            predictor=self.predictor,
            schedule=self.schedule.name if self.schedule else "",
            planner=self.planner.name if self.planner else "",
            num_steps=self.schedule.num_steps if self.schedule else None,
            nfe=self.schedule.mean_nfe if self.schedule else nfe,
            metric=metric,
            index=index,
            value=float(estimate.value),
            standard_error=estimate.standard_error,
            n=estimate.n,
            method=method,
            seed=None if estimate.n is None else self.seed,
        )

    @property
    def _settings(self) -> dict[str, str | int | None]:
        return {
            "target": self.target,
            "seed": self.seed,
            "predictor": self.predictor,
            "identity": self.identity,
            "planner": self.planner.name if self.planner else "",
            "schedule": self.schedule.name if self.schedule else "",
            "num_steps": self.schedule.num_steps if self.schedule else None,
        }

    @property
    def cell(self) -> str:
        return rows.cell(**self._settings, target_identity=self.target_identity)

    def key(self, purpose: str) -> jax.Array:
        # Of names alone: the digest of a target may differ where another machine rounds its numbers differently.
        number = rows.cell(cell=rows.cell(**self._settings), purpose=purpose)[:8]
        return _folded(np.uint32(self.seed), np.uint32(int(number, 16)))


@jax.jit
def _folded(seed: jax.Array, number: jax.Array) -> jax.Array:
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), number)


def _digest(target: Target) -> str:
    """12 hexadecimal digits of a target's kind and numbers, in float32: the last bits of a double do not count."""
    leaves, kind = jax.tree.flatten(target)
    digest = hashlib.sha256(str(kind).encode())
    for leaf in map(np.asarray, leaves):
        leaf = leaf.astype(np.float32) if np.issubdtype(leaf.dtype, np.floating) else leaf
        digest.update(f"{leaf.dtype}{leaf.shape}".encode() + leaf.tobytes())
    return digest.hexdigest()[:12]


def sweep(
    target: Target,
    predictors: Mapping[str, Predictor],
    schedules: Sequence[Schedule],
    *,
    target_name: str,
    samples: int,
    curve_samples: int,
    seed: int,
    planners: Sequence[Planner] = (random(),),
    identities: Mapping[str, str] | None = None,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
    on_row: Callable[[list[Row]], None] | None = None,
    on_samples: Callable[[str, Results], None] | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Rows of every schedule with every planner and predictor; `docs/theory.md` says what each metric means.

    Identities hold for the random planner alone; the other planners have Monte Carlo rows, and where the space is small
    enough every cell also has exact ones: KL and total variation of the output law, and path KL by enumeration.

    Every predictor's cross-entropy curve is measured, whatever its name, but that of the target's own oracle
    (`jdlm.predictor.is_oracle_of`) where the target knows its entropy curve, which is the same.

    Args:
      target: the law that the sampler should have.
      predictors: by name, such as ``{"oracle": oracle(target), "network": network}``; a name is a label and no more.
      schedules: laws of the reveal sizes, of the target's length, none of which leaves masks.
      target_name: the name of the target in the rows.
      samples: sequences for each Monte Carlo number of a cell, at least 2.
      curve_samples: sequences for each revealed count of a measured curve, at least 2.
      seed: names all random numbers.
      planners: which positions a step reveals. Each that takes its sizes from a schedule is run with all schedules.
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
        predictor of other sizes, an identity of no predictor, too few samples.
    """
    _check(target, predictors, schedules, planners, identities or {})
    if samples < 2 or curve_samples < 2:
        raise ValueError(f"samples={samples}, curve_samples={curve_samples}; use at least 2 of each")
    made: list[Row] = []

    def emit(part: Iterable[Row]) -> None:
        part = list(part)
        made.extend(part)
        if on_row is not None:
            on_row(part)

    base = _Origin(target_name, seed, _digest(target))
    entropy_curve = _entropy_curve(target)
    has_log_prob = evaluate.has_log_prob(target)
    emit(_target_rows(base, entropy_curve))
    for schedule in schedules:
        emit(_schedule_rows(dataclasses.replace(base, schedule=schedule), entropy_curve))

    measured = [name for name, mine in predictors.items() if entropy_curve is None or not is_oracle_of(mine, target)]
    cells = [
        (planner, schedule) for planner in planners for schedule in (schedules if planner.count is None else [None])
    ]
    passes = 2 if has_log_prob else 1
    per_predictor = sum(_calls(target, schedule, samples) for _, schedule in cells) * passes
    total = per_predictor * len(predictors) + curve_samples * target.length * len(measured)
    done = 0

    def report(what: str, calls: int = 0) -> None:
        nonlocal done
        done += calls
        if progress is not None:
            progress(done, total, what)

    report("marginals of the target")
    reference = marginals.of_target(target, base.key("reference"))
    emit(_floor_rows(base, target, reference, samples))
    for name, predictor in predictors.items():
        origin = dataclasses.replace(base, predictor=name, identity=(identities or {}).get(name, ""))
        curve = None
        if name in measured:
            report(f"cross-entropy curve of the {name}")
            curve = evaluate.cross_entropy_curve(predictor, target, origin.key("curve"), curve_samples, mesh=mesh)
            report(f"cross-entropy curve of the {name}", curve_samples * target.length)
            emit(_curve_rows(origin, curve))
        if _is_small(target) and has_log_prob:
            report(f"exact laws of the {name}")
            for planner in planners:
                emit(_exact_rows(dataclasses.replace(origin, planner=planner), predictor, target, schedules))
        mine = [dataclasses.replace(origin, planner=planner, schedule=schedule) for planner, schedule in cells]
        requests = [_sample_request(cell, samples) for cell in mine]
        if has_log_prob:
            requests += [
                evaluate.path_request(cell.key("path"), target, cell.schedule, samples, planner=cell.planner)
                for cell in mine
            ]
        what = f"{len(mine)} cells with the {name}"
        report(what)
        results = sample_all(
            predictor,
            requests,
            batch_size=batch_size,
            mesh=mesh,
            progress=_until(done, per_predictor, total, what, progress),
        )
        report(what, per_predictor)
        if on_samples is not None:
            on_samples(name, results)
        for number, cell in enumerate(mine):
            if cell.planner == random():
                emit(_identity_rows(cell, entropy_curve, curve))
            if has_log_prob:
                path = number + len(mine)
                kl = evaluate.path_kl(requests[path], results.parts[path][1], target)
                emit([cell.row("path_kl_nats", kl, "monte_carlo")])
            emit(_sampled_rows(cell, *results.parts[number], target, reference))
    return made


def _check(
    target: Target,
    predictors: Mapping[str, Predictor],
    schedules: Sequence[Schedule],
    planners: Sequence[Planner],
    identities: Mapping[str, str],
) -> None:
    """Raises ValueError unless all belong to the target and each cell has a name, and with it keys, of its own."""
    for schedule in schedules:
        if schedule.length != target.length:
            raise ValueError(
                f"schedule {schedule.name} has length {schedule.length}, the target {target.length}; build it for "
                f"length={target.length}"
            )
        evaluate.check_complete(schedule)
    for predictor in predictors.values():
        evaluate.check_pair(predictor, target)
    for planner in planners:
        check_planner(planner)
    names = [f"schedules are called {s.name!r} with num_steps={s.num_steps}" for s in schedules]
    names += [f"planners are called {p.name!r}" for p in planners]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"{names.count(name)} {name}, so their cells would share all random numbers; name them apart, or "
                "leave out all but one"
            )
    if unknown := sorted(set(identities) - set(predictors)):
        raise ValueError(f"identities has {unknown[0]!r}, which is no predictor; use names among {sorted(predictors)}")


def _until(done: int, most: int, total: int, what: str, progress: Progress | None) -> Callable[[int], None] | None:
    """Progress of a queue of expectedly ``most`` calls as part of a sweep's."""
    return progress and (lambda steps: progress(done + min(steps, most), total, what))


def _calls(target: Target, schedule: Schedule | None, samples: int) -> int:
    """Predictor calls of a cell's samples; at most, if the planner counts."""
    return samples * target.length if schedule is None else round(samples * schedule.mean_nfe)


def _is_small(target: Target) -> bool:
    return (target.vocab_size + 2) ** target.length <= EXACT_LIMIT


def _entropy_curve(target: Target) -> np.ndarray | None:
    try:
        return target.entropy_curve()
    except Unavailable:
        return None


def _target_rows(origin: _Origin, entropy_curve: np.ndarray | None) -> Iterator[Row]:
    if entropy_curve is None:
        return
    yield origin.row("entropy_nats", curves.entropy(entropy_curve), "exact")
    yield origin.row("total_correlation_nats", curves.total_correlation(entropy_curve), "exact")
    yield origin.row("dual_total_correlation_nats", curves.dual_total_correlation(entropy_curve), "exact")
    yield origin.row("effective_correlation_nats", curves.effective_correlation(entropy_curve), "exact")
    for j, value in enumerate(entropy_curve):
        yield origin.row("entropy_curve_nats", value, "exact", index=j)


def _schedule_rows(origin: _Origin, entropy_curve: np.ndarray | None) -> Iterator[Row]:
    schedule = origin.schedule
    exposure = schedule.exposure()
    for j, value in enumerate(exposure):
        yield origin.row("exposure", value, "exact", index=j)
    for step, value in enumerate(schedule.expected_revealed()):
        yield origin.row("expected_revealed", value, "exact", index=step)
    for weight, correlation in _CORRELATIONS.items():
        yield origin.row(f"worst_case_{weight}", curves.worst_case(exposure, weight), "exact")
        if schedule.certificate is not None and schedule.name == f"minimax_{weight}" and entropy_curve is not None:
            guarantee = schedule.certificate.value * correlation(entropy_curve)
            yield origin.row("guarantee_nats", guarantee, "identity")


def _curve_rows(origin: _Origin, measured: evaluate.MeasuredCurve) -> Iterator[Row]:
    named = (
        ("cross_entropy_curve_nats", measured.cross_entropy),
        ("learning_error_curve_nats", measured.learning_error),
    )
    for metric, curve in named:
        if curve is not None:
            for j, (value, error) in enumerate(zip(curve.values, curve.standard_errors, strict=True)):
                yield origin.row(metric, evaluate.Estimate(value, float(error), curve.n), "monte_carlo", index=j)
    if measured.learning_error is not None:
        yield origin.row("learning_error_nats", evaluate.learning_error(measured), "monte_carlo")


def _identity_rows(
    origin: _Origin, entropy_curve: np.ndarray | None, measured: evaluate.MeasuredCurve | None
) -> Iterator[Row]:
    """NELBO, path KL and its split, from one curve and the exposure (THEORY's identities (1) and (2))."""
    exposure = origin.schedule.exposure()
    if entropy_curve is None:
        yield origin.row("nelbo_nats", measured.cross_entropy.dot(exposure), "identity")
        return
    factorization = curves.path_kl(exposure, entropy_curve)
    if measured is None:
        learning = evaluate.Estimate(0.0, None, None)
    else:
        learning = measured.learning_error.dot(exposure)
    entropy = curves.entropy(entropy_curve)
    yield origin.row("factorization_kl_nats", factorization, "identity")
    yield origin.row("learning_kl_nats", learning, "identity")
    yield origin.row("path_kl_nats", learning._replace(value=factorization + learning.value), "identity")
    yield origin.row("nelbo_nats", learning._replace(value=entropy + factorization + learning.value), "identity")


def _floor_rows(origin: _Origin, target: Target, reference: marginals.Marginals, samples: int) -> Iterator[Row]:
    """Marginal errors of as many true samples: what sampling noise alone gives."""
    yield from _marginal_rows(origin, evaluate.draw_tokens(origin.key("floor"), target, samples), reference, "_floor")


def _marginal_rows(
    origin: _Origin, tokens: np.ndarray, reference: marginals.Marginals, suffix: str = ""
) -> Iterator[Row]:
    single, pair = marginals.errors(tokens, reference)
    yield origin.row(f"single_marginal_tv{suffix}", single, "monte_carlo")
    if pair is not None:  # a single token has no pairs, and no number for them
        yield origin.row(f"pair_marginal_tv{suffix}", pair, "monte_carlo")


def _sample_request(origin: _Origin, samples: int) -> Request:
    sizes = None if origin.schedule is None else draw_sizes(origin.key("sizes"), origin.schedule, samples)
    return Request(origin.key("tokens"), origin.planner, sizes, indices=np.arange(samples))


def _sampled_rows(
    origin: _Origin, tokens: np.ndarray, info: Info, target: Target, reference: marginals.Marginals
) -> Iterator[Row]:
    """Metrics of tokens that were really sampled here."""
    yield from _marginal_rows(origin, tokens, reference)
    yield origin.row("distinct_share", evaluate.distinct_share(tokens), "monte_carlo")
    yield origin.row("measured_nfe", evaluate.mean(info.nfe), "monte_carlo")
    if evaluate.has_log_prob(target):
        yield origin.row("outside_support_share", evaluate.outside_support_share(tokens, target), "monte_carlo")
        yield origin.row(
            "reverse_path_kl_nats", evaluate.reverse_path_kl(info.path_log_prob, tokens, target), "monte_carlo"
        )


def _exact_rows(origin: _Origin, predictor: Predictor, target: Target, schedules: Sequence[Schedule]) -> Iterator[Row]:
    """The output law and the path KL of one planner with all schedules, with no Monte Carlo error."""
    space = StateSpace(predictor, origin.planner)
    law = exact.target_law(target)
    for schedule in schedules if origin.planner.count is None else [None]:
        cell = dataclasses.replace(origin, schedule=schedule)
        out = exact.output_law_of(space, schedule)
        nfe = float(out.nfe @ np.arange(len(out.nfe)))
        yield cell.row("output_kl_nats", exact.kl(law, out.law), "exact", nfe=nfe)
        yield cell.row("output_tv", exact.total_variation(law, out.law), "exact", nfe=nfe)
        yield cell.row("path_kl_nats", exact.path_kl_of(space, schedule, law).path, "exact", nfe=nfe)
