"""Integers of a file as tokens."""

import io

import numpy as np
import pytest

from jdlm import targets

ROWS = [[5, -3, 70], [70, 70, 5], [5, 5, 5], [-3, 5, 70]]


def file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / name


def npy(array, **arrays):
    stream = io.BytesIO()
    if arrays:
        np.savez(stream, **arrays)
    else:
        np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def rows_of(target):
    table = np.reshape(target.stream, (-1, target.length))
    return sorted([int(target.symbols[token]) for token in row] for row in table)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", npy(np.array(ROWS, np.int8))),
        ("a.npz", npy(None, only=np.array(ROWS))),
        ("a.npz", npy(None, tokens=np.array(ROWS), other=np.arange(3))),
        ("a.csv", "5,-3,70\n70, 70,5\r\n5,5,5\n\n-3,5,+70\n"),
        ("a.csv", '"x","y","z"\n"5","-3","70"\n70,70,5,,\n5,5,5\n-3,5,70'),
        ("a.tsv", "5\t-3\t70\n70\t70\t5\n5\t5\t5\n-3\t5\t70\n"),
    ],
    ids=["npy", "npz", "npz of two", "csv", "csv of a spreadsheet", "tsv"],
)
def test_sequences_are_those_of_the_file_in_its_own_numbers(tmp_path, name, content):
    target = targets.tokens(file(tmp_path, name, content), 3)
    assert rows_of(target) == sorted(ROWS) and target.symbols == ("-3", "5", "70")
    assert target.encode("70 _ -3", mask="_").tolist() == [2, 3, 0] and target.decode([2, 0]) == "70 -3"
    assert target.notes == (("the first line holds no number and is left out as a header",) if b'"x"' in
                            (tmp_path / name).read_bytes() else ())  # fmt: skip


def test_lines_of_a_table_may_have_different_lengths(tmp_path):
    path = file(tmp_path, "a.csv", "1,2,3\n4\n5,6\n")
    target = targets.tokens(path, 3, fit="pad")
    table = np.reshape(target.stream, (3, 3))
    assert [[target.symbols[token] for token in row] for row in table] == [
        ["1", "2", "3"], ["4", "PAD", "PAD"], ["5", "6", "PAD"],
    ]  # fmt: skip


def test_one_long_sequence_is_cut_into_windows(tmp_path):
    target = targets.tokens(file(tmp_path, "a.npy", npy(np.arange(400) % 7)), 5, fit="windows")
    assert min(target.counts) > 0 and target.vocab_size == 7


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "1,2\n3,x\n", "line 2, column 2 holds 'x', which is no integer of 64 bits; give integers"),
        ("a.csv", "1,2\n3,4.0\n", "line 2, column 2 holds '4.0', which is no integer"),
        ("a.csv", "1,2\n3,1_0\n", "holds '1_0', which is no integer"),
        ("a.csv", f"1,2\n{2**63},4\n", "line 2, column 1 holds '9223372036854775808', which is no integer of 64 bits"),
        ("a.csv", "1,,2\n", "line 1, column 2 holds '', which is no integer"),
        ("a.csv", "", "the file holds no sequence"),
        ("a.json", "[[1]]", "ends in '.json'; use a file .npy, .npz, .csv or .tsv"),
        ("a.npy", npy(np.array([[0.5]])), r"is float64\[1, 1\]; give integers"),
        ("a.npy", npy(np.array(3)), r"is int64\[\]; give integers"),
        ("a.npy", npy(np.array([{}], object)), "is no array of numpy .*allow_pickle.*save one with numpy.save"),
        ("a.npy", b"\x93NUMPY", "is no array of numpy"),
        ("a.npy", npy(None, a=np.arange(3)), "is no array of numpy .it is an npz"),
        ("a.npz", npy(np.arange(3)), "is no array of numpy"),
        ("a.npz", npy(None, a=np.arange(3), b=np.arange(3)), "holds the arrays a, b; name one of them 'tokens'"),
        ("a.npy", npy(np.array([[2**64 - 1]], np.uint64)), "holds 18446744073709551615; use integers below"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",  # an npz holds the time
)
def test_what_is_no_table_of_integers_is_one_line(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message) as error:
        targets.tokens(file(tmp_path, name, content), 2)
    assert "\n" not in str(error.value)
