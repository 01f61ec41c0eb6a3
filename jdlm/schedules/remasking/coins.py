"""Steps that reveal each masked token and mask each revealed one independently: thinning both ways."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln, xlog1py, xlogy

from jdlm import pytrees
from jdlm.errors import InputError
from jdlm.schedules.remasking.law import Move, RemaskingLaw
from jdlm.schedules.thinning_law import binomial

__all__ = ["Coins"]


@pytrees.register
@dataclasses.dataclass(frozen=True, eq=False)
class Coins(RemaskingLaw):
    """A coin for each token in each step.

    Attributes:
      rates: ``[num_steps]`` float64; probability that a step reveals a token that is masked before it.
      sigmas: ``[num_steps]`` float64; probability that it masks a token that is revealed before it.
      one: at most one token is masked in a step, with the probability ``sigmas`` if any is revealed, instead of each.
    """

    rates: Any
    sigmas: Any
    one: bool = dataclasses.field(default=False, metadata={"static": True})

    def checked(self, length: int, num_steps: int) -> "Coins":
        """These rates in float64; ValueError where their shapes are wrong or they are not probabilities."""
        arrays = []
        for name, values in (("rates", self.rates), ("sigmas", self.sigmas)):
            values = np.asarray(values, dtype=np.float64)
            if values.shape != (num_steps,):
                raise InputError(f"{name} have shape {values.shape}; use [{num_steps}], one for each step")
            if not np.all((values >= 0.0) & (values <= 1.0)):
                wrong = values[~((values >= 0.0) & (values <= 1.0))][0]
                raise InputError(f"{name} hold {wrong:g}; use probabilities from 0 to 1")
            arrays.append(values)
        return Coins(arrays[0], arrays[1], self.one)

    def both(
        self, uniforms: Float[np.ndarray, "lanes any"], more: Float[np.ndarray, "lanes any"], length: int
    ) -> tuple[Int[np.ndarray, "lanes num_steps"], Int[np.ndarray, "lanes num_steps"]]:
        """Binomial numbers: those of `Thinning` from the same uniforms where nothing is masked."""
        sizes = np.zeros((2, len(uniforms), len(self.rates)), np.int32)
        masked = np.full(len(uniforms), length)
        for step, (rate, sigma) in enumerate(zip(self.rates, self.sigmas, strict=True)):
            sizes[0, :, step] = binomial(uniforms[:, step], masked, float(rate))
            trials = np.minimum(length - masked, 1) if self.one else length - masked
            sizes[1, :, step] = binomial(more[:, step], trials, float(sigma))
            masked = masked - sizes[0, :, step] + sizes[1, :, step]
        return sizes[0], sizes[1]

    def moves(self, length: int) -> Iterator[tuple[float, Iterable[Move]]]:
        """One chain, its kernels made as they are asked for."""
        counts = np.arange(length + 1)
        trials = np.minimum(counts, 1) if self.one else counts

        def made() -> Iterator[Move]:
            for rate, sigma in zip(self.rates, self.sigmas, strict=True):
                after = _binomials(trials, float(sigma), length) if sigma > 0.0 else None
                yield Move(_binomials(length - counts, float(rate), length), after=after)

        yield 1.0, made()

    def export(self, length: int) -> dict[str, Any]:
        """``reveal_rates`` and ``mask_rates`` of the steps, and whether at most one token is masked in each."""
        return {
            "num_steps": len(self.rates),
            "reveal_rates": self.rates.tolist(),
            "mask_rates": self.sigmas.tolist(),
            "mask_at_most_one": self.one,
        }

    def _num_steps(self) -> int:
        return len(self.rates)


def _binomials(trials: np.ndarray, rate: float, length: int) -> np.ndarray:
    """``[trials, length + 1]`` binomial probabilities, each row of its own number of trials."""
    n, k = trials[:, None], np.arange(length + 1)[None, :]
    rest = np.maximum(n - k, 0)
    logs = gammaln(n + 1) - gammaln(k + 1) - gammaln(rest + 1) + xlogy(k, rate) + xlog1py(rest, -rate)
    law = np.where(k <= n, np.exp(logs), 0.0)
    return law / law.sum(axis=1, keepdims=True)
