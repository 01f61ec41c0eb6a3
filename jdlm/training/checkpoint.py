"""Checkpoints: the state of a training run in two files that any tool can read, and that are consistent at any moment.

    model.json                   schema version, the settings it was made with, step, key, names with shapes and dtypes,
                                 sha256 of the tensors and of the record itself
    model-<sha256>.safetensors   parameters, their running mean and the optimizer's state

The tensors carry their own hash in their name, and ``model.json`` is renamed into place last: a crash leaves the old
checkpoint or the new one. Nothing in them is executed.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from jdlm import files, keys, records, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.errors import InputError
from jdlm.predictor import Predictor
from jdlm.targets import Target
from jdlm.training import network
from jdlm.training import record as _record

__all__ = ["MOST", "SCHEMA", "beside", "check", "load", "load_predictor", "save", "sha256", "step"]

SCHEMA = _record.SCHEMA
MOST = 2**34
"""Largest size in bytes of the tensors that are read."""


def save(
    folder: str | Path,
    state: training.TrainingState,
    network_config: NetworkConfig,
    *,
    settings: Mapping[str, Any] | None = None,
    beside: Mapping[str, Any] | None = None,
) -> None:
    """Writes a checkpoint, replacing an older one in one move.

    Args:
      folder: of the checkpoint; made where it does not exist.
      state: of the run; copied to the host, so it may be overwritten afterwards.
      network_config: of the network that the parameters belong to.
      settings: what else it was made with, JSON values by section, such as `jdlm.config.Config.record`; they are
        compared whenever it is loaded with settings.
      beside: JSON values that belong to this very state, such as the digest of metrics written before; see `beside`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: np.asarray(leaf) for name, leaf in _named(jax.device_get(_arrays(state))).items()}
    content = safetensors.numpy.save(tensors)
    digest = hashlib.sha256(content).hexdigest()
    made_with = {title: (settings or {})[title] for title in _record.SECTIONS if title in (settings or {})}
    entry = {
        "schema": SCHEMA,
        "settings": made_with | {"network": network_config.record()},
        "step": int(state.step),
        "key": {"impl": str(jax.random.key_impl(state.key)), "data": jax.random.key_data(state.key).tolist()},
        "tree": _description(tensors),
        "beside": dict(beside or {}),
        "sha256": digest,
    }
    files.write(_tensors_path(folder, digest), content)
    records.write(folder / _record.NAME, entry)
    for path in folder.glob("model-*.safetensors"):
        if path != _tensors_path(folder, digest):
            path.unlink(missing_ok=True)


def load(
    folder: str | Path,
    network_config: NetworkConfig,
    target: Target,
    config: TrainingConfig,
    *,
    settings: Mapping[str, Any] | None = None,
) -> training.TrainingState:
    """The state of a run, to be continued with `jdlm.training.train`, on as many devices bit for bit.

    Args:
      folder: of the checkpoint.
      network_config: the network of the run.
      target: the run's target.
      config: the run's training configuration.
      settings: what it must have been made with, see `save`; the network alone by default.

    Raises:
      ValueError: there is no checkpoint, it is damaged, or it belongs to another model or was made with other settings.
    """
    record, tensors = _read(Path(folder), network_config, settings)
    like = _arrays(jax.eval_shape(lambda: training.init(network_config, target, config)))
    # Copied: a training run overwrites what it is given, and JAX may use memory of numpy as it is.
    state = jax.tree.map(jnp.array, _rebuild(Path(folder), like, tensors))
    key = jax.random.wrap_key_data(jnp.array(record["key"]["data"], jnp.uint32), impl=record["key"]["impl"])
    return state._replace(step=jnp.asarray(record["step"], jnp.int32), key=key)


def load_predictor(
    folder: str | Path,
    network_config: NetworkConfig,
    length: int,
    vocab_size: int,
    *,
    settings: Mapping[str, Any] | None = None,
) -> Predictor:
    """The trained mask predictor: the network with the running mean of its parameters.

    Args:
      folder: of the checkpoint.
      network_config: the network of the run.
      length: of the target's sequences.
      vocab_size: of the target.
      settings: what it must have been made with, see `save`; the network alone by default.

    Raises:
      ValueError: there is no checkpoint, it is damaged, or it belongs to another model or was made with other settings.
    """
    _, tensors = _read(Path(folder), network_config, settings)
    init = network.build(network_config, length, vocab_size).init
    shapes = jax.eval_shape(lambda: init(keys.key(0)))
    ema = _rebuild(Path(folder), {"ema": shapes}, {k: v for k, v in tensors.items() if k.startswith("ema.")})["ema"]
    return network.predictor(network_config, jax.device_put(ema), length, vocab_size)


def sha256(folder: str | Path) -> str:
    """Digest of a checkpoint's tensors, 64 hexadecimal digits: names a trained network.

    Raises:
      ValueError: there is no checkpoint, or its record is damaged.
    """
    return _record.read(Path(folder))["sha256"]


def beside(folder: str | Path) -> dict[str, Any]:
    """What was saved with a checkpoint beside its tensors, see `save`; empty for one of an older version.

    Raises:
      ValueError: there is no checkpoint, or its record is damaged.
    """
    return _record.read(Path(folder))["beside"]


def step(folder: str | Path) -> int:
    """The number of steps that a checkpoint has behind it.

    Raises:
      ValueError: there is no checkpoint, or its record is damaged.
    """
    return _record.read(Path(folder))["step"]


def check(folder: str | Path, settings: Mapping[str, Any]) -> None:
    """Raise a ValueError unless there is a checkpoint made with these settings; its tensors are not read."""
    _record.compare(Path(folder), _record.read(Path(folder)), settings)


def _arrays(state: training.TrainingState) -> training.TrainingState:
    """The part of a state that is stored as tensors; step and key are in the record."""
    return state._replace(step=None, key=None)


def _named(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _description(tensors: dict[str, Any]) -> dict[str, str]:
    """Dtype and shape of each array as text, such as ``float32[4,64]``."""
    return {name: f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]" for name, leaf in tensors.items()}


def _tensors_path(folder: Path, digest: str) -> Path:
    return folder / f"model-{digest[:16]}.safetensors"


def _read(
    folder: Path, network_config: NetworkConfig, settings: Mapping[str, Any] | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The record and the tensors of a checkpoint made with these settings, checked against each other."""
    for _ in range(3):  # a running training may replace the tensors between our two readings
        record = _record.read(folder)
        path = _tensors_path(folder, record["sha256"])
        try:
            content = files.read(path, MOST)
            break
        except FileNotFoundError:
            pass
    else:
        raise _record.damaged(path, "it is missing")
    _record.compare(folder, record, dict(settings or {}) | {"network": network_config.record()})
    digest = hashlib.sha256(content).hexdigest()
    if digest != record["sha256"]:
        raise _record.damaged(path, f"its sha256 is {digest[:16]}... instead of {record['sha256'][:16]}...")
    try:
        tensors = safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise _record.damaged(path, error) from None
    except (KeyError, TypeError, ValueError) as error:  # a type that numpy does not have, such as BF16
        raise _record.damaged(path, f"its tensors are of another type ({error})") from None
    if _description(tensors) != record["tree"]:
        raise _record.damaged(folder / _record.NAME, "its tree is not that of the tensors")
    return record, tensors


def _rebuild(folder: Path, like: Any, tensors: dict[str, np.ndarray]) -> Any:
    """The tree ``like`` (arrays or their shapes) with the stored values; names, shapes and dtypes must agree."""
    wanted, found = _description(_named(like)), _description(tensors)
    if wanted != found:
        name = min(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise InputError(
            f"the checkpoint in {folder} is of another model: {name} is {found.get(name, 'missing')}, this one needs "
            f"{wanted.get(name, 'none')}; use the length, vocabulary and network that it was trained with"
        )
    return jax.tree.unflatten(jax.tree.structure(like), [tensors[name] for name in wanted])
