"""The user's cache folder: compiled programs and solved schedules, kept between commands."""

import os
from pathlib import Path

from jdlm.study import runs


def folder() -> Path | None:
    """jdlm's own folder in the user's cache: ``$XDG_CACHE_HOME/jdlm`` on any platform, or what the platform has for it.

    None for a user without a home, as in a container with a number in place of a user: nothing is kept then.
    """
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "jdlm"
    import platformdirs

    try:
        path = platformdirs.user_cache_path("jdlm", appauthor=False)
    except RuntimeError:
        return None
    return path if path.is_absolute() else None  # older versions return "~/.cache/jdlm" where there is no home


def _part(name: str) -> Path | None:
    """A folder in the cache; None where there is none that can be written."""
    cache = folder()
    return cache / name if cache is not None and runs.writable(cache / name) else None


def schedules() -> Path | None:
    """Folder of solved schedules; None where the cache cannot be written."""
    return _part("schedules")


def compiled_programs() -> None:
    """Makes JAX keep compiled programs in the user's cache, unless the user chose a folder or it cannot be written."""
    import jax

    chosen = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    path = None if chosen else _part("compiled")
    if path is None:
        return
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
