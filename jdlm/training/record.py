"""The record of a checkpoint, ``model.json``: read strictly, and compared with what the checkpoint is loaded for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jdlm import records
from jdlm.errors import InputError, shown

__all__ = ["NAME", "SCHEMA", "SECTIONS", "compare", "damaged", "read"]

NAME, SCHEMA = "model.json", 2
SECTIONS = ("target", "network", "training")
"""What a checkpoint depends on; how it is sampled is no part of it."""
_KEYS = {"schema", "settings", "step", "key", "tree", "beside", "sha256"}
_KEYS_OF_1 = {"schema", "network", "step", "key", "tree", "sha256"}
_IMPLEMENTATIONS = {"threefry2x32": 2, "rbg": 4, "unsafe_rbg": 4}  # words of a key


def read(folder: Path) -> dict[str, Any]:
    """The record of a checkpoint, every field of its type and in its range; one of schema 1 as if it were of today.

    Raises:
      InputError: there is none, it is damaged, or of another version.
    """
    path = folder / NAME
    if folder.is_symlink():
        raise InputError(f"{folder} is a link, and a checkpoint belongs to its own run; copy the folder in its place")
    if not path.exists():
        raise InputError(f"{folder} holds no checkpoint ({NAME} is missing); train one with `python train.py`")
    try:
        record, is_sealed = records.read(path)
        schema = record.get("schema")
        is_known = type(schema) is not int or schema in (1, SCHEMA)
        if is_known and (is_sealed or schema != SCHEMA):
            return _checked(record)
    except OSError as error:
        raise damaged(path, error.strerror or error) from None
    except InputError as error:
        raise damaged(path, error) from None
    if is_known:
        raise damaged(path, "it has no record_sha256")
    raise InputError(
        f"{path} has schema {shown(schema)}, this version of jdlm reads {SCHEMA}; use the one that wrote it"
    )


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    """``record`` in the form of today.

    Raises:
      InputError: a field that is missing, unknown, or of another type or range.
    """
    if type(record.get("schema")) is not int:
        raise InputError(f"schema is {shown(record.get('schema'))}, not {SCHEMA}")
    records.check_keys(record, _KEYS if record["schema"] == SCHEMA else _KEYS_OF_1)
    if record["schema"] == 1:
        record = {name: value for name, value in record.items() if name != "network"} | {
            "settings": {"network": record["network"]},
            "beside": {},
        }
    if not records.is_count(record["step"]):
        raise InputError(f"step is {shown(record['step'])}, not a whole number from 0 to 2147483647")
    if not records.is_sha256(record["sha256"]):
        raise InputError(f"sha256 is {shown(record['sha256'])}, not 64 hexadecimal digits")
    for name in ("settings", "tree", "beside", "key"):
        if not isinstance(record[name], dict):
            raise InputError(f"{name} is {shown(record[name])}, not an object")
    settings = record["settings"]
    records.check_keys(settings, {"network"}, set(SECTIONS))
    for title, section in settings.items():
        if not isinstance(section, dict):
            raise InputError(f"settings.{title} is {shown(section)}, not an object")
    _check_key(record["key"])
    return record


def _check_key(key: dict[str, Any]) -> None:
    records.check_keys(key, {"impl", "data"})
    impl, data = key["impl"], key["data"]
    if not isinstance(impl, str) or impl not in _IMPLEMENTATIONS:
        raise InputError(f"key.impl is {shown(impl)}, not one of {', '.join(_IMPLEMENTATIONS)}")
    count = _IMPLEMENTATIONS[impl]
    if not isinstance(data, list) or len(data) != count or not all(records.is_count(word, 2**32 - 1) for word in data):
        raise InputError(f"key.data is {shown(data)}, not {count} whole numbers below 2^32")


def compare(folder: Path, record: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise an InputError that names the first setting in which a checkpoint and its user differ.

    Sections that either side does not have are not compared: a record of schema 1 has the network alone.
    """
    recorded = record["settings"]
    for title in SECTIONS:
        if title not in recorded or title not in settings:
            continue
        mine, wanted = recorded[title], settings[title]
        if title == "network":  # a record without a kind is that of a bidirectional network
            mine, wanted = {"kind": "bidirectional"} | mine, {"kind": "bidirectional"} | wanted
        found = records.difference(mine, wanted, title)
        if found is not None:
            raise InputError(
                f"the checkpoint in {folder} is of another model: {found}; use the settings that it was trained with, "
                "or train a run of its own"
            )


def damaged(path: Path, reason: object) -> InputError:
    """The error for a file of a checkpoint that is not as it was written."""
    return InputError(f"{path} is damaged: {reason}; restore the file or train again with `python train.py`")
