"""A sampler of your own under test: its tokens against the law that they should have.

Any function ``sample(key) -> tokens`` will do, written with JAX, PyTorch or anything else.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import scipy.stats
from jaxtyping import Array, Float, Int, Key

from jdlm import evaluate, exact, keys, marginals
from jdlm.evaluate import Estimate
from jdlm.state_space import check_size
from jdlm.targets import Target

_LEAST_EXPECTED = 5.0


class ChiSquare(NamedTuple):
    """Pearson's test of ``n`` samples against a law; outcomes expected under 5 times are pooled into one.

    A sample of probability 0 makes the statistic infinite and the p-value 0.
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float


class Report(NamedTuple):
    """What `audit` found.

    Attributes:
      n: sequences that were sampled.
      masks_left: share of them that hold a mask or any other id outside the vocabulary.
      outside_support: share of them, masks left included, that have probability 0 under the law.
      chi_square: test against the law; None where the space is too large for it.
      single_marginal_tv, pair_marginal_tv: total variation of the marginals, means over positions and pairs.
      single_marginal_tv_floor, pair_marginal_tv_floor: the same of as many true samples; sampling noise alone.
    """

    n: int
    masks_left: Estimate
    outside_support: Estimate
    chi_square: ChiSquare | None
    single_marginal_tv: Estimate
    pair_marginal_tv: Estimate
    single_marginal_tv_floor: Estimate
    pair_marginal_tv_floor: Estimate

    def passes(self, alarm: float = 1e-4) -> bool:
        """Whether nothing was found; a correct sampler fails with a probability of about ``alarm``.

        No masks left, nothing outside the support, a chi-square p-value of at least ``alarm``, and, where there is no
        chi-square test, marginal errors within that many standard errors of their noise floor.
        """
        if self.masks_left.value or self.outside_support.value:
            return False
        if self.chi_square is not None:
            return self.chi_square.p_value >= alarm
        bound = scipy.stats.norm.isf(alarm / 2)
        pairs = (
            (self.single_marginal_tv, self.single_marginal_tv_floor),
            (self.pair_marginal_tv, self.pair_marginal_tv_floor),
        )
        return all(a.value - b.value <= bound * math.hypot(a.standard_error, b.standard_error) for a, b in pairs)

    def __str__(self) -> str:
        """The report as a few aligned lines of text."""
        lines = [
            f"sequences sampled        {self.n}",
            f"masks left               {_percent(self.masks_left)}",
            f"outside the support      {_percent(self.outside_support)}",
        ]
        if self.chi_square is not None:
            test = self.chi_square
            shown = f"{test.statistic:.1f} at {test.degrees_of_freedom} degrees of freedom, p = {test.p_value:.2g}"
            lines.append(f"chi-square               {shown}")
        for name in ("single", "pair"):
            error, floor = getattr(self, f"{name}_marginal_tv"), getattr(self, f"{name}_marginal_tv_floor")
            lines.append(f"{name + ' marginals, TV':24} {error.value:.4f} (noise floor {floor.value:.4f})")
        return "\n".join(lines)


def _percent(share: Estimate) -> str:
    return f"{100 * share.value:.2f} % +- {100 * share.standard_error:.2f} %"


def chi_square(tokens: Int[np.ndarray, "n length"], law: Float[np.ndarray, "..."]) -> ChiSquare:
    """Pearson's chi-square test of sequences without masks against a law ``[vocab] * length``."""
    observed = np.bincount(np.ravel_multi_index(tuple(tokens.T), law.shape), minlength=law.size).astype(np.float64)
    expected = law.ravel() * (len(tokens) / law.sum())
    if observed[expected == 0.0].any():
        return ChiSquare(math.inf, int(np.count_nonzero(expected)) - 1, 0.0)
    common, rare = expected >= _LEAST_EXPECTED, (expected > 0.0) & (expected < _LEAST_EXPECTED)
    observed, expected = (np.append(x[common], x[rare].sum()) for x in (observed, expected))
    observed, expected = observed[expected > 0.0], expected[expected > 0.0]
    freedom = len(expected) - 1
    if freedom < 1:
        return ChiSquare(0.0, 0, 1.0)
    statistic = float(np.sum((observed - expected) ** 2 / expected))
    return ChiSquare(statistic, freedom, float(scipy.stats.chi2.sf(statistic, freedom)))


def audit(
    sample: Callable[[Key[Array, ""]], Array | np.ndarray],
    truth: Target | exact.OutputLaw,
    key: Key[Array, ""],
    n: int = 10_000,
) -> Report:
    """Tests a sampler against the law that its tokens should have.

    Args:
      sample: from a key to int tokens ``[length]`` or ``[lanes, length]``; it is called with a new key until there
        are ``n`` sequences. A sampler without JAX takes its seed as ``int(jax.random.bits(key))``.
      truth: a target with conditionals, or the `jdlm.exact.OutputLaw` that the sampler should have (for samplers that
        reveal several tokens at a time, whose law is not the target's).
      key: typed key.
      n: sequences, at least 100.

    Returns:
      A `Report`; print it, or ask ``report.passes()``.

    Raises:
      ValueError: n < 100, an output law with leftover masks, or tokens of a wrong shape or dtype.
    """
    if n < 100:
        raise ValueError(f"n={n} sequences show little; use at least 100")
    keys.check(key)
    key_sampler, key_floor = jax.random.split(key)
    law, reference = _truth(truth, key_floor)
    length, vocab_size = reference.single.shape
    tokens = _collect(sample, key_sampler, n, length)
    inside = ((tokens >= 0) & (tokens < vocab_size)).all(axis=1)
    whole = tokens[inside]
    possible = np.zeros(n, bool)
    if len(whole):
        if law is not None:
            possible[inside] = law[tuple(whole.T)] > 0.0
        else:
            possible[inside] = ~np.isneginf(evaluate.log_prob(truth, whole))
    if len(whole) < 2:
        raise ValueError(f"{n - len(whole)} of {n} sequences hold masks; nothing is left to be tested")
    single, pair = marginals.errors(whole, reference)
    floor = _true_tokens(truth, key_floor, len(whole))
    single_floor, pair_floor = marginals.errors(floor, reference)
    return Report(
        n=n,
        masks_left=evaluate.mean(~inside),
        outside_support=evaluate.mean(~possible),
        chi_square=None if law is None else chi_square(whole, law),
        single_marginal_tv=single,
        pair_marginal_tv=pair,
        single_marginal_tv_floor=single_floor,
        pair_marginal_tv_floor=pair_floor,
    )


def _truth(truth: Target | exact.OutputLaw, key: Array) -> tuple[np.ndarray | None, marginals.Marginals]:
    if isinstance(truth, exact.OutputLaw):
        if truth.leftover > 1e-9:
            raise ValueError(f"the law leaves a mask with probability {truth.leftover:.3g}; give one without leftover")
        return truth.law, marginals.of_law(truth.law)
    try:
        check_size(truth.length, truth.vocab_size)
    except ValueError:
        return None, marginals.of_target(truth, key)
    law = exact.target_law(truth)
    return law, marginals.of_law(law)


def _true_tokens(truth: Target | exact.OutputLaw, key: Array, n: int) -> np.ndarray:
    if isinstance(truth, Target):
        return evaluate.draw_tokens(key, truth, n)
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    flat = generator.choice(truth.law.size, size=n, p=truth.law.ravel() / truth.law.sum())
    return np.stack(np.unravel_index(flat, truth.law.shape), axis=1)


def _collect(sample: Callable, key: Array, n: int, length: int) -> np.ndarray:
    """``n`` sequences of as many calls as it takes, int64 ``[n, length]``."""
    parts, have = [], 0
    while have < n:
        tokens = np.asarray(sample(jax.random.fold_in(key, len(parts))))
        tokens = tokens[None] if tokens.ndim == 1 else tokens
        if tokens.ndim != 2 or tokens.shape[1] != length or not len(tokens):
            raise ValueError(f"sample returned shape {tokens.shape}; return tokens [{length}] or [lanes, {length}]")
        if not np.issubdtype(tokens.dtype, np.integer):
            raise ValueError(f"sample returned dtype {tokens.dtype}; return integer tokens")
        parts.append(tokens)
        have += len(tokens)
    return np.concatenate(parts)[:n].astype(np.int64)
