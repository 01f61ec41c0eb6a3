"""A scene as pictures for slides: one of the end, or an animation of all steps."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

__all__ = ["animation", "still"]

_CELL, _GAP, _ROW = 34, 2, 32  # pixels of a cell, the gap between cells, and the cells in a row
_MARGIN, _TITLE = 20, 30
_MASKED, _FRAME = (227, 227, 232), (27, 27, 31)
_MILLISECONDS, _LAST = 700, 2500


def still(scene: dict[str, Any]) -> bytes:
    """A PNG of the first draw at its end, with the step that revealed each token by its colour."""
    stream = io.BytesIO()
    _frame(scene, _most(scene)).save(stream, "PNG")
    return stream.getvalue()


def animation(scene: dict[str, Any]) -> bytes:
    """A GIF of all steps of the first draw, again and again."""
    frames = [_frame(scene, step) for step in range(_most(scene) + 1)]
    frames = [frame.convert("P", palette=Image.Palette.ADAPTIVE, colors=128) for frame in frames]
    stream = io.BytesIO()
    times = [_MILLISECONDS] * (len(frames) - 1) + [_LAST]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=False)
    return stream.getvalue()


def _most(scene: dict[str, Any]) -> int:
    return max(len(each["draws"][0]["steps"]) for each in scene["schedules"])


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that matplotlib brings, which has Latin, Greek and Cyrillic letters and many signs."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)


def colour(step: int, steps: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The colour of a step, from dark blue (first) to yellow (last), and that of a text on it."""
    share = (step - 1) / (steps - 1) if steps > 1 else 0.0
    red, green, blue, _ = (round(255 * value) for value in colormaps["cividis"](share))
    back = red, green, blue
    light = 0.2126 * back[0] + 0.7152 * back[1] + 0.0722 * back[2]
    return back, ((0, 0, 0) if light > 118 else (255, 255, 255))


def _frame(scene: dict[str, Any], step: int) -> Image.Image:
    """The scene after so many steps."""
    width = min(scene["length"], _ROW)
    lines = -(-scene["length"] // width)
    panel = _TITLE + lines * (_CELL + _GAP) + 26 + _MARGIN
    size = (2 * _MARGIN + max(width * (_CELL + _GAP), 480), _MARGIN + _TITLE + panel * len(scene["schedules"]))
    image = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(image)
    head = f"{scene['title']}, step {step} of {_most(scene)}"
    draw.text((_MARGIN, 12), head, fill=_FRAME, font=_font(18))
    for number, each in enumerate(scene["schedules"]):
        _panel(draw, scene, each, step, _MARGIN + _TITLE + number * panel, width)
    return image


def _panel(draw: ImageDraw.ImageDraw, scene: dict, each: dict, step: int, top: int, width: int) -> None:
    mine = each["draws"][0]
    upto, steps = min(step, len(mine["steps"])), len(mine["steps"])
    draw.text((_MARGIN, top), each["name"], fill=_FRAME, font=_font(15))
    tokens, when = np.full(scene["length"], -1), np.zeros(scene["length"], int)
    given = {place for place, _ in scene["given"]}
    for place, token in scene["given"]:
        tokens[place] = token
    for number, changes in enumerate(mine["steps"][:upto], 1):
        for place, token in changes:
            tokens[place], when[place] = token, number if token >= 0 else 0
    top += _TITLE - 4
    for place in range(scene["length"]):
        x = _MARGIN + place % width * (_CELL + _GAP)
        y = top + place // width * (_CELL + _GAP)
        back, front = (
            (_MASKED, (91, 91, 102)) if tokens[place] < 0 or place in given else colour(int(when[place]), steps)
        )
        draw.rectangle((x, y, x + _CELL - 1, y + _CELL - 1), fill=back, outline=_FRAME if place in given else None)
        word = scene["mask"] if tokens[place] < 0 else scene["symbols"][tokens[place]]
        font = _font(max(9, min(17, 2 * (_CELL - 6) // max(len(word), 1))))
        draw.text(
            (x + _CELL / 2, y + _CELL / 2), word, fill=_FRAME if place in given else front, font=font, anchor="mm"
        )
    top += -(-scene["length"] // width) * (_CELL + _GAP) + 4
    sizes = [sum(token >= 0 for _, token in changes) for changes in mine["steps"]]
    score = mine["log_prob"][upto - 1] if upto else 0.0
    says = f"sizes {' '.join(map(str, sizes[:24]))}{' ...' if len(sizes) > 24 else ''}    log p = {score:.2f} nats"
    draw.text((_MARGIN, top), says, fill=(91, 91, 102), font=_font(13))
