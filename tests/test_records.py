import json

import pytest

from jdlm import records
from jdlm.errors import InputError

VALUES = {"a": 1, "b": [1.5, None, True, "ä"], "c": {"d": -0.0}}


@pytest.fixture
def path(tmp_path):
    records.write(tmp_path / "record.json", VALUES)
    return tmp_path / "record.json"


def test_a_record_reads_back_and_says_that_it_is_sealed(path):
    assert records.read(path) == (VALUES, True)
    content = json.loads(path.read_text())
    assert list(content)[-1] == "record_sha256"
    path.write_text(json.dumps(content, sort_keys=True))  # another layout is the same record
    assert records.read(path) == (VALUES, True)
    path.write_text(json.dumps(VALUES))
    assert records.read(path) == (VALUES, False)


def test_every_flip_of_a_bit_is_refused_or_changes_nothing(path):
    """The key of the seal itself apart, without which the record counts as one of an older version, of equal values."""
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(bytes(content))
        try:
            found, sealed = records.read(path)
        except InputError as error:
            assert "\n" not in str(error)
            continue
        assert {name: found[name] for name in VALUES} == VALUES and (sealed or len(found) == len(VALUES) + 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 1}', "the key 'a' stands twice"),
        ('{"a": {"b": 1, "b": 2}}', "the key 'b' stands twice"),
        ("[1]", "it is list, not an object"),
        ("{", "Expecting"),
        ("", "Expecting"),
        ('{"a": NaN}', "it holds NaN, not a finite number"),
        ('{"a": -Infinity}', "it holds -Infinity"),
        ('{"a": 1e999}', "it holds 1e999, which is too large"),
        ('{"a": ' + "9" * 5000 + "}", "integer string conversion"),
        ('{"a": ' + "[" * 100_000 + "}", "it is nested too deep"),
        (b"\xff\xfe", "can't decode"),
    ],
)
def test_what_is_no_record_is_told_in_one_line(tmp_path, text, message):
    path = tmp_path / "record.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as caught:
        records.read(path)
    assert "\n" not in str(caught.value)


def test_the_difference_says_from_what_to_what():
    assert records.difference(VALUES, json.loads(json.dumps(VALUES))) is None
    assert records.difference({"t": {"stay": 0.8, "k": 1}}, {"t": {"stay": 0.9, "k": 2}}) == "t.stay was 0.8 and is 0.9"
    assert records.difference({"a": 1}, {"a": True}) == "a was 1 and is True"
    assert records.difference({"a": 1}, {"a": 1.0}) == "a was 1 and is 1.0"
    assert records.difference({"a": 1}, {}) == "a was 1 and is None"
    assert records.difference({}, {"b": [1]}) == "b was None and is [1]"
    assert len(records.difference({"a": list(range(1000))}, {"a": []})) < 100


def test_fields_are_of_exact_types():
    assert [records.is_count(v) for v in (0, 3, 2**31 - 1)] == [True] * 3
    assert not any(records.is_count(v) for v in (True, -1, 3.0, "3", None, 2**31, 10**400))
    assert records.is_sha256("0" * 64)
    assert not any(records.is_sha256(v) for v in ("0" * 63, "G" * 64, "A" * 64, 5, None))
    with pytest.raises(InputError, match="it lacks 'b'"):
        records.check_keys({"a": 1}, {"a", "b"})
    with pytest.raises(InputError, match="it has an unknown key 'c'"):
        records.check_keys({"a": 1, "c": 2}, {"a"}, {"b"})
