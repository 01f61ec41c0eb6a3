"""Errors as commands show them: one printable line each; and parts that fail while the others go on."""

import sys
import traceback

from jdlm.cli import options

__all__ = ["Failures", "line", "shortened", "told"]

_LONGEST = 300  # characters of an error


def line(message: str, prefix: str = "error: ") -> str:
    """A message as one line without control characters, which could move a terminal's cursor."""
    shown = "".join(each if each.isprintable() or each.isspace() else repr(each)[1:-1] for each in message)
    return shortened(prefix + " ".join(shown.split()), _LONGEST)


def shortened(text: str, most: int) -> str:
    """``text`` in at most so many characters: its middle is left out, for what is wrong is at both ends."""
    return text if len(text) <= most else f"{text[: (most - 5) // 2]} ... {text[len(text) - (most - 5) // 2 :]}"


def told(error: Exception, remains: str) -> int:
    """Show an error that costs no more than the exit code of the command, 1, which is returned; for --debug raise it.

    Args:
      error: what failed.
      remains: what is there, or is missing, all the same.
    """
    if options.is_debugging():
        raise error
    print(line(f"{error or type(error).__name__}; {remains}"), file=sys.stderr)
    return 1


class Failures:
    """Parts of a sweep or a study that failed: each is shown at once, and the others go on.

    Attributes:
      parts: their names.
    """

    def __init__(self):
        self.parts: list[str] = []

    def __call__(self, part: str, error: Exception) -> None:
        """Show the error of a part."""
        if options.is_debugging():
            traceback.print_exception(error)
        print(line(f"{part}: {error or type(error).__name__}"), file=sys.stderr)
        self.parts.append(part)

    def show(self) -> None:
        """Say how many parts failed, and the command that tries them again."""
        count = len(self.parts)
        what = "1 part failed. Try it" if count == 1 else f"{count} parts failed. Try them"
        print(f"error: {what} again with: {options.again()}", file=sys.stderr)
