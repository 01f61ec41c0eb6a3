import os

import pytest

from jdlm.study import metrics_file, rows
from jdlm.study.metrics_file import MetricsFile
from jdlm.study.rows import Row


def row(step, value=0.5):
    return Row("0" * 12, "toy", "network", "", "", None, None, "loss_nats", step, value, None, None, "exact", None)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


def test_rows_are_appended_and_marked(path):
    file = MetricsFile(path)
    marks = []
    for step in (1, 2, 3):
        file.append([row(step)])
        marks.append(file.mark())
    assert rows.read(path) == [row(1), row(2), row(3)]
    for count, mark in enumerate(marks, start=1):
        assert metrics_file.read(path, mark, count) == [row(i + 1) for i in range(count)]


@pytest.mark.parametrize(
    "tail", ["", "torn", rows.text([row(9)], header=False), rows.text([row(9)], header=False)[:-9]]
)
def test_what_follows_the_checkpoint_does_not_count_and_is_cut_off(path, tail):
    file = MetricsFile(path)
    file.append([row(1)])
    mark = file.mark()
    with path.open("a") as appended:
        appended.write(tail)
    assert metrics_file.read(path, mark, 1) == [row(1)]
    again = MetricsFile(path)
    again.cut(mark, 1)
    again.append([row(2)])
    assert rows.read(path) == metrics_file.read(path, again.mark(), 2) == [row(1), row(2)]
    assert os.listdir(path.parent) == ["metrics.csv"]


def test_every_flip_of_a_bit_is_refused(path):
    file = MetricsFile(path)
    file.append([row(1), row(2)])
    whole = path.read_bytes()
    for place in range(0, 8 * len(whole), 7):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(bytes(content))
        with pytest.raises(ValueError, match=r"metrics.csv is not as it was written: its first \d+ bytes have another"):
            metrics_file.read(path, file.mark(), 2)
        with pytest.raises(ValueError, match="not as it was written"):
            MetricsFile(path).cut(file.mark(), 2)
        assert path.read_bytes() == bytes(content)


def test_a_file_that_is_gone_or_short_is_refused(path):
    file = MetricsFile(path)
    file.append([row(1), row(2)])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="not as it was written"):
        metrics_file.read(path, file.mark(), 2)
    path.unlink()
    with pytest.raises(ValueError, match=r"metrics.csv is missing; restore it"):
        metrics_file.read(path, file.mark(), 2)


@pytest.mark.parametrize("mark", [3, {}, {"size": -1, "sha256": "0" * 64}, {"size": 1, "sha256": "x"}])
def test_a_mark_of_another_form_is_refused(path, mark):
    path.write_text("")
    with pytest.raises(ValueError, match="no size and sha256"):
        metrics_file.read(path, {"metrics": mark}, 1)


def test_a_checkpoint_of_an_older_version_has_no_mark(path):
    """Then rows of later steps are dropped, and a last line that is torn."""
    assert metrics_file.read(path, {}, 4) == []
    MetricsFile(path).cut({}, 4)
    assert not path.exists()
    rows.write(path, [row(1), row(2), row(3)])
    path.write_bytes(path.read_bytes() + b"torn,")
    assert metrics_file.read(path, {}, 2) == [row(1), row(2)]
    file = MetricsFile(path)
    file.cut({}, 2)
    file.append([row(7)])
    assert rows.read(path) == [row(1), row(2), row(7)]
