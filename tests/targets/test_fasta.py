"""FASTA: sequences without headers and line breaks."""

import numpy as np
import pytest

from jdlm import targets

GOOD = ">one first\nACGT\nacgt\n\n>two\r\nAC\r\nGTAC\nGG\n;comment\n>three\nTTTTNNNN\n>none\n>four\nAAAACCCC\n"


def write(tmp_path, text):
    (tmp_path / "a.fa").write_text(text, newline="")
    return tmp_path / "a.fa"


def sequences(target):
    count = len(target.stream) // target.length
    return sorted("".join(target.symbols[t] for t in row) for row in np.reshape(target.stream, (count, -1)))


def test_headers_line_breaks_and_comments_are_no_tokens(tmp_path):
    target = targets.fasta(write(tmp_path, GOOD), 8)
    assert sequences(target) == ["AAAACCCC", "ACGTACGG", "ACGTACGT", "TTTTNNNN"]
    assert target.symbols == ("A", "C", "G", "T", "N") and target.counts == (2, 1, 1)
    assert target.notes == (
        "1 headers without a sequence are left out", "lower-case letters on 1 lines count as upper-case ones",
    )  # fmt: skip
    assert target.decode(target.encode("AC?T", mask="?"), mask="?") == "AC?T"


@pytest.mark.parametrize(
    ("letters", "text", "symbols"),
    [
        ("auto", "ACGT", "ACGT"), ("auto", "ACGU", "ACGU"), ("auto", "MKLV", "KLMV"), ("protein", "ACGT", "ACGT"),
        ("dna", "ACGN-", "ACGN-"), ("auto", "MEEP*", "EMP*"),
    ],
)  # fmt: skip
def test_alphabets(tmp_path, letters, text, symbols):
    path = write(tmp_path, "".join(f">x{i}\n{text[i:] + text[:i]}\n" for i in range(3)))
    assert targets.fasta(path, len(text), letters=letters).symbols == tuple(symbols)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("ACGT\n>a\nACGT\n", {}, "is no FASTA: line 1 comes before a header, which begins with '>'"),
        (">a\nACGT\nAC1T\n", {}, "line 3, column 3 holds '1', no letter of DNA, RNA or proteins; mend the file"),
        (">a\nACGT\nACUT\n", {"letters": "dna"}, "line 3, column 3 holds 'U', no letter of dna"),
        (">a\nACGT\n", {"letters": "dnas"}, "letters='dnas' is unknown; use one of dna, rna, protein, auto"),
        (">a\nACGT\n>b\nACG\n>c\nA\n", {}, "sequence 2 has 3 letters, not length=4"),
        (">a\n>b\n", {}, "the file holds no sequence"),
        ("", {}, "the file holds no sequence"),
    ],
)
def test_what_is_no_fasta_is_one_line(tmp_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        targets.fasta(write(tmp_path, text), 4, **options)


def test_ragged_sequences_are_padded_with_a_token_of_their_own(tmp_path):
    target = targets.fasta(write(tmp_path, ">a\nACGT\n>b\nACG\n>c\nA\n"), 4, fit="pad")
    assert sequences(target) == ["A...", "ACG.", "ACGT"] and target.symbols == ("A", "C", "G", "T", ".")
