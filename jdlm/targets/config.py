"""Targets as a preset writes them, without JAX and numpy: what all kinds share, and the kinds with code of their own.

The other kinds, which are fields and no more, stand in the list of the folder, ``jdlm/targets/__init__.py``.
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from jdlm.errors import InputError

if TYPE_CHECKING:
    from jdlm.targets.target import Target
    from jdlm.targets.text import Text

__all__ = ["BlocksConfig", "Floats", "Matrix", "TableConfig", "TargetConfig", "TextConfig"]

_MOST_AXES = 64  # of an array of numpy
Floats = tuple[float, ...]
Matrix = tuple[tuple[float, ...], ...]


class TargetConfig:
    """A target as a section of a preset: its kind, which is the name of the builder, and the builder's arguments.

    A kind is a frozen dataclass, ``class MineConfig(TargetConfig, builder="file.mine")``, with a text below each field
    for ``--help``. JAX and numpy are imported only when the target is built.

    Attributes:
      kind: the word of the kind in presets.
      builder: its file in ``jdlm/targets`` and its name.
      length: number of tokens in a sequence, a field or a property.
    """

    kind: ClassVar[str]
    builder: ClassVar[str]
    length: Any  # int; a type checker lets no property stand for a field of that type

    def __init_subclass__(cls, *, builder: str | None = None):
        if builder is not None:  # a class of a class keeps its kind
            cls.builder, cls.kind = builder, builder.rpartition(".")[2]

    def record(self) -> dict[str, Any]:
        """What tells targets apart, as JSON values: the word of the kind and all fields, in nested targets too."""
        values = self._values()
        nested = {name: value.record() for name, value in values.items() if isinstance(value, TargetConfig)}
        return {"kind": self.kind, **values, **nested}

    def anchored(self, folder: Path) -> "TargetConfig":
        """The same with relative paths taken from ``folder``."""
        return self

    def pinned(self) -> "TargetConfig":
        """The same law from any folder and at any time: paths are absolute, the content of files is said.

        Raises:
          ValueError: a file that is missing, or is not the one that was said.
        """
        return self

    def build(self) -> "Target":
        """The target that this configuration describes.

        Raises:
          ValueError: numbers that are not a valid distribution.
        """
        import numpy as np

        values = self._values()
        for name, value in values.items():
            if isinstance(value, tuple) and len({len(row) for row in value if isinstance(row, tuple)}) > 1:
                raise InputError(f"{name} has rows of different lengths; give as many numbers in each")
        arrays = {name: np.array(value) for name, value in values.items() if isinstance(value, tuple)}
        return self._function()(**(values | arrays))

    def _values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type] (each kind is a dataclass)

    def _function(self) -> "Callable[..., Target]":
        file, _, name = self.builder.rpartition(".")
        return getattr(importlib.import_module(f"jdlm.targets.{file}"), name)


@dataclass(frozen=True)
class TableConfig(TargetConfig, builder="table.table"):
    """Any law, by the probability of each sequence."""

    length: int
    """Number of tokens in a sequence."""
    vocab: int
    """Number of token values."""
    probabilities: Floats
    """vocab**length probabilities, the last token running fastest."""

    def __post_init__(self):
        if min(self.vocab, self.length) < 1:
            raise InputError(f"vocab={self.vocab} and length={self.length}; use at least 1 for both")
        size = self.vocab**self.length if self.length * math.log2(self.vocab) < 64 else None
        if len(self.probabilities) != size:
            raise InputError(
                f"{len(self.probabilities)} probabilities for vocab={self.vocab} and length={self.length}; "
                f"give {self.vocab}**{self.length}{'' if size is None else f' = {size}'} of them"
            )
        if self.length > _MOST_AXES:
            raise InputError(f"length={self.length} is more axes than a table can have; use at most {_MOST_AXES}")

    def build(self) -> "Target":
        """The target that this configuration describes."""
        import numpy as np

        return self._function()(np.array(self.probabilities).reshape([self.vocab] * self.length))


@dataclass(frozen=True)
class TextConfig(TargetConfig, builder="text.text"):
    """Windows of a file's bytes; it can be sampled, but its distribution is not known."""

    length: int
    """Number of bytes in a window."""
    path: str | None = None
    """The file, from the preset's own folder if relative; by default the English help texts that CPython ships."""
    sha256: str | None = None
    """Digest that the text must have, in a run that of the text it was made with; any by default."""

    def record(self) -> dict[str, Any]:
        """As of all kinds; a text whose digest is said is the same wherever it lies."""
        values = super().record()
        return values if self.sha256 is None else {name: value for name, value in values.items() if name != "path"}

    def anchored(self, folder: Path) -> "TextConfig":
        """The same with a relative path taken from ``folder``."""
        return self if self.path is None else replace(self, path=str(folder.absolute() / self.path))

    def pinned(self) -> "TargetConfig":
        """The same with an absolute path and the digest of the text there."""
        target = cast("Text", self.build())
        return replace(self.anchored(Path.cwd()), sha256=target.sha256)


@dataclass(frozen=True)
class BlocksConfig(TargetConfig, builder="blocks.blocks"):
    """Independent copies of another target, one after the other."""

    copies: int
    """Number of copies."""
    of: TargetConfig

    @property
    def length(self) -> int:
        """Number of tokens in a sequence."""
        return self.copies * self.of.length

    def anchored(self, folder: Path) -> "TargetConfig":
        """The same with relative paths taken from ``folder``."""
        return replace(self, of=self.of.anchored(folder))

    def pinned(self) -> "TargetConfig":
        """The same with absolute paths and the content of files said."""
        return replace(self, of=self.of.pinned())

    def build(self) -> "Target":
        """The target that this configuration describes."""
        return self._function()(self.of.build(), self.copies)
