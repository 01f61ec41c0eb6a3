"""Rows of each part of a sweep: target, schedule, measured curve, samples.

What each metric means is in `docs/theory.md`.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jax.sharding import Mesh

from jdlm import curves, measure, sampling, schedules
from jdlm.errors import InputError
from jdlm.measure import exact, marginals
from jdlm.planners import random
from jdlm.predictor import Predictor
from jdlm.sampling import Draw, Info
from jdlm.schedules import Schedule
from jdlm.study.cells import Origin
from jdlm.study.rows import Row
from jdlm.targets import Target

__all__ = [
    "exact_laws",
    "floor",
    "identities",
    "of_codes",
    "of_curve",
    "of_drawn",
    "of_schedule",
    "of_target",
    "sampled",
    "smallest_prime",
    "speculative",
]

_CORRELATIONS: dict[curves.Weight, Callable[[np.ndarray], float]] = {
    "tc": curves.total_correlation,
    "dtc": curves.dual_total_correlation,
    "both": curves.effective_correlation,
}


def of_target(origin: Origin, entropy_curve: np.ndarray | None) -> Iterator[Row]:
    """Identities of the target: entropy, correlations and the entropy curve, where it is known."""
    if entropy_curve is None:
        return
    yield origin.row("entropy_nats", curves.entropy(entropy_curve), "exact")
    yield origin.row("total_correlation_nats", curves.total_correlation(entropy_curve), "exact")
    yield origin.row("dual_total_correlation_nats", curves.dual_total_correlation(entropy_curve), "exact")
    yield origin.row("effective_correlation_nats", curves.effective_correlation(entropy_curve), "exact")
    for j, value in enumerate(entropy_curve):
        yield origin.row("entropy_curve_nats", value, "exact", index=j)


def of_schedule(origin: Origin, entropy_curve: np.ndarray | None) -> Iterator[Row]:
    """Exposure, expected revealed counts and worst cases of a schedule; its guarantee where the curve is known."""
    schedule = origin.scheduled()
    exposure = schedule.exposure()
    for j, value in enumerate(exposure):
        yield origin.row("exposure", value, "exact", index=j)
    for step, value in enumerate(schedule.expected_revealed()):
        yield origin.row("expected_revealed", value, "exact", index=step)
    for weight, correlation in _CORRELATIONS.items():
        yield origin.row(f"worst_case_{weight}", curves.worst_case(exposure, weight), "exact")
        if schedule.certificate is not None and schedule.certificate.weight == weight and entropy_curve is not None:
            guarantee = schedule.certificate.value * correlation(entropy_curve)
            yield origin.row("guarantee_nats", guarantee, "identity")


_DRAWN, _MOST_DRAWN = 10, 64  # lists of sizes that are shown, and steps up to which they are


def of_drawn(origin: Origin) -> Iterator[Row]:
    """Ten lists of sizes as a randomized schedule draws them: ``index`` counts the steps of the first, then the second.

    None of a schedule with a single list, with very many steps, or with steps that mask tokens again.
    """
    schedule = origin.scheduled()
    if schedule.remasks or schedule.num_steps > _MOST_DRAWN:
        return
    lists = schedule.law().size_lists()
    if lists is not None and len(lists[1]) == 1:
        return
    drawn = np.asarray(sampling.draw_sizes(origin.key("drawn sizes"), schedule, _DRAWN))
    for index, size in enumerate(drawn.ravel().tolist()):
        yield dataclasses.replace(origin.row("drawn_size", float(size), "monte_carlo", index), n=1, seed=origin.seed)


def of_codes(origin: Origin) -> Iterator[Row]:
    """What a schedule costs on every ``[length, m]`` MDS code over the smallest prime field that has them all.

    The dependence of the code sits at one place, ``m`` revealed tokens (``index``), and every target is a mixture of
    such places by its spectrum. So the shares of TC and DTC that the path KL takes show the schedule on all targets.
    """
    schedule = origin.schedule
    assert schedule is not None
    length, overshoot = schedule.length, curves.overshoot(schedule.exposure())
    prime = smallest_prime(length)
    yield origin.row("code_field_size", float(prime), "exact")
    for weight in ("tc", "dtc"):
        for m, share in enumerate(overshoot / curves.weights(length, weight), start=1):
            yield origin.row(f"code_path_kl_over_{weight}", share, "identity", index=m)
    for m in range(1, length):
        output = curves.mds_output_kl(schedule.overshoot_law(m), prime)
        yield origin.row("code_output_kl_nats", output, "exact", index=m)


def smallest_prime(least: int) -> int:
    """The smallest prime number of at least ``least``.

    >>> [smallest_prime(n) for n in (1, 32, 64, 128)]
    [2, 37, 67, 131]
    """
    number = max(least, 2)
    while any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        number += 1
    return number


def of_curve(origin: Origin, measured: measure.MeasuredCurve) -> Iterator[Row]:
    """Measured cross-entropy and learning-error curves of a predictor."""
    named = (
        ("cross_entropy_curve_nats", measured.cross_entropy),
        ("learning_error_curve_nats", measured.learning_error),
    )
    for metric, curve in named:
        if curve is not None:
            for j, (value, error) in enumerate(zip(curve.values, curve.standard_errors, strict=True)):
                yield origin.row(metric, measure.Estimate(value, float(error), curve.n), "monte_carlo", index=j)
    if measured.learning_error is not None:
        yield origin.row("learning_error_nats", measure.learning_error(measured), "monte_carlo")


def identities(
    origin: Origin, entropy_curve: np.ndarray | None, measured: measure.MeasuredCurve | None
) -> Iterator[Row]:
    """NELBO, path KL and its split, from one curve and the exposure (THEORY's identities (1) and (2))."""
    exposure = origin.scheduled().exposure()
    if entropy_curve is None:
        if measured is None:
            raise InputError("neither the entropy curve nor a measured curve is known; measure the predictor's")
        yield origin.row("nelbo_nats", measured.cross_entropy.dot(exposure), "identity")
        return
    factorization = curves.path_kl(exposure, entropy_curve)
    learning = 0.0 if measured is None else _learning_kl(measured, exposure)
    entropy = curves.entropy(entropy_curve)
    yield origin.row("factorization_kl_nats", factorization, "identity")
    yield origin.row("learning_kl_nats", learning, "identity")
    yield origin.row("path_kl_nats", _above(factorization, learning), "identity")
    yield origin.row("nelbo_nats", _above(entropy + factorization, learning), "identity")


def _learning_kl(measured: measure.MeasuredCurve, exposure: np.ndarray) -> measure.Estimate:
    if measured.learning_error is None:
        raise InputError("the target has no exact conditionals, so its learning error is unknown; use the NELBO")
    return measured.learning_error.dot(exposure)


def _above(base: float, more: float | measure.Estimate) -> float | measure.Estimate:
    """The sum of an exact number and one that may be an estimate."""
    return more._replace(value=base + more.value) if isinstance(more, measure.Estimate) else base + more


def exact_laws(
    origin: Origin, predictor: Predictor, target: Target, schedules: Sequence[Schedule], draw: Draw
) -> Iterator[Row]:
    """The output distribution and the path KL of one planner with all schedules, with no Monte Carlo error."""
    planner = origin.planned()
    space = exact.space(predictor, planner, draw)
    law = exact.target_law(target)
    for schedule in schedules if planner.count is None else [None]:
        cell = dataclasses.replace(origin, schedule=schedule)
        out = exact.output_law_of(space, schedule)
        nfe = float(out.nfe @ np.arange(len(out.nfe)))
        yield cell.row("output_kl_nats", exact.kl(law, out.law), "exact", nfe=nfe)
        yield cell.row("output_tv", exact.total_variation(law, out.law), "exact", nfe=nfe)
        yield cell.row("path_kl_nats", exact.path_kl_of(space, schedule, law).path, "exact", nfe=nfe)


def floor(origin: Origin, target: Target, reference: marginals.Marginals, n: int) -> Iterator[Row]:
    """Marginal errors of as many true samples: what sampling noise alone gives."""
    yield from _marginal_rows(origin, measure.draw_tokens(origin.key("floor"), target, n), reference, "_floor")


def sampled(
    origin: Origin, tokens: np.ndarray, info: Info, target: Target, reference: marginals.Marginals
) -> Iterator[Row]:
    """Metrics of tokens that were really sampled here."""
    yield from _marginal_rows(origin, tokens, reference)
    yield origin.row("distinct_share", measure.distinct_share(tokens), "monte_carlo")
    yield origin.row("measured_nfe", measure.mean(info.nfe), "monte_carlo")
    if target.has("log_prob"):
        yield origin.row("outside_support_share", measure.outside_support_share(tokens, target), "monte_carlo")
        yield origin.row(
            "reverse_path_kl_nats", measure.reverse_path_kl(info.path_log_prob, tokens, target), "monte_carlo"
        )


def speculative(
    origin: Origin,
    predictor: Predictor,
    target: Target,
    reference: marginals.Marginals,
    n: int,
    draw: Draw,
    mesh: Mesh | None = None,
) -> Iterator[Row]:
    """Rounds, calls and tokens of speculative sampling with random positions, and the path KL of its distribution.

    That is the distribution of one token per step, whose path KL is teacher-forced: learning error and nothing else.
    The calls of the rows are the mean rounds, which is what has to be done one after the other.
    """
    cell = dataclasses.replace(origin, planner=random(), name="speculative")
    tokens, info = sampling.speculative(cell.key("tokens"), predictor, n, draw=draw, mesh=mesh)
    rounds, calls, accepted = (measure.mean(np.asarray(values, np.float64)) for values in info)
    nfe = rounds.value
    for metric, estimate in (("rounds", rounds), ("calls", calls), ("accepted_tokens", accepted)):
        yield cell.row(metric, estimate, "monte_carlo", nfe=nfe)
    if target.has("log_prob"):
        single = schedules.first_hitting(target.length)
        request = measure.path_request(cell.key("path"), target, single, n)
        path = sampling.sample_all(predictor, [request], draw=draw, mesh=mesh).parts[0][1]
        yield cell.row("path_kl_nats", measure.path_kl_estimate(request, path, target), "monte_carlo", nfe=nfe)
        outside = measure.outside_support_share(np.asarray(tokens), target)
        yield cell.row("outside_support_share", outside, "monte_carlo", nfe=nfe)
    for row in _marginal_rows(cell, np.asarray(tokens), reference):
        yield dataclasses.replace(row, nfe=nfe)


def _marginal_rows(
    origin: Origin, tokens: np.ndarray, reference: marginals.Marginals, suffix: str = ""
) -> Iterator[Row]:
    single, pair = marginals.errors(tokens, reference)
    yield origin.row(f"single_marginal_tv{suffix}", single, "monte_carlo")
    if pair is not None:  # a single token has no pairs, and no number for them
        yield origin.row(f"pair_marginal_tv{suffix}", pair, "monte_carlo")
