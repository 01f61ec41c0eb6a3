"""``sample.py recommend``: which schedule to use with a run, and how many steps, from its measured curve alone."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm.cli import cache, hosts, interrupt, memory, options, output, progress
from jdlm.cli.resource import load_network, resolve
from jdlm.config import build_schedule, check_num_steps, takes_more_steps, words
from jdlm.config.settings import check_count, check_seed
from jdlm.errors import InputError

if TYPE_CHECKING:
    from jdlm.measure import CurveEstimate
    from jdlm.study.advice import Offer

_COMPARED = ("uniform", "cosine", "best_fixed_tc", "best_fixed_dtc", "best_fixed_both", "minimax_both")
_EVERY = ("uniform", "cosine", "geometric", "best_fixed", "first_hitting")  # cheap, so every number of steps is tried


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
    resource = resolve(given.run, given.runs_folder)
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
    fit, test, source = _curves(resource, target, given, mesh)
    builders = {name: partial(_build, name, length, cache.schedules()) for name in names}
    with progress.Progress("schedules", unit="schedule") as bar:
        tried: list[str] = []
        offers = advice.recommend(
            fit,
            test,
            builders,
            kl=given.kl,
            num_steps=given.num_steps,
            candidates={name: _candidates(name, length, name == given.schedule) for name in names},
            confidence=given.confidence,
            choice=given.schedule or "optimal",
            progress=lambda name: bar.update(len(tried), len(builders) + 1, tried.append(name) or name),
        )
        bar.update(len(builders) + 1, len(builders) + 1, "done")
    with output.beside(given.export):
        _print(offers, test, given, source)
    best = offers[0]
    if best.schedule is None:
        return 1
    if given.export is not None:
        entry = _entry(best, resource.config.name, given)
        interrupt.remains(f"{given.export} was being written: it holds what it held, or all of the new schedule")
        output.write(given.export, json.dumps(entry, indent=None if "chain" in entry else 1) + "\n")
        interrupt.remains(f"{given.export} is written")
        with output.beside(given.export):
            print(f"wrote {given.export}")
    return 0


def _names(given: Options) -> list[str]:
    """Words of the schedules in the table beside `optimal`: the wanted one first."""
    if given.schedule is None or given.schedule == "optimal":
        wanted = []
    else:
        words.parse(given.schedule, words.SCHEDULES, "schedule")
        wanted = [given.schedule]
    more = given.num_steps is not None and any(takes_more_steps(word) for word in wanted)
    return wanted + [name for name in _COMPARED if name not in wanted and not more]


def _candidates(name: str, length: int, wanted: bool) -> list[int]:
    """Numbers of steps to try under --kl: all where schedules are cheap, else powers of two (and their middles)."""
    if name in words.ONE_TOKEN_A_STEP:
        return [length]
    if name.startswith(_EVERY):
        return list(range(1, length + 1))
    solved = name.startswith("minimax")
    most = length
    if takes_more_steps(name):  # its cost falls like length / steps; the chains of all candidates have to fit
        most = max(2, min(32 * length, 2**25 // (length + 1) ** 2))
    powers = [2**i for i in range(most.bit_length()) if 2**i <= most]
    middles = [3 * power // 2 for power in powers if power > 1 and 3 * power // 2 <= most] if wanted else []
    every = range(1, length + 1) if length <= 64 and not solved else []  # longer chains take seconds each
    least = 2 if takes_more_steps(name) else 1
    return sorted({count for count in [*powers, *middles, *every, most] if count >= least})


def _entry(best: "Offer", target: str, given: Options) -> dict[str, Any]:
    """What is written: the sizes, the goal, and the numbers that are printed."""
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
    }


def _build(name: str, length: int, folder: Path | None, num_steps: int):
    return build_schedule(name, length, num_steps, cache=folder)


def _curves(resource, target, given: Options, mesh) -> "tuple[CurveEstimate, CurveEstimate, str]":
    """The curve on which schedules are chosen, the one on which they are judged, and where both come from."""
    import jax

    from jdlm import keys
    from jdlm.measure import cross_entropy_curve
    from jdlm.predictor import oracle
    from jdlm.study import advice

    network = None if given.oracle else load_network(resource, target)
    known = target.entropy_curve() if target.has("entropy_curve") else None
    if network is None and known is not None:
        curve = advice.exact_curve(known)
        return curve, curve, "the exact entropy curve of the target"
    halves = jax.random.split(keys.key(given.seed))
    measured = []
    with progress.Progress("curve", unit="sequence") as bar:
        for number, (key, split) in enumerate(zip(halves, ("validation", "test"), strict=True)):
            half = cross_entropy_curve(
                key,
                network or oracle(target),
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


def _print(offers: "list[Offer]", test: "CurveEstimate", given: Options, source: str) -> None:
    goal = f"at most {given.kl:g} nats" if given.kl is not None else f"{given.num_steps} steps"
    sequential = test.dot(test.values * 0 + 1)
    limit = f"{100 * given.confidence:g} % limit"
    print(f"goal: {goal}; measured on {source}")
    print(f"one token per step: NELBO {_number(sequential)} nats per sequence in {len(test.values)} steps")
    print()
    titles = "  ".join(f"{title:>18}" for title in ("cost, nats", "above the first", "NELBO, nats"))
    print(f"{'schedule':18} {'steps':>5}  {titles}  {limit:>12} {'calls':>6}")
    for offer in offers:
        if offer.schedule is None:
            print(f"{offer.name:18} {'-':>5}  {'not shown' if test.n else 'out of reach':>18}")
            continue
        numbers = (offer.cost, offer.difference, offer.nelbo)
        columns = "  ".join(f"{'-' if number is None else _number(number):>18}" for number in numbers)
        calls = f"{offer.schedule.mean_nfe:.4g}"
        print(f"{offer.name:18} {offer.schedule.num_steps:5d}  {columns}  {offer.limit:12.4f} {calls:>6}")
    print()
    print("\n".join(_verdict(offers, test, given)))


def _verdict(offers: "list[Offer]", test: "CurveEstimate", given: Options) -> list[str]:
    """The recommendation in words, and what is to be said of it."""
    from jdlm.study import advice

    best, length = offers[0], len(test.values)
    if best.schedule is None:
        kind = "no schedule" if best.name == "optimal" else f"no {best.name} schedule"
        if takes_more_steps(best.name):
            kind += f" of at most {max(_candidates(best.name, length, True))} steps"
        if not test.n:
            more = "try more steps with --num-steps, or " if takes_more_steps(best.name) else ""
            return [f"{kind} reaches the goal; {more}give a larger --kl"]
        lines = [f"{kind} is shown to reach {given.kl:g} with {given.samples} sequences; nothing is written"]
        if best.sequences is None:
            lines.append("more sequences would not help: the least costly one is shown to miss it; give a larger --kl")
        else:
            lines.append(f"about {_rounded(best.sequences)} would do: use --samples {_rounded(best.sequences)}")
        return [*lines, f"(one token per step costs nothing, in {length} steps)"]
    calls, steps = best.schedule.mean_nfe, best.schedule.num_steps
    lines = [f"recommended: {best.name} with {steps} step{'s' * (steps != 1)}"]
    if calls < steps - 1e-9:
        lines[0] += f", {calls:.4g} predictor calls on average"
    if given.num_steps is not None and steps < given.num_steps:
        lines[0] += f" ({given.num_steps} were asked for; more than {steps} gain nothing)"
    lists = best.schedule.law().size_lists()
    if lists is None:
        lines.append("randomized: a Markov chain of revealed counts; --export writes it")
    elif len(lists[1]) == 1:
        lines.append("tokens per step: " + " ".join(str(size) for size in lists[1][0] if size))
    else:
        lines.append(f"randomized: one of {len(lists[1])} lists of sizes for each sequence; --export writes them")
    better = advice.clearly_better(offers) if given.num_steps is not None else []
    if better:
        remedy = f"use that, or --samples {4 * given.samples}" if best.name == "optimal" else "see the table"
        lines.append(f"note: on the second part {', '.join(better)} cost less, by more than chance; {remedy}")
    if given.kl is not None and best.sequences is not None:
        more = _rounded(best.sequences)
        lines.append(f"note: fewer steps may do; --samples {more} would probably show it")
    return lines


def _rounded(sequences: int) -> int:
    """Two significant digits, rounded up."""
    unit = 10 ** max(len(str(sequences)) - 2, 0)
    return -(-sequences // unit) * unit


def _number(estimate) -> str:
    return f"{round(estimate.value, 4) + 0.0:.4f}" + (f" ± {estimate.standard_error:.4f}" if estimate.n else "")
