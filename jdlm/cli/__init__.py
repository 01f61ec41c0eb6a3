"""The command line: parses, calls the library, writes run folders. JAX is imported only once the options are valid.

Exit codes: 0 done, 1 a check, a cell or a training run failed, 2 bad input (one line on stderr, or tyro's box where an
option or its value cannot be read), 70 a fault of jdlm, 130 interrupted, 143 terminated.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable

import jdlm
from jdlm.cli import failures, interrupt, streams
from jdlm.errors import InputError

_REPORT = "; please report it with the command and its traceback (add --debug)"


def train_entry() -> None:
    """Entry point of ``train.py``: trains a mask predictor and writes a run folder."""
    _exit(guarded(run_train, sys.argv[1:]))


def sample_entry() -> None:
    """Entry point of ``sample.py``: sweeps schedules, prints tokens, draws figures, checks an installation."""
    _exit(guarded(run_sample, sys.argv[1:]))


def _exit(code: int) -> None:
    """Ends the process; after an interruption at once, since JAX can crash when it is taken down in mid-compilation."""
    if code in (interrupt.INTERRUPTED, interrupt.TERMINATED):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def run_train(arguments: list[str]) -> int:
    """Runs ``train.py`` with ``arguments``; returns the exit code.

    Raises:
      ValueError: bad input.
      SystemExit: tyro has printed the help (code 0), or what is wrong with the options (code 2).
    """
    from jdlm.cli import train

    return _version() if arguments == ["--version"] else train.main(arguments)


def run_sample(arguments: list[str]) -> int:
    """Runs ``sample.py`` with ``arguments``; returns the exit code.

    Raises:
      ValueError: bad input.
      SystemExit: tyro has printed the help (code 0), or what is wrong with the options (code 2).
    """
    from jdlm.cli import commands

    return _version() if arguments == ["--version"] else commands.run(arguments)


def _version() -> int:
    print(f"jdlm {jdlm.__version__}")
    return 0


def guarded(command: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Runs a command and turns what a user can cause into one line on stderr and an exit code.

    What a user cannot cause is a fault of jdlm: it says so and asks for a report. ``--debug`` (or ``python -X dev``)
    shows the traceback of any error before that line.
    """
    streams.show_everything()
    try:
        with interrupt.watched():
            code = _code(command, arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output is gone, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt as stop:
        return _report(str(stop) or interrupt.message(), "", interrupt.exit_code())
    except Exception as error:
        if "--debug" in arguments or sys.flags.dev_mode:
            traceback.print_exc()
        return _blame(error)


def _blame(error: Exception) -> int:
    """Says in one line what is wrong, and returns the exit code of whose affair it is."""
    if isinstance(error, FloatingPointError):
        return _report(str(error), "error: ", 1)
    if isinstance(error, InputError | OSError | NotImplementedError):
        return _report(str(error) or type(error).__name__, "error: ", 2)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in str(error)):
        reason = str(error) or "no memory is left"
        return _report(f"{reason}; the sizes are too large for this machine, use smaller ones", "error: ", 2)
    what = f"{type(error).__name__}: {error}".strip()
    return _report(failures.shortened(what, 150) + _REPORT, "error: this is a fault of jdlm, not of the input: ", 70)


def _code(command: Callable[[list[str]], int], arguments: list[str]) -> int:
    try:
        return command(arguments)
    except SystemExit as stop:  # of tyro, which has printed the help or an error
        return stop.code if isinstance(stop.code, int) else 0


def _report(message: str, prefix: str, code: int) -> int:
    print(failures.line(message, prefix), file=sys.stderr)
    return code
