"""Checkpoints: the state of a training run in two files that any tool can read, and that are consistent at any moment.

    model.json                   schema version, network, step, key, names with shapes and dtypes, sha256 of the tensors
    model-<sha256>.safetensors   parameters, their running mean and the optimizer's state

The tensors carry their own hash in their name, and ``model.json`` is renamed into place last: a crash leaves the old
checkpoint or the new one. Nothing in them is executed.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from jdlm import files, keys, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.predictor import Predictor
from jdlm.targets import Target
from jdlm.training import network

__all__ = ["SCHEMA", "load", "load_predictor", "save", "sha256"]

SCHEMA = 1
_RECORD = "model.json"


def save(folder: str | Path, state: training.TrainingState, network_config: NetworkConfig) -> None:
    """Writes a checkpoint, replacing an older one in one move.

    Args:
      folder: of the checkpoint; made where it does not exist.
      state: of the run; copied to the host, so it may be overwritten afterwards.
      network_config: of the network that the parameters belong to.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: np.asarray(leaf) for name, leaf in _named(jax.device_get(_arrays(state))).items()}
    content = safetensors.numpy.save(tensors)
    digest = hashlib.sha256(content).hexdigest()
    record = {
        "schema": SCHEMA,
        "network": network_config.record(),
        "step": int(state.step),
        "key": {"impl": str(jax.random.key_impl(state.key)), "data": jax.random.key_data(state.key).tolist()},
        "tree": _description(tensors),
        "sha256": digest,
    }
    files.write(_tensors_path(folder, digest), content)
    files.write(folder / _RECORD, json.dumps(record, indent=1) + "\n")
    for path in folder.glob("model-*.safetensors"):
        if path != _tensors_path(folder, digest):
            path.unlink(missing_ok=True)


def load(
    folder: str | Path, network_config: NetworkConfig, target: Target, config: TrainingConfig
) -> training.TrainingState:
    """The state of a run, to be continued with `jdlm.training.train`, on as many devices bit for bit.

    Args:
      folder: of the checkpoint.
      network_config: the network of the run.
      target: the run's target.
      config: the run's training configuration.

    Raises:
      ValueError: there is no checkpoint, it is damaged, or it belongs to another model.
    """
    record, tensors = _read(Path(folder), network_config)
    like = _arrays(jax.eval_shape(lambda: training.init(network_config, target, config)))
    # Copied: a training run overwrites what it is given, and JAX may use memory of numpy as it is.
    state = jax.tree.map(jnp.array, _rebuild(Path(folder), like, tensors))
    try:
        key = jax.random.wrap_key_data(jnp.array(record["key"]["data"], jnp.uint32), impl=record["key"]["impl"])
        return state._replace(step=jnp.asarray(record["step"], jnp.int32), key=key)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(Path(folder) / _RECORD, error) from None


def load_predictor(folder: str | Path, network_config: NetworkConfig, length: int, vocab_size: int) -> Predictor:
    """The trained mask predictor: the network with the running mean of its parameters.

    Args:
      folder: of the checkpoint.
      network_config: the network of the run.
      length: of the target's sequences.
      vocab_size: of the target.

    Raises:
      ValueError: there is no checkpoint, it is damaged, or it belongs to another model.
    """
    _, tensors = _read(Path(folder), network_config)
    init = network.build(network_config, length, vocab_size).init
    shapes = jax.eval_shape(lambda: init(keys.key(0)))
    ema = _rebuild(Path(folder), {"ema": shapes}, {k: v for k, v in tensors.items() if k.startswith("ema.")})["ema"]
    return network.predictor(network_config, jax.device_put(ema), length, vocab_size)


def sha256(folder: str | Path) -> str:
    """Digest of a checkpoint's tensors, 64 hexadecimal digits: names a trained network.

    Raises:
      ValueError: there is no checkpoint, or its record is damaged.
    """
    return _read_record(Path(folder))["sha256"]


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


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / _RECORD
    if not path.is_file():
        raise ValueError(f"{folder} holds no checkpoint ({_RECORD} is missing); train one with `python train.py`")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        schema, digest = record["schema"], record["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from None
    if schema != SCHEMA:
        raise ValueError(
            f"{path} has schema {schema!r}, this version of jdlm reads {SCHEMA}; use the one that wrote it"
        )
    if not isinstance(digest, str) or len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise _damaged(path, f"sha256 is {digest!r}")
    return record


def _read(folder: Path, network_config: NetworkConfig) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The record and the tensors of a checkpoint of this network, checked against each other."""
    for _ in range(3):  # a running training may replace the tensors between our two readings
        record = _read_record(folder)
        path = _tensors_path(folder, record["sha256"])
        try:
            content = path.read_bytes()
            break
        except FileNotFoundError:
            pass
    else:
        raise _damaged(path, "it is missing")
    wanted, found = network_config.record(), record.get("network")
    if found != wanted:
        # A record without a kind is that of a bidirectional network.
        wanted, found = ({"kind": "bidirectional"} | (x if isinstance(x, dict) else {}) for x in (wanted, found))
        names = [*wanted, *sorted(found.keys() - wanted.keys())]
        name = next((name for name in names if found.get(name) != wanted.get(name)), "network")
        raise ValueError(
            f"the checkpoint in {folder} is of another model: it has {name}={found.get(name)!r}, this one has "
            f"{name}={wanted.get(name)!r}; use the configuration that it was trained with"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != record["sha256"]:
        raise _damaged(path, f"its sha256 is {digest[:16]}... instead of {record['sha256'][:16]}...")
    try:
        tensors = safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise _damaged(path, error) from None
    if _description(tensors) != record.get("tree"):
        raise _damaged(folder / _RECORD, "its tree is not that of the tensors")
    return record, tensors


def _rebuild(folder: Path, like: Any, tensors: dict[str, np.ndarray]) -> Any:
    """The tree ``like`` (arrays or their shapes) with the stored values; names, shapes and dtypes must agree."""
    wanted, found = _description(_named(like)), _description(tensors)
    if wanted != found:
        name = min(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ValueError(
            f"the checkpoint in {folder} is of another model: {name} is {found.get(name, 'missing')}, this one needs "
            f"{wanted.get(name, 'none')}; use the length, vocabulary and network that it was trained with"
        )
    return jax.tree.unflatten(jax.tree.structure(like), [tensors[name] for name in wanted])


def _damaged(path: Path, reason: object) -> ValueError:
    text = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else reason
    return ValueError(f"{path} is damaged: {text}; restore the file or train again with `python train.py`")
