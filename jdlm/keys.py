"""Random keys: the one implementation on which all promises about reproducible samples rest.

Others do not qualify: under "rbg" and "unsafe_rbg" the bits drawn for one lane depend on the lanes beside it. JAX's
default can be changed from outside (``JAX_DEFAULT_PRNG_IMPL``), so jdlm names its own.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Integer, Key

from jdlm.errors import InputError

__all__ = ["IMPL", "check", "key"]

IMPL = "threefry2x32"


def key(seed: Any) -> Key[Array, ""]:
    """A typed threefry key, whatever JAX's default is.

    Args:
      seed: an integer, also a traced one.

    Raises:
      ValueError: it has more than 64 bits.
    """
    if isinstance(seed, int) and not -(2**63) <= seed < 2**63:
        raise InputError("seed is beyond 64 bits; use one below 2^63")
    return jax.random.key(seed, impl=IMPL)


def check(key: Any) -> None:
    """Refuses anything but a typed threefry key.

    Args:
      key: one key or an array of them; a tracer too.

    Raises:
      ValueError: it is of another implementation, a raw key (`jax.random.PRNGKey`), or no key.
    """
    remedy = f'make it with jax.random.key(seed, impl="{IMPL}")'
    dtype = getattr(key, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        raise InputError(f"key is {type(key).__name__ if dtype is None else dtype}, not a typed key; {remedy}")
    if (impl := str(jax.random.key_impl(key))) != IMPL:
        raise InputError(f"key is of {impl}, whose bits for one sample depend on the others; {remedy}")


def lane_keys(key: Key[Array, ""], indices: Integer[Array, " lanes"]) -> Key[Array, " lanes"]:
    """The key of each global sample number: sample i depends on the key and i alone."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, indices)
