"""What `recommend` tries, and how it says what it found."""

from typing import TYPE_CHECKING, Any

from jdlm.config import takes_more_steps, words
from jdlm.study.numbers import written

if TYPE_CHECKING:
    from jdlm.measure import CurveEstimate
    from jdlm.study.advice import Offer

__all__ = ["candidates", "show"]

_EVERY = ("uniform", "cosine", "geometric", "best_fixed", "first_hitting")  # cheap, so every number of steps is tried


def candidates(name: str, length: int, wanted: bool) -> list[int]:
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


def show(offers: "list[Offer]", test: "CurveEstimate", given: Any, source: str) -> None:
    """Print the goal, the table of schedules, and the verdict.

    Args:
      offers: of each schedule, the recommended one first.
      test: the curve on which they are judged.
      given: the options of `recommend`.
      source: where the curve comes from.
    """
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


def _verdict(offers: "list[Offer]", test: "CurveEstimate", given: Any) -> list[str]:
    """The recommendation in words, and what is to be said of it."""
    from jdlm.study import advice

    best, length = offers[0], len(test.values)
    if best.schedule is None:
        kind = "no schedule" if best.name == "optimal" else f"no {best.name} schedule"
        if takes_more_steps(best.name):
            kind += f" of at most {max(candidates(best.name, length, True))} steps"
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
    return written(estimate.value, estimate.standard_error if estimate.n else None)
