"""Standard streams that never lose a result: what a terminal cannot show is written in ASCII."""

import codecs
import io
import sys

_ERRORS = "jdlm.ascii"
_ASCII = {"±": "+-"}


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    shown = (_ASCII.get(each) or each.encode("ascii", "backslashreplace").decode() for each in characters)
    return "".join(shown), error.end


codecs.register_error(_ERRORS, _in_ascii)


def show_everything() -> None:
    """Makes stdout and stderr write ``+-`` for a plus-minus sign and ``\\xfc`` and the like for all else they lack."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != _ERRORS:
            stream.reconfigure(errors=_ERRORS)
