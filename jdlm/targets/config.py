"""Targets as a preset writes them, without JAX and numpy: what all kinds share, and the kinds with code of their own.

The other kinds, which are fields and no more, stand in the list of the folder, ``jdlm/targets/__init__.py``.
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from jdlm.errors import InputError

if TYPE_CHECKING:
    from jdlm.targets.target import Target
    from jdlm.targets.text import Text

__all__ = [
    "BlocksConfig",
    "CharactersConfig",
    "FastaConfig",
    "FileConfig",
    "Floats",
    "Matrix",
    "TableConfig",
    "TargetConfig",
    "TextConfig",
    "TokensConfig",
]

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
      written: how tokens are shown: "ids", "bytes" of a text, "characters", or "words" between spaces.
      length: number of tokens in a sequence, a field or a property.
    """

    kind: ClassVar[str]
    builder: ClassVar[str]
    written: ClassVar[str] = "ids"
    length: Any  # int; a type checker lets no property stand for a field of that type

    def __init_subclass__(cls, *, builder: str | None = None):
        if builder is not None:  # a class of a class keeps its kind
            cls.builder, cls.kind = builder, builder.rpartition(".")[2]

    @classmethod
    def kinds(cls) -> "list[type[TargetConfig]]":
        """The classes that have a builder, in the order in which they are defined."""
        found = []
        for kind in cls.__subclasses__():
            found += [kind] if "builder" in vars(kind) else kind.kinds()
        return found

    def record(self) -> dict[str, Any]:
        """What tells targets apart, as JSON values: the word of the kind and all fields, in nested targets too."""
        values = self._values()
        nested = {name: value.record() for name, value in values.items() if isinstance(value, TargetConfig)}
        return {"kind": self.kind, **values, **nested}

    def anchored(self, folder: Path) -> "TargetConfig":
        """The same with relative paths taken from ``folder``."""
        return self

    def kept(self, folder: Path) -> "TargetConfig":
        """The same with the files that ``folder`` keeps, by their digests."""
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


class FileConfig(TargetConfig):
    """A target that is made of a file; its classes have the fields ``path`` and ``sha256``, with None for neither."""

    path: Any
    sha256: Any

    def record(self) -> dict[str, Any]:
        """As of all kinds; a file whose digest is said is the same wherever it lies."""
        values = super().record()
        return values if self.sha256 is None else {name: value for name, value in values.items() if name != "path"}

    def anchored(self, folder: Path) -> "FileConfig":
        """The same with a relative path taken from ``folder``, and ``~`` expanded."""
        return self if self.path is None else self._at(folder.absolute() / _expanded(self.path))

    def kept(self, folder: Path) -> "FileConfig":
        """The same with the path of the file that ``folder`` keeps under the digest, if it does."""
        path = folder / (self.sha256 or "")
        return self._at(path.absolute()) if self.sha256 and path.is_file() else self

    def pinned(self) -> "FileConfig":
        """The same with an absolute path and the digest of the file there."""
        target = cast("Text", self.build())
        return cast("Any", replace)(self.anchored(Path.cwd()), sha256=target.sha256)

    def _at(self, path: Path) -> "FileConfig":
        return cast("Any", replace)(self, path=str(path))


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # of a user without a home
        return Path(path)


@dataclass(frozen=True)
class TextConfig(FileConfig, builder="text.text"):
    """Windows of a file's bytes; it can be sampled, but its distribution is not known."""

    written = "bytes"

    length: int
    """Number of bytes in a window."""
    path: str | None = None
    """The file, from the preset's own folder if relative; by default the English help texts that CPython ships."""
    sha256: str | None = None
    """Digest that the text must have, in a run that of the text it was made with; any by default."""
    encoding: str = "utf-8"
    """Encoding of the file, whose text is taken in UTF-8; 'bytes' takes any file as it is."""

    def record(self) -> dict[str, Any]:
        """As of all files; the encoding is left out where it is that of older versions."""
        values = super().record()
        return values if self.encoding != "utf-8" else {n: value for n, value in values.items() if n != "encoding"}


@dataclass(frozen=True)
class CharactersConfig(FileConfig, builder="characters.characters"):
    """Windows of a text, one token for each character in place of each byte."""

    written = "characters"

    length: int
    """Number of characters in a window."""
    path: str
    """The file, from the preset's own folder if relative."""
    alphabet: str | None = None
    """The characters that may occur, in the order of their tokens; by default those that do."""
    encoding: str = "utf-8"
    """Encoding of the file."""
    sha256: str | None = None
    """Digest that the file must have, in a run that of the file it was made with; any by default."""


@dataclass(frozen=True)
class FastaConfig(FileConfig, builder="fasta.fasta"):
    """Sequences of a FASTA file, without headers and line breaks; whole sequences are held out."""

    written = "characters"

    length: int
    """Number of letters in a sequence."""
    path: str
    """The file, from the preset's own folder if relative."""
    letters: Literal["auto", "dna", "rna", "protein"] = "auto"
    """Which letters may occur; 'auto' takes the first of dna, rna and protein that has all of the file's."""
    fit: Literal["exact", "pad", "windows"] = "exact"
    """Sequences of other lengths: refused, padded with '.', or cut into all their windows."""
    sha256: str | None = None
    """Digest that the file must have, in a run that of the file it was made with; any by default."""


@dataclass(frozen=True)
class TokensConfig(FileConfig, builder="tokens.tokens"):
    """Sequences of integers from a file .npy, .npz, .csv or .tsv; whole sequences are held out."""

    written = "words"

    length: int
    """Number of tokens in a sequence."""
    path: str
    """The file, from the preset's own folder if relative: [sequences, length], or a sequence a line."""
    fit: Literal["exact", "pad", "windows"] = "exact"
    """Sequences of other lengths: refused, padded with a token PAD, or cut into all their windows."""
    sha256: str | None = None
    """Digest that the file must have, in a run that of the file it was made with; any by default."""


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

    def kept(self, folder: Path) -> "TargetConfig":
        """The same with the files that ``folder`` keeps, by their digests."""
        return replace(self, of=self.of.kept(folder))

    def pinned(self) -> "TargetConfig":
        """The same with absolute paths and the content of files said."""
        return replace(self, of=self.of.pinned())

    def build(self) -> "Target":
        """The target that this configuration describes."""
        return self._function()(self.of.build(), self.copies)
