"""``--model package.module:function`` and ``--data FILE``: a predictor and data of the user's own."""

import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

from jdlm.cli import data
from jdlm.cli.resource import Resource
from jdlm.errors import InputError, is_of_torch

if TYPE_CHECKING:
    from jdlm.predictor import Predictor
    from jdlm.targets import Target

__all__ = ["load", "of_data"]


def of_data(path: str, length: int | None) -> Resource:
    """The target that `train.py --data` would make of a file, with sequences of ``length``, as a preset.

    Raises:
      ValueError: the file cannot be read, or has no sequences of that length.
    """
    import dataclasses

    config = data.preset(path)
    if length is not None and length != config.target.length:
        target = dataclasses.replace(config.target, length=length)  # type: ignore[type-var] (each kind is a dataclass)
        config = dataclasses.replace(config, target=target, sweep=dataclasses.replace(config.sweep, num_steps=(1,)))
    return Resource(config.name, config, None)


def load(word: str, target: "Target") -> "Predictor":
    """The predictor that a function of the user's own makes for a target; its code is run.

    Args:
      word: ``package.module:function`` or ``path/file.py:function``.
      target: the function's argument. It returns a `jdlm.predictor.Predictor`, or a PyTorch module whose ids are those
        of the data and whose mask is ``target.vocab_size``.

    Raises:
      ValueError: there is no such function, it fails, or returns something else or of other sizes.
    """
    from jdlm import predictor

    place, colon, name = word.rpartition(":")
    if not colon or not name.isidentifier():
        raise InputError(f"--model {word} is no package.module:function and no file.py:function; name one")
    print(f"note: running {word}, code of your own choice", file=sys.stderr)
    function = getattr(_module(place), name, None)
    if not callable(function):
        raise InputError(f"--model {word}: {place} has no function {name!r}; name one that takes a target")
    try:
        made: Any = function(target)
    except InputError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"[:150]
        raise InputError(f"--model {word} failed with {what}; add --debug for its traceback") from error
    if not isinstance(made, predictor.Predictor):
        if is_of_torch(made):
            made = predictor.from_torch(made, target.length, target.vocab_size)
        else:
            raise InputError(
                f"--model {word} returns a {type(made).__name__}; return a jdlm.predictor.Predictor or a PyTorch module"
            )
    predictor.check_pair(made, target)
    return made


def _module(place: str):
    try:
        if place.endswith(".py"):
            spec = importlib.util.spec_from_file_location("jdlm_user_model", place)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        return importlib.import_module(place)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"[:150]
        raise InputError(f"--model: {place} cannot be imported ({what}); name a module or a file.py") from error
