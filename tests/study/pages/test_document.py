"""Pages: whatever names hold, they are text and nothing else, and a page loads nothing."""

import html.parser
import json
import re

import pytest

from jdlm.study.pages import document

HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='x", "</title>", "&amp;",
           "a\x1b[2Jb\x00", "\N{GRINNING FACE} ü", "]]>", "<!--", "\ud800"]  # fmt: skip


class Reader(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.attributes = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_text_and_nothing_else(name):
    plain = Reader(document.page("plain", document.element("p", document.text("plain"), title="plain")))
    read = Reader(document.page(name, document.element("p", document.text(name), title=name)))
    assert read.tags == plain.tags
    shown = name.replace("\x1b", "\\x1b").replace("\x00", "\\x00").replace("\ud800", "\\ud800")
    assert ("title", shown) in read.attributes and shown in read.text


@pytest.mark.parametrize("name", HOSTILE)
def test_data_cannot_end_their_script(name):
    page = document.embedded({"name": name, "list": [1.5, None]}, "data")
    assert page.count("<") == 2 and page.count("</script>") == 1
    (content,) = re.findall(r">(.*)</script>", page)
    assert json.loads(content) == {"name": name, "list": [1.5, None]}
    with pytest.raises(ValueError, match="JSON"):
        document.embedded(float("nan"), "data")


def test_a_page_may_load_nothing():
    page = document.page("a", scripts=("sort.js", "watch.js"))
    assert "default-src 'none'" in page and "http://" not in page and "https://" not in page
    assert not re.search(r"\b(src|href)=", page) and "@import" not in page and "url(" not in page


def test_names_within_figures_do_not_meet():
    svg = '<?xml version="1.0"?><svg width="4pt" height="3pt" viewBox="0 0 4 3"><metadata>x</metadata>'
    svg += "<defs><style>*{}</style>"
    svg += '<clipPath id="a"/></defs><g clip-path="url(#a)"><use xlink:href="#a"/></g></svg>'
    one, other = document.inlined(svg, "f0-", "first"), document.inlined(svg, "f1-", "second")
    assert 'id="f0-a"' in one and "url(#f0-a)" in one and 'href="#f0-a"' in one
    assert "f0-" not in other and "<style" not in one and "metadata" not in one and "<?xml" not in one
    assert 'width="4pt"' not in one and 'viewBox="0 0 4 3"' in one


def test_a_table_has_the_values_by_which_it_is_sorted():
    page = document.table([("a", "first"), ("b", "second")], [[("x", "x"), ("1.0 ± 0.1", 1.0)], [("-", ""), (2, 2)]])
    read = Reader(page)
    values = [value for name, value in read.attributes if name == "data-value"]
    assert values == ["x", "1.0", "", "2"] and read.tags.count("tr") == 3 and "1.0 ± 0.1" in read.text
