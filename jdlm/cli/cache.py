"""The user's cache folder: compiled programs and solved schedules, kept between commands."""

import os
import sys
from pathlib import Path

from jdlm.study import runs


def folder() -> Path:
    """jdlm's own folder in the user's cache: ``$XDG_CACHE_HOME/jdlm`` or what the platform has for it."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "jdlm"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "jdlm"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "jdlm" / "Cache"
    return Path.home() / ".cache" / "jdlm"


def schedules() -> Path | None:
    """Folder of solved schedules; None where the cache cannot be written."""
    path = folder() / "schedules"
    return path if runs.writable(path) else None


def compiled_programs() -> None:
    """Makes JAX keep compiled programs in the user's cache, unless the user chose a folder or it cannot be written."""
    import jax

    path = folder() / "compiled"
    if jax.config.jax_compilation_cache_dir or not runs.writable(path):
        return
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
