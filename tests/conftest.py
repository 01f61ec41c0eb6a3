"""Settings under which every test runs."""

import contextlib
import gc
import importlib.metadata
import os
from pathlib import Path

# The tests compile many programs and run each for a moment, so XLA does not optimize: see docs/decisions.
_FLAGS = ["--xla_backend_optimization_level=0"]
if tuple(map(int, importlib.metadata.version("jaxlib").split(".")[:2])) < (0, 11):
    _FLAGS.append("--xla_cpu_use_fusion_emitters=false")  # later versions do not know it, and end the process
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *_FLAGS])
# As a command has on two cores, on every machine, here and in the processes that tests start.
os.environ["JAX_NUM_CPU_DEVICES"] = "2"

import jax  # noqa: E402 (reads the flags)
import pytest  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")

_MOST_MAPPINGS = 20_000  # of a test process, when the next file begins; a compiled sampler has some 250
_SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


_SLOW = tuple(
    line for line in Path(__file__).with_name("slow.txt").read_text().splitlines() if not line.startswith("#")
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks what `slow.txt` names; before pytest leaves out by marks."""
    for item in items:
        if item.nodeid.startswith(_SLOW):
            item.add_marker(pytest.mark.slow)


@contextlib.contextmanager
def settings_of_commands_end_here():
    """A command that a test runs sets JAX's cache of programs, which is not to be the next test's."""
    before = {name: getattr(jax.config, name) for name in _SETTINGS}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def few_programs():
    """Drops compiled programs before their memory mappings reach the system's limit (65,530), where LLVM crashes."""
    try:
        with open("/proc/self/maps", encoding="utf-8") as maps:
            many = sum(1 for _ in maps) > _MOST_MAPPINGS
    except OSError:  # not Linux
        return
    if many:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(autouse=True, scope="module")
def settings_of_a_file():
    few_programs()
    with settings_of_commands_end_here():
        yield


@pytest.fixture(autouse=True)
def settings_of_a_test(tmp_path_factory, monkeypatch):
    if "XDG_CACHE_HOME" not in os.environ:  # nor is the user's own cache used
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    with settings_of_commands_end_here():
        yield
