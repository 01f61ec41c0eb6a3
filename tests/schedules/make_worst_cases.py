"""Makes worst_cases.json with the independent twin alone: ``python -m tests.schedules.make_worst_cases`` (a minute).

The minimax constants come from the flow form of the linear program, which jdlm does not use.
"""

import itertools
import json
import math
from pathlib import Path

from tests.reference import schedules as reference

ROWS = ((16, 4), (32, 8), (64, 8), (64, 16))
GOLDEN = Path(__file__).with_name("worst_cases.json")


def cosine(length, num_steps):
    counts = [0]
    for t in range(1, num_steps + 1):
        counts.append(max(counts[-1] + 1, round(length * (1 - math.cos(math.pi * t / (2 * num_steps))))))
    return [b - a for a, b in itertools.pairwise(counts)]


def row(length, num_steps):
    uniform = [(1.0, [length // num_steps] * num_steps)]
    c, _ = reference.equalizer(length, num_steps)
    return {
        "length": length,
        "num_steps": num_steps,
        "uniform": {w: reference.worst_case(uniform, w) for w in ("tc", "dtc")},
        "cosine": {w: reference.worst_case([(1.0, cosine(length, num_steps))], w) for w in ("tc", "dtc")},
        "best_fixed": {w: reference.best_fixed(length, num_steps, w) for w in ("tc", "dtc", "both")},
        "tc_equalizer": {"tc": c[length, num_steps]},
        "minimax": {w: reference.minimax(length, num_steps, w) for w in ("tc", "dtc", "both")},
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps([row(*shape) for shape in ROWS], indent=1) + "\n", encoding="utf-8")
