"""Rows of sweeps beside their manifest: whole or refused, each sweep in a place of its own."""

import json
import os

import pytest

from jdlm import files, records
from jdlm.config import SweepConfig
from jdlm.study import places, rows, runs
from jdlm.study.places import Place
from jdlm.study.rows import Row

FIRST, SECOND = SweepConfig(samples=64), SweepConfig(samples=65)


def row(value, metric="entropy_nats"):
    return Row("0" * 12, "toy", "", "", "", None, None, metric, None, value, None, None, "exact", None)


OLD, NEW = [row(0.5), row(0.25)], [row(1.5)]


@pytest.fixture
def run(tmp_path):
    runs.write_manifest(tmp_path, {"schema": 1, "started": "2026"})
    return tmp_path


def written(run, table, settings=FIRST, name=None):
    place = places.choose(run, settings, name)
    places.write(place, table, {"options": settings.record()})
    return place


def test_rows_read_back_with_their_number_and_digest_in_the_manifest(run):
    place = written(run, OLD)
    assert place == places.find(run, None) == places.find(run, "") and places.read(place) == OLD
    entry = runs.read_manifest(run)["sweep"]
    assert entry["rows"] == 2 and records.is_sha256(entry["sha256"]) and entry["options"]["samples"] == 64
    written(run, NEW)
    assert places.read(place) == NEW and "previous" not in runs.read_manifest(run)["sweep"]["previous"]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[: len(lines) // 2],
        lambda lines: lines[:1],
        lambda lines: lines + lines[1:],
        lambda lines: [*lines[:1], *lines[:0:-1]],
        lambda lines: [],
        lambda lines: [line.replace("0.5", "0.6") for line in lines],
        lambda lines: [*lines, "\n"],
    ],
)
def test_rows_that_are_not_whole_are_refused(run, change):
    place = written(run, OLD)
    lines = place.path.read_text().splitlines(keepends=True)
    place.path.write_text("".join(change(lines)))
    with pytest.raises(
        ValueError, match=r"sweep.csv is not as it was written: the manifest says other rows; restore it"
    ):
        places.read(place)


def test_every_flip_of_a_bit_is_refused(run):
    place = written(run, OLD)
    whole = place.path.read_bytes()
    for number in range(0, 8 * len(whole), 5):
        content = bytearray(whole)
        content[number // 8] ^= 1 << number % 8
        place.path.write_bytes(bytes(content))
        with pytest.raises(ValueError, match="is not as it was written"):
            places.read(place)


@pytest.mark.parametrize("name", [None, "mine"])
@pytest.mark.parametrize("moves", range(3))
def test_a_crash_at_any_moment_leaves_the_old_rows_or_the_new_ones(run, monkeypatch, name, moves):
    place = written(run, OLD, name=name)
    figures = place.folder / "figures"
    figures.mkdir()
    for file in ("path_kl.png", "path_kl.svg", "of_a_user.png"):
        (figures / file).write_text("drawn of old rows")
    replace, done = os.replace, []

    def crash(source, target):
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash)
    try:
        written(run, NEW, name=name)
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    assert places.read(place) == (NEW if moves == 2 else OLD)
    assert os.listdir(figures) == ["of_a_user.png"], "figures of other rows are never beside the new ones"
    written(run, NEW, name=name)
    assert places.read(place) == NEW


def test_sweeps_of_other_settings_have_places_of_their_own(run):
    assert written(run, OLD) == Place(run)
    assert written(run, NEW, SECOND) == Place(run, "sweep-2")
    assert written(run, NEW, SweepConfig(samples=66)) == Place(run, "sweep-3")
    assert written(run, [row(2.5)], SECOND, "fine") == Place(run, "fine")
    for settings, place in ((FIRST, Place(run)), (SECOND, Place(run, "sweep-2"))):
        assert places.choose(run, settings, None) == place
    assert places.choose(run, SECOND, "fine") == Place(run, "fine")
    said = r"fine holds a sweep of other settings \(samples was 65 and is 64 now\); choose another --sweep-name"
    with pytest.raises(ValueError, match=said):
        places.choose(run, FIRST, "fine")
    assert places.names(run) == ["", "fine", "sweep-2", "sweep-3"]
    assert places.read(Place(run)) == OLD and places.read(Place(run, "sweep-2")) == NEW
    assert sorted(os.listdir(run)) == ["manifest.json", "sweep.csv", "sweeps"]
    with pytest.raises(ValueError, match="has no sweep 'coarse' yet; there are fine, sweep-2, sweep-3"):
        places.find(run, "coarse")
    with pytest.raises(ValueError, match="cannot be the name"):
        places.choose(run, FIRST, "a/b")


def test_cells_hold_their_place_until_the_sweep_is_complete(run):
    place = places.choose(run, FIRST, None)
    places.begin(place, FIRST)
    assert places.choose(run, FIRST, None) == place and places.choose(run, SECOND, None) == Place(run, "sweep-2")
    (place.cells / "settings.json").write_text("{")  # of nobody: cells are named by what determines them
    assert places.choose(run, SECOND, None) == place


def test_rows_without_an_entry_are_refused_and_those_of_older_versions_read(run):
    rows.write(run / "sweep.csv", OLD)
    with pytest.raises(ValueError, match="the manifest says other rows"):
        places.read(Place(run))
    runs.write_manifest(run, {"schema": 1, "sweep": {"options": FIRST.record()}})  # no digest was written then
    assert places.read(Place(run)) == OLD
    with pytest.raises(ValueError, match=r"has no sweep.csv yet; make one with"):
        places.find(run / "other", None)


def test_a_number_of_rows_that_is_not_that_of_the_file(run):
    place = written(run, OLD)
    manifest = runs.read_manifest(run)
    manifest["sweep"]["rows"] = 3
    runs.write_manifest(run, manifest)
    with pytest.raises(ValueError, match="has 2 rows instead of 3"):
        places.read(place)


def test_settings_are_plain_json():
    assert FIRST.record() == json.loads(json.dumps(FIRST.record()))


def test_a_full_disk_costs_nothing_that_was_there(run, monkeypatch):
    place = written(run, OLD)
    write, count = files.write, []

    def full(path, content):
        count.append(path)
        if len(count) > 1:
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(files, "write", full)
    with pytest.raises(OSError, match="No space left"):
        written(run, NEW)
    assert places.read(place) == OLD and len(count) == 2
