import dataclasses
import math
import random
import struct
import subprocess
import sys

import numpy as np
import pytest

from jdlm.study import rows
from jdlm.study.rows import Row


def make(**changes):
    values = dict(
        cell="0123456789ab", target="mixture", predictor="oracle", schedule="cosine", planner="random", num_steps=8,
        nfe=7.25, metric="path_kl_nats", index=None, value=0.1, standard_error=None, n=None, method="identity", seed=0,
    )  # fmt: skip
    return Row(**(values | changes))


def test_columns_are_the_documented_ones_in_order():
    assert rows.COLUMNS == tuple(
        "cell target predictor schedule planner num_steps nfe metric index value standard_error n method seed".split()
    )


def test_round_trip_is_exact(tmp_path):
    generator = random.Random(0)
    values = [struct.unpack("d", generator.randbytes(8))[0] for _ in range(200)]
    values = [value for value in values if not math.isnan(value)] + [0.0, -0.0, 1e-320, math.inf, -math.inf, 0.1]
    table = [make(value=value, standard_error=abs(value), index=i, n=i + 1) for i, value in enumerate(values)]
    table.append(make(target='a "quoted", name\nover two lines', seed=None, nfe=None, num_steps=None))
    rows.write(tmp_path / "sweep.csv", table)
    back = rows.read(tmp_path / "sweep.csv")
    assert back == table
    assert [math.copysign(1, row.value) for row in back] == [math.copysign(1, row.value) for row in table]


def test_nan_survives(tmp_path):
    rows.write(tmp_path / "a.csv", [make(value=math.nan)])
    assert math.isnan(rows.read(tmp_path / "a.csv")[0].value)


def test_numpy_floats_are_written_as_plain_numbers(tmp_path):
    rows.write(tmp_path / "a.csv", [make(value=np.float64(0.1), nfe=np.float64(0.5))])
    assert "np." not in (tmp_path / "a.csv").read_text()
    assert rows.read(tmp_path / "a.csv") == [make(value=0.1, nfe=0.5)]


def test_append_makes_the_header_once(tmp_path):
    path = tmp_path / "metrics.csv"
    rows.append(path, [make(index=1)])
    rows.append(path, [make(index=2), make(index=3)])
    assert [row.index for row in rows.read(path)] == [1, 2, 3]
    assert path.read_text().count("cell,target") == 1


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "sweep.csv"
    rows.write(path, [make()])

    def broken():
        yield make(value=2.0)
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        rows.write(path, broken())
    assert rows.read(path) == [make()]
    assert [entry.name for entry in tmp_path.iterdir()] == ["sweep.csv"]


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "sweep.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="header"):
        rows.read(path)
    rows.write(path, [make()])
    whole = path.read_text()
    path.write_text(whole + "0123,mixture\n")
    with pytest.raises(ValueError, match="line 3: 2 columns instead of 14"):
        rows.read(path)
    path.write_text(whole.replace("0.1", "abc"))
    with pytest.raises(ValueError, match=r"line 2.*abc"):
        rows.read(path)
    path.write_text(whole.replace("identity", "guessed"))
    with pytest.raises(ValueError, match="guessed"):
        rows.read(path)


def test_rows_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().value = 1.0


def test_cell_is_stable_and_tells_settings_apart():
    assert rows.cell(a=1, b="x") == rows.cell(b="x", a=1)
    assert rows.cell(a=1) != rows.cell(a=2) != rows.cell(a="2")
    assert len(rows.cell()) == 12 and int(rows.cell(), 16) >= 0
    code = "from jdlm import rows; print(rows.cell(schedule='cosine', num_steps=8, seed=None))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == rows.cell(schedule="cosine", num_steps=8, seed=None)


@pytest.mark.parametrize(
    ("known", "column", "value"),
    [(rows.index_of, "index", 3), (rows.steps_of, "num_steps", 8), (rows.calls_of, "nfe", 7.25)],
)
def test_a_column_that_a_figure_needs_is_asked_for(known, column, value):
    assert known(make(**{column: value})) == value
    with pytest.raises(ValueError, match=f"^a row of path_kl_nats has no {column}, which its figure needs; write one$"):
        known(make(**{column: None}))


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\nb", '"', ",", "\r"])
def test_names_with_line_ends_read_back(tmp_path, name):
    table = [Row("0" * 12, name, name, "", "", None, None, name, None, 0.5, None, None, "exact", None)] * 2
    rows.write(tmp_path / "rows.csv", table)
    assert rows.read(tmp_path / "rows.csv") == table
