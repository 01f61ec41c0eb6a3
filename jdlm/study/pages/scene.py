"""Samples that unmask before one's eyes: the same target under several schedules, by the sampler's own traces."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jdlm.errors import InputError
from jdlm.sampling.trace import Trace
from jdlm.study.pages.document import element, embedded, page, text

__all__ = ["LONGEST", "scene", "watch"]

LONGEST = 256
"""Most positions that are shown."""
_MASK = "\N{MIDDLE DOT}"


def scene(
    traces: Mapping[str, Trace], symbols: Sequence[str], *, title: str, separator: str = " ", planner: str = "random"
) -> dict[str, Any]:
    """What the page shows, as JSON: of each schedule and lane which tokens each step revealed or masked.

    Args:
      traces: name of the schedule -> trace of its lanes, each a draw of the sizes and of the tokens.
      symbols: how each token is written.
      title: name of the target.
      separator: what is written between two tokens, a space or nothing.
      planner: word of the planner that chose the positions.

    Raises:
      ValueError: there is nothing to show, or more positions than fit.
    """
    if not traces:
        raise InputError("there is no schedule to watch; name one")
    length = next(iter(traces.values())).start.shape[1]
    if length > LONGEST:
        raise InputError(f"length={length} is more than a page can show; at most {LONGEST} positions are watched")
    schedules = []
    for name, trace in traces.items():
        draws = [_draw(trace, lane, len(symbols)) for lane in range(len(trace.start))]
        schedules.append({"name": name, "draws": draws})
    start = next(iter(traces.values())).start[0]
    return {
        "title": title,
        "planner": planner,
        "length": length,
        "symbols": [_shown(symbol) for symbol in symbols],
        "close": separator == "" and all(len(symbol) == 1 for symbol in symbols),
        "mask": _MASK,
        "given": [[place, int(token)] for place, token in enumerate(start) if token != len(symbols)],
        "schedules": schedules,
    }


def _shown(symbol: str) -> str:
    """A symbol that can be seen."""
    return {" ": "\N{OPEN BOX}", "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "\t": "\N{RIGHTWARDS ARROW TO BAR}",
            "\r": "\\r"}.get(symbol, symbol if symbol.isprintable() else repr(symbol)[1:-1])  # fmt: skip


def _draw(trace: Trace, lane: int, mask: int) -> dict[str, Any]:
    """The steps of a lane: which positions get which token (-1: masked again), and the log probability by then."""
    before, steps, scores = trace.start[lane], [], []
    for step in range(int(trace.num_steps[lane])):
        after = trace.tokens[lane, step]
        changed = np.flatnonzero(before != after)
        steps.append([[int(place), -1 if after[place] == mask else int(after[place])] for place in changed])
        scores.append(round(float(trace.path_log_prob[lane, step]), 4))
        before = after
    return {"steps": steps, "log_prob": scores}


def watch(content: dict[str, Any], note: str = "") -> str:
    """The page of a scene.

    Args:
      content: see `scene`.
      note: a line below the title.
    """
    return page(
        f"watch {content['title']}",
        element("h1", text(content["title"])),
        element("p", text(note), class_="note") if note else "",
        stage(content),
        scripts=("watch.js",),
    )


def stage(content: dict[str, Any]) -> str:
    """The part of a page on which a scene is shown by ``watch.js``."""
    return element("section", embedded(content, "scene"), element("div", id="stage"), class_="watch") + element(
        "noscript", element("p", text("Samples are shown by a script in this file, which this browser does not run."))
    )
