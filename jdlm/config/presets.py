"""Presets and resolved configurations as TOML: found, read strictly, written so that they read back the same.

A preset is data; nothing in it is executed. Every key must be one of the fields in ``jdlm.config`` and
``jdlm.config.settings``, with a value of the field's type. Imports neither JAX nor numpy.
"""

import codecs
import dataclasses
import textwrap
import tomllib
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

from jdlm import files
from jdlm.config import TARGETS, Config, TargetConfig, nearest
from jdlm.errors import InputError, shown

if TYPE_CHECKING:
    from tomlkit.items import Table

__all__ = ["MOST", "dump", "folder", "load", "names", "parse", "read"]

MOST = 2**26
"""Largest size of a TOML file in bytes."""


def folder() -> Path:
    """The folder of the presets that come with jdlm: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parent.parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def names() -> list[str]:
    """Names of the presets that come with jdlm."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def load(name: str) -> Config:
    """The preset of that name, or in the TOML file of that path.

    Raises:
      ValueError: there is none, or it holds an unknown key or a value of a wrong type or range.
    """
    path = Path(name) if name.endswith(".toml") else folder() / f"{name}.toml"
    if name.endswith(".toml") and not path.is_file():
        raise InputError(f"no preset file {name!r}; give an existing TOML file or one of {', '.join(names())}")
    if not path.is_file():
        raise InputError(f"no preset {name!r}; {nearest(name, names(), what='presets')}")
    return read(path)


def read(path: str | Path, folder: Path | None = None) -> Config:
    """The configuration in a TOML file; its name is the file's unless the file gives one.

    Args:
      path: the file, in UTF-8.
      folder: where relative paths in it start; by default the file's own folder.

    Raises:
      ValueError: not TOML, an unknown or inapplicable key, or a value of a wrong type or range.
    """
    path = Path(path)
    try:
        config = parse(_decoded(files.read(path, MOST)), path.stem)
    except RecursionError:  # tomllib nests as deep as the file
        raise InputError(f"{path.name}: it is nested too deep") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{path.name}: {error}") from None
    return dataclasses.replace(config, target=config.target.anchored(folder or path.parent))


def _decoded(content: bytes) -> str:
    """UTF-8 with or without a byte order mark, lines ending as on any system.

    Raises:
      ValueError: another encoding, by name where it can be told.
    """
    is_32 = content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) or b"\0\0" in content[:8]
    if is_32 or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:8]:
        raise InputError(f"the file is in UTF-{32 if is_32 else 16}; save it as UTF-8")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"line {line} holds the byte 0x{content[error.start]:02x}, which is not UTF-8 but perhaps Latin-1 or "
            "Windows-1252; save the file as UTF-8"
        ) from None


def parse(text: str, name: str) -> Config:
    """The configuration in a TOML text; see :func:`read`."""
    return _build(Config, {"name": name, "target": None} | tomllib.loads(text), "")


def dump(config: Config) -> str:
    """``config`` as TOML, every default spelled out under its help; :func:`parse` gives back an equal value."""
    import tomlkit  # here and below: not for `--help`, which is to be instant

    document = tomlkit.document()
    document.add("name", tomlkit.item(config.name))
    for title in ("target", "network", "training", "sweep"):
        value = getattr(config, title)
        if value is not None:
            document.add(title, _section(value))
    return tomlkit.dumps(document)


def _kind_of(value: Any) -> str:
    return value.kind if isinstance(value, TargetConfig) else ""


def _section(value: Any) -> "Table":
    """The fields of a dataclass with their docstrings as comments; what is None is left out."""
    import docstring_parser
    import tomlkit

    section = tomlkit.table()
    if kind := _kind_of(value):
        section.add("kind", kind)
    helps = {each.arg_name: each.description for each in docstring_parser.parse_from_object(type(value)).params}
    for field in dataclasses.fields(value):
        entry = getattr(value, field.name)
        if entry is not None:
            for line in textwrap.wrap(helps.get(field.name) or "", 118, break_on_hyphens=False):
                section.add(tomlkit.comment(line))
            section.add(field.name, _section(entry) if dataclasses.is_dataclass(entry) else tomlkit.item(entry))
    return section


def _build(cls: type, data: dict[str, Any], where: str) -> Any:
    """An instance of the dataclass ``cls`` from a table of TOML, every key and type checked."""
    title = f"[{where}]" if where else "the file"
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    kind = f" of kind {cls.kind!r}" if issubclass(cls, TargetConfig) else ""
    for key in data:
        if key not in fields:
            raise InputError(f"unknown key {shown(key)} in {title}{kind}; {nearest(key[:60], fields, what='keys')}")
    for key, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and key not in data:
            raise InputError(f"{title}{kind} lacks {key!r}; its keys are {', '.join(fields)}")
    prefix = f"{where}." if where else ""
    values = {key: _convert(hints[key], value, prefix + key) for key, value in data.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise InputError(f"{title}: {error}" if where else str(error)) from None


def _target(value: Any, where: str) -> Any:
    """The configuration of a target, of the class that its ``kind`` names."""
    if not isinstance(value, dict) or "kind" not in value:
        raise InputError(f"no target; begin a section [{where}] with kind = one of {', '.join(sorted(TARGETS))}")
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in TARGETS:
        raise InputError(f"unknown target kind {shown(kind)}; {nearest(str(kind)[:60], TARGETS, what='kinds')}")
    return _build(TARGETS[kind], {key: entry for key, entry in value.items() if key != "kind"}, where)


def _convert(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the type ``hint``; only a whole number for a float is converted, anything else must fit."""
    if hint == TargetConfig:
        return _target(value, where)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert(next(arg for arg in args if arg is not type(None)), value, where)
    if origin is Literal:
        if value not in args:
            raise InputError(f"{where} = {shown(value)} is unknown; use one of {', '.join(map(repr, args))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise InputError(f"{where} = {shown(value)} is not a list; write it in brackets")
        return tuple(_convert(args[0], entry, f"{where}[{i}]") for i, entry in enumerate(value))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise InputError(f"{where} = {shown(value)} is not a section; write [{where}] and its keys below")
        return _build(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise InputError(f"{where} = {shown(value)} is more than a float holds") from None
    if type(value) is not hint:
        kind = {int: "a whole number", float: "a number", str: "a text in quotes", bool: "true or false"}[hint]
        raise InputError(f"{where} = {shown(value)} is not {kind}")
    return value
