"""Records, manifests, files of rows and presets of any content: read, or refused in one line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdlm import records
from jdlm.config import presets
from jdlm.errors import InputError
from jdlm.study import metrics_file, places, rows, runs
from jdlm.study.rows import Row
from jdlm.training import record as record_file
from tests.fuzz.fuzzing import attempt, examples, floats, integers, texts, verified

values = st.recursive(
    st.one_of(st.none(), st.booleans(), integers.map(int), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
objects = st.dictionaries(st.one_of(texts, st.sampled_from(["a", "b"])), values, max_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@examples(25, 1500)
@given(content=objects, sealed=st.booleans())
def test_records_read_back(folder, content, sealed):
    content.pop("record_sha256", None)
    path = folder / "record.json"
    path.write_text(json.dumps(records.seal(content) if sealed else content))
    found = attempt("records", lambda: records.read(path))
    if found is not None:
        assert json.dumps(found[0]) == json.dumps(content) and found[1] is sealed
        verified("records")


@examples(25, 1500)
@given(text=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda t: t.encode("utf-8", "replace"))))
def test_bytes_are_no_record(folder, text):
    path = folder / "bytes.json"
    path.write_bytes(text)
    attempt("records", lambda: records.read(path))
    for read in (lambda: rows.read(path), lambda: presets.read(path), lambda: metrics_file.read(path, {}, 3)):
        attempt("other files", read)


NAMES = ["schema", "name", "kind", "started", "finished", "settings", "sweep", "sweeps", "resumed", "command",
         "steps_done", "seeds"]  # fmt: skip


@examples(30, 2000)
@given(content=st.dictionaries(st.sampled_from(NAMES), values, max_size=6))
def test_manifests_never_break_a_command_of_another_run(folder, content):
    """Whatever it holds, it is read or refused, and the newest run is found."""
    (folder / "runs/one").mkdir(parents=True, exist_ok=True)
    (folder / "runs/good").mkdir(parents=True, exist_ok=True)
    (folder / "runs/one/manifest.json").write_text(json.dumps({"schema": 1} | content))
    runs.write_manifest(folder / "runs/good", {"schema": 1, "started": "2026"})
    manifest = attempt("manifests", lambda: runs.read_manifest(folder / "runs/one"))
    newest = runs.newest(folder / "runs")
    assert newest is not None and (manifest is not None or newest.name == "good")
    if manifest is not None:
        attempt("manifests", lambda: places.read(places.find(folder / "runs/one", None)))


KEY = {"impl": "threefry2x32", "data": [0, 1]}
FIELDS = {"schema": 2, "settings": {"network": {}}, "step": 3, "key": KEY, "tree": {}, "beside": {}, "sha256": "0" * 64}


@examples(30, 2000)
@given(name=st.sampled_from([*FIELDS, "more"]), value=values)
def test_fields_of_a_checkpoint_are_of_their_types(folder, name, value):
    (folder / "model.json").write_text(json.dumps(records.seal(FIELDS | {name: value})))
    record = attempt("checkpoint records", lambda: record_file.read(folder))
    if record is not None:
        assert type(record["step"]) is int and 0 <= record["step"] < 2**31 and name in FIELDS
        assert all(type(word) is int for word in record["key"]["data"])
        verified("checkpoint records")


def row(**fields):
    return attempt("rows", lambda: Row(**fields))


cells = st.builds(
    row,
    cell=texts, target=texts, predictor=texts, schedule=texts, planner=texts, num_steps=st.none() | st.integers(),
    nfe=st.none() | floats, metric=texts, index=st.none() | st.integers(), value=floats,
    standard_error=st.none() | floats, n=st.none() | st.integers(0), method=st.sampled_from(rows.METHODS),
    seed=st.none() | st.integers(0),
)  # fmt: skip


@examples(25, 1500)
@given(table=st.lists(cells, max_size=4), flip=st.integers(0, 10**6))
def test_rows_read_back_or_are_refused(folder, table, flip):
    path, table = folder / "rows.csv", [each for each in table if each is not None]
    attempt("rows", lambda: rows.write(path, table))
    assert rows.text(rows.read(path)) == rows.text(table)
    verified("rows")
    content = bytearray(path.read_bytes())
    content[flip % len(content)] ^= 1 << flip % 8
    path.write_bytes(bytes(content))
    attempt("rows", lambda: rows.read(path))


PRESET = {
    "target": {"kind": '"sticky_markov"', "length": "4", "vocab": "2", "stay": "0.8"},
    "network": {"width": "8", "heads": "1"},
    "training": {"steps": "60", "seed": "1", "labels": '"sampled"'},
    "sweep": {"num_steps": "[2]", "schedules": '["uniform"]', "samples": "4"},
}
WORDS = [
    "nan",
    "inf",
    "-1",
    "0",
    "3.7",
    '"6"',
    "true",
    "[]",
    "{}",
    "2147483648",
    "9" * 400,
    "[[1.0]]",
    '"\\u0000"',
    "1979-05-27",
]


@examples(40, 2500)
@given(
    section=st.sampled_from(list(PRESET)),
    key=st.one_of(
        st.sampled_from(["kind", "length", "vocab", "stay", "width", "steps", "num_steps", "name", "seed", "samples"]),
        texts,
    ),
    value=st.one_of(st.sampled_from(WORDS), integers.map(lambda n: str(int(n)))),
)
def test_presets_are_read_or_refused_and_written_back(section, key, value):
    parts = {title: dict(entries) for title, entries in PRESET.items()}
    parts[section][key if key.isalnum() and key.isascii() else json.dumps(key)] = value
    text = "\n".join(f"[{t}]\n" + "\n".join(f"{k} = {v}" for k, v in e.items()) for t, e in parts.items())

    def read():
        try:
            return presets.parse(text, "mine")
        except presets.tomllib.TOMLDecodeError as error:  # `read` names the file before it
            raise InputError(str(error)) from None

    config = attempt("presets", read)
    if config is not None:
        assert repr(presets.parse(presets.dump(config), "mine")) == repr(config)  # a NaN is not equal to itself
        verified("presets")
