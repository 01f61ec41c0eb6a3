"""Numbers that texts cite with a cell are those of committed rows, at the printed digits."""

import math
import re
from pathlib import Path

import pytest

from jdlm.study import rows, verify

ROOT = Path(__file__).parents[3]
NUMBER = r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
CITED = re.compile(rf"({NUMBER})(?:\s+±\s+({NUMBER}))?(?:\s+\(n\s+=\s+([\d,]+)\))?\s+\[cell\s+([0-9a-f]{{6,12}})\]")


def by_cell():
    found = {}
    for name in verify.names():
        for row in rows.read(verify.folder() / f"{name}.csv"):
            found.setdefault(row.cell[:6], []).append(row)
    return found


def number(text):
    return float(text.replace(",", ""))


def agrees(value, text):
    """Whether a number printed as ``text`` may stand for ``value``: half a unit of the last digit, and a whisker."""
    mantissa, _, power = text.replace(",", "").partition("e")
    unit = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    return math.isfinite(value) and abs(value - number(text)) <= 0.501 * unit


def is_a_row(candidates, value, error, n):
    return any(
        (agrees(row.value, value) or (row.nfe is not None and agrees(row.nfe, value)))
        and (error is None or (row.standard_error is not None and agrees(row.standard_error, error)))
        and (n is None or row.n == number(n))
        for row in candidates
    )


def wrong(text, cells):
    """What is cited in ``text`` and is no row: pairs of number and cell, and tables whose last column is a cell."""
    bad = [found[0] for found in CITED.finditer(text) if not is_a_row(cells.get(found[4][:6], []), *found.groups()[:3])]
    for line in text.splitlines():
        columns = [column.strip() for column in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"[0-9a-f]{6}", columns[-1]) and columns[-1] in cells | {"": None}:
            numbers = [column for column in columns[:-1] if re.fullmatch(NUMBER, column)]
            bad += [f"{n} in {line}" for n in numbers if not is_a_row(cells[columns[-1]], n, None, None)]
        elif line.startswith("|") and re.fullmatch(r"[0-9a-f]{6}", columns[-1]):
            bad.append(f"no such cell in {line}")
    return bad


@pytest.mark.parametrize("file", ["docs/studies.md", "README.md"])
def test_cited_numbers_are_rows(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not wrong(text, by_cell())
    assert len(re.findall(r"\[cell\s", text)) == len(CITED.findall(text)), "a cell stands behind no number"
    assert file == "README.md" or text.count("[cell ") >= 20


# Decimals that are settings or arithmetic, not results: what a reader could type. In README versions, and a default.
SETTINGS = {
    "README.md": {"3.11", "0.84", "0.01"},
    "docs/studies.md": {"0.01", "0.05", "0.1", "0.001", "0.005", "0.5", "0.55", "0.4", "0.7", "0.8", "0.9", "0.09"}
    | {"15.94", "3.5", "0.3", "0.95"},
}


def bare(text):
    """The decimals in prose that are cited with no cell; code, links, tables with a cell and arXiv numbers apart."""
    for pattern in (r"```.*?```", r"(?m)^    .*$", r"`[^`]*`", r"\]\([^)]*\)", r"(?:arXiv|and|[;,(])\s+\d{4}\.\d{5}"):
        text = re.sub(pattern, "", text, flags=re.DOTALL if pattern.startswith("```") else 0)
    text = CITED.sub("", re.sub(r"(?m)^\|.*\|\s*[0-9a-f]{6}\s*\|$", "", text))
    return set(re.findall(r"(?<![\d.])\d[\d,]*\.\d+", text))


@pytest.mark.parametrize("file", SETTINGS)
def test_every_result_is_cited_with_its_cell(file):
    assert bare((ROOT / file).read_text(encoding="utf-8")) - SETTINGS[file] == set()


def test_a_result_without_a_cell_is_found():
    text = "A 2.5, 3.25 [cell 012345], `4.5`, arXiv 2601.12345.\n\n    5.5\n| 6.5 | 012345 |\n| 7.5 | other |\n"
    assert bare(text) == {"2.5", "7.5"}


def test_every_study_has_its_section():
    text = (ROOT / "docs/studies.md").read_text(encoding="utf-8")
    for name in verify.names():
        assert f"\n## {name}: " in text


def test_a_number_that_is_no_row_is_found():
    (row, *_) = [r for r in rows.read(verify.folder() / "adaptation.csv") if r.metric == "inside_code_share" and r.n]
    cells = {row.cell[:6]: [row]}
    value, error = f"{row.value:.4g}", f"{row.standard_error:.2g}"
    good = f"{value} ± {error} (n = {row.n:,}) [cell {row.cell[:6]}]"
    assert not wrong(f"the share is {good}.", cells)
    for bad in (
        f"{row.value * 1.01:.4g} [cell {row.cell[:6]}]",
        f"{value} [cell 0a0a0a]",
        good.replace(f"{row.n:,}", "7"),
    ):
        assert len(wrong(bad, cells)) == 1, bad
    table = f"| name | share | cell |\n|---|---|---|\n| a | {value} | {row.cell[:6]} |\n"
    assert not wrong(table, cells)
    assert len(wrong(table.replace(value, "0.9999"), cells)) == 1
    assert len(wrong(table.replace(row.cell[:6], "0a0a0a"), cells)) == 1
