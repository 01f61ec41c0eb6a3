"""Characters of a text as tokens."""

import numpy as np
import pytest

from jdlm import targets

TEXT = "Ёлка, 木 und\na\U0001f600b. " * 12


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path / "a.txt"


def test_tokens_are_the_characters_in_order(path):
    target = targets.characters(path, 8)
    assert target.symbols == tuple(sorted(set(TEXT))) and target.vocab_size == len(set(TEXT))
    assert "".join(target.symbols[token] for token in target.stream) == TEXT
    assert target.encode("木?a", mask="?").tolist() == [
        target.symbols.index("木"),
        target.vocab_size,
        target.symbols.index("a"),
    ]


def test_windows_are_those_of_a_text_of_as_many_bytes(path, tmp_path):
    (tmp_path / "b.txt").write_bytes(b"a" * len(TEXT))
    one, other = targets.characters(path, 8), targets.text(tmp_path / "b.txt", 8)
    np.testing.assert_array_equal(one.starts, other.starts)
    assert one.counts == other.counts


def test_an_alphabet_orders_the_tokens_and_refuses_others_with_their_place(path):
    alphabet = "".join(sorted(set(TEXT), reverse=True)) + "z"
    target = targets.characters(path, 8, alphabet=alphabet)
    assert target.symbols == tuple(alphabet) and "".join(alphabet[token] for token in target.stream) == TEXT
    with pytest.raises(ValueError, match=r"line 2, column 2 holds '\U0001f600', which is not in the alphabet"):
        targets.characters(path, 8, alphabet=alphabet.replace("\U0001f600", ""))
    with pytest.raises(ValueError, match="is empty or holds a character twice"):
        targets.characters(path, 8, alphabet="aa")
