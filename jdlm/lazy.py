"""Packages whose public names are imported on first use, so that their lists can be read without JAX and numpy."""

import importlib.util
import sys
import types
from collections.abc import Iterable
from typing import Any

__all__ = ["attach"]


def attach(package: str, paths: Iterable[str]) -> None:
    """Let a package import its public names on first use (see "Customizing module attribute access", PEP 562).

    Args:
      package: full name of the package, ``__name__`` in its ``__init__.py``.
      paths: a file of the package and the name in it for each public name, as ``"fixed_sizes.uniform"``.
    """
    module = sys.modules[package]
    module.__dict__["_files"] = {name: file for file, _, name in (path.rpartition(".") for path in paths)}
    module.__class__ = _Package


class _Package(types.ModuleType):
    """A package whose ``_files`` say which file of it has which public name."""

    _files: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        if name in self._files:
            value = getattr(importlib.import_module(f"{self.__name__}.{self._files[name]}"), name)
            self.__dict__[name] = value
            return value
        file = f"{self.__name__}.{name}"
        if not name.startswith("_") and importlib.util.find_spec(file):
            return importlib.import_module(file)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        # `targets.markov` is the builder. Python makes it the file `markov.py` when it has imported that.
        if not (name in self._files and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *self._files})
