"""Figures of the study ``presets``: the path KL against predictor calls, of each preset."""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from jdlm.study.figures import kl, style
from jdlm.study.rows import Row

__all__ = ["FIGURES"]


def _of(preset: str) -> Callable[[Sequence[Row]], Figure | None]:
    def draw(rows: Sequence[Row]) -> Figure | None:
        mine = [row for row in rows if row.target == preset]
        figure = kl.path_kl(mine)
        if figure is None:
            return None
        length, vocab = (int(style.select(mine, metric)[0].value) for metric in ("length", "vocab_size"))
        steps = [row.num_steps for row in mine if row.num_steps is not None]
        counts = sorted({row.n for row in mine if row.n is not None})
        sampled = f", points: n = {', '.join(f'{n:,}' for n in counts)}" if counts else ""
        settings = f"(L = {length}, V = {vocab}, K = {min(steps)} to {max(steps)}{sampled})"
        style.head(figure, f"Path KL of the oracle on the preset {preset} {settings}", 0.68)  # beside the legend
        return figure

    draw.__doc__ = f"KL along the path against predictor calls on the preset ``{preset}``."
    return draw


FIGURES = {f"path_kl_{preset}": _of(preset) for preset in ("mixture", "thinning")}
