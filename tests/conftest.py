"""Settings under which every test runs."""

import importlib.metadata
import os

# The tests compile many programs and run each for a moment, so XLA does not optimize: see docs/decisions.
_FLAGS = ["--xla_backend_optimization_level=0"]
if tuple(map(int, importlib.metadata.version("jaxlib").split(".")[:2])) < (0, 11):
    _FLAGS.append("--xla_cpu_use_fusion_emitters=false")  # later versions do not know it, and end the process
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *_FLAGS])
# As a command has on two cores, on every machine, here and in the processes that tests start.
os.environ["JAX_NUM_CPU_DEVICES"] = "2"

import jax  # noqa: E402 (reads the flags)

jax.config.update("jax_numpy_rank_promotion", "raise")
