"""The command line: parses, calls the library, writes run folders. JAX is imported only once the options are valid.

Exit codes: 0 done, 1 a check or a training run failed, 2 bad input (one line on stderr), 130 interrupted.
"""

import contextlib
import os
import sys
from collections.abc import Callable

from jdlm.cli import interrupt, streams

_SUBCOMMANDS = ("sweep", "tokens", "recommend", "study", "verify", "figures", "doctor")
_RESERVED = ("exact", "compare", "bench")


def train_entry() -> None:
    """Entry point of ``train.py``: trains a mask predictor and writes a run folder."""
    _exit(guarded(run_train, sys.argv[1:]))


def sample_entry() -> None:
    """Entry point of ``sample.py``: sweeps schedules, prints tokens, draws figures, checks an installation."""
    _exit(guarded(run_sample, sys.argv[1:]))


def _exit(code: int) -> None:
    """Ends the process; after an interruption at once, since JAX can crash when it is taken down in mid-compilation."""
    if code == 130:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def run_train(arguments: list[str]) -> int:
    """Runs ``train.py`` with ``arguments``; returns the exit code.

    Raises:
      ValueError: bad input.
    """
    from jdlm.cli.train import main

    return main(arguments)


def run_sample(arguments: list[str]) -> int:
    """Runs ``sample.py`` with ``arguments``; returns the exit code.

    Raises:
      ValueError: bad input.
    """
    command = arguments[0] if arguments else ""
    if command in _RESERVED:
        raise ValueError(f"{command!r} is not available in this version; there are {', '.join(_SUBCOMMANDS)}")
    rest = arguments[1:] if command in _SUBCOMMANDS else arguments
    if command == "tokens":
        from jdlm.cli.tokens import main
    elif command == "recommend":
        from jdlm.cli.recommend import main
    elif command == "study":
        from jdlm.cli.study import main
    elif command == "verify":
        from jdlm.cli.verify import main
    elif command == "figures":
        from jdlm.cli.sweep import figures_main as main
    elif command == "doctor":
        from jdlm.cli.doctor import main
    else:
        from jdlm.cli.sweep import main
    return main(rest)


def guarded(command: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Runs a command and turns what a user can cause into one line on stderr and an exit code.

    ``python -X dev`` shows the traceback instead.
    """
    streams.show_everything()
    try:
        with interrupt.watched():
            code = command(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output is gone, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as stop:
        return _report(str(stop) or interrupt.message(), "", 130)
    except FloatingPointError as error:
        return _report(str(error), "error: ", 1)
    except (ValueError, OSError, NotImplementedError) as error:
        if sys.flags.dev_mode:
            raise
        return _report(str(error) or type(error).__name__, "error: ", 2)
    except (MemoryError, OverflowError, RuntimeError) as error:
        if sys.flags.dev_mode or (isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error)):
            raise  # a fault of ours, whose traceback we want to be told
        reason = str(error) or "no memory is left"
        return _report(f"{reason}; the sizes are too large for this machine, use smaller ones", "error: ", 2)


def _report(message: str, prefix: str, code: int) -> int:
    print(prefix + " ".join(message.split()), file=sys.stderr)
    return code
