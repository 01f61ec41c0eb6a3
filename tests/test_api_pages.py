"""The pages of the documentation site: each public name is on one of them, and each page is in the navigation."""

import importlib
import re
import types
from pathlib import Path

import jdlm

ROOT = Path(__file__).parents[1]
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "api").glob("*.md")}
SHOWN = {name for text in PAGES.values() for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)}


def home(package, name):
    """The module in which a public name is written."""
    module = importlib.import_module(package)
    try:
        found = getattr(module, name)
    except AttributeError:  # a module that is imported when it is wanted
        found = importlib.import_module(f"{package}.{name}")
    return found.__name__ if isinstance(found, types.ModuleType) else getattr(found, "__module__", "")


def test_each_public_name_is_on_a_page():
    public = [
        (package, name) for package in jdlm._MODULES.values() for name in importlib.import_module(package).__all__
    ]
    assert len(public) > 250
    missing = {f"{package}.{name}" for package, name in public if (place := home(package, name)) not in SHOWN
               and place.startswith("jdlm")}  # fmt: skip
    assert not missing, sorted(missing)


def test_pages_show_what_there_is_and_are_in_the_navigation():
    for name in SHOWN:
        importlib.import_module(name)
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f": {page}\n" not in navigation + "\n"] == []
