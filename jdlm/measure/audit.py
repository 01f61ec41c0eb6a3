"""Tests any sampler: compares its tokens with the distribution that they should have.

Any function ``sample(key) -> tokens`` will do, written with JAX, PyTorch or anything else.
"""

from collections.abc import Callable, Iterable

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jdlm import keys
from jdlm.errors import InputError, check_type
from jdlm.measure import alarms, exact, marginals
from jdlm.measure.alarms import ChiSquare
from jdlm.measure.estimate import mean
from jdlm.measure.report import ALARM, Check, Report
from jdlm.measure.sequences import draw_tokens, log_prob
from jdlm.measure.state_space import check_size
from jdlm.targets import Target, validation

__all__ = ["ALARM", "Check", "Report", "audit", "chi_square"]

_BINS = 20  # of log probabilities
_MOST = 2**26  # sequences: hours of any sampler


def chi_square(
    tokens: Int[np.ndarray, "n length"],
    law: Float[np.ndarray, "..."],
    generator: np.random.Generator | None = None,
) -> ChiSquare:
    """Test sequences without masks against a law ``[vocab] * length``; the p-value is exact for any law and n.

    Rare outcomes are tested in groups of like probability, each of which expects at least 5 sequences.

    Args:
      tokens: ``[n, length]``.
      law: probability of each sequence.
      generator: draws the random numbers of the test, see `jdlm.measure.alarms`; the same in each call if None.
    """
    generator = np.random.default_rng(0) if generator is None else generator
    return _of_tables([_cells(tokens, law)], [law.ravel()], generator)[0]


def _cells(tokens: np.ndarray, law: np.ndarray) -> np.ndarray:
    """The place of each sequence in the flattened law."""
    columns: tuple[np.ndarray, ...] = tuple(tokens.T)
    return np.ravel_multi_index(columns, law.shape)


def _of_tables(
    places: Iterable[np.ndarray], laws: Iterable[np.ndarray], generator: np.random.Generator
) -> list[ChiSquare]:
    """Test the cells of ``n`` sequences at each place against the law of the cells there."""
    observed, probabilities = [], []
    for cells, law in zip(places, laws, strict=True):
        law = law / law.sum()
        labels = alarms.groups(law, len(cells), generator) + 1  # 0 are the impossible cells
        observed.append(np.bincount(labels[cells], minlength=labels.max() + 1))
        probabilities.append(np.bincount(labels, weights=law))
    return alarms.of_laws(observed, probabilities, generator)


def audit(
    key: Key[Array, ""],
    sample: Callable[[Key[Array, ""]], Array | np.ndarray],
    truth: Target | exact.OutputLaw,
    n: int = 10_000,
) -> Report:
    """Test a sampler against the distribution that its tokens should have.

    The distributions of single tokens and of pairs are always tested. On a space small enough for `jdlm.exact`, so are
    those of whole sequences, rare ones in groups, and of their log probability, in 20 bins. On a larger space, log
    probabilities and repeated sequences are compared with those of as many true samples. All p-values are exact
    (`jdlm.measure.alarms`).

    Args:
      key: typed key.
      sample: from a key to int tokens ``[length]`` or ``[lanes, length]``; it is called with a new key until there
        are ``n`` sequences. A sampler without JAX takes its seed as ``int(jax.random.bits(key))``.
      truth: a target with conditionals, or the `jdlm.exact.OutputLaw` that the sampler should have (for samplers that
        reveal several tokens at a time, whose law is not the target's).
      n: sequences, at least 100.

    Returns:
      A `Report`; print it, or ask ``report.passes()``.

    Raises:
      ValueError: n < 100, an output law with leftover masks, a target without conditionals whose space is too large, or
        tokens of a wrong shape or dtype.
    """
    if validation.integer("n", n, 1, _MOST) < 100:
        raise InputError(f"n={n} sequences show little; use at least 100")
    keys.check(key)
    key_sampler, key_floor, key_scores = jax.random.split(key, 3)
    law, reference = _truth(truth)
    length, vocab_size = reference.single.shape
    tokens = _collect(key_sampler, sample, n, length)
    inside = ((tokens >= 0) & (tokens < vocab_size)).all(axis=1)
    whole = tokens[inside]
    if len(whole) < 2:
        raise InputError(f"{n - len(whole)} of {n} sequences hold masks or ids above {vocab_size - 1} or below 0")
    floor = _true_tokens(key_floor, truth, len(whole))
    if isinstance(law, Target):
        scores = log_prob(law, whole), log_prob(law, floor)
        possible = ~np.isneginf(scores[0])
    else:
        scores, possible = law, law[tuple(whole.T)] > 0.0
    outside = ~inside
    outside[inside] = ~possible
    single, pair = marginals.errors(whole, reference)
    single_floor, pair_floor = marginals.errors(floor, reference)
    return Report(
        n=n,
        masks_left=mean(~inside),
        outside_support=mean(outside),
        single_marginal_tv=single,
        pair_marginal_tv=pair,
        single_marginal_tv_floor=single_floor,
        pair_marginal_tv_floor=pair_floor,
        checks=_checks(whole, scores, reference, floor, _generator(key_scores)),
    )


def _checks(
    tokens: np.ndarray,
    scores: np.ndarray | tuple[np.ndarray, np.ndarray],
    reference: marginals.Marginals,
    floor: np.ndarray,
    generator: np.random.Generator,
) -> tuple[Check, ...]:
    """All checks of ``tokens``: by the law, or by the log probabilities of them and of ``floor``, as many true ones."""
    n, (length, vocab_size) = len(tokens), reference.single.shape
    made = []  # of each check its name, its tests, and how many samples tell as much
    # Of one or two tokens these are the law itself, which would only take half of the alarm.
    if isinstance(scores, tuple) or length > 1:
        made.append(("single marginals", _of_tables(tokens.T, reference.single, generator), n))
    if len(reference.pairs) and (isinstance(scores, tuple) or length > 2):
        cells = marginals.cells_of_pairs(tokens, vocab_size, reference.pairs)
        laws = reference.joint.reshape(len(reference.pairs), -1)
        made.append(("pair marginals", _of_tables(cells, laws, generator), n))
    if isinstance(scores, tuple):
        made.append(("log probabilities and repeats", [_against_floor(tokens, floor, scores, generator)], n / 2))
    else:
        cells, law = _cells(tokens, scores), scores.ravel()
        made.append(("law", _of_tables([cells], [law], generator), n))
        bins = _log_probability_bins(law / law.sum())
        binned = _of_tables([bins[cells]], [np.bincount(bins, weights=law)], generator)
        if binned[0].degrees_of_freedom < made[-1][1][0].degrees_of_freedom:
            made.append(("log probabilities", binned, n))
    parts = sum(any(test.degrees_of_freedom for test in tests) for _, tests, _ in made)
    return tuple(_check(name, tests, as_many, parts) for name, tests, as_many in made)


def _check(name: str, tests: list[ChiSquare], n: int | float, parts: int) -> Check:
    """The check made of these tests, one of ``parts`` that share the alarm."""
    worst = min(tests, key=lambda test: (test.p_value, -test.degrees_of_freedom))
    tables = len([test for test in tests if test.degrees_of_freedom])
    freedom = max(test.degrees_of_freedom for test in tests)
    seen = alarms.detectable_tv(freedom, n, ALARM / max(parts * tables, 1))
    return Check(name, tables, worst, min(1.0, max(tables, 1) * worst.p_value), seen)


def _log_probability_bins(law: np.ndarray) -> np.ndarray:
    """Bin of each outcome: impossible ones in bin 0, others in at most 20 of about equal mass by log probability."""
    log_probs = np.log(law, where=law > 0.0, out=np.full(len(law), -np.inf))
    values, place = np.unique(np.round(log_probs, 6), return_inverse=True)  # equal ones differ by rounding
    mass = np.bincount(place, weights=law)
    bins = np.minimum((np.cumsum(mass) - mass / 2) * _BINS, _BINS - 1).astype(np.int64) + 1
    return np.where(np.isneginf(values), 0, bins)[place]


def _against_floor(
    tokens: np.ndarray, floor: np.ndarray, log_probs: tuple[np.ndarray, np.ndarray], generator: np.random.Generator
) -> ChiSquare:
    """Compare two samples: log probabilities of what was seen once, in 20 bins, and what was seen 2-3, 4-7, ... times.

    Bins and repeats are those of both samples together, of which a correct sampler's sequences are a random half.
    """
    both = np.concatenate(log_probs)
    edges = np.unique(np.sort(both)[len(both) * np.arange(1, _BINS) // _BINS])
    bins = np.searchsorted(edges, both, side="right")
    _, place, times = np.unique(np.concatenate([tokens, floor]), axis=0, return_inverse=True, return_counts=True)
    times = times[place.ravel()]
    bins = np.where(times > 1, _BINS + np.log2(times).astype(np.int64), bins)
    first, second = (np.bincount(part, minlength=bins.max() + 1) for part in np.split(bins, [len(tokens)]))
    return alarms.of_two(first, second, generator)


def _truth(truth: Target | exact.OutputLaw) -> tuple[np.ndarray | Target, marginals.Marginals]:
    """The law of whole sequences, or the target where the space is too large for it, and the marginals."""
    if isinstance(truth, exact.OutputLaw):
        if truth.leftover > 1e-9:
            raise InputError(f"the law leaves a mask with probability {truth.leftover:.3g}; give one without leftover")
        return truth.law, marginals.of_law(truth.law)
    check_type("truth", truth, Target, "give a target, or an OutputLaw of jdlm.exact")
    try:
        check_size(truth.length, truth.vocab_size)
    except ValueError as error:
        if not (truth.has("conditionals") and truth.has("log_prob")):
            raise InputError(f"the target has no conditionals or no log_prob; {error}") from None
        return truth, marginals.of_target(keys.key(0), truth)  # exact, so that the key is not used
    law = exact.target_law(truth)
    return law, marginals.of_law(law)


def _generator(key: Array) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def _true_tokens(key: Array, truth: Target | exact.OutputLaw, n: int) -> np.ndarray:
    if isinstance(truth, Target):
        return draw_tokens(key, truth, n)
    flat = _generator(key).choice(truth.law.size, size=n, p=truth.law.ravel() / truth.law.sum())
    return np.stack(np.unravel_index(flat, truth.law.shape), axis=1)


def _collect(key: Array, sample: Callable, n: int, length: int) -> np.ndarray:
    """``n`` sequences of as many calls as it takes, int64 ``[n, length]``."""
    parts, have = [], 0
    while have < n:
        tokens = np.asarray(sample(jax.random.fold_in(key, len(parts))))
        tokens = tokens[None] if tokens.ndim == 1 else tokens
        if tokens.ndim != 2 or tokens.shape[1] != length or not len(tokens):
            raise InputError(f"sample returned shape {tokens.shape}; return tokens [{length}] or [lanes, {length}]")
        if not np.issubdtype(tokens.dtype, np.integer):
            raise InputError(f"sample returned dtype {tokens.dtype}; return integer tokens")
        parts.append(tokens)
        have += len(tokens)
    return np.concatenate(parts)[:n].astype(np.int64)
