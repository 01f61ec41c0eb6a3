"""How tokens are drawn from the predicted marginals: temperature, top-k and nucleus filtering.

A `Draw` changes what is drawn and nothing else: planners see the predictor's own probabilities.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jdlm.errors import InputError, check_type
from jdlm.planners import TIE
from jdlm.predictor import Predictor
from jdlm.predictor.predictor import in_full_precision
from jdlm.targets import validation

__all__ = ["Draw", "filtered"]

_LARGE = 64.0  # beyond it, float32 logits are spaced by more than 7.6e-6, which would distort the noise


@dataclasses.dataclass(frozen=True)
class Draw:
    """The distribution that a token is drawn from, given the logits of its position; the default changes nothing.

    Applied in this order: temperature, then top-k, then nucleus. Both filters keep a number of the most likely tokens.
    Log probabilities within ``TIE`` (2^-18) of the last one kept are tied with it; tied tokens are kept in the order of
    their ids, so that float32 and float64 agree on laws with symmetries (docs/decisions/priorities-on-a-grid.md).

    Attributes:
      temperature: float, logits are divided by it; a normal number of float32, as its inverse: 1.2e-38 to 8.5e37.
      top_k: int, keep exactly the k most likely tokens; None, or at least the size of the vocabulary, keeps all.
      nucleus: float, keep the fewest most likely tokens whose probability reaches this; None or 1.0 keeps all. In
        float32 their sum has an error of about ``log2(vocab) * 1.2e-7``, so missing the goal by 2^-18 is reaching it.
      final: another `Draw`, for the last step of a schedule: ``Draw(final=Draw(top_k=1))`` takes the most likely tokens
        there. Lanes whose sizes end with an empty step have no last step, so none of their tokens is drawn by it. None
        draws all steps alike.

    Raises:
      ValueError: temperature not positive or not of float32, top_k no integer or below 1, nucleus outside (0, 1], final
        no draw or one with a ``final`` of its own.
    """

    # Of any type, because values may come from a file; checked below.
    temperature: Any = 1.0
    top_k: Any = None
    nucleus: Any = None
    final: Any = None

    def __post_init__(self):
        if self.final is not None and (not isinstance(self.final, Draw) or self.final.final is not None):
            raise InputError(
                f"final={self.final!r} is not the draw of one step; use one such as Draw(top_k=1), or None"
            )
        temperature = validation.real("temperature", self.temperature)
        if not temperature > 0.0:
            raise InputError(f"temperature={temperature} is not positive; for the most likely token use top_k=1")
        if not 2.0**-126 <= temperature <= 2.0**126:
            remedy = "for the most likely token use top_k=1" if temperature < 1.0 else "use a smaller one"
            raise InputError(f"temperature={temperature} is beyond what float32 can divide by; {remedy}")
        object.__setattr__(self, "temperature", temperature)
        if self.top_k is not None:
            object.__setattr__(self, "top_k", validation.integer("top_k", self.top_k))
        if self.nucleus is not None:
            nucleus = validation.real("nucleus", self.nucleus)
            if not 0.0 < nucleus <= 1.0:
                raise InputError(f"nucleus={nucleus} is not a probability above 0; use (0, 1], or None")
            object.__setattr__(self, "nucleus", nucleus)

    @property
    def is_plain(self) -> bool:
        """Whether it changes nothing."""
        return self == Draw()

    @property
    def words(self) -> str:
        """What it changes, for people: ``temperature 0.8, top-k 5``; nothing for a plain one.

        >>> Draw(temperature=0.8, top_k=5).words
        'temperature 0.8, top-k 5'
        """
        values = {"top-k": self.top_k, "nucleus": self.nucleus}
        named = [f"{name} {value}" for name, value in values.items() if value is not None]
        named = ([f"temperature {self.temperature}"] if self.temperature != 1.0 else []) + named
        return ", ".join(named + ([f"last step: {self.final.words or 'plain'}"] if self.final is not None else []))

    def __call__(self, logits: Float[Array, "*rows vocab"]) -> Float[Array, "*rows vocab"]:
        """Logits of the filtered distribution, -inf at filtered tokens; shifted by a constant where they are large."""
        peak = logits.max(axis=-1, keepdims=True)
        # Large logits would swallow the noise, or overflow. The others keep their bits.
        logits = logits - jnp.where(jnp.abs(peak / self.temperature) > _LARGE, peak, 0)
        if self.temperature != 1.0:
            logits = logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            last = jax.lax.top_k(logits, self.top_k)[0][..., -1:]
            logits = _largest(logits, jnp.full(last.shape, self.top_k), last)
        if self.nucleus is not None and self.nucleus < 1.0:
            descending = -jnp.sort(-logits, axis=-1)
            # A tree of additions, whose rounding errors grow with the logarithm of the vocabulary only.
            mass = jax.lax.associative_scan(jnp.add, jnp.exp(descending - descending[..., :1]), axis=-1)
            before = jnp.concatenate([jnp.zeros_like(mass[..., :1]), mass[..., :-1]], axis=-1)
            number = (before < (self.nucleus - TIE) * mass[..., -1:]).sum(axis=-1, keepdims=True)
            number = jnp.maximum(number, 1)
            logits = _largest(logits, number, jnp.take_along_axis(descending, number - 1, axis=-1))
        return logits


def _largest(
    logits: Float[Array, "*rows vocab"], number: Int[Array, "*rows 1"], last: Float[Array, "*rows 1"]
) -> Float[Array, "*rows vocab"]:
    """Logits of the ``number`` most likely tokens, of which ``last`` is the least; -inf elsewhere."""
    sure = logits > last + TIE
    tied: Bool[Array, "*rows vocab"] = jnp.abs(logits - last) <= TIE
    room = number - sure.sum(axis=-1, keepdims=True)
    kept = sure | (tied & (jnp.cumsum(tied, axis=-1) <= room))
    return jnp.where(kept, logits, -np.inf)


def filtered(predictor: Predictor, draw: Draw) -> Predictor:
    """A predictor with the filtered logits of another: what is drawn from is then what it predicts.

    With positions that do not look at probabilities, sampling it is sampling the other with ``draw``. So its
    cross-entropy curve gives the path KL and the NELBO of a sampler with filters; a token of the target that is
    filtered somewhere makes them infinite.

    Args:
      predictor: any predictor.
      draw: temperature and filters, the same in all steps.

    Raises:
      ValueError: ``draw`` has a ``final`` one, which no predictor knows.
    """
    check_type("predictor", predictor, Predictor, "use jdlm.predictor.oracle, a network or Predictor.wrap")
    check_type("draw", draw, Draw, "use jdlm.sampling.Draw")
    if draw.final is not None:
        raise InputError(f"draw has final={draw.final}, for the last step of a schedule, which no predictor knows")
    if draw.is_plain:
        return predictor
    rules = predictor.rules
    if rules is not None:
        functions = {name: _Filtered(getattr(rules, name), draw) for name in ("advance", "check", "along")}
        rules = rules._replace(**functions)
    return dataclasses.replace(predictor, apply=_Filtered(predictor.apply, draw), rules=rules)


@dataclasses.dataclass(frozen=True)
class _Filtered:
    """A predictor's function whose logits are filtered; equal where function and draw are."""

    function: Callable[..., Any]
    draw: Draw

    def __call__(self, *arguments: Any) -> Any:
        result = self.function(*arguments)
        if isinstance(result, tuple):  # rules give the content of the cache, and logits if any were asked for
            content, logits = result
            return content, None if logits is None else self.draw(in_full_precision(logits))
        return self.draw(in_full_precision(result))
