"""The error of bad input: what a caller can mend, told apart from faults of jdlm itself."""

__all__ = ["InputError"]


class InputError(ValueError):
    """An argument, an option or a file is not what it has to be; the message is one line with the value and the remedy.

    It is a ValueError, which is what docstrings promise. The command line ends with exit code 2 on it and on nothing
    else of its kind: a ValueError that numpy or JAX raises inside jdlm is a fault of jdlm, and is reported as one.
    """
