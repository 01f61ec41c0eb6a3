"""Targets of the study ``low-dependence``: dependence that is early, late or spread, from none to much of it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, xlog1py, xlogy

from jdlm import curves, targets
from jdlm.study.cells import Origin
from jdlm.study.rows import Row

__all__ = [
    "CORRELATIONS",
    "LENGTH",
    "Case",
    "cases",
    "correlations",
    "described",
    "flip",
    "random_strings_curve",
    "soft_parity",
]

LENGTH = 128
CORRELATIONS = {
    "tc": curves.total_correlation,
    "dtc": curves.dual_total_correlation,
    "d": curves.effective_correlation,
}


class Case(NamedTuple):
    """A target by what the study needs of it: its entropy curve, in nats, and its number of tokens."""

    curve: Float[np.ndarray, " length"]
    vocab_size: int


def random_strings_curve(length: int, count: int) -> Float[np.ndarray, " length"]:
    """Mean entropy curve of the uniform distribution on ``count`` random binary strings, over strings and positions.

    ``j`` positions sort the strings into classes of equal bits. From one string's view ``1 + B`` strings are in its own
    class, with ``B`` binomial of ``count - 1`` trials and chance ``2^-j``, so the mean entropy of the bits at ``j``
    positions is ``log(count) - E log(1 + B)``. Strings may coincide.

    Args:
      length: number of bits.
      count: number of strings.
    """
    others = np.arange(count)
    chances = 2.0 ** -np.minimum(np.arange(length + 1), 1000)
    log_choices = gammaln(count) - gammaln(others + 1) - gammaln(count - others)
    alone = [
        np.exp(log_choices + xlogy(others, chance) + xlog1py(count - 1 - others, -chance)) @ np.log1p(others)
        for chance in chances
    ]
    return np.diff(np.log(count) - np.array(alone))


def _of(target: targets.Target) -> Case:
    return Case(target.entropy_curve(), target.vocab_size)


def soft_parity(length: int, block: int, bias: float) -> targets.Target:
    """Independent blocks of bits, each with an even number of ones more often than by chance."""
    odd = np.indices((2,) * block).sum(axis=0) % 2
    return targets.blocks(targets.table((1.0 + bias * (1 - 2 * odd)) / 2**block), length // block)


def _mixture(length: int, components: int, concentration: float) -> targets.Target:
    """Equal weights; marginals over three tokens from a Dirichlet distribution, the same in every run."""
    marginals = np.random.default_rng(components).dirichlet([concentration] * 3, components)
    return targets.mixture(np.full(components, 1.0 / components), marginals, length)


def cases() -> dict[str, Callable[[], Case]]:
    """Targets of one length, from no dependence to much of it, early, late and spread."""
    made: dict[str, Callable[[], Case]] = {}
    for stay in (0.27, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98):
        made[f"markov:{stay:g}"] = lambda stay=stay: _of(targets.sticky_markov(LENGTH, 4, stay))
    for components in (2, 4, 8, 16):
        for concentration in (1.0, 8.0, 40.0):
            name = f"mixture:{components}:{concentration:g}"
            made[name] = lambda c=components, a=concentration: _of(_mixture(LENGTH, c, a))
    made["flip:128"] = lambda: _of(targets.sticky_markov(LENGTH, 2, 1.0 - 2.0 / LENGTH))
    for count in (2, 4, 16, 80):
        made[f"strings:{count}"] = lambda count=count: Case(random_strings_curve(LENGTH, count), 2)
    for block in (4, 8):
        for bias in (1.0, 0.5, 0.2):
            made[f"parity:{block}:{bias:g}"] = lambda b=block, e=bias: _of(soft_parity(LENGTH, b, e))
    return made


def flip(length: int) -> np.ndarray:
    """Entropy curve of the binary chain with a flip probability of 2 / length."""
    return targets.sticky_markov(length, 2, 1.0 - 2.0 / length).entropy_curve()


def described(origin: Origin, case: Case) -> Iterator[Row]:
    """Sizes and correlations of a target."""
    yield origin.row("length", float(len(case.curve)), "exact")
    yield origin.row("vocab_size", float(case.vocab_size), "exact")
    yield origin.row("entropy_nats", curves.entropy(case.curve), "exact")
    for name, value in correlations(case.curve).items():
        yield origin.row(f"correlation_{name}_nats", value, "exact")


def correlations(curve: np.ndarray) -> dict[str, float]:
    """TC, DTC, D and the sum of the first two, in nats."""
    found = {name: function(curve) for name, function in CORRELATIONS.items()}
    return found | {"sum": found["tc"] + found["dtc"]}
