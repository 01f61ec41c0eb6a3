"""One file of HTML: markup with everything escaped, style, scripts and data inside, and no way to the network."""

import html
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["MOST", "element", "embedded", "inlined", "page", "table", "text"]

MOST = 5_000_000
"""Largest size of a page in bytes."""
_HERE = Path(__file__).parent
# Nothing is loaded from anywhere: what is not in the file is not shown.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'"


def text(value: object) -> str:
    """A value as text of HTML, also within quotes of an attribute; control characters are shown as escapes."""
    shown = "".join(each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in str(value))
    return html.escape(shown.encode("utf-8", "replace").decode(), quote=True)


def element(tag: str, *children: str, **attributes: object) -> str:
    """An element with children that are HTML already; values of attributes are escaped.

    >>> element("p", text("1 < 2"), title='"')
    '<p title="&quot;">1 &lt; 2</p>'
    """
    words = "".join(f' {name.rstrip("_").replace("_", "-")}="{text(value)}"' for name, value in attributes.items())
    return f"<{tag}{words}>{''.join(children)}</{tag}>"


def table(
    heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[tuple[object, object]]], **attributes: object
) -> str:
    """A table that a click on a head sorts.

    Args:
      heads: of each column what it says, and a longer text for the mouse.
      rows: of each cell what it says, and the value by which it is sorted.
      attributes: of the table.
    """
    head = "".join(element("th", text(name), scope="col", title=title, tabindex=0) for name, title in heads)
    body = "".join(
        element("tr", *(element("td", text(shown), data_value=value) for shown, value in row)) for row in rows
    )
    whole = element(
        "table", element("thead", element("tr", head)), element("tbody", body), class_="sortable", **attributes
    )
    return element("div", whole, class_="wide")


def inlined(svg: str, prefix: str, title: str) -> str:
    """A figure of matplotlib as part of a page: names within it get a prefix of their own, so that none meet.

    Args:
      svg: the file.
      prefix: letters, unlike those of other figures of the page.
      title: what a reader who does not see it is told.
    """
    svg = svg[max(svg.find("<svg"), 0) :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", svg)
    # Every figure has a style of its own, which would hold for the entire page.
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.S)
    svg = re.sub(r'<svg (.*?)width="[^"]*"', r"<svg \1", svg, count=1, flags=re.S)
    svg = re.sub(r'<svg (.*?)height="[^"]*"', r"<svg \1", svg, count=1, flags=re.S)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{text(title)}" class="drawn" ', 1)
    return element("figure", svg, element("figcaption", text(title)))


def embedded(data: Any, name: str) -> str:
    """Data for scripts of the page, as JSON that no tag can end."""
    shown = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    shown = shown.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'<script type="application/json" id="{text(name)}">{shown}</script>'


def page(title: str, *body: str, scripts: Sequence[str] = ()) -> str:
    """A whole page.

    Args:
      title: of the page.
      body: parts that are HTML already.
      scripts: names of files beside this one.
    """
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    code = "".join(f"<script>{(_HERE / name).read_text(encoding='utf-8')}</script>" for name in scripts)
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">{element("title", text(title))}<style>{style}</style>'
    )
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>{"".join(body)}</main>{code}</body></html>\n'
    )
