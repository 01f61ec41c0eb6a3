"""Figures of a sweep, drawn from its rows alone: nothing is computed here and pyplot's global state is not used."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from jdlm.study.figures import style
from jdlm.study.figures.curves import entropy_curve, sizes, training
from jdlm.study.figures.exact import exact_laws
from jdlm.study.figures.kl import kl_split, nelbo, path_kl, sampled
from jdlm.study.rows import Row

__all__ = [
    "FIGURES",
    "draw",
    "entropy_curve",
    "exact_laws",
    "kl_split",
    "nelbo",
    "path_kl",
    "sampled",
    "save",
    "sizes",
    "training",
]

FIGURES = {
    "entropy_curve": entropy_curve,
    "path_kl": path_kl,
    "nelbo": nelbo,
    "kl_split": kl_split,
    "sizes": sizes,
    "sampled": sampled,
    "exact_laws": exact_laws,
    "training": training,
}


def draw(
    rows: Iterable[Row], folder: str | Path, *, progress: Callable[[int, int, str], None] | None = None
) -> list[Path]:
    """Draws every figure that the rows have numbers for, as PNG and SVG files in ``folder``.

    Args:
      rows: of one sweep, and of the training where there was one.
      folder: where the files go; made if it does not exist.
      progress: called with (figures done, in all, the next one).

    Returns:
      The files written.
    """
    rows = list(rows)
    files = []
    with matplotlib.rc_context(style.RC):
        for done, (name, make) in enumerate(FIGURES.items()):
            if progress is not None:
                progress(done, len(FIGURES), name)
            figure = make(rows)
            if figure is not None:
                files += save(figure, Path(folder), name)
        if progress is not None:
            progress(len(FIGURES), len(FIGURES), "done")
    return files


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Writes ``name.png`` and ``name.svg``; equal figures give equal bytes with one version of matplotlib."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.draw_without_rendering()  # computes the layout, once for both files
    figure.set_layout_engine("none")
    files = []
    for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        path = folder / f"{name}.{suffix}"
        temporary = folder / f".{name}.{os.getpid()}.partial.{suffix}"
        try:
            figure.savefig(temporary, metadata=metadata)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        files.append(path)
    return files
