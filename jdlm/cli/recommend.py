"""``sample.py recommend``: which schedule to use with a run, and how many steps, from its measured curve alone."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm import runs
from jdlm.cli import cache, hosts, options, progress
from jdlm.cli.resource import load_network, resolve
from jdlm.config import build_schedule, check_num_steps

if TYPE_CHECKING:
    from jdlm.advice import Offer
    from jdlm.evaluate import CurveEstimate

_COMPARED = ("uniform", "cosine", "best_fixed_tc", "best_fixed_dtc", "best_fixed_both", "minimax_both")
_DESCRIPTION = (
    "Recommends a schedule for a run, or for the oracle of a preset, from the measured cross-entropy curve alone: "
    "nothing is sampled. The cost of a schedule is its NELBO above that of one token a step with the same predictor, "
    "in nats per sequence. Give --kl for the fewest steps that cost at most that, or --num-steps for the least cost. "
    "Schedules are chosen on one part of the data (or of the draws) and judged on another. RUN is by default the "
    "newest run."
)


@dataclass(frozen=True)
class RecommendOptions:
    """Options of ``sample.py recommend``."""

    kl: float | None = None
    """Goal: the largest cost that is acceptable, in nats per sequence."""
    num_steps: int | None = None
    """Goal: the number of steps, at most the length."""
    samples: int = 512
    """Sequences for each revealed count, on each of the two parts."""
    oracle: bool = False
    """Advise on the target's exact conditionals instead of the trained network."""
    export: Path | None = None
    """File for the sizes of the recommended schedule, as JSON for another code base."""
    seed: int = 0
    """Seed of all random numbers."""
    runs_folder: Path = options.RUNS_FOLDER
    """Folder that holds the runs."""

    def __post_init__(self):
        if self.samples < 2:
            raise ValueError(f"samples={self.samples} gives no standard error; use at least 2")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed} is outside 0..2**32-1; use a number such as 0")


def main(arguments: list[str]) -> int:
    """Measures the curve twice, prints what each schedule costs, and writes the recommended sizes."""
    word, rest = options.split(arguments)
    given = options.parse(RecommendOptions(), rest, "sample.py recommend", _DESCRIPTION)
    if (given.kl is None) == (given.num_steps is None):
        raise ValueError("give a goal: either --kl NATS or --num-steps K")
    if given.kl is not None and not 0.0 < given.kl < float("inf"):
        raise ValueError(f"--kl {given.kl} is no goal; use a positive number of nats such as 0.1")
    resource = resolve(word, given.runs_folder)
    if given.num_steps is not None:
        check_num_steps(given.num_steps, resource.config.target.length, "--num-steps")
    if given.export is not None and not given.export.parent.is_dir():
        raise ValueError(f"the folder of --export {given.export} does not exist; make it first")

    cache.compiled_programs()
    mesh = hosts.connect(hosts.HostOptions())
    from jdlm import advice

    target = resource.config.target.build()
    fit, test, source = _curves(resource, target, given, mesh)
    builders = {name: partial(_build, name, target.length, cache.schedules()) for name in _COMPARED}
    powers = [2**i for i in range(target.length.bit_length()) if 2**i < target.length] + [target.length]
    with progress.Progress("schedules", unit="schedule") as bar:
        tried: list[str] = []
        offers = advice.recommend(
            fit,
            test,
            builders,
            kl=given.kl,
            num_steps=given.num_steps,
            candidates={"minimax_both": powers},
            progress=lambda name: bar.update(len(tried), len(builders) + 1, tried.append(name) or name),
        )
        bar.update(len(builders) + 1, len(builders) + 1, "done")
    _print(offers, test, given, source)
    best = offers[0]
    if given.export is not None and best.schedule is not None:
        goal = {"kl_nats": given.kl} if given.kl is not None else {"num_steps": given.num_steps}
        entry: dict[str, Any] = advice.export(best.schedule) | {
            "target": resource.config.name,
            "goal": goal,
            "cost_nats": best.cost.value,
            "cost_standard_error": best.cost.standard_error,
            "nelbo_nats": best.nelbo.value,
        }
        runs.replace(given.export, json.dumps(entry, indent=1) + "\n")
        print(f"wrote {given.export}")
    return 0


def _build(name: str, length: int, folder: Path | None, num_steps: int):
    return build_schedule(name, length, num_steps, cache=folder)


def _curves(resource, target, given: RecommendOptions, mesh) -> "tuple[CurveEstimate, CurveEstimate, str]":
    """The curve on which schedules are chosen, the one on which they are judged, and where both come from."""
    import jax

    from jdlm import advice, evaluate
    from jdlm.predictor import oracle
    from jdlm.targets import Unavailable

    network = None if given.oracle else load_network(resource, target)
    if network is None:
        try:
            curve = advice.exact_curve(target.entropy_curve())
            return curve, curve, "the exact entropy curve of the target"
        except Unavailable:
            network = oracle(target)
    keys = jax.random.split(jax.random.key(given.seed, impl="threefry2x32"))
    measured = []
    with progress.Progress("curve", unit="sequence") as bar:
        for number, (key, split) in enumerate(zip(keys, ("validation", "test"), strict=True)):
            half = evaluate.cross_entropy_curve(
                network,
                target.on(split),
                key,
                given.samples,
                nested=True,
                mesh=mesh,
                progress=lambda done, total, first=number: bar.update(first * total + done, 2 * total),
            )
            measured.append(half.cross_entropy)
    return *measured, f"{given.samples} sequences for each revealed count, on each of two parts"


def _print(offers: "list[Offer]", test: "CurveEstimate", given: RecommendOptions, source: str) -> None:
    goal = f"at most {given.kl:g} nats" if given.kl is not None else f"{given.num_steps} steps"
    sequential = test.dot(test.values * 0 + 1)
    print(f"goal: {goal}; measured on {source}")
    print(f"one token a step: NELBO {_number(sequential)} nats per sequence in {len(test.values)} steps")
    print()
    print(f"{'schedule':16} {'steps':>5}  {'cost, nats':>20}  {'above optimal, nats':>20}  {'NELBO, nats':>20}")
    for offer in offers:
        if offer.schedule is None:
            print(f"{offer.name:16} {'-':>5}  {'goal out of reach':>20}")
            continue
        numbers = (offer.cost, offer.difference, offer.nelbo)
        columns = "  ".join(f"{'-' if number is None else _number(number):>20}" for number in numbers)
        print(f"{offer.name:16} {offer.schedule.num_steps:5d}  {columns}")
    from jdlm.schedules import Atoms

    best = offers[0]
    print()
    if best.schedule is None:
        print("no schedule reaches the goal; give a larger --kl")
        return
    print(f"recommended: {best.name} with {best.schedule.num_steps} steps")
    law = best.schedule.law()
    if isinstance(law, Atoms) and len(law.sizes) == 1:
        print("tokens per step: " + " ".join(str(size) for size in law.sizes[0] if size))
    better = [offer.name for offer in offers if given.num_steps is not None and _clearly_below(offer, best)]
    if better:
        print(
            f"note: on the second part {', '.join(better)} cost less by more than two standard errors; "
            f"use that, or --samples {4 * given.samples}"
        )
    if given.kl is not None and best.cost.value > given.kl:
        print(
            f"note: on the second part it costs more than the goal; ask for less, or use --samples {4 * given.samples}"
        )


def _clearly_below(offer: "Offer", best: "Offer") -> bool:
    """Whether an offer's NELBO is below that of ``best``, which is `optimal`, by more than two standard errors."""
    if best.name != "optimal" or offer.difference.n == 0:
        return False
    return offer.difference.value < -2.0 * offer.difference.standard_error


def _number(estimate) -> str:
    return f"{round(estimate.value, 4) + 0.0:.4f}" + (f" ± {estimate.standard_error:.4f}" if estimate.n else "")
