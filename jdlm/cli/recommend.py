"""``sample.py recommend``: which schedule to use with a run, and how many steps, from its measured curve alone."""

import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm.cli import cache, hosts, interrupt, memory, model, offers, options, output, progress
from jdlm.cli.resource import Resource, load_network, resolve
from jdlm.config import build_schedule, check_num_steps, takes_more_steps, words
from jdlm.config.settings import check_count, check_seed
from jdlm.errors import InputError
from jdlm.study import members

if TYPE_CHECKING:
    from jdlm.measure import CurveEstimate
    from jdlm.predictor import Predictor
    from jdlm.study.advice import Offer
    from jdlm.targets import Target

_COMPARED = ("uniform", "cosine", "best_fixed_tc", "best_fixed_dtc", "best_fixed_both", "minimax_both")


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions):
    """Recommends a schedule for a run, or for the oracle of a preset, from the measured cross-entropy curve alone.

    Nothing is sampled. The cost of a schedule is its NELBO above that of one token per step with the same predictor, in
    nats per sequence. Give --kl for the fewest steps that cost at most that, or --num-steps for the least cost.
    Schedules are chosen on one part of the data (or of the draws) and judged on another; under --kl one is recommended
    only if it is shown to keep the goal, else the exit code is 1 and nothing is written. There minimax, and beyond 64
    tokens every randomized schedule, is tried at powers of two and half-way between them.
    """

    run: options.RunOrPreset = None
    model: str | None = None
    """A predictor of your own: package.module:function or file.py:function, called with the target; its code is run."""
    data: str | None = None
    """Sequences of your own for --model, in place of a run or preset: a file as `train.py --data` takes it."""
    length: int | None = None
    """Number of tokens in a sequence of --data; by default what fits the file."""
    kl: float | None = None
    """Goal: the largest cost that is acceptable, in nats per sequence."""
    num_steps: int | None = None
    """Goal: the number of steps, at most the length (thinning: any)."""
    schedule: str | None = None
    """Word of a schedule, such as minimax_both or geometric:0.5; by default the best sizes for the measured curve."""
    confidence: float = 0.84
    """Probability with which the recommended schedule keeps --kl; 0.84 is one standard error."""
    samples: int = 512
    """Sequences for each revealed count, on each of the two parts."""
    oracle: bool = False
    """Advise on the target's exact conditionals instead of the trained network."""
    export: Path | None = None
    """File for the sizes of the recommended schedule, as JSON for another code base; - prints them, alone."""
    seed: int = 0
    """Seed of all random numbers."""

    def __post_init__(self):
        if self.samples < 2:
            raise InputError(f"samples={self.samples} gives no standard error; use at least 2")
        check_count("samples", self.samples)
        if not 0.5 <= self.confidence < 1.0:
            raise InputError(f"confidence={self.confidence} is not a probability from 0.5 to below 1; use 0.84 or so")
        check_seed(self.seed)


def main(arguments: list[str]) -> int:
    """Measures the curve twice, prints what each schedule costs, and writes the recommended sizes."""
    given = options.parse(Options(), arguments, "recommend")
    if (given.kl is None) == (given.num_steps is None):
        raise InputError("give a goal: either --kl NATS or --num-steps K")
    if given.kl is not None and not 0.0 < given.kl < float("inf"):
        raise InputError(f"--kl {given.kl} is not a valid goal; use a positive number of nats such as 0.1")
    resource = _resource(given)
    length, names = resource.config.target.length, _names(given)
    if given.num_steps is not None:
        check_num_steps(given.num_steps, length, "--num-steps", given.schedule)
        if given.schedule in words.ONE_TOKEN_A_STEP and given.num_steps != length:
            raise InputError(f"--schedule {given.schedule} takes {length} steps; use --num-steps {length}, or --kl")
    if given.export is not None:
        output.check(given.export, "--export")

    cache.compiled_programs()
    mesh = hosts.connect(hosts.HostOptions())
    from jdlm.study import advice

    target = resource.config.target.build()
    need = memory.of_curve(given.samples, target.length, target.vocab_size)
    memory.check(need, f"--samples {given.samples} of length {target.length}; use a smaller one")
    predictor = _predictor(resource, target, given)
    fit, test, source = _curves(predictor, target, given, mesh)
    builders = {name: partial(_build, name, length, cache.schedules()) for name in names}
    with progress.Progress("schedules", unit="schedule") as bar:
        tried: list[str] = []
        found = advice.recommend(
            fit,
            test,
            builders,
            kl=given.kl,
            num_steps=given.num_steps,
            candidates={name: offers.candidates(name, length, name == given.schedule) for name in names},
            confidence=given.confidence,
            choice=given.schedule or "optimal",
            progress=lambda name: bar.update(len(tried), len(builders) + 1, tried.append(name) or name),
        )
        bar.update(len(builders) + 1, len(builders) + 1, "done")
    with output.beside(given.export):
        offers.show(found, test, given, source)
    best = found[0]
    if best.schedule is None:
        return 1
    if given.export is not None:
        entry = _entry(best, resource.config.name, given, predictor)
        interrupt.remains(f"{given.export} was being written: it holds what it held, or all of the new schedule")
        output.write(given.export, json.dumps(entry, indent=None if "chain" in entry else 1) + "\n")
        interrupt.remains(f"{given.export} is written")
        with output.beside(given.export):
            print(f"wrote {given.export}")
    return 0


def _resource(given: Options) -> Resource:
    """The run or preset, or what is made of a file.

    Raises:
      ValueError: options that do not go together.
    """
    if given.data is None:
        if given.length is not None:
            raise InputError(f"--length {given.length} is that of --data; leave it out")
        return resolve(given.run, given.runs_folder)
    if given.model is None:
        raise InputError(
            "--data is for a predictor of your own; name one with --model, or train with `train.py --data`"
        )
    if given.run is not None:
        raise InputError(f"--data takes the place of {given.run!r}; leave out one of them")
    if given.length is not None:
        check_count("length", given.length)
    return model.of_data(given.data, given.length)


def _predictor(resource: Resource, target: "Target", given: Options) -> "Predictor | None":
    """What is advised on; None for the exact curve of a target."""
    from jdlm.predictor import oracle

    if given.model is not None:
        if given.oracle:
            raise InputError("--oracle and --model are two predictors; leave out one of them")
        return model.load(given.model, target)
    network = None if given.oracle else load_network(resource, target)
    if network is None and target.has("entropy_curve"):
        return None
    if network is not None and (others := members.configs(resource.config)):
        seeds = ", ".join(map(str, others))
        print(f"note: advice is on the network of the first seed; {resource.folder}/seeds has {seeds}", file=sys.stderr)
    return network or oracle(target)


def _names(given: Options) -> list[str]:
    """Words of the schedules in the table beside `optimal`: the wanted one first."""
    if given.schedule is None or given.schedule == "optimal":
        wanted = []
    else:
        words.parse(given.schedule, words.SCHEDULES, "schedule")
        wanted = [given.schedule]
    more = given.num_steps is not None and any(takes_more_steps(word) for word in wanted)
    return wanted + [name for name in _COMPARED if name not in wanted and not more]


def _entry(best: "Offer", target: str, given: Options, predictor: "Predictor | None") -> dict[str, Any]:
    """What is written: the sizes, the goal, what was measured, and the numbers that are printed."""
    import jdlm
    from jdlm.predictor import digest
    from jdlm.study import advice

    assert best.schedule is not None and best.cost is not None and best.nelbo is not None  # as it is recommended
    goal = {"kl_nats": given.kl} if given.kl is not None else {"num_steps": given.num_steps}
    return advice.export(best.schedule) | {
        "target": target,
        "goal": goal,
        "cost_nats": best.cost.value,
        "cost_standard_error": best.cost.standard_error,
        "cost_limit_nats": best.limit,
        "confidence": given.confidence,
        "nelbo_nats": best.nelbo.value,
        "model": given.model,
        "predictor_sha256": None if predictor is None else digest(predictor),
        "jdlm_version": jdlm.__version__,
    }


def _build(name: str, length: int, folder: Path | None, num_steps: int):
    return build_schedule(name, length, num_steps, cache=folder)


def _curves(
    predictor: "Predictor | None", target: "Target", given: Options, mesh
) -> "tuple[CurveEstimate, CurveEstimate, str]":
    """The curve on which schedules are chosen, the one on which they are judged, and where both come from."""
    import jax

    from jdlm import keys
    from jdlm.measure import cross_entropy_curve
    from jdlm.study import advice

    known = target.entropy_curve() if target.has("entropy_curve") else None
    if predictor is None:
        assert known is not None
        curve = advice.exact_curve(known)
        return curve, curve, "the exact entropy curve of the target"
    halves = jax.random.split(keys.key(given.seed))
    measured = []
    with progress.Progress("curve", unit="sequence") as bar:
        for number, (key, split) in enumerate(zip(halves, ("validation", "test"), strict=True)):
            half = cross_entropy_curve(
                key,
                predictor,
                target.on(split),
                given.samples,
                nested=True,
                mesh=mesh,
                progress=lambda done, total, first=number: bar.update(first * total + done, 2 * total),
            )
            measured.append(half)
    source = f"{given.samples} sequences for each revealed count, on each of two parts"
    if known is None or measured[0].learning_error is None:
        fit, test = (half.cross_entropy for half in measured)
    else:
        fit, test = (advice.known_curve(known, half.learning_error) for half in measured)
        source = f"the exact entropy curve of the target plus the learning error of {source}"
    return fit, test, source
