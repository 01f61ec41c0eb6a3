"""The error of bad input: what a caller can mend, told apart from faults of jdlm itself."""

import math
from typing import Any

__all__ = ["InputError", "check_type", "is_of_torch", "shown"]


class InputError(ValueError):
    """An argument, an option or a file is not what it has to be; the message is one line with the value and the remedy.

    It is a ValueError, which is what docstrings promise. The command line ends with exit code 2 on it and on nothing
    else of its kind: a ValueError that numpy or JAX raises inside jdlm is a fault of jdlm, and is reported as one.
    """


def check_type(name: str, value: Any, kind: type, remedy: str) -> None:
    """Raise an InputError unless an argument is of a class of jdlm.

    Args:
      name: of the argument.
      value: what was given.
      kind: the class.
      remedy: how to make one.
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} is of type {type(value).__name__}, not a {kind.__name__}; {remedy}")


def shown(value: Any) -> str:
    """A value as messages show it: on one line, in at most 60 characters, a huge number by how many digits it has."""
    if isinstance(value, int) and abs(value) >= 10**30:
        return f"a number of {int(math.log10(abs(value))) + 1} digits"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:40]}...{text[-17:]}"


def is_of_torch(value: Any) -> bool:
    """Whether a value is a module or another object of PyTorch, which is not imported for that."""
    return any(kind.__module__.split(".")[0] == "torch" for kind in type(value).__mro__)
