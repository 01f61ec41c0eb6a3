"""Settings under which every test runs."""

import os

# The tests compile many programs and run each for a moment: less optimization by XLA halves their time.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=1"

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
