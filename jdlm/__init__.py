"""Toy masked diffusion language models in JAX whose sampling error is known exactly.

Every public module is an attribute of this package, wherever it lies: ``from jdlm import targets, exact, network``.
They load on first use, so importing ``jdlm`` is instant and does not import JAX.
"""

import importlib

__version__ = "0.1.0"

# Public name -> module. The packages show their own modules, too; these are the names that scripts and docs use.
_MODULES = {
    "config": "jdlm.config",
    "curves": "jdlm.curves",
    "devices": "jdlm.devices",
    "planners": "jdlm.planners",
    "predictor": "jdlm.predictor",
    "sampling": "jdlm.sampling",
    "requests": "jdlm.sampling.request",
    "draws": "jdlm.sampling.filter",
    "schedules": "jdlm.schedules",
    "targets": "jdlm.targets",
    "measure": "jdlm.measure",
    "audit": "jdlm.measure.audit",
    "evaluate": "jdlm.measure",
    "exact": "jdlm.measure.exact",
    "marginals": "jdlm.measure.marginals",
    "training": "jdlm.training",
    "network": "jdlm.training.network",
    "checkpoints": "jdlm.training.checkpoint",
    "study": "jdlm.study",
    "advice": "jdlm.study.advice",
    "figures": "jdlm.study.figures",
    "rows": "jdlm.study.rows",
    "runs": "jdlm.study.runs",
    "sweeps": "jdlm.study.sweep",
}
__all__ = [*_MODULES, "__version__"]


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'jdlm' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
