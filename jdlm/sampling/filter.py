"""How tokens are drawn from the predicted marginals: temperature, top-k and nucleus filtering.

A `Draw` changes what is drawn and nothing else: planners see the predictor's own probabilities.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jdlm.planners import rounded


@dataclasses.dataclass(frozen=True)
class Draw:
    """The law that a token is drawn from, given the logits of its position; the default changes nothing.

    Applied in this order: temperature, then top-k, then nucleus. Probabilities are compared after rounding to
    multiples of 2^-12, so that ties are ties in every precision; tied tokens are kept or dropped together.

    Attributes:
      temperature: logits are divided by it.
      top_k: keep the k most likely tokens (more if the last ones tie); None keeps all.
      nucleus: keep the most likely tokens until their probability reaches this; None keeps all.

    Raises:
      ValueError: temperature not positive, top_k < 1, or nucleus outside (0, 1].
    """

    temperature: float = 1.0
    top_k: int | None = None
    nucleus: float | None = None

    def __post_init__(self):
        if not 0.0 < self.temperature < float("inf"):
            raise ValueError(f"temperature={self.temperature} is not positive; for the most likely token use top_k=1")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k={self.top_k} leaves no token; use at least 1, or None")
        if self.nucleus is not None and not 0.0 < self.nucleus <= 1.0:
            raise ValueError(f"nucleus={self.nucleus} is no probability above 0; use (0, 1], or None")

    def __call__(self, logits: Float[Array, "*rows vocab"]) -> Float[Array, "*rows vocab"]:
        """Logits of the law that is drawn from, -inf at filtered tokens; ``logits`` themselves by default."""
        if self.temperature != 1.0:
            logits = logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            probabilities = rounded(jax.nn.softmax(logits))
            least = jnp.sort(probabilities, axis=-1)[..., -self.top_k, None]
            logits = jnp.where(probabilities >= least, logits, -jnp.inf)
        if self.nucleus is not None:
            exact = jax.nn.softmax(logits)
            probabilities = rounded(exact)
            above = probabilities[..., None, :] > probabilities[..., :, None]  # [token, more likely token]
            before = jnp.where(above, exact[..., None, :], 0).sum(axis=-1)
            logits = jnp.where(rounded(before) < self.nucleus, logits, -jnp.inf)
        return logits
