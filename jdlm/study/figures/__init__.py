"""Figures of a sweep, drawn from its rows alone: nothing is computed here and no global state of matplotlib is used."""

import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure

from jdlm import files
from jdlm.study import over_seeds
from jdlm.study.figures import style
from jdlm.study.figures.adaptation import adaptation
from jdlm.study.figures.curves import entropy_curve, sizes, training
from jdlm.study.figures.exact import exact_laws
from jdlm.study.figures.kl import kl_split, nelbo, path_kl
from jdlm.study.figures.sampled import sampled
from jdlm.study.rows import Row

__all__ = [
    "FIGURES",
    "FigureError",
    "adaptation",
    "draw",
    "entropy_curve",
    "exact_laws",
    "kl_split",
    "nelbo",
    "path_kl",
    "remove",
    "sampled",
    "save",
    "sizes",
    "training",
]

FIGURES = {
    "adaptation": adaptation,
    "entropy_curve": entropy_curve,
    "path_kl": path_kl,
    "nelbo": nelbo,
    "kl_split": kl_split,
    "sizes": sizes,
    "sampled": sampled,
    "exact_laws": exact_laws,
    "training": training,
}
_SUFFIXES = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}  # with the metadata that are left out


class FigureError(RuntimeError):
    """Some figures could not be drawn; the others were.

    Attributes:
      files: those that were written.
    """

    def __init__(self, failures: dict[str, Exception], count: int, files: list[Path]):
        self.files = files
        reasons = "; ".join(f"{name} ({type(error).__name__}: {error})" for name, error in failures.items())
        super().__init__(f"{len(failures)} of {count} figures could not be drawn: {reasons}")


def draw(
    rows: Iterable[Row],
    folder: str | Path,
    makers: Mapping[str, Callable[[list[Row]], Figure | None]] | None = None,
    *,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Path]:
    """Draws every figure that the rows have numbers for, as PNG and SVG files in ``folder``.

    Of trainings with several seeds the mean is drawn (`jdlm.study.over_seeds`), with error bars over them. Figures of
    other rows that were drawn there before are removed, so that the folder shows these rows alone.

    Args:
      rows: of one sweep, and of the training where there was one.
      folder: where the files go; made if it does not exist.
      makers: name of the file -> function of the rows that gives a figure, or None; those of a sweep by default.
      progress: called with (figures done, in all, the next one).

    Returns:
      The files written.

    Raises:
      FigureError: some could not be drawn, after all others were.
    """
    rows, folder, makers = over_seeds.shown(rows), Path(folder), FIGURES if makers is None else makers
    written: list[Path] = []
    failures: dict[str, Exception] = {}
    with matplotlib.style.context(["default", style.RC]):  # whatever the settings of the user's matplotlib
        for done, (name, make) in enumerate(makers.items()):
            if progress is not None:
                progress(done, len(makers), name)
            drawn = []
            try:
                figure = make(rows)
                if figure is not None:
                    drawn = save(figure, folder, name)
            except Exception as error:
                failures[name] = error
            for path in (folder / f"{name}.{suffix}" for suffix in _SUFFIXES):
                if path not in drawn:
                    path.unlink(missing_ok=True)
            written += drawn
        if progress is not None:
            progress(len(makers), len(makers), "done")
    if failures:
        raise FigureError(failures, len(makers), written)
    return written


def remove(folder: Path) -> None:
    """Remove the figures of a sweep from a folder, before its rows are replaced."""
    for path in (folder / f"{name}.{suffix}" for name in FIGURES for suffix in _SUFFIXES):
        path.unlink(missing_ok=True)


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Writes ``name.png`` and ``name.svg``; equal figures give equal bytes with one version of matplotlib."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.draw_without_rendering()  # computes the layout, once for both files
    figure.set_layout_engine("none")
    paths = []
    for suffix, metadata in _SUFFIXES.items():
        content = io.BytesIO()
        figure.savefig(content, format=suffix, metadata=metadata)
        paths.append(folder / f"{name}.{suffix}")
        files.write(paths[-1], content.getvalue())
    return paths
