"""A distribution of step sizes: every masked token is revealed independently, with the same rate within a step."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped
from scipy.special import bdtr, betainc, gammaln, ndtri, xlog1py, xlogy

from jdlm.errors import InputError
from jdlm.schedules.chain import Chain
from jdlm.schedules.checks import check_memory
from jdlm.schedules.occupancy import occupancy

__all__ = ["Thinning", "binomial"]

_BLOCK = 2**20  # probabilities in memory at once, 8 MiB
_FLOOR = -1e300  # stands for log(0): 0 times it is 0, any other multiple has the exponential 0
_FEW = 30.0  # P(size 0) is at least exp(-30) where sizes are searched from 0


class Thinning(NamedTuple):
    """Thinning by one rate a step: its binomial distributions are computed when they are asked for.

    The members are those of `jdlm.schedules.law.Law`. The revealed count after step ``t`` is binomial with the fraction
    ``a[t] = 1 - prod_{s<=t} (1 - rates[s])``; of tokens revealed by then each was revealed before with probability
    ``a[t-1] / a[t]``. Relative errors are about 2e-16 times the length, also where probabilities are tiny, but for the
    `nfe_law`. Memory is some 50 MB and time a few seconds at 4096 tokens and 16384 steps.

    Attributes:
      rates: ``[num_steps]`` float64; the probability that a step reveals a token that is masked before it. A last rate
        of 1 reveals all that is left.
    """

    rates: Any

    def checked(self, length: int, num_steps: int) -> "Thinning":
        """These rates in float64; ValueError where their shape is wrong or they are not probabilities."""
        rates = np.asarray(self.rates, dtype=np.float64)
        if rates.shape != (num_steps,):
            raise InputError(f"rates have shape {rates.shape}; use [{num_steps}], one for each step")
        if not np.all((rates >= 0.0) & (rates <= 1.0)):
            wrong = rates[~((rates >= 0.0) & (rates <= 1.0))][0]
            raise InputError(f"rates hold {wrong:g}; a token is revealed with a probability from 0 to 1")
        return Thinning(rates)

    def draw(self, key: Shaped[PRNGKeyArray, ""], length: int) -> Int[Array, " num_steps"]:
        """One draw of the sizes, token by token; unbiased down to rates of about 1e-14."""

        def step(masked, inputs):
            rate, step_key = inputs
            revealed = jax.random.bernoulli(step_key, rate, (length,), mode="high") & (jnp.arange(length) < masked)
            size = revealed.sum(dtype=jnp.int32)
            return masked - size, size

        rates = jnp.asarray(self.rates)
        return jax.lax.scan(step, jnp.int32(length), (rates, jax.random.split(key, len(rates))))[1]

    def invert(self, uniforms: Float[np.ndarray, "lanes any"], length: int) -> Int[np.ndarray, "lanes num_steps"]:
        """Sizes of many sequences on the host: one uniform per step."""
        sizes = np.zeros((len(uniforms), len(self.rates)), np.int32)
        masked = np.full(len(uniforms), length)
        for step, rate in enumerate(self.rates):
            sizes[:, step] = binomial(uniforms[:, step], masked, float(rate))
            masked = masked - sizes[:, step]
        return sizes

    def exposure(self, length: int) -> Float[np.ndarray, " length"]:
        """Expected size of the step taken from each revealed count ``j``: ``(length - j) sum_t r_t P(j before t)``."""
        steps = self._steps()
        counts = np.arange(length)
        choices = _log_choices(length, counts)
        exposure = np.zeros(length)
        for block in _blocks(len(steps.rates), length):
            exposure += steps.rates[block] @ _binomials(choices, counts, length, *steps.before(block))
        return exposure * (length - counts)

    def nfe_law(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Distribution of the number of steps that reveal something; for its errors see `occupancy`."""
        law = np.zeros(len(self.rates) + 1)
        steps = self._steps()
        occupied = occupancy(steps.reveals, float(steps.left), length)
        law[: len(occupied)] = occupied
        return law

    def mean_nfe(self, length: int) -> float:
        """Expected number of steps that reveal something: of each step, that not all tokens are passed over."""
        with np.errstate(divide="ignore"):  # a step that reveals every token
            return float(-np.sum(np.expm1(length * np.log1p(-self._steps().reveals))))

    def leftover(self, length: int) -> float:
        """Probability that a mask is left after the last step."""
        left = float(self._steps().left)
        return float(-np.expm1(length * np.log1p(-left))) if left < 1.0 else 1.0

    def expected_revealed(self, length: int) -> Float[np.ndarray, " num_steps_plus_1"]:
        """Expected revealed count after 0, 1, ... steps."""
        return np.concatenate([[0.0], length * -np.expm1(_log_masked(self.rates))])

    def overshoot(self, length: int, count: int) -> Float[np.ndarray, " overshoots"]:
        """Distribution of (first visited count >= ``count``) - ``count``; mass that stays below is missing.

        ``sum_t P(j after t) P(at most count - 1 of these j were revealed before t)``.
        """
        law = np.zeros(length - count + 1)
        if count == 0:
            law[0] = 1.0
            return law
        steps = self._steps()
        reached = np.arange(count, length + 1)
        # P(Binomial(j, q) < count) loses q P(Binomial(j, q) = count - 1) when j grows by 1: summed from the end, where
        # it is an incomplete beta function, all terms are positive and nothing cancels.
        lost = np.arange(count, length)
        choices, ways = _log_choices(length, reached), _log_choices(lost, count - 1)
        for block in _blocks(len(steps.rates), 2 * len(reached)):
            log_old, log_new = steps.log_old[block, None], steps.log_new[block, None]
            below = np.empty((len(log_old), len(reached)))
            below[:, -1] = betainc(length - count + 1, count, np.exp(log_new[:, 0]))
            below[:, :-1] = np.exp(ways + count * log_old + (lost - count + 1) * log_new)
            below = np.cumsum(below[:, ::-1], axis=1)[:, ::-1]
            law += np.sum(_binomials(choices, reached, length, *steps.after(block)) * below, axis=0)
        return law

    def visits(self, length: int) -> Float[np.ndarray, " length_minus_1"]:
        """Probability that each of the counts 1..length-1 is visited: that a step moves into it."""
        steps = self._steps()
        counts = np.arange(1, length)
        choices = _log_choices(length, counts)
        visits = np.zeros(length - 1)
        for block in _blocks(len(steps.rates), length):
            moved = -np.expm1(counts * steps.log_old[block, None])  # not all of them were there before
            visits += np.sum(_binomials(choices, counts, length, *steps.after(block)) * moved, axis=0)
        return visits

    def kernels(self, length: int) -> Iterator[tuple[float, list[Float[np.ndarray, "counts sizes"]]]]:
        """Those of the dense chain, see `dense`."""
        return self.dense(length).kernels(length)

    def export(self, length: int) -> dict[str, Any]:
        """Those of the dense chain, see `dense`."""
        return self.dense(length).export(length)

    def size_lists(self) -> None:
        """None: thinning is not a mixture of lists."""
        return None

    def dense(self, length: int) -> Chain:
        """The same law as a `Chain`, with one matrix of binomial rows for each step.

        Raises:
          ValueError: that takes more than 4 GiB, at ``16 * num_steps * (length + 1)**2`` bytes.
        """
        check_memory(length, 2 * len(self.rates))
        counts = np.arange(length + 1)
        masked, revealed = length - counts[:, None], np.maximum(counts[None, :] - counts[:, None], 0)
        kept = np.maximum(masked - revealed, 0)
        choices = gammaln(masked + 1) - gammaln(revealed + 1) - gammaln(kept + 1)
        steps = np.asarray([np.triu(np.exp(choices + xlogy(revealed, r) + xlog1py(kept, -r))) for r in self.rates])
        return Chain(steps / steps.sum(axis=-1, keepdims=True))

    def _steps(self) -> "_Steps":
        """Those steps that can reveal something."""
        log_after = _log_masked(self.rates)
        log_before = np.concatenate([[0.0], log_after[:-1]])
        left = np.exp(log_after[-1])
        live = (self.rates > 0.0) & np.isfinite(log_before)
        log_before, log_after, rates = log_before[live], log_after[live], self.rates[live]
        before, after = -np.expm1(log_before), -np.expm1(log_after)
        reveals = np.exp(log_before) * rates
        return _Steps(
            rates=rates,
            reveals=reveals,
            left=left,
            log_revealed_before=_log(before),
            log_revealed_after=_log(after),
            log_masked_before=np.maximum(log_before, _FLOOR),
            log_masked_after=np.maximum(log_after, _FLOOR),
            log_old=_log(before / after),
            log_new=_log(np.minimum(reveals / after, 1.0)),
        )


class _Steps(NamedTuple):
    """Steps that can reveal something, arrays ``[steps]``; logarithms of 0 are `_FLOOR`."""

    rates: np.ndarray
    reveals: np.ndarray  # probability that a token is revealed in the step
    left: np.ndarray  # [] that it is never revealed
    log_revealed_before: np.ndarray
    log_revealed_after: np.ndarray
    log_masked_before: np.ndarray
    log_masked_after: np.ndarray
    log_old: np.ndarray  # of the tokens revealed after the step, the share that was revealed before it
    log_new: np.ndarray  # and the rest

    def before(self, block: slice) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of the revealed and the masked fraction before each step of the block."""
        return self.log_revealed_before[block], self.log_masked_before[block]

    def after(self, block: slice) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of the revealed and the masked fraction after each step of the block."""
        return self.log_revealed_after[block], self.log_masked_after[block]


def _log(values: np.ndarray) -> np.ndarray:
    """Logarithms, `_FLOOR` of 0."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(values), _FLOOR)


def _log_masked(rates: np.ndarray) -> np.ndarray:
    """Logarithm of the masked fraction after each step."""
    with np.errstate(divide="ignore"):
        return np.cumsum(np.log1p(-rates))


def _log_choices(n: Any, k: Any) -> np.ndarray:
    """Logarithms of binomial coefficients; of long doubles, because logarithms of factorials are large and cancel."""
    largest = max(int(np.max(n, initial=0)), int(np.max(k, initial=0)))
    factorials = np.cumsum(np.log(np.maximum(np.arange(largest + 1), 1).astype(np.longdouble)))
    return (factorials[n] - factorials[k] - factorials[np.asarray(n) - k]).astype(np.float64)


def _binomials(
    choices: np.ndarray, counts: np.ndarray, length: int, log_p: np.ndarray, log_q: np.ndarray
) -> np.ndarray:
    """``[steps, counts]`` probabilities of ``counts`` successes in ``length`` trials, from all factors' logarithms."""
    return np.exp(choices + counts * log_p[:, None] + (length - counts) * log_q[:, None])


def _blocks(steps: int, width: int) -> Iterator[slice]:
    """Slices of the steps with at most `_BLOCK` numbers each, at ``width`` numbers a step."""
    size = max(1, _BLOCK // width)
    return (slice(first, first + size) for first in range(0, steps, size))


def binomial(uniforms: np.ndarray, trials: np.ndarray, rate: float) -> np.ndarray:
    """The smallest ``s`` with ``P(Binomial(trials, rate) <= s) > uniforms``, of each lane: arrays ``[lanes]``."""
    if rate in (0.0, 1.0):
        return trials * int(rate)
    odds = rate / (1.0 - rate)
    if trials.max(initial=0) * -np.log1p(-rate) < _FEW:
        size = np.zeros_like(trials)
        cumulative = probability = np.exp(trials * np.log1p(-rate))
    else:
        # From a place that is low enough, for P(size 0) may be too small for a number.
        guess = trials * rate + np.maximum(ndtri(uniforms), -40.0) * np.sqrt(trials * rate * (1.0 - rate))
        size, back = np.clip(np.floor(guess) - 1, 0, trials).astype(trials.dtype), 1
        while np.any(high := (size > 0) & (bdtr(size.astype(np.float64), trials, rate) > uniforms)):
            size, back = np.where(high, np.maximum(size - back, 0), size), 2 * back
        cumulative = bdtr(size.astype(np.float64), trials, rate)
        log_choices = gammaln(trials + 1) - gammaln(size + 1) - gammaln(trials - size + 1)
        probability = np.exp(log_choices + xlogy(size, rate) + xlog1py(trials - size, -rate))
    while True:
        following = probability * (trials - size) / (size + 1) * odds
        # A uniform next to 1 may exceed what the rounded terms sum to: the first that adds nothing ends them.
        up = (cumulative <= uniforms) & (cumulative + following > cumulative)
        if not up.any():
            return size
        probability = np.where(up, following, probability)
        cumulative = np.where(up, cumulative + following, cumulative)
        size = size + up
