"""Toy masked diffusion language models in JAX whose sampling error is known exactly.

Submodules load on first use, so importing ``jdlm`` is instant and does not import JAX.
"""

import importlib

__version__ = "0.1.0"

_SUBMODULES = (
    "advice",
    "audit",
    "checkpoints",
    "config",
    "curves",
    "draws",
    "evaluate",
    "exact",
    "figures",
    "marginals",
    "network",
    "planners",
    "predictor",
    "rows",
    "runs",
    "sampling",
    "schedules",
    "settings",
    "sweeps",
    "targets",
    "training",
)
__all__ = [*_SUBMODULES, "__version__"]


def __getattr__(name: str):
    if name in _SUBMODULES:
        return importlib.import_module(f"jdlm.{name}")
    raise AttributeError(f"module 'jdlm' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
