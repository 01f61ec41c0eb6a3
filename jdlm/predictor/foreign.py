"""Predictors that run outside of JAX: PyTorch modules, and any function of numpy arrays."""

import dataclasses
import hashlib
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jdlm.errors import InputError, check_type, shown
from jdlm.predictor.predictor import Predictor, chunk_size
from jdlm.targets import validation

__all__ = ["digest", "from_numpy", "from_torch"]

_BYTES = 2**28  # of the logits of lanes that are evaluated together
_SIZES = "length and vocabulary must be those of the target"


@dataclasses.dataclass(frozen=True)
class _Foreign:
    """``apply`` of a predictor that JAX calls on the host; equal exactly when the functions are equal."""

    function: Callable[[np.ndarray], np.ndarray]
    vocab_size: int

    def __call__(self, params: Any, tokens: Array, positions: Array | None) -> Array:
        result = jax.ShapeDtypeStruct((*tokens.shape, self.vocab_size), jnp.float32)
        logits = jax.pure_callback(self._lanes, result, tokens, vmap_method="broadcast_all")
        return logits if positions is None else jnp.take_along_axis(logits, positions[..., None], axis=-2)

    def _lanes(self, tokens: Any) -> np.ndarray:
        tokens = np.asarray(tokens)
        flat = np.ascontiguousarray(tokens.reshape(-1, tokens.shape[-1]))
        logits = np.asarray(self.function(flat), np.float32)
        return logits.reshape(*tokens.shape, self.vocab_size)


def from_numpy(function: Callable[[np.ndarray], np.ndarray], length: int, vocab_size: int) -> Predictor:
    """A predictor of any function of numpy arrays, which JAX calls on the host.

    Args:
      function: from int32 tokens ``[lanes, length]``, of which masked ones are ``vocab_size``, to logits
        ``[lanes, length, vocab_size]``; the same logits for the same tokens.
      length: number of positions.
      vocab_size: number of tokens, without the mask.

    Returns:
      The predictor, float32. It works with every function of jdlm, on CPU as fast as the function is.

    Raises:
      ValueError: the function returns another shape, NaN, or other logits when it is called again with the same tokens.
    """
    length, vocab_size = validation.length(length), validation.integer("vocab_size", vocab_size)
    if not callable(function):
        raise InputError(f"function is a {type(function).__name__}; give a function of tokens [lanes, length]")
    _try(function, length, vocab_size)
    chunk = chunk_size(4 * length * vocab_size, _BYTES)
    return Predictor((), _Foreign(function, vocab_size), length, vocab_size, batched=True, chunk=chunk)


def _try(function: Callable[[np.ndarray], np.ndarray], length: int, vocab_size: int) -> None:
    """Raise an InputError unless two calls with two lanes give the same logits of the right shape."""
    tokens = np.full((2, length), vocab_size, np.int32)
    tokens[1, : length // 2] = 0
    first, second = (np.asarray(function(tokens.copy())) for _ in range(2))
    if first.shape != (2, length, vocab_size):
        raise InputError(
            f"for tokens of shape (2, {length}) the predictor returns shape {first.shape}; return logits of shape "
            f"{(2, length, vocab_size)}: {_SIZES}"
        )
    if not np.issubdtype(first.dtype, np.floating) and not np.issubdtype(first.dtype, np.integer):
        raise InputError(f"the predictor returns logits of dtype {first.dtype}; return floats")
    if np.isnan(first).any():
        raise InputError("the predictor returns NaN for masked tokens; check its parameters")
    if not np.array_equal(first, second):
        raise InputError("the predictor returns other logits when it is called again; turn dropout off (module.eval())")


@dataclasses.dataclass(frozen=True)
class _Torch:
    """A function of numpy arrays that calls a PyTorch module."""

    module: Callable[[Any], Any]
    vocab_size: int
    mask_id: int
    special: tuple[int, ...]
    device: Any

    def __call__(self, tokens: np.ndarray) -> np.ndarray:
        torch = _torch()
        with torch.no_grad():
            ids = torch.from_numpy(np.where(tokens == self.vocab_size, self.mask_id, tokens).astype(np.int64))
            output = self.module(ids if self.device is None else ids.to(self.device))
            logits = getattr(output, "logits", output)
            logits = logits[0] if isinstance(logits, tuple) else logits
            if not isinstance(logits, torch.Tensor):
                raise InputError(
                    f"the module returns a {type(logits).__name__}; return logits, or an object with .logits"
                )
            if logits.ndim != 3 or logits.shape[-1] < self.vocab_size:
                return logits.float().cpu().numpy()  # refused with its shape
            logits = logits[..., : self.vocab_size].float().cpu().numpy()
        if self.special:
            logits = logits.copy()
            logits[..., list(self.special)] = -np.inf
        return logits

    def digest(self) -> str:
        """SHA-256 of the module's parameters and buffers by name, or of what it is called where it has none."""
        found = hashlib.sha256(repr((self.vocab_size, self.mask_id, self.special)).encode())
        state = getattr(self.module, "state_dict", dict)()
        for name in sorted(state):
            found.update(name.encode())
            found.update(np.ascontiguousarray(state[name].detach().cpu().float().numpy()).tobytes())
        if not state:
            found.update(f"{type(self.module).__module__}.{getattr(self.module, '__qualname__', '')}".encode())
        return found.hexdigest()


def _torch() -> Any:
    try:
        return importlib.import_module("torch")  # which nothing else needs
    except ImportError:
        raise InputError('PyTorch is not installed; install it with: pip install "jdlm[torch]"') from None


def from_torch(
    module: Callable[[Any], Any],
    length: int,
    vocab_size: int,
    mask_id: int | None = None,
    device: Any = None,
    special: Sequence[int] = (),
) -> Predictor:
    """A predictor of a PyTorch module, as of LLaDA, MDLM, or a masked language model of ``transformers``.

    Args:
      module: from token ids, int64 ``[lanes, length]``, to logits ``[lanes, length, at least vocab_size]`` or an object
        with such ``logits``. It must be in evaluation mode.
      length: number of positions.
      vocab_size: number of token ids, from 0 on; those of the data. Logits beyond are cut.
      mask_id: the module's id of the mask; by default ``vocab_size``. If it is below, it is an id that no sequence has.
      device: where the module is, as PyTorch writes it; by default the CPU.
      special: other ids that no sequence has (padding, beginning, end): they get no probability.

    Returns:
      The predictor: logits in float32, whatever the module's precision.

    Raises:
      ValueError: PyTorch is not installed, ids out of range, a module in training mode, or one that returns other
        logits than these, as `from_numpy`.
    """
    torch = _torch()
    vocab_size = validation.integer("vocab_size", vocab_size)
    mask_id = vocab_size if mask_id is None else validation.integer("mask_id", mask_id, 0)
    ids = tuple(sorted({*(validation.integer("special", each, 0) for each in special), mask_id}))
    cut = tuple(each for each in ids if each < vocab_size)
    if len(cut) == vocab_size:
        raise InputError(f"special={shown(list(special))} leaves no token; leave some out")
    if isinstance(module, torch.nn.Module) and module.training:
        raise InputError("the module is in training mode, where logits are random; call module.eval() first")
    return from_numpy(_Torch(module, vocab_size, mask_id, cut, device), length, vocab_size)


def digest(predictor: Predictor) -> str:
    """SHA-256 that tells predictors apart, by their parameters; 64 hexadecimal digits.

    Args:
      predictor: any; one of `from_numpy` by the name of its function, one of `from_torch` by the module's parameters.
    """
    check_type("predictor", predictor, Predictor, "use jdlm.predictor.oracle, a network or Predictor.wrap")
    found = hashlib.sha256(f"{predictor.length} {predictor.vocab_size}".encode())
    for leaf in jax.tree.leaves(predictor.params):
        array = np.asarray(leaf)
        found.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    function = getattr(predictor.apply, "function", predictor.apply)
    if isinstance(function, _Torch):
        found.update(function.digest().encode())
    else:
        found.update(f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}".encode())
    return found.hexdigest()
