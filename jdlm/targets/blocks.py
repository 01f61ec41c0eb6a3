"""Independent copies of a small target: a long sequence with little dependence."""

import math
from dataclasses import dataclass, field

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Key

from jdlm import keys, pytrees
from jdlm.errors import check_type
from jdlm.targets import validation
from jdlm.targets.target import Target, Tokens

__all__ = ["Blocks", "blocks"]


@pytrees.register
@dataclass(frozen=True, eq=False)
class Blocks(Target):
    """Independent copies of one law, side by side; see `blocks`."""

    block: Target
    copies: int = field(metadata={"static": True})
    length: int = field(metadata={"static": True})
    vocab_size: int = field(metadata={"static": True})

    def sample(self, key: Key[Array, ""]) -> Int[Array, " length"]:
        """One draw of each block; int32 ``[length]``."""
        keys.check(key)
        return jax.vmap(self.block.sample)(jax.random.split(key, self.copies)).reshape(self.length)

    def log_prob(self, tokens: Tokens) -> Float[Array, ""]:
        """Sum over the blocks, nats."""
        tokens = self.checked(tokens)
        return jax.vmap(self.block.log_prob)(tokens.reshape(self.copies, -1)).sum()

    def infer(self, tokens: Tokens) -> tuple[Float[Array, "length vocab"], Bool[Array, ""]]:
        """Each block on its own; a pattern is possible if it is in all of them."""
        tokens = self.checked(tokens)
        log_probs, possible = jax.vmap(self.block.infer)(tokens.reshape(self.copies, -1))
        return log_probs.reshape(self.length, self.vocab_size), possible.all()

    def entropy_curve(self) -> Float64[np.ndarray, " length"]:
        """The block's curve g at the number of revealed tokens in the same block; nats ``[length]``.

        ``h[j] = sum_i P(i) g[i]``, with ``P(i) = C(b-1, i) C(length-b, j-i) / C(length-1, j)`` for blocks of b tokens.
        """
        curve, size = self.block.entropy_curve(), self.block.length
        return np.array(
            [
                sum(
                    math.comb(size - 1, i)
                    * math.comb(self.length - size, j - i)
                    / math.comb(self.length - 1, j)
                    * curve[i]
                    for i in range(min(size - 1, j) + 1)
                )
                for j in range(self.length)
            ]
        )

    def _curve_lacks(self) -> str | None:
        return self.block._curve_lacks()


def blocks(target: Target, copies: int) -> Blocks:
    """Independent copies of a target, one after the other; TC and DTC are ``copies`` times those of one.

    Args:
      target: the target of one block.
      copies: number of blocks.

    Returns:
      The target, which has what the block has.

    Raises:
      ValueError: copies below 1.
    """
    check_type("target", target, Target, "build one with jdlm.targets")
    copies = validation.integer("copies", copies)
    return Blocks(target, copies, validation.length(copies * target.length), target.vocab_size)
