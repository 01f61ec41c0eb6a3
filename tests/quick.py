"""A jit for tests, whose time is nearly all compilation: without optimization that takes a fifth."""

import functools

import jax


@functools.cache
def _options():
    """Those compiler options that this version of XLA still knows."""
    options = {}
    for name, value in (("xla_backend_optimization_level", "0"), ("xla_cpu_use_fusion_emitters", False)):
        try:
            jax.jit(lambda: 0, compiler_options={**options, name: value})()
        except jax.errors.JaxRuntimeError:
            continue
        options[name] = value
    return options


def jit(function, **settings):
    """`jax.jit` that compiles fast and runs slowly; results may differ from it in the last bits."""
    return jax.jit(function, compiler_options=_options(), **settings)
